"""How many threads a call uses: the one place where that is decided."""

import functools
import math
import operator
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


# pathlib would take longer to import than the rest of the package.
def _read(path: str) -> str:
    with open(path, errors="replace") as file:
        return file.read()


@contextmanager
def _short_spin() -> Iterator[None]:
    """Have GNU's OpenMP wait for work in the kernel after some microseconds of spinning.

    By default it spins for milliseconds, and a thread that wakes beside one that spins may have to
    share its CPU: a call after a pause then takes 8 ms. It reads the variable when it is loaded.
    """
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def _inherited_openmp() -> bool:
    """Whether this process was forked from one that had GNU's OpenMP loaded, on Linux."""
    try:
        flags = _read("/proc/self/stat").rpartition(")")[2].split()[6]
        return bool(int(flags) & FORKED) and "libgomp" in _read("/proc/self/maps")
    except (OSError, IndexError, ValueError):
        return False


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# Of the flags in /proc/self/stat: forked, and no other program begun since (PF_FORKNOEXEC).
FORKED = 0x40

_forked = _inherited_openmp()
with _short_spin():
    from ._team import Team, is_forked, openmp_limit, start

start(_cpus(), _forked)

# Nanoseconds of work from which a second thread pays, even one that sleeps: waking it takes up to
# 150,000 (benchmarks/bench_threads.py).
PARALLEL_FROM = 400_000

# A thread for fewer elements has nothing to do; _nearest.pyx deals out blocks of so many.
THREAD_FROM = 1 << 16

# Distinct values from which a fit takes so long.
SOLVER_FROM = 1 << 13

# OpenMP ends the process when the system refuses a thread.
MAX_THREADS = 256

# Where Linux shows control groups.
CGROUPS = "/sys/fs/cgroup"
PROCESS_CGROUPS = "/proc/self/cgroup"

_chosen: int | None = None


def set_num_threads(n: int) -> None:
    """Set how many threads calls with ``threads=None`` may use in this process.

    Parameters
    ----------
    n : int
        At least 1; more than there are CPUs is allowed.
    """
    global _chosen
    _chosen = check_threads(n, "the number of threads", "an integer of at least 1")


def get_num_threads() -> int:
    """The most threads that a call with ``threads=None`` uses.

    What `set_num_threads` set; else the smallest of ``OMP_NUM_THREADS``, what else limits OpenMP
    in this thread (``threadpoolctl``), the CPUs that this process may run on (affinity) and its
    control group's CPU quota at the first call. 1 in a forked process. Small arrays use one thread
    whatever this says, and calls beside others get what those leave of the CPUs.

    Returns
    -------
    int
        At least 1.
    """
    if is_forked():
        return 1
    if _chosen is not None:
        return _chosen
    limits = [_cpus(), _cgroup_quota(), _omp_num_threads(), openmp_limit()]
    return max(1, min(limit for limit in limits if limit is not None))


def check_threads(
    threads: object, name: str = "threads", accepted: str = "an integer of at least 1 or None"
) -> int:
    """`threads` as an int of at least 1."""
    try:
        n = operator.index(threads)  # type: ignore[arg-type]
    except TypeError:
        n = None
    if n is None or isinstance(threads, bool):
        raise TypeError(f"{name} must be {accepted}, given {threads!r}")
    if n < 1:
        raise ValueError(f"{name} must be at least 1, given {n}")
    return n


def team(threads: int | None, size: int, cost: float) -> Team:
    """The threads for a call over `size` elements: ``with team(...) as n_threads``.

    `cost`: about how many nanoseconds one thread takes for an element.
    """
    if threads is not None:
        n = check_threads(threads)
    else:
        n = 1 if size * cost < PARALLEL_FROM else get_num_threads()
    return Team(max(1, min(n, size // THREAD_FROM, MAX_THREADS)))


def solver_team(threads: int | None, n: int) -> Team:
    """The threads for a fit of n values: one for each of its two passes."""
    if n < SOLVER_FROM:
        return Team(1)
    return Team(min(2, get_num_threads() if threads is None else check_threads(threads)))


def _omp_num_threads() -> int | None:
    # May be a list, one number for each level of nesting.
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


@functools.cache
def _cgroup_quota() -> int | None:
    """CPUs that the control groups' quotas allow, rounded up; None without a quota."""
    quotas = []
    for group in control_groups("cpu"):
        # ValueError: "max".
        with suppress(OSError, ValueError):
            quota, period = map(int, _read_quota(group))
            if quota > 0:
                quotas.append(math.ceil(quota / period))
    return min(quotas, default=None)


def _read_quota(group: str) -> list[str]:
    """Quota and period of a group of version 2 or 1."""
    if os.path.exists(f"{group}/cpu.max"):
        return _read(f"{group}/cpu.max").split()
    return [_read(f"{group}/cpu.cfs_{name}_us") for name in ("quota", "period")]


def control_groups(controller: str) -> Iterator[str]:
    """The folders of this process's control groups and those above them: each may set a limit.

    `controller`: what is limited, as version 1 names it; version 2 has one tree for all.
    """
    try:
        lines = _read(PROCESS_CGROUPS).splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            folder = CGROUPS
        elif controller in controllers.split(","):
            folder = f"{CGROUPS}/{controller}"
        else:
            continue
        yield folder
        for name in filter(None, path.split("/")):
            folder = f"{folder}/{name}"
            yield folder
