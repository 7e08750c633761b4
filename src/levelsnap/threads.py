"""How many threads a call uses: the one place where that is decided."""

import math
import operator
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing it takes longer than this package's other imports together
    from pathlib import Path

# Below this many elements a second thread may cost more than it saves: waking it can take 0.1 ms.
PARALLEL_FROM = 200_000

# A thread for fewer elements has nothing to do; _nearest.pyx deals out blocks of so many.
THREAD_FROM = 1 << 16

# OpenMP ends the process when the system refuses a thread.
MAX_THREADS = 256

_chosen: int | None = None


def set_num_threads(n: int) -> None:
    """Set how many threads calls with ``threads=None`` may use in this process.

    Parameters
    ----------
    n : int
        At least 1; more than there are CPUs is allowed.
    """
    global _chosen
    _chosen = check_threads(n)


def get_num_threads() -> int:
    """The most threads that a call with ``threads=None`` uses.

    What `set_num_threads` set; else the smallest of ``OMP_NUM_THREADS``, the CPUs that this
    process may run on (affinity) and its control group's CPU quota. Small arrays use one thread
    whatever this says.

    Returns
    -------
    int
    """
    if _chosen is not None:
        return _chosen
    limits = [_cpus(), _cgroup_quota(), _omp_num_threads()]
    return max(1, min(limit for limit in limits if limit is not None))


def check_threads(threads: object) -> int:
    """`threads` as an int of at least 1."""
    try:
        n = operator.index(threads)  # type: ignore[arg-type]
    except TypeError:
        n = None
    if n is None or isinstance(threads, bool):
        raise TypeError(f"threads must be an integer of at least 1 or None, given {threads!r}")
    if n < 1:
        raise ValueError(f"threads must be at least 1, given {n}")
    return n


def team(threads: int | None, size: int) -> int:
    """The number of threads for a call over `size` elements."""
    if threads is not None:
        n = check_threads(threads)
    else:
        n = 1 if size < PARALLEL_FROM else get_num_threads()
    return max(1, min(n, size // THREAD_FROM, MAX_THREADS))


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _omp_num_threads() -> int | None:
    # May be a list, one number for each level of nesting.
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def _cgroup_quota() -> int | None:
    """CPUs that the control group's quota allows, rounded up; None without a quota."""
    from pathlib import Path

    quotas = []
    for group in _cgroup_folders():
        try:
            quota, period = (group / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue
        if quota != "max":
            quotas.append(math.ceil(int(quota) / int(period)))
    try:  # version 1
        cpu = Path("/sys/fs/cgroup/cpu")
        quota_us = int((cpu / "cpu.cfs_quota_us").read_text())
        if quota_us > 0:
            quotas.append(math.ceil(quota_us / int((cpu / "cpu.cfs_period_us").read_text())))
    except (OSError, ValueError):
        pass
    return min(quotas, default=None)


def _cgroup_folders() -> "list[Path]":
    """This process's version 2 control group and those above it: each may set a quota."""
    from pathlib import Path

    root = Path("/sys/fs/cgroup")
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    group = root / own.lstrip("/")
    return [group, *(parent for parent in group.parents if parent.is_relative_to(root))]
