"""thresholds and Codebook: the contract's arithmetic, and codebooks that travel."""

import copy
import json
import math
import os
import pickle
from fractions import Fraction

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import CENTERS, DTYPES, HUGE, NATIVE, TINY, centers, numbers, picture

import levelsnap as ls

BITS = [0.1, -1 / 3, TINY, -HUGE, HUGE, 1e-300, 2.0**53, 1 + 2**-52, 65504.0]


def bits(book):
    return book.centers.tobytes()


# Thresholds


def assert_thresholds(found, levels, dtype):
    assert type(found) is np.ndarray
    assert found.dtype == dtype
    assert_array_equal(found, reference.thresholds(levels, dtype), strict=True)


def test_thresholds(dtype, centers):
    assert_thresholds(ls.thresholds(centers, dtype), centers, dtype)
    assert_thresholds(ls.Codebook(centers).thresholds(dtype), centers, dtype)
    assert_thresholds(ls.thresholds(ls.Codebook(centers), dtype.str), centers, dtype)


@given(centers(), st.sampled_from(DTYPES))
def test_any_thresholds(levels, dtype):
    assert_thresholds(ls.thresholds(levels, dtype), levels, dtype)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=2), st.integers(-4, 4))
def test_thresholds_between_close_floats(ends, steps):
    first, _ = (np.array(ends, "u8").view("f8")).tolist()
    if not math.isfinite(first):
        first = 1.0
    second = first
    for _ in range(abs(steps) + 1):
        second = math.nextafter(second, math.copysign(math.inf, steps))
    if math.isfinite(second):
        for dtype in NATIVE:
            assert_thresholds(ls.thresholds([first, second], dtype), [first, second], dtype)


@pytest.mark.parametrize(
    ("levels", "dtype", "expected"),
    [
        ([-3, -1, 0, 1], "u1", [0]),  # -2 and -0.5 are below the minimum
        ([-3, -1, 2, 5], "i1", [-2, 0, 3]),
        ([-4, -1], "i1", [-3]),
        ([254, 255, 256, 300], "u1", [254, 255, 255]),
        ([0, 1, 5], "?", [False, True]),
        ([-1, 0.5], "?", []),
        ([0, 2.0**-149], "f4", [0]),
        ([-(2.0**-149), 0], "f4", [-(2.0**-149)]),
        ([1e300, 2e300], "f4", [np.finfo("f4").max]),
        ([-2e300, -1e300], "f4", [-np.inf]),
        ([0.0, 131_040.0], "f2", [65504.0]),
        ([2.0**63, 2.0**64], "u8", [2**63 + 2**62]),
        ([2.0**64 - 2048, 2.0**64], "u8", [2**64 - 1024]),
        ([-1.0, 2**54], "i8", [2**53 - 1]),
    ],
)
def test_thresholds_by_hand(levels, dtype, expected):
    assert_array_equal(ls.thresholds(levels, dtype), np.array(expected, dtype), strict=True)


def test_thresholds_of_a_dtype_that_is_not_accepted(refused_dtype):
    dtype, name = refused_dtype
    with pytest.raises(TypeError, match=name):
        ls.thresholds([0, 1], dtype)


def test_thresholds_belong_to_the_caller():
    book = ls.Codebook([0, 10, 20])
    found = book.thresholds("u1")
    if found.flags.writeable:
        found[:] = 0
    assert book.thresholds("u1").tolist() == [5, 15]
    assert book.labels(np.array([3, 7], "u1")).tolist() == [0, 1]


# The codebook


def test_centers_are_a_sorted_read_only_copy():
    given_centers = np.array([3, -1, 2.5], ">f4")
    book = ls.Codebook(given_centers)
    given_centers[:] = 7
    assert type(book.centers) is np.ndarray
    assert_array_equal(book.centers, np.array([-1, 2.5, 3]), strict=True)
    assert book.k == 3
    assert type(book.k) is int
    assert book.gap is None
    with pytest.raises(ValueError, match="read-only"):
        book.centers[0] = 5
    for name in ("centers", "k", "gap", "anything"):
        with pytest.raises(AttributeError):
            setattr(book, name, 3)


def test_a_codebook_makes_a_codebook():
    book = ls.Codebook(BITS)
    assert bits(ls.Codebook(book)) == bits(book)
    assert bits(ls.Codebook(book.centers)) == bits(book)


def test_equality_and_hash():
    book = ls.Codebook([1, 2, 3])
    same = ls.Codebook(np.array([3, 2, 1], "i2"))
    assert book == same
    assert hash(book) == hash(same)
    assert len({book, same}) == 1
    for other in (ls.Codebook([1, 2]), ls.Codebook([1, 2, math.nextafter(3, 4)]), [1, 2, 3], None):
        assert book != other
    zeros = ls.Codebook([0.0]), ls.Codebook([-0.0])
    assert zeros[0] == zeros[1]
    assert hash(zeros[0]) == hash(zeros[1])


def test_repr_names_the_levels():
    assert repr(ls.Codebook([1.5, -20])).startswith("Codebook(")
    assert "1.5" in repr(ls.Codebook([1.5, -20]))
    assert len(repr(ls.Codebook(range(100_000)))) < 1000


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    book = ls.Codebook(BITS)
    book.labels(np.zeros(3))
    for twin in (pickle.loads(pickle.dumps(book, protocol)), copy.copy(book), copy.deepcopy(book)):
        assert twin == book
        assert bits(twin) == bits(book)
        assert not twin.centers.flags.writeable


# decode


@pytest.mark.parametrize("labels_dtype", ["u1", ">u2", "i4", "i8", "u8"])
def test_decode(dtype, labels_dtype):
    levels = CENTERS["around uint8"]
    labels = np.random.default_rng(0).integers(0, len(levels), (6, 5, 7)).astype(labels_dtype)
    book = ls.Codebook(levels)
    for view in (labels, labels.T, labels[::-1, :, ::3], labels[:0]):
        found = book.decode(view, dtype)
        assert found.dtype == dtype
        assert_array_equal(found, reference.decode(view, levels, dtype), strict=True)


def test_decode_gives_float64_by_default():
    book = ls.Codebook([0.1, 7.5, 1e300])
    assert_array_equal(book.decode([[2, 0]]), np.array([[1e300, 0.1]]), strict=True)


def test_decode_of_0_d_is_a_scalar():
    book = ls.Codebook([0.1, 7.5])
    for label in (1, np.uint8(1), np.array(1)):
        assert type(book.decode(label)) is np.float64
        assert book.decode(label) == 7.5
        assert type(book.decode(label, "i2")) is np.int16
        assert book.decode(label, "i2") == 8


@pytest.mark.parametrize("wrong", [-1, 3, 255, 2**63 - 1, 2**64 - 1, -(2**63)])
def test_decode_of_a_label_that_is_not_there(wrong):
    book = ls.Codebook([1, 2, 3])
    labels = np.array([0, 2, wrong], "u8" if wrong > 2**63 else "i8")
    with pytest.raises(ValueError, match=str(wrong)):
        book.decode(labels)


@pytest.mark.parametrize("labels", [[0.0, 1.0], np.zeros(3, "f2"), ["0"], [1j], [None]])
def test_decode_of_labels_that_are_not_integers(labels):
    with pytest.raises(TypeError):
        ls.Codebook([1, 2]).decode(labels)


def test_decode_to_a_dtype_that_is_not_accepted(refused_dtype):
    dtype, name = refused_dtype
    with pytest.raises(TypeError, match=name):
        ls.Codebook([1, 2]).decode([0, 1], dtype)


# inertia


def exact_inertia(histogram, levels, weights):
    levels = sorted(map(float, levels))
    counts = histogram.counts.tolist() if weights == "counts" else [1] * len(histogram.values)
    return sum(
        Fraction(n) * (Fraction(x) - Fraction(levels[reference.label(x, levels)])) ** 2
        for x, n in zip(histogram.values.tolist(), counts, strict=True)
    )


def histograms():
    rng = np.random.default_rng(3)
    yield ls.histogram(np.array([5], "u1"))
    yield ls.histogram(rng.integers(0, 256, 2000).astype("u1"))
    yield ls.histogram(rng.integers(60_000, 61_000, 900).astype("u2"))
    yield ls.histogram(rng.normal(1e8, 3, 500).astype("f4"))
    yield ls.histogram(rng.normal(0, 1e-140, 500))
    yield ls.histogram(np.concatenate([rng.normal(1000, 200, 300), [-3.4e38]]).astype("f4"))
    yield ls.histogram(2**62 + rng.integers(-3000, 3000, 400))
    yield ls.histogram(np.uint64(2**64 - 1) - rng.integers(0, 9000, 400, "u8"))
    yield ls.Histogram([0.1, 0.2, 5.0, 9.0], [0.25, 1e-9, 3.0, 0.0])
    yield ls.Histogram([False, True], np.array([2**64 - 1, 1], "u8"))


@pytest.mark.parametrize("weights", ["distinct", "counts"])
@pytest.mark.parametrize("k", [1, 2, 7])
def test_inertia(k, weights):
    for histogram in histograms():
        levels = np.unique(np.quantile(histogram.values.astype(float), np.linspace(0.1, 0.8, k)))
        found = ls.Codebook(levels).inertia(histogram, weights)
        assert isinstance(found, float)
        expected = exact_inertia(histogram, levels, weights)
        assert abs(Fraction(found) - expected) <= expected * Fraction(1, 10**12)


def test_inertia_counts_distinct_values_by_default():
    histogram = ls.Histogram([0, 1, 4], [10, 20, 30])
    book = ls.Codebook([0, 4])
    assert book.inertia(histogram) == 1
    assert book.inertia(histogram, weights="counts") == 20
    assert ls.Codebook([0, 1, 4]).inertia(histogram, "counts") == 0


def test_inertia_of_unknown_weights():
    with pytest.raises((TypeError, ValueError), match="pixels"):
        ls.Codebook([1]).inertia(ls.Histogram([1], [1]), "pixels")


def test_inertia_takes_the_histogram_of_an_image():
    image = picture("u1", (30, 40))
    book = ls.Codebook([0, 100, 200])
    for weights in ("distinct", "counts"):
        expected = exact_inertia(ls.histogram(image), book.centers, weights)
        assert book.inertia(ls.histogram(image), weights) == expected


# Files


@given(st.lists(numbers, min_size=1, max_size=20, unique_by=float))
def test_saved_and_loaded_centers_have_the_same_bits(tmp_path_factory, levels):
    path = tmp_path_factory.getbasetemp() / "levels.json"
    book = ls.Codebook(levels)
    book.save(path)
    assert bits(ls.Codebook.load(path)) == bits(book)


def test_saved_file_is_plain_json(tmp_path):
    book = ls.Codebook(BITS)
    book.save(tmp_path / "a.json")
    book.save(os.fspath(tmp_path / "a.json"))

    def refuse(constant):
        raise AssertionError(constant)

    text = (tmp_path / "a.json").read_text(encoding="ascii")
    assert isinstance(json.loads(text, parse_constant=refuse), dict)
    twin = ls.Codebook.load(os.fspath(tmp_path / "a.json"))
    assert twin == book
    assert bits(twin) == bits(book)
    assert twin.gap is None
    assert os.listdir(tmp_path) == ["a.json"]


def test_gap_is_saved(tmp_path):
    book = ls.fit(np.arange(100.0), 7)
    book.save(tmp_path / "a.json")
    twin = ls.Codebook.load(tmp_path / "a.json")
    assert twin.gap == book.gap is not None
    assert pickle.loads(pickle.dumps(book)).gap == book.gap


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        ls.Codebook.load(tmp_path / "none.json")


def saved(tmp_path):
    """A good file, and what is in it."""
    path = tmp_path / "levels.json"
    ls.Codebook([1.5, 2.5, 4.0]).save(path)
    return path, json.loads(path.read_text())


@pytest.mark.parametrize("key", ["format", "version", "centers"])
def test_file_with_a_wrong_or_missing_entry(tmp_path, key):
    path, content = saved(tmp_path)
    for wrong in ("something else", 2, None, True, -1, [], {}, ["1.5"], [None], 1e400):
        path.write_text(json.dumps({**content, key: wrong}))
        with pytest.raises(ValueError, match=r"levels\.json"):
            ls.Codebook.load(path)
    del content[key]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"levels\.json"):
        ls.Codebook.load(path)


@pytest.mark.parametrize(
    "text",
    [
        "[1.5, 2.5, 2.5]",
        "[1.5, 4.0, 2.5]",
        "[-0.0, 0.0]",
        "[]",
        "[1.5, NaN]",
        "[1.5, Infinity]",
        "[-Infinity, 1.5]",
        "[1.5, 1e999]",
        "[1.5, true]",
        "[false, 1.5]",
        '[1.5, "2.5"]',
        '"abc"',
        "[1.5, null]",
        "[[1.5], [2.5]]",
        "[1.5, {}]",
        f"[1.5, {10**400}]",
        f"[1.5, 1{'0' * 5000}]",
        "1.5",
        "{}",
    ],
)
def test_file_with_bad_centers(tmp_path, text):
    path, content = saved(tmp_path)
    path.write_text(json.dumps({**content, "centers": "HERE"}).replace('"HERE"', text))
    with pytest.raises(ValueError, match=r"levels\.json"):
        ls.Codebook.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"3",
        b'"levelsnap"',
        b"[1.5, 2.5]",
        b"{}",
        b"{'format': 1}",
        b"\xff\xfe\x00",
        b"\x80abc",
        b"\x89PNG\r\n\x1a\n",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"NaN",
    ],
    ids=range(13),
)
def test_file_that_is_no_codebook(tmp_path, content):
    path = tmp_path / "levels.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"levels\.json"):
        ls.Codebook.load(path)


def test_truncated_file(tmp_path):
    path, _ = saved(tmp_path)
    whole = path.read_bytes().rstrip()
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        with pytest.raises(ValueError, match=r"levels\.json"):
            ls.Codebook.load(path)


def test_save_that_fails_leaves_nothing(tmp_path, monkeypatch):
    book = ls.Codebook([1, 2])
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        book.save(tmp_path / "folder")
    with pytest.raises(OSError, match="none"):
        book.save(tmp_path / "none" / "levels.json")
    assert os.listdir(tmp_path) == ["folder"]

    path, _ = saved(tmp_path)
    before = path.read_bytes()

    def full(*args, **options):
        raise OSError("disk full")

    for owner in ("os.replace", "os.rename", "pathlib.Path.replace", "pathlib.Path.rename"):
        monkeypatch.setattr(owner, full)
    with pytest.raises(OSError, match="disk full"):
        book.save(path)
    assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["folder", "levels.json"]
