"""Children of a process that has used all its threads."""

import contextlib
import ctypes
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from calls import call_everything
from numpy.testing import assert_array_equal
from processes import environment

import levelsnap as ls

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

CHILDREN = 50
SECONDS = 60


@pytest.fixture(scope="module")
def expected():
    """What all calls give; the parent has used two threads in each of its kernels then."""
    serial = call_everything(threads=1)
    for parallel, alone in zip(call_everything(threads=2), serial, strict=True):
        assert_array_equal(parallel, alone)
    return serial


def check(expected):
    """In a child: the exit status that says whether every result is right."""
    if ls.get_num_threads() != 1:
        return 3
    calls = zip(call_everything(threads=2), expected, strict=True)
    return 0 if all(np.array_equal(got, right) for got, right in calls) else 4


def check_and_exit(expected):
    status = 5
    with contextlib.suppress(BaseException):
        status = check(expected)
    os._exit(status)


def wait_for(child):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return "hangs"


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():  # Python 3.12: the parent has threads
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def fork(expected):
    child = os.fork()
    if not child:
        check_and_exit(expected)
    return child


def test_children_of_os_fork(expected):
    for _ in range(CHILDREN // 5):
        assert [wait_for(child) for child in [fork(expected) for _ in range(5)]] == [0] * 5


def test_children_of_multiprocessing(expected):
    context = multiprocessing.get_context("fork")
    for _ in range(CHILDREN // 5):
        children = [context.Process(target=check_and_exit, args=(expected,)) for _ in range(5)]
        for child in children:
            child.start()
        for child in children:
            child.join(SECONDS)
            hangs = child.is_alive()
            child.kill()
            assert not hangs
            assert child.exitcode == 0


def test_a_child_of_c(expected):
    child = ctypes.PyDLL(None).fork()
    if not child:
        check_and_exit(expected)
    assert wait_for(child) == 0


def test_a_child_of_a_child(expected):
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os._exit(wait_for(fork(expected)))
        os._exit(6)
    assert wait_for(child) == 0


def test_a_fork_while_another_thread_is_in_a_kernel(expected):
    done = threading.Event()

    def work():
        while not done.is_set():
            call_everything(threads=2)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(5):
            assert wait_for(fork(expected)) == 0
    finally:
        done.set()
        for worker in workers:
            worker.join()
    with ls.threads.Team(2) as threads:
        assert threads == 2, "every call has given its threads back"


def test_a_child_forked_in_a_callback_may_go_on(expected):
    values = np.random.default_rng(0).standard_normal(300_000)
    right = ls.fit(values, 7, threads=2).centers
    children = []

    def fork_once(done, total):
        if not children:
            children.append(os.fork())

    centers = ls.fit(values, 7, threads=2, progress=fork_once).centers
    if children == [0]:
        os._exit(0 if np.array_equal(centers, right) else 4)
    assert wait_for(children[0]) == 0


IN_A_HANDLER = """
import os, signal
import numpy as np
import levelsnap as ls
image = np.random.default_rng(0).standard_normal(30_000_000)
calls = {
    "labels": lambda: ls.labels(image, np.linspace(-1, 1, 3000), threads=2),
    "distinct": lambda: ls.distinct(image, threads=2),
}
children = []
signal.signal(signal.SIGALRM, lambda *_: children.append(os.fork()))
for name, call in calls.items():
    right = call()
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    while not children:
        found = call()
    if children == [0]:
        os._exit(0 if np.array_equal(found, right) else 4)
    assert os.waitpid(children.pop(), 0)[1] == 0, name
"""


def test_a_child_forked_in_a_signal_handler_may_go_on():
    run = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", IN_A_HANDLER]
    subprocess.run(run, env=environment(), check=True, timeout=SECONDS)


OTHER = """
#include <omp.h>
int others(void)
{
    int n = 0;
#pragma omp parallel num_threads(2) reduction(+ : n)
    n += 1;
    return n;
}
"""

USE_OTHER = """
import ctypes, os, sys
import numpy as np
if sys.argv[2] == "before":
    import levelsnap as ls
assert ctypes.CDLL(sys.argv[1]).others() == 2
image = np.arange(1 << 18, dtype=np.float32)
child = os.fork()
if not child:
    import levelsnap as ls
    labels = ls.labels(image, [0.0, 1000.0], threads=2)
    os._exit(0 if labels.sum() == (image > 500).sum() else 4)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("imported", ["before", "in the child"])
def test_a_fork_after_another_extension_used_the_same_openmp(imported, shared_library):
    run = [sys.executable, "-c", USE_OTHER, shared_library(OTHER, "-fopenmp"), imported]
    subprocess.run(run, env=environment(), check=True, timeout=SECONDS)
