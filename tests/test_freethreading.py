"""Codebooks and histograms that eight threads share, with the interpreter's lock or without."""

import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

import numpy as np
import pytest
import reference
from numpy.testing import assert_array_equal
from processes import environment
from strategies import CENTERS, NATIVE, picture

import levelsnap as ls

THREADS = 8
LEVELS = CENTERS["257 irregular"]

needs_freethreading = pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"),
    reason="this interpreter cannot run without its lock",
)


@pytest.fixture(autouse=True)
def _switch_often():
    """With the lock, threads take turns so often that they meet in the middle of things too."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(call):
    """What `call` of 0 to 7 gives in as many threads, which start together."""
    barrier = Barrier(THREADS)

    def start(i):
        barrier.wait()
        return call(i)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(start, range(THREADS)))


@needs_freethreading
def test_import_leaves_the_lock_off():
    code = "import sys, levelsnap; raise SystemExit(sys._is_gil_enabled())"
    run = [sys.executable, "-X", "gil=0", "-W", "error", "-c", code]
    assert subprocess.run(run, env=environment()).returncode == 0
    # Without -X gil=0 a module that does not declare that it needs no lock would turn it on.
    run = [sys.executable, "-W", "error", "-c", code]
    unforced = {k: v for k, v in environment().items() if k != "PYTHON_GIL"}
    assert subprocess.run(run, env=unforced).returncode == 0


@pytest.mark.parametrize("dtype", NATIVE, ids=str)
@pytest.mark.parametrize("size", [1, 100, 5_000, 300_000])
def test_first_use_of_a_codebook_by_all_threads(dtype, size):
    image = picture(dtype, (997,), LEVELS)
    labels = reference.labels(image, LEVELS)
    snapped = reference.decode(labels, LEVELS, dtype)
    image, labels, snapped = (np.resize(array, size) for array in (image, labels, snapped))
    for _ in range(3):
        book = ls.Codebook(LEVELS)

        def use(i, book=book):
            calls = [book.labels, book.snap, book.labels]
            return [call(image) for call in calls[i % 2 :]], book._native_thresholds(dtype)

        found = at_once(use)
        assert len({id(thresholds) for _, thresholds in found}) == 1
        for i, (results, _) in enumerate(found):
            for result, expected in zip(results, [labels, snapped, labels][i % 2 :], strict=True):
                assert_array_equal(result, expected)


def test_threads_get_one_table():
    for size in (10, 5_000, 100_000):
        dtypes = np.dtype("f8"), np.dtype("u2"), None
        book = ls.Codebook(np.arange(1000))
        tables = at_once(lambda i, book=book, args=(*dtypes, size): book._table(*args))
        assert len(set(map(id, tables))) == 1


def test_all_that_a_codebook_does():
    book = ls.Codebook(LEVELS)
    image = picture("f4", (40, 50), LEVELS)
    histogram = ls.histogram(image)
    inertia = ls.Codebook(LEVELS).inertia(histogram)

    def use(i):
        dtype = NATIVE[i % len(NATIVE)]
        labels, snapped = book.labels_and_snap(image, threads=1 + i % 2)
        assert_array_equal(book.decode(labels, np.float32), snapped)
        assert_array_equal(book.thresholds(dtype), reference.thresholds(LEVELS, dtype))
        return book.inertia(histogram), hash(book), repr(book), book == ls.Codebook(LEVELS)

    assert set(at_once(use)) == {(inertia, hash(book), repr(book), True)}


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
def test_eight_threads_that_update_one_histogram(dtype):
    images = [picture(dtype, (61, 83), LEVELS, seed) for seed in range(THREADS)]
    start = ls.histogram(images[0])
    expected = start.merge(*(ls.histogram(image, threads=1) for image in images * 5))
    total, lock = start, Lock()

    def count(i):
        nonlocal total
        for _ in range(5):
            with lock:
                total = total.update(images[i])
        return start.update(images[i])

    found = at_once(count)
    assert total == expected
    assert total.counts.sum() == expected.counts.sum()
    # Nobody changed the histogram that all have updated.
    assert start == ls.histogram(images[0])
    assert found == [start.merge(ls.histogram(image)) for image in images]


def test_fits_at_once():
    histogram = ls.histogram(np.round(picture("f4", (70, 70), LEVELS)))
    for method in ("optimal", "lloyd"):
        finite = ls.histogram(histogram.values[np.isfinite(histogram.values)])
        alone = ls.fit(finite, 5, method=method, seed=1)
        assert at_once(lambda i, f=finite, m=method: ls.fit(f, 5, method=m, seed=1)) == [alone] * 8


def test_number_of_threads_set_by_all():
    before = ls.get_num_threads()
    try:

        def use(i):
            for _ in range(200):
                ls.set_num_threads(i + 1)
                assert 1 <= ls.get_num_threads() <= THREADS
            return True

        assert all(at_once(use))
    finally:
        ls.set_num_threads(before)
