"""Ctrl-C in the middle of long calls, sent by another process."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import levelsnap as ls

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="a process cannot be sent Ctrl-C alone on Windows"
)

# Calls again and again until a signal arrives in the module that is meant, not between two calls.
CHILD = """
import sys, threading, traceback
import numpy as np
import levelsnap as ls
from levelsnap.values import Plan, Way, find_values

rng = np.random.default_rng(0)
{prepare}
while True:
    print("ready", flush=True)
    try:
        while True:
            {call}
    except KeyboardInterrupt as error:
        files = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
        if any({module!r} in file for file in files):
            break
assert ls.labels([1.0, 9.0], [0, 10]).tolist() == [0, 1]
numbers = rng.permutation(500_000).astype("f4")
np.testing.assert_array_equal(ls.snap(numbers, [0, 10], threads=2), np.where(numbers <= 5, 0, 10))
np.testing.assert_array_equal(ls.distinct(numbers, threads=2), np.arange(500_000))
ls.fit(numbers[:20_000], 3, threads=2)
print("works", flush=True)
"""

FLOATS = 'image = rng.standard_normal(20_000_000, dtype="f4").reshape(4000, 5000)'
DOUBLES = "image = rng.standard_normal(10_000_000)"
LEVELS = "codebook = ls.Codebook(np.linspace(-3, 3, 100_000))"
FORCED = "find_values(image, None, 2, True, Plan(Way.{}))"
HISTOGRAM = "histogram = ls.histogram(rng.standard_normal(1_000_000))"

# How to prepare, what to call, and where the signal is to arrive.
CALLS = {
    "labels": (f"{FLOATS}; {LEVELS}", "codebook.labels(image)", "_nearest"),
    "snap a transposition": (
        f"{FLOATS}; {LEVELS}; out = np.empty((5000, 4000), 'f4')",
        "codebook.snap(image.T, out=out)",
        "_nearest",
    ),
    "labels_and_snap, where": (
        f"{FLOATS}; {LEVELS}; where = rng.random(5000) < 0.5",
        "codebook.labels_and_snap(image, where=where)",
        "_nearest",
    ),
    "masked": (
        f"{FLOATS}; {LEVELS}; image = np.ma.MaskedArray(image, image < 0)",
        "codebook.snap(image)",
        "_nearest",
    ),
    "distinct": (f"{FLOATS}", "ls.distinct(image)", "_distinct"),
    "histogram of 16 bits": (
        "image = rng.integers(0, 60_000, (8000, 8000), dtype='u2').T",
        "ls.histogram(image[::-1, ::2])",
        "_distinct",
    ),
    "histogram by a set": (
        "image = rng.integers(0, 1000, 40_000_000).astype('f8')",
        FORCED.format("SET"),
        "_distinct",
    ),
    "histogram by a bitmap": (
        "image = rng.integers(0, 1000, 40_000_000).astype('f4')",
        FORCED.format("BITMAP"),
        "_distinct",
    ),
    "histogram by dealing": (DOUBLES, FORCED.format("DEAL"), "_distinct"),
    "update": (f"{HISTOGRAM}; {DOUBLES}", "histogram.update(image)", "histogram.py"),
    "fit": (
        "histogram = ls.Histogram(np.sort(rng.standard_normal(3_000_000)), np.ones(3_000_000))",
        "ls.fit(histogram, 32)",
        "_kmeans1d",
    ),
    "the sums of a fit": (
        "histogram = ls.Histogram(np.sort(rng.standard_normal(5_000_000)), np.ones(5_000_000))",
        'ls.fit(histogram, 4, method="lloyd", attempts=1, threads=2)',
        "points.py",
    ),
    "lloyd": (
        HISTOGRAM,
        'ls.fit(histogram, 200, method="lloyd", attempts=2000, eps=0.0)',
        "kmeans1d.py",
    ),
    "choose_k": (HISTOGRAM, "ls.choose_k(histogram, 64)", "choose.py"),
}


def start(program, *arguments):
    """A process that prints and can be interrupted, even where this one ignores Ctrl-C."""

    def listen():
        signal.signal(signal.SIGINT, signal.default_int_handler)

    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=listen,
    )  # fmt: skip


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize("name", CALLS)
def test_calls_are_interrupted(name):
    prepare, call, module = CALLS[name]
    process = start(CHILD.format(prepare=prepare, call=call, module=module))
    try:
        for attempt in range(100):
            line = process.stdout.readline()
            if line != "ready\n":
                break
            time.sleep(0.05 + 0.02 * attempt)  # later and later: the machine may be slow
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    finally:
        end(process)
    assert line == "works\n", errors
    assert process.returncode == 0


COMMAND = """
import sys
from levelsnap._commands import levelsnap
print("ready", flush=True)
levelsnap(sys.argv[1:])
"""

COMMANDS = {
    "quantize": ["quantize", "image.npy", "out.npy", "-k", "50", "--labels", "labels.npy"],
    "fit": ["fit", "image.npy", "-o", "levels.json", "-k", "50"],
    "choose": ["choose", "image.npy", "--k-max", "30"],
    "apply": ["apply", "codebook.json", "image.npy", "out.npy"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_line_leaves_nothing(command, tmp_path):
    pytest.importorskip("click")
    # For apply, longer to snap; for the others to fit.
    size = 40_000_000 if command == "apply" else 10_000_000
    image = np.lib.format.open_memmap(tmp_path / "image.npy", "w+", "f4", (size,))
    image[:] = np.resize(np.random.default_rng(0).standard_normal(2_000_000, "f4"), size)
    if command != "apply":
        image += np.linspace(0, 1, size, dtype="f4")
    image.flush()
    ls.Codebook(np.linspace(-3, 3, 100_000)).save(tmp_path / "codebook.json")
    before = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    arguments = [
        tmp_path / argument if "." in argument else argument for argument in COMMANDS[command]
    ]
    process = start(COMMAND, *arguments)
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        end(process)
    assert process.returncode == 1, errors
    assert errors.strip() == "Aborted!"
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == before


def test_calls_of_other_threads_go_on():
    """Only the main thread hears of Ctrl-C; a call of another one ends as it would have."""
    image = np.arange(12_000_000, dtype="f4")
    results = []

    def call():
        results.extend((ls.labels(image, [0, 10]).sum(), len(ls.distinct(image))) for _ in range(3))

    # A job that a shell runs in the background ignores Ctrl-C.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=call)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    thread.join()
    signal.signal(signal.SIGINT, previous)
    assert len(set(results)) == 1
    assert len(results) == 3
