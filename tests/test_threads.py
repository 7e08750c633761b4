"""How many threads there are, and many that call at once."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import reference
from numpy.testing import assert_array_equal
from processes import environment
from strategies import CENTERS, picture

import levelsnap as ls
from levelsnap import threads
from levelsnap._team import OPENMP, Team

LEVELS = CENTERS["around uint8"]


@pytest.fixture(autouse=True)
def _default_threads(monkeypatch):
    monkeypatch.setattr(threads, "_chosen", None)


def fresh(before="pass", **changes):
    """get_num_threads of a new process."""
    code = f"import os; {before}; import levelsnap; print(levelsnap.get_num_threads())"
    unlimited = {k: v for k, v in environment().items() if k != "OMP_NUM_THREADS"}
    run = [sys.executable, "-W", "error", "-c", code]
    return int(subprocess.run(run, env=unlimited | changes, capture_output=True, check=True).stdout)


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


QUOTAS = [
    ("0::/a/b", {"a/b/cpu.max": "150000 100000", "a/cpu.max": "max 100000"}, 2),
    ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "100000 100000"}, 1),
    ("0::/../outside", {"cpu.max": "250000 100000"}, 3),
    ("5:memory:/a\n4:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "100000"}, 1),
    ("4:cpu:/a", {"cpu/a/cpu.cfs_quota_us": "-1"}, None),
    ("4:cpu:/a", {"cpu/cpu.cfs_quota_us": "300000"}, 3),
    ("0::/", {}, None),
    ("0::/", {"cpu.max": "nonsense"}, None),
    (None, {"cpu.max": "100000 100000"}, None),
]


@pytest.mark.parametrize(("own", "files", "cpus"), QUOTAS)
def test_cgroup_quotas(own, files, cpus, tmp_path, monkeypatch):
    if own is not None:
        (tmp_path / "own").write_text(own)
    for name, text in files.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if name.endswith("quota_us"):
            (file.parent / "cpu.cfs_period_us").write_text("100000\n")
    monkeypatch.setattr(threads, "CGROUPS", str(tmp_path / "groups"))
    monkeypatch.setattr(threads, "PROCESS_CGROUPS", str(tmp_path / "own"))
    monkeypatch.setattr(threads, "_cgroup_quota", threads._cgroup_quota.__wrapped__)
    assert threads._cgroup_quota() == cpus
    if cpus is not None:
        assert ls.get_num_threads() <= cpus


def test_threadpoolctl_limits_are_respected():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    before = ls.get_num_threads()
    with threadpoolctl.threadpool_limits(1):
        assert ls.get_num_threads() == 1
    assert ls.get_num_threads() == before


# A runtime that ends the process when it is called.
NO_OPENMP = """
#include <stdlib.h>
void GOMP_parallel(void) { abort(); }
void GOMP_parallel_loop_nonmonotonic_dynamic(void) { abort(); }
void GOMP_parallel_loop_dynamic(void) { abort(); }
void __kmpc_fork_call(void) { abort(); }
int omp_get_max_threads(void) { abort(); }
int omp_get_thread_num(void) { abort(); }
"""


@pytest.mark.skipif(not OPENMP, reason="built serial")
def test_one_thread_never_touches_openmp(shared_library):
    library = str(shared_library(NO_OPENMP))

    def status(threads):
        code = f"from calls import call_everything; call_everything(threads={threads})"
        run = [sys.executable, "-c", code]
        return subprocess.run(run, env=environment(LD_PRELOAD=library)).returncode

    assert status(1) == 0
    assert status(2) != 0


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


@pytest.mark.parametrize("n_threads", [None, 1, 2, 4])
def test_eight_threads_that_share_a_codebook(n_threads):
    book = ls.Codebook(LEVELS)
    work = [
        picture(dtype, shape, LEVELS, seed)
        for seed, dtype in enumerate(["u1", ">i2", "u2", "i8", "f2", "f4", "f8", "?"])
        for shape in [(17,), (600, 401)]
    ]

    def call(image):
        labels, snapped = book.labels_and_snap(image, threads=n_threads)
        assert_array_equal(book.labels(image, threads=n_threads), labels)
        assert_array_equal(book.snap(image, threads=n_threads), snapped)
        return labels, snapped, ls.histogram(image, threads=n_threads)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(call, work * 4))
    expected = [reference.labels(image, LEVELS) for image in work]
    for i, (labels, snapped, histogram) in enumerate(found):
        image = work[i % len(work)]
        assert_array_equal(labels, expected[i % len(work)])
        assert_array_equal(snapped, reference.decode(labels, LEVELS, image.dtype))
        assert histogram == ls.histogram(image, threads=1)


def test_threads_in_flight_count_against_a_call():
    n = cpus()
    with Team(n + 3) as alone:
        assert alone == n + 3
        with Team(2) as second:
            assert second == 1
    with Team(1) as first, Team(n + 3) as rest, Team(2) as last:
        assert (first, rest, last) == (1, max(1, n - 1), 1)
    with Team(2) as again:
        assert again == 2


def test_a_call_that_fails_gives_its_threads_back():
    image = np.full(1 << 18, np.nan, np.float32)
    for _ in range(3):
        with pytest.raises(ValueError, match="NaN"):
            ls.labels(image, LEVELS, threads=2)
        with pytest.raises(RuntimeError, match="stop"):
            ls.fit(np.sqrt(np.arange(1 << 14)), 4, threads=2, progress=stop)
    with Team(2) as n:
        assert n == 2


def stop(done, total):
    raise RuntimeError("stop")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_number_of_threads_does_not_grow():
    image = np.zeros(1 << 17, np.uint8)
    book = ls.Codebook(LEVELS)

    def count():
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Threads:"))

    with ThreadPoolExecutor(8) as pool:
        before = count()
        list(pool.map(lambda _: book.labels(image, threads=2), range(10_000)))
        # A caller and a thread that OpenMP keeps for it.
        assert count() <= before + 16
    deadline = time.monotonic() + 30
    while count() > before and time.monotonic() < deadline:  # they end a little later
        time.sleep(0.01)
    assert count() <= before
