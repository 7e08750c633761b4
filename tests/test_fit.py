"""fit and unique_quantize: methods, options and errors. test_kmeans1d.py has the arithmetic."""

import builtins
import math
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from strategies import NATIVE
from test_kmeans1d import brute_force, exact_means

import levelsnap as ls
from levelsnap import Histogram, fit, unique_quantize


@pytest.fixture
def opencv():
    return pytest.importorskip("cv2")


@pytest.fixture(params=["optimal", "lloyd", "opencv"])
def method(request):
    if request.param == "opencv":
        pytest.importorskip("cv2")
    return request.param


def photograph(dtype=np.uint8):
    """A smooth picture with noise and a large flat background."""
    random = np.random.default_rng(11)
    y, x = np.mgrid[:120, :160]
    picture = 128 + 90 * np.sin(x / 25) * np.cos(y / 40) + random.normal(0, 6, x.shape)
    picture[:30] = 20
    return np.clip(picture, 0, 255).astype(dtype)


def cost(image, centers, weights="distinct"):
    return ls.Codebook(centers).inertia(ls.histogram(image), weights)


FINITE = {"allow_nan": False, "allow_infinity": False}
NUMBERS = st.one_of(
    st.integers(-20, 20),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(-50, 50, width=16),
    st.floats(**FINITE),
)
WEIGHTS = st.one_of(
    st.integers(0, 3), st.integers(0, 2**64 - 1), st.floats(0, exclude_min=True, **FINITE)
)


@given(
    st.one_of(*(st.lists(numbers, min_size=1, max_size=7) for numbers in NUMBERS.branches)),
    st.one_of(*(st.lists(weights, min_size=7, max_size=7) for weights in WEIGHTS.branches)),
    st.booleans(),
    st.data(),
)
def test_centers_equal_brute_force(numbers, weights, counted, data):
    values = np.unique(numbers)
    values += values.dtype.type(0)  # -0.0 is 0.0
    weights = np.array(weights[: len(values)])
    weights = weights if weights.dtype.kind == "f" else weights.astype(np.uint64)
    histogram = Histogram(values, weights)
    if counted:
        values, weights = values[weights > 0], weights[weights > 0]
    if not len(values):
        return
    given_weights = weights if counted else None
    k = data.draw(st.integers(1, len(values)))
    means = exact_means(values, given_weights, brute_force(values, given_weights, k))

    def fitted():
        return fit(histogram, k, weights="counts" if counted else "distinct").centers.tolist()

    if len(set(means)) == k:
        assert fitted() == means
    else:
        with pytest.raises(ValueError, match="the same float64"):
            fitted()


def test_levels_of_separate_groups(method):
    image = np.array([[0, 1, 2, 100], [101, 102, 250, 250]], np.uint8)
    codebook = fit(image, 3, method=method, seed=0, eps=0)
    assert codebook.centers.tolist() == [1, 101, 250]
    assert codebook.gap == (0 if method == "optimal" else math.inf)


@pytest.mark.parametrize("dtype", NATIVE, ids=str)
def test_every_dtype(dtype, method):
    image = np.array([[0, 1], [1, 0]]).astype(dtype)
    assert fit(image, 2, method=method).centers.tolist() == [0, 1]
    assert fit(image.astype(dtype.newbyteorder("S")), 1, method=method).centers.tolist() == [0.5]


@pytest.mark.parametrize("image", [7, [7], [[7.0, 7.0], [7.0, 7.0]], np.full((3, 4, 5), 7, "i8")])
def test_constant_image_and_one_pixel(image, method):
    assert fit(image, 1, method=method).centers.tolist() == [7]


def test_k_equal_to_the_number_of_distinct_values(method):
    image = np.array([3.5, 1.25, 3.5, -2])
    assert fit(image, 3, method=method).centers.tolist() == [-2, 1.25, 3.5]


def test_numpy_integer_k():
    assert fit([0, 1, 5], np.int8(2)).k == 2


def test_optimal_is_no_worse_than_the_others():
    image = photograph(np.float32)
    for k in (2, 5, 16):
        best = cost(image, fit(image, k).centers)
        for attempts in (1, 5):
            local = fit(image, k, method="lloyd", attempts=attempts, eps=0, seed=3)
            assert best <= cost(image, local.centers) * (1 + 1e-12)


def test_distinct_values_count_once():
    image = np.array([0] * 1000 + [1, 2, 3])
    assert fit(image, 1).centers.tolist() == [1.5]
    assert fit(image, 1, weights="counts").centers.tolist() == [6 / 1003]


def test_full_eight_bit_range_is_spaced_evenly():
    image = np.arange(256, dtype=np.uint8).repeat(np.arange(256))
    image = np.append(image, np.uint8(0))
    assert fit(image, 4).centers.tolist() == [31.5, 95.5, 159.5, 223.5]


def test_counts_follow_the_picture():
    image = photograph()
    histogram = ls.histogram(image)
    codebook = fit(image, 3, weights="counts")
    assert fit(histogram, 3, weights="counts") == codebook
    best = min(
        sum(_spread(histogram, *group) for group in pairwise((0, i, j, len(histogram))))
        for i in range(1, len(histogram) - 1)
        for j in range(i + 1, len(histogram))
    )
    assert math.isclose(codebook.inertia(histogram, "counts"), best, rel_tol=1e-9)


def between_variance(histogram, tops):
    """Between-class variance times the number of pixels, less a constant, exactly."""
    edges = np.searchsorted(histogram.values, tops, side="right")
    x = [Fraction(value) for value in histogram.values.tolist()]
    total = Fraction(0)
    for start, stop in pairwise((0, *edges.tolist(), len(x))):
        counts = histogram.counts[start:stop].tolist()
        first = sum(map(Fraction.__mul__, x[start:stop], map(Fraction, counts)), Fraction(0))
        total += first**2 / sum(counts)
    return total


def tops_of_classes(histogram, classes):
    """The highest value of each class but the last."""
    labels = fit(histogram, classes, weights="counts").labels(histogram.values)
    return histogram.values[np.flatnonzero(np.diff(labels))].tolist()


@pytest.mark.parametrize(
    "name", ["camera", "cell", "clock", "coins", "gravel", "moon", "page", "text"]
)
def test_counts_are_multi_otsu(name):
    """Where the classes differ, ours have the larger variance; in most cases they do not."""
    filters = pytest.importorskip("skimage.filters")
    data = pytest.importorskip("skimage.data")
    image = getattr(data, name)()
    equal = 0
    for classes in (2, 3, 4, 5):
        if classes == 4:
            image = image >> 2  # scikit-image tries every partition
        histogram = ls.histogram(image)
        ours = tops_of_classes(histogram, classes)
        theirs = filters.threshold_multiotsu(image, classes).tolist()
        if ours == theirs:
            equal += 1
        else:
            assert between_variance(histogram, ours) > between_variance(histogram, theirs)
    assert equal >= 2


@pytest.mark.filterwarnings("ignore:Numba not installed")
@pytest.mark.parametrize("decimals", [2, 0, -1])
def test_counts_are_natural_breaks(decimals):
    mapclassify = pytest.importorskip("mapclassify")
    values = mapclassify.load_example().to_numpy().round(decimals)
    histogram = ls.histogram(values)
    for k in range(2, 8):
        ours = tops_of_classes(histogram, k)
        theirs = mapclassify.FisherJenks(values, k).bins[:-1].tolist()
        if ours != theirs:
            assert between_variance(histogram, ours) > between_variance(histogram, theirs)


def _spread(histogram, start, stop, known={}):  # noqa: B006
    if (start, stop) not in known:
        x, w = histogram.values[start:stop].astype(float), histogram.counts[start:stop]
        known[start, stop] = (w * (x - (w @ x) / w.sum()) ** 2).sum()
    return known[start, stop]


def test_histogram_and_image_give_the_same_levels(method):
    image = photograph(np.uint16)
    tiles = [ls.histogram(tile) for tile in np.array_split(image, 7)]
    merged = Histogram.merge(*tiles)
    assert fit(merged, 6, method=method, seed=1) == fit(image, 6, method=method, seed=1)


def test_float_weights():
    histogram = Histogram([0.0, 1.0, 2.0], [0.25, 0.75, 0.0])
    assert fit(histogram, 1, weights="counts").centers.tolist() == [0.75]
    assert fit(histogram, 1).centers.tolist() == [1.0]


def test_values_that_never_occur_are_left_out_of_counts():
    histogram = Histogram([0, 1, 50, 100], [1, 1, 0, 1])
    assert fit(histogram, 3, weights="counts").centers.tolist() == [0, 1, 100]
    with pytest.raises(ValueError, match="k = 4 is more than the 3 distinct values"):
        fit(histogram, 4, weights="counts")
    assert fit(histogram, 4).centers.tolist() == [0, 1, 50, 100]


def test_nan_is_skipped():
    image = np.array([np.nan, 1, 2, np.nan, 9], np.float32)
    for weights in ("distinct", "counts"):
        for name in ("optimal", "lloyd"):
            assert fit(image, 2, method=name, weights=weights).centers.tolist() == [1.5, 9]


def test_where_and_mask_skip(method):
    image = np.array([[1.0, 2.0, 9.0], [np.nan, np.inf, 500.0]])
    where = np.array([[True], [False]])
    assert fit(image, 2, method=method, where=where).centers.tolist() == [1.5, 9]
    masked = np.ma.MaskedArray(image, [[0, 0, 0], [1, 1, 1]])
    assert fit(masked, 2, method=method).centers.tolist() == [1.5, 9]
    both = fit(masked, 1, method=method, where=[True, True, False])
    assert both.centers.tolist() == [1.5]


@pytest.mark.parametrize(
    ("image", "k", "expected"),
    [
        (np.array([10**9 + i for i in range(5)]), 5, [10**9 + i for i in range(5)]),
        (np.float64(1e9) + np.array([0, 1, 5, 6]), 2, [1e9 + 0.5, 1e9 + 5.5]),
        (np.float32([-3.4e38, 0, 1, 3000, 3001]), 3, [float(np.float32(-3.4e38)), 0.5, 3000.5]),
        (np.array([-1e9, -1e9 + 1, 1e9, 1e9 + 1]), 2, [-1e9 + 0.5, 1e9 + 0.5]),
        (np.uint64([0, 2, 2**64 - 2049, 2**64 - 2047]), 2, [1, 2.0**64 - 2048]),
        (np.array([-1.5e308, -1.6e308, 1.6e308]), 2, [-1.55e308, 1.6e308]),
    ],
)
def test_badly_scaled_values(image, k, expected):
    assert fit(image, k).centers.tolist() == expected


@pytest.mark.parametrize("name", ["optimal", "lloyd"])
def test_same_result_whatever_the_layout(name):
    image = photograph(np.int16)
    expected = fit(image, 5, method=name, seed=2)
    for other in (image.T, image[::-1], image.astype(">i2"), np.asfortranarray(image)):
        assert fit(other, 5, method=name, seed=2) == expected


def test_approximate_changes_nothing_for_few_values():
    image = photograph()
    codebook = fit(image, 5, approximate=True)
    assert codebook == fit(image, 5)
    assert codebook.gap == 0


def test_more_values_than_max_distinct():
    image = photograph(np.float32)
    with pytest.raises(ValueError, match=r"max_distinct = 100; approximate=True"):
        fit(image, 5, max_distinct=100)
    assert fit(image, 5, max_distinct=100, approximate=True) == fit(image, 5)
    assert fit(image, 5, max_distinct=100, method="lloyd").k == 5


def test_approximate_on_a_grid():
    """More values than the grid has cells: a gap, and it holds."""
    image = np.random.default_rng(3).normal(size=1_200_000)
    codebook = fit(image, 2, max_distinct=1000, approximate=True)
    assert 0 < codebook.gap < 1e-3
    best = fit(image, 2)
    assert best.inertia(image) <= codebook.inertia(image) * (1 + 1e-12)
    assert codebook.inertia(image) <= best.inertia(image) * (1 + codebook.gap)


def test_seed_makes_lloyd_repeatable():
    image = np.exp(np.random.default_rng(0).normal(size=3000) * 3)
    first = fit(image, 12, method="lloyd", seed=5, attempts=4)
    assert fit(image, 12, method="lloyd", seed=5, attempts=4) == first
    more = fit(image, 12, method="lloyd", seed=5, attempts=30)
    assert cost(image, more.centers) <= cost(image, first.centers)


@pytest.mark.parametrize("name", ["optimal", "lloyd"])
def test_progress(name):
    calls = []
    fit(photograph(np.float32), 4, method=name, progress=lambda *call: calls.append(call))
    done, totals = zip(*calls, strict=True)
    assert list(done) == sorted(done)
    assert done[-1] == totals[0]
    assert set(totals) == {totals[0]}


def test_result_is_usable():
    image = photograph()
    codebook = fit(image, 5)
    assert isinstance(codebook, ls.Codebook)
    assert (codebook.labels(image) == reference.labels(image, codebook.centers)).all()


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_do_not_matter(threads):
    image = photograph(np.uint16)
    assert fit(image, 5, threads=threads) == fit(image, 5)


# Errors.


@pytest.mark.parametrize("k", [4, 10**30])
def test_k_above_the_number_of_distinct_values(k, method):
    with pytest.raises(ValueError, match=rf"k = {k} is more than the 3 distinct values"):
        fit([1, 2, 3, 3, 2], k, method=method)


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one(k):
    with pytest.raises(ValueError, match=f"k must be at least 1, given {k}"):
        fit([1, 2, 3], k)


@pytest.mark.parametrize("k", [True, 2.0, "2", None])
def test_k_that_is_no_integer(k):
    with pytest.raises(TypeError, match="k must be an integer, given"):
        fit([1, 2, 3], k)


@pytest.mark.parametrize("image", [[], np.empty((0, 4)), [np.nan], np.ma.masked_all(3)])
@pytest.mark.parametrize("weights", ["distinct", "counts"])
def test_nothing_to_fit(image, weights):
    with pytest.raises(ValueError, match="nothing to fit"):
        fit(image, 1, weights=weights)


def test_everything_skipped(method):
    with pytest.raises(ValueError, match="nothing to fit"):
        fit([1, 2], 1, where=False, method=method)


def test_infinite_elements(method):
    image = np.array([1, np.inf, 2, -np.inf, np.inf])
    with pytest.raises(ValueError, match="3 infinite elements"):
        fit(image, 1, method=method)
    with pytest.raises(ValueError, match="1 infinite element in"):
        fit(image, 1, method=method, where=[True, False, True, True, False])
    with pytest.raises(ValueError, match="3 infinite elements"):
        fit(ls.histogram(image), 1, method=method)


def test_infinite_elements_by_counts():
    image = np.array([1, np.inf, 2, -np.inf, np.inf], np.float16)
    with pytest.raises(ValueError, match="3 infinite elements"):
        fit(image, 1, weights="counts")
    histogram = Histogram([1.0, np.inf], [2, 0])
    assert fit(histogram, 1, weights="counts").centers.tolist() == [1]


def test_two_means_that_round_to_one_float64():
    with pytest.raises(ValueError, match=r"means of groups 0 .* and 1 .* are the same float64"):
        fit(np.array([2**60, 2**60 + 1, 2**61]), 3)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "best"}, ValueError, '"optimal", "lloyd", "opencv", given \'best\''),
        ({"weights": "pixels"}, ValueError, '"distinct" or "counts", given \'pixels\''),
        ({"threads": 0}, ValueError, "threads must be at least 1, given 0"),
        ({"threads": 1.5}, TypeError, "threads must be an integer"),
        ({"seed": -1}, ValueError, "seed must be at least 0, given -1"),
        ({"seed": 0.5}, TypeError, "seed must be an integer, given 0.5"),
        ({"attempts": 0}, ValueError, "attempts must be at least 1, given 0"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1, given 0"),
        ({"max_distinct": 0}, ValueError, "max_distinct must be at least 1, given 0"),
        ({"eps": -0.1}, ValueError, "eps must be finite and not negative, given -0.1"),
        ({"eps": math.nan}, ValueError, "eps must be finite and not negative, given nan"),
        ({"eps": "small"}, TypeError, "eps must be a number, given 'small'"),
        ({"progress": 1}, TypeError, "progress must be callable or None, given 1"),
        ({"where": [1, 0, 1]}, TypeError, "where must be boolean"),
        ({"where": [True, False]}, ValueError, "does not broadcast"),
        ({"levels": 3}, TypeError, "levels"),
    ],
)
def test_bad_options(options, error, message):
    for data in ([1, 2, 3], Histogram([1, 2, 3], [1, 1, 1])):
        if "where" in options and isinstance(data, Histogram):
            error, message = ValueError, "where applies to an image"
        with pytest.raises(error, match=message):
            fit(data, 2, **options)


@pytest.mark.parametrize("dtype", ["complex128", "O", "M8[s]", "U3"])
def test_refused_dtypes(dtype, method):
    with pytest.raises(TypeError, match=r"accepted are bool"):
        fit(np.zeros(3, dtype), 1, method=method)


# cv2.kmeans.


def test_opencv_takes_distinct_values_without_nan(opencv):
    with pytest.raises(ValueError, match='"opencv" takes weights="distinct" only'):
        fit([1, 2, 3], 2, method="opencv", weights="counts")
    image = np.full((300, 400), 1.0, np.float32)
    image[::100, 7] = np.nan
    with pytest.raises(ValueError, match="3 NaN in the image"):
        fit(image, 1, method="opencv")
    with pytest.raises(ValueError, match="3 NaN in the image"):
        fit(image.T[::-1].astype(">f4"), 1, method="opencv")
    assert fit(image, 1, method="opencv", where=~np.isnan(image)).centers.tolist() == [1]


def test_opencv_counts_float32_values(opencv):
    image = np.array([1, 1 + 1e-12, 2])
    with pytest.raises(ValueError, match="k = 3 is more than the 2 distinct values as float32"):
        fit(image, 3, method="opencv")
    with pytest.raises(ValueError, match="beyond the range of float32"):
        fit([1.0, 1e39], 1, method="opencv")


def test_opencv_seed(opencv):
    image = photograph(np.float32)
    options = {"method": "opencv", "attempts": 1, "seed": 3}
    assert fit(image, 9, **options) == fit(image, 9, **options)
    with pytest.raises(ValueError, match="seed must be below"):
        fit(image, 9, method="opencv", seed=2**31)


def test_equal_centers_of_opencv_are_merged(opencv, monkeypatch):
    def kmeans(data, k, *_):
        return 0.0, None, np.array([[3], [1], [3]], np.float32)

    monkeypatch.setattr(opencv, "kmeans", kmeans)
    with pytest.warns(RuntimeWarning, match="2 different centers for k = 3"):
        codebook = fit([1, 2, 3, 4], 3, method="opencv")
    assert codebook.centers.tolist() == [1, 3]


def test_without_opencv(monkeypatch):
    real = builtins.__import__

    def no_cv2(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError("No module named 'cv2'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_cv2)
    with pytest.raises(ImportError, match=r"pip install 'levelsnap\[opencv\]'"):
        fit([1, 2], 1, method="opencv")
    with pytest.raises(ImportError, match=r"pip install 'levelsnap\[opencv\]'"):
        unique_quantize(np.array([1, 2]), 1)


@pytest.mark.parametrize("shape", [(), (48,), (6, 8), (2, 4, 6), (0,)])
def test_unique_quantize_shapes(opencv, shape):
    arr = np.arange(math.prod(shape), dtype=np.int16).reshape(shape)
    if not arr.size:
        with pytest.raises(ValueError, match="nothing to fit"):
            unique_quantize(arr, 1)
        return
    centers, labels, image = unique_quantize(arr, min(4, arr.size))
    assert centers.dtype == image.dtype == np.float64
    assert labels.dtype == np.int64
    assert labels.shape == image.shape == shape
    assert (np.diff(centers) > 0).all()
    assert centers.flags.writeable
    assert (image == centers[labels]).all()


@pytest.mark.parametrize("dtype", NATIVE, ids=str)
@pytest.mark.parametrize("name", ["grace_hopper", "jacksboro_dem"])
def test_unique_quantize_equals_the_loop_over_pixels(opencv, name, dtype):
    """The original's argmin((pixel - center)**2), but where two distances are equal."""
    file = Path(__file__).parents[1] / "examples" / f"{name}.png"
    arr = in_range(opencv.imread(str(file), opencv.IMREAD_UNCHANGED)[::9, ::9], dtype)
    centers, labels, image = unique_quantize(arr, 2 if dtype.kind == "b" else 8, 1e-3, 50, 5)
    for pixel, label, value in zip(arr.flat, labels.flat, image.flat, strict=True):
        squares = (float(pixel) - centers) ** 2
        assert squares[label] == squares.min()
        assert label == squares.argmin() or np.count_nonzero(squares == squares.min()) > 1
        assert value == centers[label]


def in_range(image, dtype):
    """A picture in another dtype, scaled where its range is too small."""
    if dtype.kind == "b":
        return image > image.mean()
    if dtype.itemsize == 1:
        return (image / image.max() * np.iinfo(dtype).max).astype(dtype)
    return image.astype(dtype)


def test_unique_quantize_refuses_what_fit_refuses(opencv):
    with pytest.raises(ValueError, match="k = 4 is more than the 3 distinct values"):
        unique_quantize(np.array([1, 2, 3]), 4)
    with pytest.raises(ValueError, match="1 NaN in the image"):
        unique_quantize(np.array([1, np.nan]), 1)
