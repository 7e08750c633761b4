"""distinct, histogram and Histogram against a Counter of Python numbers."""

import copy
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import DTYPES, NATIVE, images, picture, with_nan

import levelsnap as ls

TWO = ls.Histogram([1, 2], [3, 4])


def unique(elements):
    """Sorted distinct values in native byte order without NaN, and their counts.

    Not np.unique: NumPy 2.4 sorts large float16 arrays with infinities wrongly where the CPU
    has AVX-512.
    """
    counts = Counter(x for x in elements.ravel().tolist() if x == x)
    values = sorted(counts)
    native = elements.dtype.newbyteorder("=")
    return np.array(values, native), np.array([counts[x] for x in values], np.uint64)


def check(image, elements=None, **options):
    """distinct and histogram give what a Counter gives, and leave their input alone."""
    array = np.asarray(image)
    before = array.tobytes()
    values, counts = unique(array if elements is None else elements)
    histogram = ls.histogram(image, **options)
    for found in (histogram.values, ls.distinct(image, **options)):
        assert type(found) is np.ndarray
        assert found.dtype.isnative
        assert_array_equal(found, values, strict=True)
        if found.dtype.kind == "f":
            assert not np.signbit(found[found == 0]).any()
    assert_array_equal(histogram.counts, counts, strict=True)
    assert array.tobytes() == before


# histogram and distinct


def test_awkward_images(image):
    check(image)


@given(st.sampled_from(DTYPES).flatmap(images))
def test_any_image(image):
    check(image)


@pytest.mark.parametrize("dtype", ["?", "u1", ">i2", "u2", "i4", "u8", "f2", "f4", ">f8"])
@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 65_535, 65_536, 65_537, 262_147])
def test_any_size(size, dtype):
    check(picture(dtype, size))
    check(picture(dtype, size)[::-2])


@pytest.mark.parametrize("dtype", [d for d in NATIVE if d.itemsize == 2], ids=str)
def test_every_bit_pattern(dtype):
    patterns = np.random.default_rng(0).permutation(2**16).astype("u2").view(dtype)
    check(patterns)
    check(patterns.astype(dtype.newbyteorder("S")))


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.kind == "f"], ids=str)
def test_nan_is_skipped_and_zeros_are_one(dtype):
    nan = -np.array(np.nan, dtype)
    image = np.array([0.0, np.nan, -0.0, np.inf, nan, -np.inf, 1, -0.0], dtype)
    check(image)
    histogram = ls.histogram(image)
    assert histogram.values.tolist() == [-np.inf, 0, 1, np.inf]
    assert histogram.counts.tolist() == [1, 3, 1, 1]
    check(np.array([-0.0], dtype))
    check(np.full((3, 4), np.nan, dtype))
    check(with_nan(picture(dtype, (500, 600)), (0, 0), (399, 500)))


def test_any_byte_but_0_is_true():
    image = np.tile(np.arange(256, dtype="u1").view(bool), 3)
    for elements in (image, image[1:250], image[::-3]):
        check(elements, elements != 0)
        check(image, image[image], where=image)


def test_constant_image(dtype):
    check(np.full((300, 900), picture(dtype, 1)[0]))


@pytest.mark.parametrize("threads", [1, 2, 7, np.int16(2)])
def test_the_number_of_threads_changes_nothing(dtype, threads):
    check(picture(dtype, (501, 203)), threads=threads)
    check(picture(dtype, (501, 203)).T[::-1], threads=threads)


@pytest.mark.slow
def test_more_than_2_to_the_31_elements():
    image = np.broadcast_to(np.arange(5, dtype="u1"), (2**29, 5))
    histogram = ls.histogram(image)
    assert histogram.values.tolist() == [0, 1, 2, 3, 4]
    assert histogram.counts.tolist() == [2**29] * 5


@pytest.mark.parametrize("shape", [(), (10,), (6, 1), (4, 6, 10)])
def test_where(dtype, shape):
    image = picture(dtype)
    where = np.random.default_rng(1).random(shape) < 0.5
    check(image, image[np.broadcast_to(where, image.shape)], where=where)
    check(image, image[:0], where=False)
    check(image, where=True)


def test_masked_elements_are_skipped(dtype):
    rng = np.random.default_rng(1)
    image = picture(dtype)
    mask, where = rng.random(image.shape) < 0.5, rng.random(10) < 0.5
    check(np.ma.MaskedArray(image, mask), image[~mask])
    check(np.ma.MaskedArray(image, mask), image[~mask & where], where=where)
    check(np.ma.MaskedArray(image), image)
    check(np.ma.MaskedArray(image, True), image[:0])


@pytest.mark.parametrize("function", [ls.histogram, ls.distinct])
def test_bad_arguments(function, refused_dtype):
    dtype, name = refused_dtype
    with pytest.raises(TypeError, match=name):
        function(np.zeros(3, dtype))
    image = np.zeros((3, 4))
    for threads in (0, -1, 1.5, "2"):
        with pytest.raises((TypeError, ValueError), match="threads"):
            function(image, threads=threads)
    with pytest.raises(ValueError, match=r"\(3,\)"):
        function(image, where=np.ones(3, bool))
    with pytest.raises(TypeError, match="where"):
        function(image, where=np.ones(4, int))
    with pytest.raises(TypeError, match="bins"):
        function(image, bins=3)
    with pytest.raises(TypeError):
        function(image, True)


# Histogram


@pytest.mark.parametrize(("dtype", "weight"), [("i2", "u8"), (">i2", "i8"), ("f4", "f8")])
def test_histogram_is_immutable(dtype, weight):
    values, counts = np.array([1, 2], dtype), np.array([3, 4], weight)
    histogram = ls.Histogram(values, counts)
    values[:], counts[:] = 7, 7
    assert histogram.values.tolist() == [1, 2]
    assert histogram.counts.tolist() == [3, 4]
    for one in (histogram, ls.histogram([1.0, 2.0]), histogram.merge(histogram)):
        for array in (one.values, one.counts):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
    for name in ("values", "counts", "anything"):
        with pytest.raises(AttributeError):
            setattr(histogram, name, np.array([5, 6]))


def test_values_keep_their_dtype(dtype):
    values = np.unique(picture(dtype, 50)).astype(dtype)
    histogram = ls.Histogram(values, np.ones(len(values), int))
    assert histogram.values.dtype == dtype.newbyteorder("=")
    assert_array_equal(histogram.values, values)


@pytest.mark.parametrize(
    ("counts", "dtype"),
    [
        ([1, 2], "u8"),
        (np.array([1, 2], ">i2"), "u8"),
        (np.array([0, 255], "u1"), "u8"),
        ([2**64 - 1, 2**64 - 2], "u8"),
        ([0.5, 2.0], "f8"),
        (np.array([0.5, 0], ">f4"), "f8"),
    ],
)
def test_counts_are_uint64_or_float64(counts, dtype):
    histogram = ls.Histogram([1, 2], counts)
    assert_array_equal(histogram.counts, np.array(counts, dtype), strict=True)


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ([1.0, np.nan], [1, 1]),
        ([2, 1], [1, 1]),
        ([1, 1], [1, 1]),
        ([-0.0, 0.0], [1, 1]),
        ([1, 2], [1, -1]),
        ([1, 2], [1.0, -0.5]),
        ([1, 2], [1.0, np.nan]),
        ([1, 2], [1.0, np.inf]),
        ([1, 2], [1]),
        ([1], [1, 2]),
        ([[1, 2]], [[1, 2]]),
        ([[1, 2]], [1, 2]),
        ([1, 2], [[1, 2]]),
        (1, 1),
        (["a", "b"], [1, 1]),
        ([1j, 2j], [1, 1]),
        ([1, 2], ["1", "1"]),
        ([1, 2], [1j, 1]),
        ([1, 2], None),
        ([1, None], [1, 1]),
    ],
)
def test_bad_histograms(values, counts):
    with pytest.raises((TypeError, ValueError)):
        ls.Histogram(values, counts)


def test_values_of_a_dtype_that_is_not_accepted(refused_dtype):
    dtype, name = refused_dtype
    with pytest.raises(TypeError, match=name):
        ls.Histogram(np.zeros(1, dtype), [1])


def test_infinite_values_are_kept():
    assert ls.Histogram([-np.inf, 0, np.inf], [1, 2, 3]).values.tolist() == [-np.inf, 0, np.inf]


def test_equality_hash_and_repr():
    assert ls.Histogram([1, 2], [3, 4]) == TWO
    assert hash(ls.Histogram([1, 2], [3, 4])) == hash(TWO)
    for other in (
        ls.Histogram([1, 3], [3, 4]),
        ls.Histogram([1, 2], [3, 5]),
        ls.Histogram([1], [3]),
        (TWO.values, TWO.counts),
        None,
    ):
        assert other != TWO
    assert repr(TWO).startswith("Histogram(")
    assert len(repr(ls.histogram(np.arange(100_000)))) < 1000


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(dtype, protocol):
    histogram = ls.histogram(picture(dtype))
    for twin in (
        pickle.loads(pickle.dumps(histogram, protocol)),
        copy.copy(histogram),
        copy.deepcopy(histogram),
    ):
        assert twin == histogram
        assert_array_equal(twin.values, histogram.values, strict=True)
        assert_array_equal(twin.counts, histogram.counts, strict=True)
        assert not twin.values.flags.writeable
        assert not twin.counts.flags.writeable


# merge and update


@given(st.sampled_from(DTYPES).flatmap(images), st.data())
def test_any_tiling_gives_the_same_histogram(image, data):
    whole = ls.histogram(image)
    flat = image.ravel()
    cuts = sorted(data.draw(st.lists(st.integers(0, flat.size), max_size=4)))
    tiles = data.draw(st.permutations(np.split(flat, cuts)))
    merged = ls.Histogram.merge(*map(ls.histogram, tiles))
    updated = ls.histogram(tiles[0])
    for tile in tiles[1:]:
        updated = updated.update(tile)
    nested = ls.histogram(tiles[-1])
    for tile in tiles[-2::-1]:
        nested = nested.merge(ls.histogram(tile))
    for found in (merged, updated, nested):
        assert found == whole
        assert_array_equal(found.values, whole.values, strict=True)
        assert_array_equal(found.counts, whole.counts, strict=True)


def test_merge_is_a_function_and_a_method():
    a, b, c = (ls.histogram(picture("f4", 100, seed=seed)) for seed in range(3))
    whole = ls.histogram(np.stack([picture("f4", 100, seed=seed) for seed in range(3)]))
    assert ls.Histogram.merge(a, b, c) == whole
    assert a.merge(b).merge(c) == whole
    assert c.merge(a, b) == whole
    assert ls.Histogram.merge(a) == a


def test_merge_and_update_give_new_histograms():
    for found in (TWO.merge(TWO), TWO.update([1, 2])):
        assert found is not TWO
        assert found.counts.tolist() in ([6, 8], [4, 5])
    assert TWO.counts.tolist() == [3, 4]


def test_update_skips_nan_and_masked_elements():
    start = ls.histogram([0.5])
    assert start.update([np.nan, 0.5]).counts.tolist() == [2]
    masked = np.ma.MaskedArray([0.5, 7.0], [False, True])
    assert start.update(masked) == ls.histogram([0.5, 0.5])


@pytest.mark.parametrize("other", NATIVE, ids=str)
@pytest.mark.parametrize("dtype", NATIVE, ids=str)
def test_merge_of_two_dtypes(dtype, other):
    a, b = np.array([0, 1], dtype), np.array([1, 0, 0], other)
    common = np.result_type(dtype, other)
    for merged in (ls.histogram(a).merge(ls.histogram(b)), ls.histogram(a).update(b)):
        assert_array_equal(merged.values, np.array([0, 1], common), strict=True)
        assert_array_equal(merged.counts, np.array([3, 2], "u8"), strict=True)


@pytest.mark.parametrize(
    ("value", "dtype", "other"),
    [
        (2**53 + 1, "i8", "f8"),
        (-(2**53) - 1, "i8", "f4"),
        (2**64 - 1, "u8", "i8"),
        (2**63 - 1, "i8", "u8"),
        (2**63 + 1, "u8", "f2"),
    ],
)
def test_merge_where_a_value_is_not_exact(value, dtype, other):
    a, b = ls.histogram(np.array([value], dtype)), ls.histogram(np.array([1], other))
    for function in (lambda: a.merge(b), lambda: ls.Histogram.merge(b, a)):
        with pytest.raises(ValueError, match=str(value)):
            function()
    exact = ls.histogram(np.array([2**60], dtype)).merge(b)
    assert_array_equal(exact.values, np.array([1.0, 2.0**60]), strict=True)


def test_merge_beyond_64_bits():
    a = ls.Histogram([1, 2], np.array([2**64 - 2, 1], "u8"))
    assert a.update([1]).counts.tolist() == [2**64 - 1, 1]
    for function in (lambda: a.update([1, 1]), lambda: a.merge(a), lambda: a.merge(TWO, TWO)):
        with pytest.raises(ValueError, match=r"64|count"):
            function()


def test_merge_of_weights():
    weights = ls.Histogram([1, 5], [0.25, 0.5])
    merged = weights.merge(TWO)
    assert merged.values.tolist() == [1, 2, 5]
    assert_array_equal(merged.counts, np.array([3.25, 4.0, 0.5]), strict=True)
    assert merged == TWO.merge(weights)


@pytest.mark.parametrize("other", [None, 3, [1, 2], ([1, 2], [3, 4]), np.zeros(3)])
def test_merge_takes_histograms(other):
    with pytest.raises(TypeError):
        TWO.merge(other)
    with pytest.raises(TypeError):
        ls.Histogram.merge(TWO, other)


def test_merge_of_nothing():
    with pytest.raises((TypeError, ValueError)):
        ls.Histogram.merge()
    empty = ls.histogram(np.empty(0, "f4"))
    assert empty.merge(empty) == empty
