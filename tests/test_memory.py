"""How much memory calls take beside their arrays, and that none of it is lost.

What counts is the resident memory of a fresh process, which is this file run as a script:
``python tests/test_memory.py leak labels 100000`` prints by how many bytes so many calls grow it.
"""

import gc
import io
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from strategies import misaligned, with_nan

import levelsnap as ls

CLEAR_REFS = Path("/proc/self/clear_refs")

linux = pytest.mark.skipif(
    not (CLEAR_REFS.exists() and os.access(CLEAR_REFS, os.W_OK)),
    reason="the peak of resident memory can be reset on Linux only",
)

SHAPE = (1250, 2048)

# A boolean image is larger.
LIMIT = 2_000_000

LEVELS = ls.Codebook(np.linspace(0, 255, 256))


def in_fresh_process(*arguments):
    """What this file prints as a script."""
    # Freed memory goes back to the system at once, so that it counts when it is taken again.
    allocator = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | allocator, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def resident(name):
    """A line of the process's status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def extra_memory(call):
    """By how much the process grows at most during a call, and what the call gave."""
    CLEAR_REFS.write_text("5")
    before = resident("VmRSS")
    result = call()
    return resident("VmHWM") - before, result


def refused(call):
    with pytest.raises(ValueError, match="NaN"):
        call()


# The bound of labels, snap and labels_and_snap


LAYOUTS = {
    "C": lambda make: make(SHAPE),
    "F": lambda make: make(SHAPE[::-1]).T,
    "every second": lambda make: make((SHAPE[0], 2 * SHAPE[1]))[:, ::2],
    "backwards": lambda make: make(SHAPE)[::-1, ::-1],
    "transposed 3-D": lambda make: make((80, 125, 256)).transpose(2, 0, 1),
    "swapped": lambda make: (lambda a: a.view(a.dtype.newbyteorder("S")))(make(SHAPE)),
    "misaligned": lambda make: misaligned(make(SHAPE)),
    "zero strides": lambda make: np.broadcast_to(make(SHAPE[1]), SHAPE),
}


def calls_of(image):
    """Calls with out, each with a name."""
    shape, dtype = image.shape, image.dtype
    labels, snapped = np.zeros(shape, "u1"), np.zeros(shape, dtype)
    others = np.zeros(shape, "i8", order="F"), np.zeros(shape, "f4", order="F")
    row, double_row = (np.arange(n * shape[-1]) % 3 == 0 for n in (1, 2))
    whole = np.broadcast_to(row, shape).copy()
    masks = {
        "masked": np.ma.MaskedArray(image, whole, fill_value=1),
        "masked out of order": np.ma.MaskedArray(image, np.asfortranarray(whole)),
        "no mask": np.ma.MaskedArray(image),
    }
    masked_out = np.ma.MaskedArray(labels, np.zeros(shape, bool))
    yield "labels", lambda: LEVELS.labels(image, out=labels, threads=1)
    yield "snap", lambda: LEVELS.snap(image, out=snapped, threads=1)
    yield "both", lambda: LEVELS.labels_and_snap(image, out=(labels, snapped), threads=1)
    yield "other outs", lambda: LEVELS.labels_and_snap(image, out=others, threads=1)
    for name, where in {"row": row, "strided": double_row[::2], "whole": whole}.items():
        yield (
            f"where {name}",
            lambda where=where: LEVELS.labels_and_snap(
                image, out=(labels, snapped), where=where, threads=1
            ),
        )
    for name, masked in masks.items():
        yield name, lambda masked=masked: LEVELS.snap(masked, out=snapped, threads=1)
        yield (
            f"{name}, where, masked out",
            lambda masked=masked: LEVELS.labels(masked, out=masked_out, where=row, threads=1),
        )
    asked = whole.copy()
    yield (
        "where is out",
        lambda: LEVELS.labels(image, out=asked.view("u1"), where=asked, threads=1),
    )
    if image.flags.writeable:
        yield "in place", lambda: LEVELS.snap(image, out=image, threads=1)
    if image.dtype.kind == "f" and image.flags.writeable:
        image = with_nan(image, (0,) * image.ndim, (-1,) * image.ndim)
        for name, where in {"": True, " and where": whole}.items():
            yield (
                f"NaN{name}",
                lambda where=where: LEVELS.labels(image, out=labels, nan=3, where=where, threads=1),
            )
            yield (
                f"refused NaN{name}",
                lambda where=where: refused(
                    lambda: LEVELS.labels(image, out=labels, where=where, threads=1)
                ),
            )
        yield (
            "refused NaN in place",
            lambda: refused(lambda: LEVELS.snap(image, out=image, nan="raise", threads=1)),
        )


def print_extra_memory(dtype):
    layouts = LAYOUTS if dtype in ("u1", "f4") else ["C", "transposed 3-D", "misaligned"]
    for layout in layouts:
        for name, call in calls_of(LAYOUTS[layout](lambda shape: np.ones(shape, dtype))):
            call()  # makes the tables
            print(f"{extra_memory(call)[0]} {layout}, {name}")


@linux
@pytest.mark.parametrize("dtype", ["?", "u1", "u2", "f2", "f4", "f8", "i8"])
def test_calls_with_out_take_little_memory(dtype):
    lines = in_fresh_process("extra", dtype)
    assert len(lines) > 40
    too_much = [line for line in lines if int(line.split()[0]) >= LIMIT]
    assert not too_much


def print_extra_memory_by_k():
    image = np.linspace(0, 1, SHAPE[0] * SHAPE[1], dtype="f4").reshape(SHAPE)
    outs = np.ones(SHAPE, "u4"), np.ones(SHAPE, "f4")
    for k in (2, 256, 65_536, 1_000_000):
        codebook = ls.Codebook(np.linspace(0, 1, k))
        for threads in (1, 2):

            def call(codebook=codebook, threads=threads):
                codebook.labels_and_snap(image, out=outs, threads=threads)

            tables, _ = extra_memory(call)
            print(k, threads, tables, extra_memory(call)[0])


@linux
def test_memory_of_many_levels():
    for line in in_fresh_process("levels"):
        k, threads, first, later = map(int, line.split())
        assert later < LIMIT * threads
        if threads == 1:
            assert first < 100 * k + 2 * LIMIT


# The bounds of distinct and histogram


def print_extra_memory_of_values(dtype):
    image = np.random.default_rng(0).standard_normal(20_000_000).astype(dtype)
    for call in (ls.distinct, ls.histogram):
        extra, result = extra_memory(lambda call=call: call(image, threads=2))
        parts = [result] if call is ls.distinct else [result.values, result.counts]
        print(extra - sum(part.nbytes for part in parts), image.nbytes)


@linux
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_memory_of_distinct_values(dtype):
    for line in in_fresh_process("values", dtype):
        extra, image = map(int, line.split())
        bound = {"f2": 2 * LIMIT, "f4": min(600_000_000, 3 * image), "f8": 1.5 * image + 2 * LIMIT}
        assert extra < bound[dtype]


# Leaks


def leak_cases():
    """Calls that must not lose memory."""
    image = np.linspace(0, 1, 100, dtype="f4")
    bad = with_nan(image, 3)
    column = image.reshape(10, 10)[:, ::2]
    where = np.arange(100) % 2 == 0
    masked = np.ma.MaskedArray(image, where)
    codebook = ls.Codebook([0, 0.25, 1])
    plain = np.empty(100, "u1"), np.empty(100, "f4")
    histogram = ls.histogram(image)
    file = Path(tempfile.gettempdir()) / f"levelsnap-{os.getpid()}.json"
    codebook.save(file)
    stored = pickle.dumps(codebook)

    def fails(call, *arguments, **options):
        try:
            call(*arguments, **options)
        except (ValueError, TypeError):
            return
        raise AssertionError("was not refused")

    return {
        "short labels": lambda: codebook.labels(image, out=plain[0]),
        "short snap": lambda: codebook.snap(image),
        "short labels, NaN": lambda: fails(codebook.labels, bad),
        "labels": lambda: codebook.labels(column),
        "snap": lambda: codebook.snap(image, where=where),
        "labels_and_snap": lambda: codebook.labels_and_snap(image, out=plain),
        "masked": lambda: codebook.labels_and_snap(masked),
        "new tables": lambda: ls.labels(image, [0, 0.25, 1]),
        "labels, NaN": lambda: fails(ls.labels, bad, codebook, where=True, dtype="i4"),
        "snap, wrong out": lambda: fails(ls.snap, image, codebook, out=plain[0][:5]),
        "labels_and_snap, one out": lambda: fails(
            ls.labels_and_snap, image, codebook, out=(plain[0], plain[0])
        ),
        "labels, complex": lambda: fails(ls.labels, image.astype("c8"), codebook),
        "thresholds": lambda: ls.thresholds([0, 0.25, 1], "f4"),
        "decode": lambda: codebook.decode(plain[0]),
        "decode, wrong label": lambda: fails(codebook.decode, [7]),
        "inertia": lambda: codebook.inertia(histogram),
        "Codebook": lambda: ls.Codebook([0, 0.25, 1]),
        "Codebook, NaN": lambda: fails(ls.Codebook, [0, np.nan]),
        "pickle": lambda: pickle.loads(pickle.dumps(codebook)),
        "unpickle": lambda: pickle.load(io.BytesIO(stored)),
        "load": lambda: ls.Codebook.load(file),
        "distinct": lambda: ls.distinct(image),
        "histogram": lambda: ls.histogram(masked),
        "histogram, where": lambda: fails(ls.histogram, image, where=[True, False]),
        "update": lambda: histogram.update(image),
        "fit": lambda: ls.fit(image, 5),
        "fit, lloyd": lambda: ls.fit(image, 5, method="lloyd", attempts=2),
        "fit, too large k": lambda: fails(ls.fit, image, 500),
        "choose_k": lambda: ls.choose_k(histogram, 3),
    }


def print_growth(name, count):
    cases = leak_cases()
    for case in list(cases) if name == "all" else [name]:
        call = cases[case]
        for _ in range(500):
            call()
        gc.collect()
        before = resident("VmRSS")
        for _ in range(count):
            call()
        gc.collect()
        print(f"{resident('VmRSS') - before} {case}", flush=True)


@linux
def test_calls_lose_no_memory():
    calls = 2000
    for line in in_fresh_process("leak", "all", calls):
        growth, _ = line.split(" ", 1)
        assert int(growth) < 64 * calls, line


@pytest.mark.parametrize("call", [ls.labels, ls.snap])
@pytest.mark.parametrize("size", [50, 100_000])
@pytest.mark.parametrize("refuse", [False, True])
def test_buffers_are_released(call, size, refuse):
    memory, result = bytearray(4 * size), bytearray(4 * size)
    image, out = np.frombuffer(memory, "f4"), np.frombuffer(result, "i4")
    if call is ls.snap:
        out = out.view("f4")
    for _ in range(2):  # the long way, then the short one
        call(image, LEVELS, out=out)
    if refuse:
        image[7] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            call(image, LEVELS, out=out, nan="raise")
        with pytest.raises(ValueError, match="shape"):
            call(image, LEVELS, out=out[1:])
    else:
        ls.distinct(image)
        ls.histogram(image)
    del image, out
    # An array that is still exported refuses this.
    memory.append(0)
    result.append(0)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "extra":
        print_extra_memory(*arguments)
    elif what == "levels":
        print_extra_memory_by_k()
    elif what == "values":
        print_extra_memory_of_values(*arguments)
    else:
        print_growth(arguments[0], int(arguments[1]))
