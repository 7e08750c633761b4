"""How many threads there are, and many that call at once."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import reference
from numpy.testing import assert_array_equal
from strategies import CENTERS, picture

import levelsnap as ls

LEVELS = CENTERS["around uint8"]


@pytest.fixture(autouse=True)
def _default_threads():
    before = ls.get_num_threads()
    yield
    ls.set_num_threads(before)


def fresh(before="pass", **environment):
    """get_num_threads of a new process."""
    code = f"import os; {before}; import levelsnap; print(levelsnap.get_num_threads())"
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | environment
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    run = [sys.executable, "-W", "error", "-c", code]
    return int(subprocess.run(run, env=environment, capture_output=True, check=True).stdout)


def cpus():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def test_default_is_at_most_the_cpus():
    assert 1 <= fresh() <= cpus()


@pytest.mark.parametrize("value", ["1", "1,2", " 1 "])
def test_omp_num_threads_is_respected(value):
    assert fresh(OMP_NUM_THREADS=value) == 1


@pytest.mark.parametrize("value", ["", "0", "-3", "many", "1000000"])
def test_omp_num_threads_that_says_nothing_useful(value):
    assert fresh(OMP_NUM_THREADS=value) == fresh()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_affinity_is_respected():
    one = "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    assert fresh(one) == 1
    assert fresh(one, OMP_NUM_THREADS="4") == 1


def test_set_num_threads():
    for n in (1, 2, np.int64(1)):
        ls.set_num_threads(n)
        assert ls.get_num_threads() == n
        assert type(ls.get_num_threads()) is int


@pytest.mark.parametrize("n", [0, -1, 1.5, 2.0, "2", None, [1]])
def test_set_num_threads_to_what_is_no_number_of_threads(n):
    before = ls.get_num_threads()
    with pytest.raises((TypeError, ValueError), match="threads"):
        ls.set_num_threads(n)
    assert ls.get_num_threads() == before


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_eight_threads_that_share_a_codebook(threads):
    book = ls.Codebook(LEVELS)
    work = [
        picture(dtype, shape, LEVELS, seed)
        for seed, dtype in enumerate(["u1", ">i2", "u2", "i8", "f2", "f4", "f8", "?"])
        for shape in [(17,), (600, 401)]
    ]

    def call(image):
        labels, snapped = book.labels_and_snap(image, threads=threads)
        assert_array_equal(book.labels(image, threads=threads), labels)
        assert_array_equal(book.snap(image, threads=threads), snapped)
        return labels, snapped, ls.histogram(image, threads=threads)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(call, work * 4))
    expected = [reference.labels(image, LEVELS) for image in work]
    for i, (labels, snapped, histogram) in enumerate(found):
        image = work[i % len(work)]
        assert_array_equal(labels, expected[i % len(work)])
        assert_array_equal(snapped, reference.decode(labels, LEVELS, image.dtype))
        assert histogram == ls.histogram(image, threads=1)
