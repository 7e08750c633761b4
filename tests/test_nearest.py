"""labels, snap and labels_and_snap against the exact oracle: values, dtype and memory order."""

import os
import re
import tracemalloc

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import (
    CENTERS,
    DTYPES,
    FLOATS,
    INTEGERS,
    NATIVE,
    beside,
    cases,
    misaligned,
    picture,
    values,
    with_nan,
)

import levelsnap as ls
from levelsnap import nearest

CALLS = {
    "labels": ls.labels,
    "snap": ls.snap,
    "labels_and_snap": ls.labels_and_snap,
    "Codebook.labels": lambda image, centers, **options: ls.Codebook(centers).labels(
        image, **options
    ),
    "Codebook.snap": lambda image, centers, **options: ls.Codebook(centers).snap(image, **options),
    "Codebook.labels_and_snap": lambda image, centers, **options: ls.Codebook(
        centers
    ).labels_and_snap(image, **options),
}

LEVELS = CENTERS["around uint8"]
SIZES = [1, 2, 15, 16, 17, 1023, 1024, 1025, 65_535, 65_536, 65_537, 262_147]


@pytest.fixture(params=CALLS)
def call(request):
    """Each function and each method of Codebook."""
    return CALLS[request.param]


def label_dtype(centers):
    return np.min_scalar_type(len(centers) - 1)


def strides(array):
    """The strides that matter: those of axes longer than one."""
    return [s for s, n in zip(array.strides, array.shape, strict=True) if n > 1 and array.size]


def assert_result(result, expected, dtype, image):
    """Right values, dtype and memory order; a NumPy scalar for 0-d."""
    image = np.asarray(image)
    if image.ndim == 0:
        assert type(result) is np.dtype(dtype).type
    else:
        assert type(result) is np.ndarray
        assert result.dtype == dtype
        assert strides(result) == strides(np.empty_like(image, dtype, subok=False))
    assert_array_equal(result, expected, strict=image.ndim > 0)


def check(image, centers, **options):
    """All three functions give what the oracle gives, and leave their input alone."""
    array = np.asarray(image)
    before, given_centers = array.tobytes(), list(centers)
    labels = reference.labels(array, centers).astype(label_dtype(centers))
    snapped = reference.decode(labels, centers, array.dtype)
    assert_result(ls.labels(image, centers, **options), labels, labels.dtype, array)
    assert_result(ls.snap(image, centers, **options), snapped, array.dtype, array)
    both = ls.labels_and_snap(image, centers, **options)
    assert type(both) is tuple
    assert_result(both[0], labels, labels.dtype, array)
    assert_result(both[1], snapped, array.dtype, array)
    assert array.tobytes() == before
    assert list(centers) == given_centers


# The label and the snapped value


def test_oracle_agrees_with_all_distances():
    for dtype in NATIVE:
        for centers in CENTERS.values():
            exact = [reference.Fraction(float(c)) for c in sorted(centers)]
            for x in beside(centers, dtype)[::11]:
                if np.isfinite(x):
                    distances = [abs(reference.Fraction(x.item()) - c) for c in exact]
                    nearest = distances.index(min(distances))
                    assert reference.label(x, sorted(map(float, centers))) == nearest


def test_awkward_centers(dtype, centers):
    check(np.concatenate([values(dtype), beside(centers, dtype)]).astype(dtype), centers)


def test_awkward_images(image):
    check(image, LEVELS)


@given(cases())
def test_any_image(case):
    check(*case)


@pytest.mark.parametrize("layout", [np.asarray, lambda image: image[::-1], misaligned])
@pytest.mark.parametrize("dtype", ["u1", ">i2", "u2", "i4", "i8", "f2", "f4", ">f8"])
@pytest.mark.parametrize("size", SIZES)
def test_any_size(size, dtype, layout):
    check(layout(picture(dtype, size, LEVELS)), LEVELS)


@pytest.mark.parametrize("dtype", ["u1", ">i2", "f2", "f4", "f8"])
def test_millions_of_elements(dtype):
    few = picture(dtype, 1000, LEVELS)
    labels = reference.labels(few, LEVELS)
    snapped = reference.decode(labels, LEVELS, dtype)
    index = np.random.default_rng(0).integers(0, 1000, (2, 2_150_003))
    image = few[index]
    both = ls.labels_and_snap(image, LEVELS)
    assert (both[0] == labels[index]).all()
    assert (both[1] == snapped[index]).all()
    assert (ls.labels(image[:, ::-1], LEVELS, threads=2) == both[0][:, ::-1]).all()
    assert (ls.snap(image.T, LEVELS, threads=3) == both[1].T).all()


def test_any_byte_but_0_is_true():
    image = np.arange(256, dtype="u1").view(bool)
    for many in (image, np.tile(image, 5), np.tile(image, 5)[::-3]):
        for centers in ([0, 1], [-1, 0.25, 0.75, 9], [0.6, 0.7]):
            expected = reference.labels(many != 0, centers)
            assert_array_equal(ls.labels(many, centers), expected)
            snapped = reference.decode(expected, centers, "f4")
            assert_array_equal(ls.snap(many, centers, dtype="f4"), snapped)
            both = ls.labels_and_snap(many, centers, where=many)
            assert_array_equal(both[0], np.where(many, expected, 0))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "u8", "f2", "f4", "f8"])
@pytest.mark.parametrize(
    "k",
    [1, 2, 3, 4, 16, 17, 64, 65, 128, 129, 255, 256, 257, 1000, 65_535, 65_536, 65_537, 2**20],
)
def test_any_number_of_centers(k, dtype):
    steps = np.random.default_rng(k).integers(1, 4, k)
    centers = (np.cumsum(steps) - steps.sum() / 3) * (300.0 / k)
    low, high = (0, 60_000) if k > 1000 and dtype not in ("u1", "f2") else (0, 250)
    image = np.random.default_rng(0).integers(low, high, 3000) * 1.37
    check(np.concatenate([image % 250, centers[:: max(k // 500, 1)] % 250]).astype(dtype), centers)


def test_a_tie_goes_to_the_lower_center(dtype):
    assert ls.labels(np.array([0, 1, 1], dtype), [0, 2]).tolist() == [0, 0, 0]
    assert ls.labels(np.array([1, 1, 0], dtype), [-3, 0, 1, 2]).tolist() == [2, 2, 1]


def test_infinities_get_the_outermost_labels():
    for dtype in FLOATS:
        image = np.array([-np.inf, np.inf], dtype)
        for centers in CENTERS.values():
            assert ls.labels(image, centers).tolist() == [0, len(centers) - 1]


def test_labels_count_the_thresholds_below(dtype, centers):
    thresholds = ls.thresholds(centers, dtype)
    image = picture(dtype, 500, centers)
    below = [sum(t < x for t in thresholds.tolist()) for x in image.tolist()]
    left_out = len(centers) - 1 - len(thresholds)
    assert_array_equal(ls.labels(image, centers), np.add(below, left_out))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("source", NATIVE, ids=str)
def test_snapped_dtype(source, dtype):
    names = [n for n in CENTERS if n.startswith(("around", "beyond", "halves", "int64", "uint64"))]
    for centers in map(CENTERS.get, names):
        image = picture(source, 30, centers)
        labels = reference.labels(image, centers).astype(label_dtype(centers))
        snapped = reference.decode(labels, centers, dtype)
        assert_result(ls.snap(image, centers, dtype=dtype), snapped, dtype, image)
        both = ls.labels_and_snap(image, centers, dtype=(None, dtype))
        assert_result(both[0], labels, labels.dtype, image)
        assert_result(both[1], snapped, dtype, image)


@pytest.mark.parametrize(
    ("center", "dtype", "expected"),
    [
        (0.5, "u1", 0),
        (1.5, "u1", 2),
        (2.5, "u1", 2),
        (-0.5, "i1", 0),
        (-1.5, "i1", -2),
        (254.5, "u1", 254),
        (255.5, "u1", 255),
        (-7.0, "u1", 0),
        (1e30, "i8", 2**63 - 1),
        (-1e30, "i8", -(2**63)),
        (1e30, "u8", 2**64 - 1),
        (2.0**63, "i8", 2**63 - 1),
        (0.5, "?", False),
        (0.51, "?", True),
        (1e6, "?", True),
        (-1e6, "?", False),
        (65_519.0, "f2", 65_504),
        (65_520.0, "f2", np.inf),
        (-1e300, "f4", -np.inf),
    ],
)
def test_rounding_of_a_center(center, dtype, expected):
    snapped = ls.snap(np.zeros(3), [center], dtype=dtype)
    assert snapped.tolist() == [expected] * 3
    assert ls.snap(np.zeros(3, dtype), [center]).tolist() == [expected] * 3


@given(cases([d for d in DTYPES if d.kind != "f"]))
def test_integers_snapped_twice_are_snapped_once(case):
    image, centers = case
    once = ls.snap(image, centers)
    assert_array_equal(ls.snap(once, centers), once)


@given(cases([np.dtype(d) for d in ("f4", ">f4", "f8")], st.floats(-(2.0**99), 2.0**99, width=32)))
def test_exact_centers_snapped_twice_are_snapped_once(case):
    image, centers = case
    once = ls.snap(image, centers)
    assert_array_equal(ls.snap(once, centers), once)


@given(cases(), st.sampled_from(DTYPES))
def test_decoded_labels_are_the_snapped_image(case, dtype):
    image, centers = case
    book = ls.Codebook(centers)
    assert_array_equal(book.decode(book.labels(image), dtype), book.snap(image, dtype=dtype))
    assert_array_equal(book.decode(book.labels(image)), book.snap(image, dtype="f8"))


@given(cases(), st.data())
def test_tiles_transposes_and_byte_orders_change_nothing(case, data):
    image, centers = case
    labels, snapped = ls.labels_and_snap(image, centers)
    axes = data.draw(st.permutations(range(image.ndim)))
    moved = ls.labels_and_snap(image.transpose(axes), centers)
    assert_array_equal(moved[0], np.transpose(labels, axes))
    assert_array_equal(moved[1], np.transpose(snapped, axes))
    swapped = image.astype(image.dtype.newbyteorder("S"))
    assert_array_equal(ls.labels(swapped, centers), labels)
    assert_array_equal(ls.snap(swapped, centers), snapped)
    if image.ndim:
        cut = data.draw(st.integers(0, len(image)))
        tiles = [ls.labels(tile, centers) for tile in (image[:cut], image[cut:])]
        assert_array_equal(np.concatenate(tiles), labels)


@pytest.mark.slow
def test_more_than_2_to_the_31_elements():
    if not hasattr(os, "sysconf") or "SC_AVPHYS_PAGES" not in os.sysconf_names:
        pytest.skip("the available memory is not known here")
    if os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < 5e9:
        pytest.skip("needs 5 GB of memory")
    row = np.random.default_rng(0).integers(0, 256, 2**15 + 3, np.uint8)
    image = np.broadcast_to(row, (2**16 + 1, row.size))
    assert image.size > 2**31
    labels = ls.labels(image, LEVELS)
    expected = reference.labels(row, LEVELS).astype(np.uint8)
    assert labels.shape == image.shape
    assert all((labels[i : i + 1024] == expected).all() for i in range(0, len(labels), 1024))


# Arguments


def test_centers_are_taken_in_any_form():
    image = picture("f4", 100, LEVELS)
    expected = ls.labels(image, sorted(map(float, LEVELS)))
    for centers in (
        LEVELS,
        tuple(LEVELS),
        np.array(LEVELS),
        np.array(LEVELS, ">f8")[::-1],
        np.array(LEVELS, "f4"),
        ls.Codebook(LEVELS),
    ):
        assert_array_equal(ls.labels(image, centers), expected)
    assert_array_equal(ls.labels(image, range(5)), ls.labels(image, [4.0, 3.0, 2.0, 1.0, 0.0]))


def test_integer_centers_are_rounded_to_float64():
    assert ls.labels(np.array([2**53 + 1]), [2**53 + 1, 2**53 + 2]).tolist() == [0]
    with pytest.raises(ValueError, match="9007199254740992"):
        ls.labels(np.zeros(3), [2**53, 2**53 + 1])


@pytest.mark.parametrize(
    ("centers", "what"),
    [
        ([], "."),
        ([0.0, np.nan], "(?i)nan"),
        ([0.0, np.inf], "inf"),
        ([-np.inf], "-inf"),
        ([3, 7.25, 7.25], r"7\.25"),
        ([-0.0, 0.0], "0"),
        ([[1.0, 2.0]], r"\(1, 2\)|2-D|2 dim"),
        (5.0, "."),
        (["a", "b"], "."),
        ("12", "."),
        ([1 + 1j], "complex"),
        ([None], "."),
        (None, "."),
        ([10**400], "."),
    ],
)
def test_bad_centers(call, centers, what):
    with pytest.raises((TypeError, ValueError), match=what):
        call(np.zeros(3), centers)


def test_a_dtype_that_is_not_accepted(call, refused_dtype):
    dtype, name = refused_dtype
    with pytest.raises(TypeError, match=name):
        call(np.zeros(3, dtype), [0, 1])
    with pytest.raises(TypeError, match=name):
        call(np.zeros((), dtype), [0, 1])


def test_a_snapped_dtype_that_is_not_accepted(refused_dtype):
    dtype, name = refused_dtype
    with pytest.raises(TypeError, match=name):
        ls.snap(np.zeros(3), [0, 1], dtype=dtype)
    with pytest.raises(TypeError, match=name):
        ls.snap(np.zeros(3), [0, 1], out=np.zeros(3, dtype))
    with pytest.raises(TypeError, match=name):
        ls.labels_and_snap(np.zeros(3), [0, 1], dtype=(None, dtype))


def test_unknown_options(call):
    with pytest.raises(TypeError, match="order"):
        call(np.zeros(3), [0, 1], order="C")


@pytest.mark.parametrize("function", [ls.labels, ls.snap, ls.labels_and_snap])
def test_options_are_keywords(function):
    with pytest.raises(TypeError):
        function(np.zeros(3), [0, 1], None)


# dtype


def test_labels_dtype(image):
    expected = reference.labels(image, LEVELS)
    for dtype in (*INTEGERS, ">u2", ">i4", ">u8"):
        assert_result(ls.labels(image, LEVELS, dtype=dtype), expected.astype(dtype), dtype, image)


@pytest.mark.parametrize("function", ["dtype", "out"])
@pytest.mark.parametrize(
    ("k", "dtype", "fits"),
    [
        (128, "i1", True),
        (129, "i1", False),
        (256, "u1", True),
        (257, "u1", False),
        (257, "i2", True),
        (32_768, "i2", True),
        (32_769, ">i2", False),
        (65_536, "u2", True),
        (65_537, "u2", False),
        (65_537, "i8", True),
        (2, "?", False),
        (2, "f4", False),
        (2, "c16", False),
        (2, "O", False),
    ],
)
def test_labels_dtype_must_hold_the_last_label(k, dtype, fits, function):
    image = np.array([-1.0, k])
    option = {function: dtype if function == "dtype" else np.empty(2, dtype)}
    pair = {function: (option[function], None)}
    if fits:
        assert ls.labels(image, range(k), **option).tolist() == [0, k - 1]
        assert ls.labels_and_snap(image, range(k), **pair)[0].tolist() == [0, k - 1]
        return
    name = np.dtype(dtype).name
    with pytest.raises((TypeError, ValueError), match=name):
        ls.labels(image, range(k), **option)
    with pytest.raises((TypeError, ValueError), match=name):
        ls.labels_and_snap(image, range(k), **pair)


def test_both_dtypes():
    image = picture("f4", (5, 6), LEVELS)
    labels, snapped = ls.labels_and_snap(image, LEVELS, dtype=(">u2", "i1"))
    assert_result(labels, reference.labels(image, LEVELS).astype(">u2"), ">u2", image)
    assert_result(snapped, reference.snapped(image, LEVELS, "i1"), "i1", image)
    for bad in ("u1", ("u1",), ("u1", "u1", "u1")):
        with pytest.raises((TypeError, ValueError), match="dtype"):
            ls.labels_and_snap(image, LEVELS, dtype=bad)


# out

OUTS = {
    "C": lambda shape, dtype: np.empty(shape, dtype),
    "F": lambda shape, dtype: np.empty(shape, dtype, "F"),
    "swapped": lambda shape, dtype: np.empty(shape, np.dtype(dtype).newbyteorder("S")),
    "backwards": lambda shape, dtype: np.empty(shape, dtype)[::-1, :, ::-1],
    "every second": lambda shape, dtype: np.empty((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2],
    "misaligned": lambda shape, dtype: misaligned(np.empty(shape, dtype)),
    "subclass": lambda shape, dtype: np.empty(shape, dtype).view(np.recarray),
}


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8"])
@pytest.mark.parametrize("layout", OUTS)
def test_labels_out(layout, dtype):
    for source in ("u1", ">u2", "f2", "f4", ">f8"):
        image = picture(source, centers=LEVELS).transpose(2, 0, 1)
        out = OUTS[layout](image.shape, dtype)
        assert ls.labels(image, LEVELS, out=out) is out
        assert_array_equal(out, reference.labels(image, LEVELS))
        out.fill(77)
        both = ls.labels_and_snap(image, LEVELS, out=(out, None))
        assert both[0] is out
        assert_array_equal(out, reference.labels(image, LEVELS))
        assert_result(both[1], reference.snapped(image, LEVELS, source), source, image)


@pytest.mark.parametrize("layout", OUTS)
def test_snap_out(layout, dtype):
    for source in ("?", "u1", ">u2", "i8", "f2", "f4", ">f8"):
        image = picture(source, centers=LEVELS).transpose(2, 0, 1)
        out = OUTS[layout](image.shape, dtype)
        expected = reference.snapped(image, LEVELS, dtype)
        assert ls.snap(image, LEVELS, out=out) is out
        assert_array_equal(out, expected)
        out.fill(0)
        both = ls.labels_and_snap(image, LEVELS, out=(None, out))
        assert both[1] is out
        assert_array_equal(out, expected)
        assert_result(both[0], reference.labels(image, LEVELS).astype("u1"), "u1", image)


def test_out_of_0_d_is_returned_itself():
    labels, snapped = np.array(0, "i4"), np.array(0.0)
    assert ls.labels(201, LEVELS, out=labels) is labels
    assert ls.snap(201, LEVELS, out=snapped) is snapped
    assert (labels, snapped) == (5, 200)
    both = ls.labels_and_snap(-400, LEVELS, out=(labels, snapped))
    assert both[0] is labels
    assert both[1] is snapped
    assert (labels, snapped) == (0, -300)


@pytest.mark.parametrize("shape", [(0,), (3, 0, 2)])
def test_empty_out(shape):
    out = np.empty(shape, "i2")
    assert ls.labels(np.empty(shape), LEVELS, out=out) is out


@pytest.mark.parametrize(
    ("out", "what"),
    [
        (np.empty((2, 3), "u1"), r"\(2, 3\)"),
        (np.empty((12,), "u1"), r"\(12,\)"),
        (np.empty((1, 3, 4), "u1"), r"\(1, 3, 4\)"),
        (np.empty((4, 3), "u1"), r"\(4, 3\)"),
        (np.broadcast_to(np.zeros((), "u1"), (3, 4)), "read-only|writ"),
        (np.frombuffer(bytes(12), "u1").reshape(3, 4), "read-only|writ"),
        (np.lib.stride_tricks.as_strided(np.zeros(4, "u1"), (3, 4), (0, 1)), "overlap"),
        ([[0] * 4] * 3, "list"),
        (bytearray(12), "bytearray"),
        ("u1", "str"),
    ],
)
def test_bad_out(out, what):
    image = np.zeros((3, 4))
    good = np.zeros((3, 4), "u1")
    with pytest.raises((TypeError, ValueError), match=what):
        ls.labels(image, [0, 1], out=out)
    with pytest.raises((TypeError, ValueError), match=what):
        ls.snap(image, [0, 1], out=out)
    for pair in ((out, None), (None, out), (good, out), (out, good)):
        with pytest.raises((TypeError, ValueError), match=what):
            ls.labels_and_snap(image, [0, 1], out=pair)


def test_out_of_labels_and_snap_is_a_pair():
    out = np.zeros(3, "u1")
    for bad in (out, (out,), (out, None, None)):
        with pytest.raises((TypeError, ValueError), match="out"):
            ls.labels_and_snap(np.zeros(3), [0, 1], out=bad)


@pytest.mark.parametrize("size", [50, 70_003])
def test_in_place(dtype, size):
    image = picture(dtype, size, LEVELS)
    labels = reference.labels(image, LEVELS)
    snapped = reference.decode(labels, LEVELS, dtype)
    for view in (slice(None), slice(None, None, -1), slice(1, None, 3)):
        one = image.copy()[view]
        assert ls.snap(one, LEVELS, out=one, threads=3) is one
        assert_array_equal(one, snapped[view])
        one = image.copy()[view]
        both = ls.labels_and_snap(one, LEVELS, out=(None, one), threads=3)
        assert_array_equal(both[0], labels[view])
        assert_array_equal(one, snapped[view])
        if dtype.kind in "iu":
            one = image.copy()[view]
            assert ls.labels(one, LEVELS, out=one, threads=3) is one
            assert_array_equal(one, labels[view])
            one = image.copy()[view]
            both = ls.labels_and_snap(one, LEVELS, out=(one, None), threads=3)
            assert_array_equal(one, labels[view])
            assert_array_equal(both[1], snapped[view])


@pytest.mark.parametrize("size", [50, 70_003])
@pytest.mark.parametrize("shift", [-800, -9, -8, -4, -1, 1, 3, 4, 8, 16, 800])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("u1", "u1"),
        ("u1", "i8"),
        ("u2", "u2"),
        ("f4", "u1"),
        ("f4", "f4"),
        ("f4", ">i4"),
        ("f8", "u2"),
        (">f8", "f8"),
    ],
)
def test_out_that_overlaps_the_image_partly(source, target, shift, size):
    memory = np.zeros(8 * size + 800, "u1")
    original = picture(source, size, LEVELS)
    image = np.ndarray(size, source, memory, max(-shift, 0))
    out = np.ndarray(size, target, memory, max(shift, 0))
    labels = reference.labels(original, LEVELS)
    snapped = reference.decode(labels, LEVELS, target)
    image[:] = original
    assert ls.snap(image, LEVELS, out=out, threads=3) is out
    assert_array_equal(out, snapped)
    image[:] = original
    both = ls.labels_and_snap(image, LEVELS, out=(None, out), threads=3)
    assert_array_equal(out, snapped)
    assert_array_equal(both[0], labels)
    if out.dtype.kind in "iu":
        image[:] = original
        ls.labels(image, LEVELS, out=out, threads=3)
        assert_array_equal(out, labels)
        image[:] = original
        both = ls.labels_and_snap(image, LEVELS, out=(out, None), threads=3)
        assert_array_equal(out, labels)
        assert_array_equal(both[1], reference.decode(labels, LEVELS, source))


@pytest.mark.parametrize("size", [5, 40, 300_007])
@pytest.mark.parametrize(
    ("source", "target"), [("f2", "i2"), ("f4", "i4"), (">f4", ">u4"), ("f8", "i8")]
)
def test_labels_in_the_memory_of_floats(source, target, size):
    original = with_nan(picture(source, size, LEVELS), 0, size // 2, -1)
    labels = reference.labels(original, LEVELS)
    labels[np.isnan(original)] = 77
    snapped = reference.decode(reference.labels(original, LEVELS), LEVELS, source)
    snapped[np.isnan(original)] = np.nan
    image = original.copy()
    out = image.view(target)
    assert ls.labels(image, LEVELS, out=out, nan=77) is out
    assert_array_equal(out, labels)
    image[:] = original
    both = ls.labels_and_snap(image, LEVELS, out=(out, None), nan=77)
    assert_array_equal(out, labels)
    assert_array_equal(both[1], snapped)


@pytest.mark.parametrize("side", [6, 601])
@pytest.mark.parametrize(
    "view",
    [
        lambda image: image.T,
        lambda image: image[::-1],
        lambda image: image[:, ::-1],
        lambda image: image.T[::-1, ::-1],
    ],
)
def test_out_that_is_the_image_in_another_order(view, side):
    for dtype in ("u1", "i4", "f4"):
        image = picture(dtype, (side, side), LEVELS)
        expected = reference.snapped(image, LEVELS, dtype)
        ls.snap(image, LEVELS, out=view(image))
        assert_array_equal(view(image), expected)


def test_image_that_repeats_a_part_of_out():
    out = picture("f4", (700, 500), LEVELS)
    image = np.broadcast_to(out[350], out.shape)
    expected = reference.snapped(image, LEVELS, "f4")
    ls.snap(image, LEVELS, out=out)
    assert_array_equal(out, expected)


def test_outs_that_interleave_do_not_overlap():
    memory = np.zeros((300_000, 2), "u4")
    image = memory[:, 0]
    image[:] = picture("u4", 300_000, LEVELS)
    labels, snapped = reference.labels(image, LEVELS), reference.snapped(image, LEVELS, "u4")
    ls.snap(image, LEVELS, out=memory[:, 1])
    assert_array_equal(memory[:, 1], snapped)
    other = image.copy()
    both = ls.labels_and_snap(other, LEVELS, out=(memory[:, 0], memory[:, 1]))
    assert_array_equal(both[0], labels)
    assert_array_equal(both[1], snapped)


def test_outs_that_overlap_each_other():
    memory = np.zeros(13, "u1")
    for first, second in ((0, 0), (0, 3), (4, 0), (8, 4)):
        outs = np.ndarray(5, "u1", memory, first), np.ndarray(5, "u1", memory, second)
        with pytest.raises(ValueError, match="overlap"):
            ls.labels_and_snap(np.zeros(5), [0, 1], out=outs)
    image = np.zeros(5, "u1")
    with pytest.raises(ValueError, match="overlap"):
        ls.labels_and_snap(image, [0, 1], out=(image, image))


# where

WHERES = {
    "same shape": lambda shape, rng: rng.random(shape) < 0.5,
    "F": lambda shape, rng: np.asfortranarray(rng.random(shape) < 0.5),
    "row": lambda shape, rng: rng.random(shape[-1]) < 0.5,
    "column": lambda shape, rng: rng.random((shape[-2], 1)) < 0.5,
    "strided": lambda shape, rng: (rng.random((*shape[:-1], 3 * shape[-1])) < 0.5)[..., ::-3],
    "list": lambda shape, rng: (rng.random(shape) < 0.5).tolist(),
    "False": lambda shape, rng: False,
    "True": lambda shape, rng: True,
    "np.False_": lambda shape, rng: np.False_,
}


@pytest.mark.parametrize("shape", [(4, 6, 10), (2, 71, 67)])
@pytest.mark.parametrize("layout", WHERES)
@pytest.mark.parametrize("dtype", ["?", "u1", ">u2", "i8", "f2", "f4", ">f8"])
def test_where(dtype, layout, shape):
    image = picture(dtype, shape, LEVELS).transpose(1, 0, 2)
    where = WHERES[layout](image.shape, np.random.default_rng(1))
    options = {"where": where, "threads": 2}
    labels = reference.labels(image, LEVELS).astype("u1")
    kept_0 = np.where(where, labels, np.uint8(0))
    kept_image = np.where(where, reference.decode(labels, LEVELS, dtype), image).astype(dtype)
    assert_result(ls.labels(image, LEVELS, **options), kept_0, "u1", image)
    assert_result(ls.snap(image, LEVELS, **options), kept_image, dtype, image)
    both = ls.labels_and_snap(image, LEVELS, **options)
    assert_result(both[0], kept_0, "u1", image)
    assert_result(both[1], kept_image, dtype, image)
    outs = np.full(image.shape, 99, "u2"), np.full(image.shape, 99, "i4")
    snapped = reference.decode(labels, LEVELS, "i4")
    ls.labels(image, LEVELS, out=outs[0], **options)
    ls.snap(image, LEVELS, out=outs[1], **options)
    for _ in range(2):
        assert_array_equal(outs[0], np.where(where, labels, 99))
        assert_array_equal(outs[1], np.where(where, snapped, 99))
        for out in outs:
            out.fill(99)
        ls.labels_and_snap(image, LEVELS, out=outs, **options)
    image = image.copy()
    ls.snap(image, LEVELS, out=image, **options)
    assert_array_equal(image, kept_image)


@pytest.mark.parametrize("shift", [-1, 0, 3])
def test_where_in_the_memory_of_out(shift):
    memory = np.random.default_rng(0).integers(0, 2, 300_010).astype("u1")
    where, out = memory[5:-5].view(bool), memory[5 + shift :][:300_000]
    image = picture("f4", 300_000, LEVELS)
    expected = np.where(where, reference.labels(image, LEVELS), out)
    ls.labels(image, LEVELS, where=where, out=out)
    assert_array_equal(out, expected)


def test_skipped_values_take_the_output_dtype():
    for source in NATIVE:
        image = np.array([0, 1, 1, 0, 1], source)
        for dtype in DTYPES:
            snapped = ls.snap(image, [5, 7], where=[True, False, True, False, False], dtype=dtype)
            five = reference.snapped_value(5, dtype)
            assert_result(snapped, np.array([five, 1, five, 0, 1], dtype), dtype, image)


def test_skipped_nan_is_not_examined(call):
    image = with_nan(np.arange(600_000.0), 0, 17, 599_999)
    call(image, LEVELS, where=~np.isnan(image), nan="raise")
    call(image, LEVELS, where=False, nan="raise")
    with pytest.raises(ValueError, match="17"):
        call(image, LEVELS, where=np.arange(600_000) == 17, nan="raise")


def test_where_of_0_d():
    label = ls.labels(np.float32(np.nan), LEVELS, where=False)
    assert type(label) is np.uint8
    assert label == 0
    assert ls.snap(np.int16(33), LEVELS, where=np.False_) == 33
    assert ls.snap(np.int16(33), LEVELS, where=np.True_) == 0


@pytest.mark.parametrize("where", [1, np.ones((3, 4), "u1"), np.ones(4), [0, 1, 0, 1], "yes", None])
def test_where_is_boolean(call, where):
    with pytest.raises(TypeError, match="where"):
        call(np.zeros((3, 4)), [0, 1], where=where)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 3, 4), (1, 3, 4), (0,)])
def test_where_must_broadcast_to_the_image(call, shape):
    with pytest.raises(ValueError, match=re.escape(str(shape))):
        call(np.zeros((3, 4)), [0, 1], where=np.ones(shape, bool))


# NaN


def numbers_in(message):
    return re.findall(r"-?\d+", message)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.kind == "f"], ids=str)
def test_nan_is_counted_and_the_first_is_named(call, dtype, order):
    where = [(123, 131), (124, 7), (399, 998), (250, 0), (123, 500)]
    image = np.asarray(with_nan(picture(dtype, (400, 1000), LEVELS), *where), order=order)
    with pytest.raises(ValueError, match=r"(?i)nan") as caught:
        call(image, LEVELS, nan="raise")
    assert {"5", "123", "131"} <= set(numbers_in(str(caught.value)))


def test_nan_of_0_d_and_1_d(call):
    with pytest.raises(ValueError, match=r"(?i)nan"):
        call(np.nan, LEVELS, nan="raise")
    with pytest.raises(ValueError, match=r"(?i)nan") as caught:
        call([1, 2, 3, np.nan, 5], LEVELS, nan="raise")
    assert {"1", "3"} <= set(numbers_in(str(caught.value)))


def test_nan_raises_by_default():
    image = np.array([1, np.nan])
    for function in (ls.labels, ls.labels_and_snap):
        with pytest.raises(ValueError, match=r"(?i)nan"):
            function(image, LEVELS)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.kind == "f"], ids=str)
def test_nan_stays_nan(dtype):
    image = with_nan(picture(dtype, (500, 601), LEVELS), (0, 0), (37, 400), (499, 600))
    expected = reference.snapped(image, LEVELS, dtype)
    expected[np.isnan(image)] = np.nan
    for options in ({}, {"nan": "propagate"}):
        assert_result(ls.snap(image, LEVELS, **options), expected, dtype, image)
    one = image.copy()
    assert_array_equal(ls.snap(one, LEVELS, out=one), expected)
    for target in ("f2", ">f4", "f8"):
        cast = reference.snapped(image, LEVELS, target)
        cast[np.isnan(image)] = np.nan
        assert_result(ls.snap(image, LEVELS, dtype=target), cast, target, image)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.kind == "f"], ids=str)
def test_nan_gets_a_label(dtype):
    image = with_nan(picture(dtype, (250, 301), LEVELS), (0, 0), (37, 40), (249, 300))
    labels, snapped = reference.labels(image, LEVELS), reference.snapped(image, LEVELS, dtype)
    snapped[np.isnan(image)] = np.nan
    for nan, label in ((0, "u1"), (255, "u1"), (-1, "i2"), (np.int16(-9), "i8"), (65_535, ">u2")):
        labels[np.isnan(image)] = nan
        found = ls.labels(image, LEVELS, nan=nan, dtype=label)
        assert_result(found, labels.astype(label), label, image)
        both = ls.labels_and_snap(image, LEVELS, nan=nan, dtype=(label, None))
        assert_result(both[0], labels.astype(label), label, image)
        assert_result(both[1], snapped, dtype, image)
    where = np.arange(301) != 40
    found = ls.labels(image, LEVELS, nan=9, where=where)
    labels[np.isnan(image)] = 9
    assert_array_equal(found, np.where(where, labels, 0))


@pytest.mark.parametrize(("nan", "dtype"), [(-1, None), (256, None), (128, "i1"), (2**64, "u8")])
def test_nan_label_that_does_not_fit(nan, dtype):
    for image in (np.array([0, np.nan]), np.zeros(2)):
        with pytest.raises(ValueError, match="dtype="):
            ls.labels(image, LEVELS, nan=nan, dtype=dtype)
        with pytest.raises(ValueError, match="dtype="):
            ls.labels_and_snap(image, LEVELS, nan=nan, dtype=(dtype, None))


@pytest.mark.parametrize("image", [np.zeros(3), np.array([0, np.nan]), np.zeros(3, "u1")])
def test_unknown_nan_option(image):
    for nan in ("ignore", "", None, 1.5, np.nan):
        for function in (ls.labels, ls.snap, ls.labels_and_snap):
            with pytest.raises((TypeError, ValueError), match="nan"):
                function(image, LEVELS, nan=nan)
    for function in (ls.labels, ls.labels_and_snap):
        with pytest.raises((TypeError, ValueError), match="nan"):
            function(image, LEVELS, nan="propagate")
    with pytest.raises((TypeError, ValueError), match="nan"):
        ls.snap(image, LEVELS, nan=3)


@pytest.mark.parametrize("dtype", [d for d in NATIVE if d.kind != "f"], ids=str)
def test_nan_does_not_go_into_integers(dtype):
    image = with_nan(np.zeros(600_000), 599_990)
    out = np.zeros(600_000, dtype)
    for options in ({"dtype": dtype}, {"out": out}):
        with pytest.raises(ValueError, match=r"(?i)nan"):
            ls.snap(image, LEVELS, **options)
        pair = {name: (None, value) for name, value in options.items()}
        with pytest.raises(ValueError, match=r"(?i)nan"):
            ls.labels_and_snap(image, LEVELS, nan=0, **pair)


@pytest.mark.parametrize("size", [10, 600_000])
def test_in_place_nothing_changes_when_nan_raises(size):
    for dtype in ("f2", "f4", ">f8"):
        image = with_nan(picture(dtype, size, LEVELS), -1)
        for view in (image, image[::-1]):
            before = image.tobytes()
            with pytest.raises(ValueError, match=r"(?i)nan"):
                ls.snap(view, LEVELS, out=view, nan="raise")
            with pytest.raises(ValueError, match=r"(?i)nan"):
                ls.labels_and_snap(view, LEVELS, out=(None, view))
            assert image.tobytes() == before


# Masked arrays


@pytest.mark.parametrize("dtype", ["?", "u1", ">i2", "i8", "f2", ">f4", "f8"])
@pytest.mark.parametrize("shape", [(4, 6), (600, 501)])
def test_masked_elements_are_skipped(dtype, shape):
    data = picture(dtype, shape, LEVELS)
    rng = np.random.default_rng(2)
    mask, where = rng.random(shape) < 0.4, rng.random(shape[1]) < 0.5
    if data.dtype.kind == "f":
        data = with_nan(data, *zip(*np.nonzero(mask), strict=True))
    image = np.ma.MaskedArray(data, mask, fill_value=1)
    labels, snapped = reference.labels(data, LEVELS), reference.snapped(data, LEVELS, dtype)
    for options, examined in (({}, ~mask), ({"where": where}, ~mask & where)):
        results = [
            ls.labels(image, LEVELS, **options),
            ls.snap(image, LEVELS, nan="raise", **options),
            *ls.labels_and_snap(image, LEVELS, **options),
        ]
        for result, dt in zip(results, ["u1", dtype, "u1", dtype], strict=True):
            assert type(result) is np.ma.MaskedArray
            assert result.dtype == dt
            assert_array_equal(result.mask, mask)
            assert not np.shares_memory(result.mask, image.mask)
            assert result.fill_value == 1
        for result in results[::2]:
            assert_array_equal(result.data, np.where(examined, labels, 0))
        for result in results[1::2]:
            assert_array_equal(result.data, np.where(examined, snapped, data))
    assert_array_equal(image.mask, mask)


def test_masked_array_without_a_mask():
    image = np.ma.MaskedArray([1.0, 300.0, 2.0], fill_value=-9999)
    for result in (ls.labels(image, LEVELS, dtype="i2"), ls.snap(image, LEVELS)):
        assert type(result) is np.ma.MaskedArray
        assert not np.ma.getmaskarray(result).any()
        assert result.fill_value == -9999
    assert ls.labels(image, LEVELS).tolist() == [4, 8, 4]
    with pytest.raises(ValueError, match=r"(?i)nan"):
        ls.labels(np.ma.MaskedArray([1.0, np.nan]), LEVELS)


def test_masked_array_of_0_d():
    for mask in (False, True):
        result = ls.labels(np.ma.MaskedArray(300.0, mask), LEVELS)
        assert np.ma.getmaskarray(result) == mask
        assert np.ma.getdata(result) == (0 if mask else 8)


def test_masked_array_into_a_plain_out():
    image = np.ma.MaskedArray([1.0, np.nan, 300.0], [False, True, False])
    labels, snapped = np.full(3, 77, "u1"), np.full(3, 77.0)
    assert ls.labels(image, LEVELS, out=labels) is labels
    assert ls.snap(image, LEVELS, out=snapped) is snapped
    assert labels.tolist() == [4, 77, 8]
    assert snapped.tolist() == [0.5, 77, 300]


def test_masked_array_in_place():
    data = np.array([1.0, np.nan, 299.0])
    image = np.ma.MaskedArray(data, [False, True, False])
    assert ls.snap(image, LEVELS, out=image, nan="raise") is image
    assert_array_equal(image.mask, [False, True, False])
    assert_array_equal(data, [0.5, np.nan, 300.0])


# Threads and memory


@pytest.mark.parametrize("dtype", ["u1", ">i2", "u2", "i8", "f2", "f4", "f8"])
def test_the_number_of_threads_changes_nothing(dtype):
    image = picture(dtype, (401, 503), LEVELS)
    for layout in (image, image.T, image[::-1, ::2]):
        check(layout, LEVELS, threads=1)
        serial = ls.labels_and_snap(layout, LEVELS, threads=1)
        for threads in (2, 7, np.int64(3), None):
            for one, many in zip(
                serial,
                ls.labels_and_snap(layout, LEVELS, threads=threads),
                strict=True,
            ):
                assert_array_equal(many, one, strict=True)
            assert_array_equal(ls.labels(layout, LEVELS, threads=threads), serial[0])
            assert_array_equal(ls.snap(layout, LEVELS, threads=threads), serial[1])


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", 2.0, [2]])
def test_threads_is_a_positive_integer(call, threads):
    with pytest.raises((TypeError, ValueError), match="threads"):
        call(np.zeros(3), [0, 1], threads=threads)


MEMORY_ORDERS = {
    "C": lambda image: image,
    "transposed": lambda image: image.T,
    "backwards": lambda image: image[::-1, ::-1],
    "every second": lambda image: image[:, ::2],
    "zero strides": lambda image: np.broadcast_to(image[0], image.shape),
    "swapped": lambda image: image.view(image.dtype.newbyteorder("S")),
    "misaligned": misaligned,
    "container": lambda image: np.ma.MaskedArray(image, np.zeros(image.shape, bool)),
}


@pytest.mark.parametrize("order", MEMORY_ORDERS)
@pytest.mark.parametrize("dtype", ["u2", "f8"])
def test_the_image_is_never_copied(dtype, order):
    image = MEMORY_ORDERS[order](np.ones((2000, 2000), dtype))
    outs = np.empty(image.shape, "u1"), np.empty(image.shape, dtype)
    where = np.arange(image.shape[1]) % 2 == 0
    for options in ({}, {"where": where}):
        tracemalloc.start()
        ls.labels(image, LEVELS, out=outs[0], **options)
        ls.snap(image, LEVELS, out=outs[1], **options)
        ls.labels_and_snap(image, LEVELS, out=outs, **options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # A mask is one byte an element; the smallest image here has two.
        assert peak < image.size * 1.2


def test_a_partial_overlap_costs_one_copy():
    memory = np.ones((1001, 1000))
    image, out = memory[1:], memory[:-1]
    tracemalloc.start()
    ls.snap(image, LEVELS, out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < image.nbytes * 1.1


@pytest.mark.parametrize("out_dtype", ["u4", "u1"])
def test_refused_nan_is_counted_before_labels_cover_it(out_dtype):
    memory = np.arange(8, dtype=np.float32)
    image = memory[:4]
    image[0] = image[2] = np.nan
    with pytest.raises(ValueError, match=r"2 NaN.*\(0,\)"):
        ls.labels(image, [0, 2], out=memory.view(out_dtype)[:4])
    if out_dtype == "u4":
        assert np.isnan(image[[0, 2]]).all()


def test_masked_itself_is_an_image():
    assert ls.labels(np.ma.masked, [0, 1]) is np.ma.masked
    assert ls.snap(np.ma.masked, [0, 1]) is np.ma.masked


# The short way that small arrays take from the second call on


@pytest.fixture
def short_way(monkeypatch):
    """A codebook, and a switch after which only the short way is there."""

    def long_way(*_):
        raise AssertionError("took the long way")

    return ls.Codebook(LEVELS), lambda: monkeypatch.setattr(nearest, "_Call", long_way)


@pytest.mark.parametrize("size", [1, 2, 16, 255, 256, 4096, 70_001])
def test_second_call(short_way, dtype, size):
    codebook, only = short_way
    image = picture(dtype, size, LEVELS)
    labels = reference.labels(image, LEVELS)
    snapped = reference.decode(labels, LEVELS, dtype)
    calls = [
        (codebook.labels, labels.astype("u1"), None),
        (codebook.labels, labels.astype("i4"), np.empty(size, "i4")),
        (codebook.snap, snapped, None),
        (codebook.snap, snapped, np.empty(size, dtype)),
    ]
    for warm in (True, False):
        for call, expected, out in calls:
            for threads in (None, 1, 3):
                result = call(image, out=out, threads=threads)
                assert out is None or result is out
                assert_array_equal(result, expected, strict=True)
        if warm and dtype.isnative:
            only()
    if dtype.isnative:
        assert codebook.snap(image, out=image) is image
        assert_array_equal(image, snapped)


def test_second_call_snaps_nan(short_way):
    codebook, only = short_way
    image = with_nan(picture("f4", 50, LEVELS), 3, 49)
    first = codebook.snap(image)
    only()
    assert codebook.snap(image).tobytes() == first.tobytes()
    assert np.isnan(first[[3, 49]]).all()


def test_second_call_still_checks():
    codebook = ls.Codebook(LEVELS)
    image, out = np.zeros((3, 4), "f4"), np.zeros((3, 4), "u1")
    codebook.labels(image, out=out)
    codebook.labels(image)
    codebook.snap(image)
    codebook.snap(image, out=image.copy())
    bad = np.zeros((4, 3), "u1"), np.zeros(12, "u1"), np.frombuffer(bytes(12), "u1").reshape(3, 4)
    for wrong in bad:
        with pytest.raises(ValueError, match=r"shape|read-only"):
            codebook.labels(image, out=wrong)
    for threads in (0, True, 1.0):
        with pytest.raises((TypeError, ValueError), match="threads"):
            codebook.labels(image, threads=threads)
    with pytest.raises(ValueError, match=r"1 NaN, the first at index \(2, 1\)"):
        codebook.labels(with_nan(image, (2, 1)), out=out)
    with pytest.raises(ValueError, match="NaN"):
        codebook.snap(with_nan(image, (2, 1)), nan="raise")
    assert codebook.labels(image.view(np.recarray)).shape == (3, 4)
    masked = codebook.labels(np.ma.MaskedArray(image, image == 0))
    assert masked.mask.all()
    assert type(codebook.labels(np.float32(0))) is np.uint8
    assert type(codebook.labels(np.zeros((), "f4"))) is np.uint8


@pytest.mark.parametrize("layout", OUTS)
def test_second_call_of_any_layout(layout):
    shape = (6, 5, 4)
    image = picture("f4", 120, LEVELS).reshape(shape)
    codebook, expected = ls.Codebook(LEVELS), reference.labels(image, LEVELS)
    for call, right in (
        (codebook.labels, expected.astype("i4")),
        (codebook.snap, reference.decode(expected, LEVELS, "f4")),
    ):
        call(image, out=np.empty_like(right))
        call(image)
        out = OUTS[layout](shape, right.dtype)
        assert call(image, out=out) is out
        assert_array_equal(out, right)
        other = OUTS[layout](shape, "f4")
        other[...] = image
        assert_array_equal(call(other), right)


@pytest.mark.parametrize("shift", [-40, -4, -1, 0, 1, 4, 40])
def test_second_call_of_overlapping_arrays(shift):
    codebook, original = ls.Codebook(LEVELS), picture("f4", 50, LEVELS)
    labels = reference.labels(original, LEVELS)
    snapped = reference.decode(labels, LEVELS, "f4")
    for call, expected in ((codebook.labels, labels.astype("i4")), (codebook.snap, snapped)):
        call(original, out=np.empty_like(expected))
        memory = np.zeros(300, "u1")
        image = np.ndarray(50, "f4", memory, max(-shift, 0))
        image[:] = original
        out = np.ndarray(50, expected.dtype, memory, max(shift, 0))
        assert call(image, out=out) is out
        assert_array_equal(out, expected)


@pytest.mark.filterwarnings("error")
def test_a_skipped_signalling_nan_is_no_warning():
    image = np.array([0x7F800001, 0], np.uint32).view(np.float32)
    snapped = ls.snap(image, [0.0, 1.0], where=[False, True], dtype=np.float64)
    assert np.isnan(snapped[0])
    assert snapped[1] == 0
