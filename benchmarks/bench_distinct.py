"""Time distinct and histogram after checking the results, and peers beside them.

    python benchmarks/bench_distinct.py [NAME ...]

prints a Markdown table, of the data whose names contain one of the NAMEs. "Read" is the time in
which as many threads read the image once, in the same run; the factors are the call's time over
that, and what was aimed at. Peers, where installed: `np.unique` (of NumPy's own results, with the
counts too), `pandas.unique`, which does not sort, and `polars`; how many times longer they take.
"Extra" is what a fresh process took at its peak beyond the image and the result, over the image.

A time is the best of the repeats; of peers, of one. ``LEVELSNAP_ISA`` forces an instruction set.
"""

import argparse
import contextlib
import multiprocessing
import platform
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from bench_nearest import best

import levelsnap as ls
from levelsnap.tables import ISA


class Case(NamedTuple):
    name: str
    dtype: str
    asked: tuple[float | None, float | None]  # distinct, histogram: times reading
    n: int = 0  # distinct values, or 0: as they come
    kind: str = "bits"


CASES = [
    Case("random", "uint8", (1.5, 6)),
    Case("photograph", "uint8", (1.5, 6), kind="photograph"),
    Case("random", "uint16", (6, 8)),
    Case("12 bits", "uint16", (6, 8), 4096, "integers"),
    Case("random", "int16", (6, 8)),
    Case("normal", "float16", (6, 8), kind="normal"),
    *(
        Case(kind, "float32", asked, n, kind)
        for n, asked in (
            (256, (4, 9)),
            (4_096, (4, 9)),
            (65_536, (6, 20)),
            (1_000_000, (7, 35)),
            (16_000_000, (25, 90)),
        )
        for kind in ("narrow", "normal")
    ),
    Case("bits", "float32", (4, 9), 4_096),
    Case("bits", "float32", (25, 90), 16_000_000),
    *(
        Case(kind, dtype, asked, n, kind)
        for dtype, kind in (("float64", "normal"), ("int32", "bits"), ("int64", "bits"))
        for n, asked in ((256, (5, 10)), (16_000_000, (100, 150)))
    ),
    Case("all distinct", "float64", (100, 150), kind="normal"),
]


def make_image(case, size):
    """Elements drawn from a pool of n values.

    narrow: from 0 to 1; normal: of the normal distribution, over all their exponents; bits: of any
    bit patterns but NaN; integers: from 0 on.
    """
    rng = np.random.default_rng(0)
    dtype = np.dtype(case.dtype)
    if case.kind == "photograph":
        x, y = np.meshgrid(np.linspace(0, 20, size), np.linspace(0, 9, size), sparse=True)
        smooth = (100 + 90 * np.sin(x + y)).astype(np.uint8)
        return (smooth + rng.integers(0, 12, smooth.shape, np.uint8)).ravel()
    out = np.empty(size * size, dtype)
    pool = make_pool(rng, case.kind, case.n, dtype) if case.n else None
    for start in range(0, out.size, 1 << 23):
        part = out[start : start + (1 << 23)]
        if pool is None:
            part[:] = make_pool(rng, case.kind, part.size, dtype)
        else:
            part[:] = pool[rng.integers(0, len(pool), part.size, np.uint32)]
    return out


def make_pool(rng, kind, n, dtype):
    if kind == "integers":
        return np.arange(n).astype(dtype)
    if kind == "narrow":
        return rng.random(n).astype(dtype)
    if kind == "normal":
        return rng.standard_normal(n).astype(dtype)
    pool = rng.integers(0, 256, n * dtype.itemsize, np.uint8).view(dtype)
    return np.where(pool == pool, pool, dtype.type(0))


def read_limit(image, threads, repeats):
    """Seconds in which the threads read the image once."""
    words = image.view(np.uint64)
    parts = np.array_split(words, threads)
    with ThreadPoolExecutor(threads) as pool:
        return best(lambda: list(pool.map(np.max, parts)), repeats)


def peers(image, counted):
    """Name -> seconds of one call, and what np.unique found."""
    found, seconds = None, {}

    def timed(name, call):
        start = time.perf_counter()
        result = call()
        seconds[name] = time.perf_counter() - start
        return result

    found = timed("np.unique", lambda: np.unique(image, return_counts=counted))
    with contextlib.suppress(ImportError):
        import pandas

        if counted:
            timed("pandas", lambda: pandas.Series(image).value_counts(sort=False))
        else:
            timed("pandas", lambda: pandas.unique(image))
    with contextlib.suppress(ImportError):
        import polars

        series = polars.Series("x", image if image.dtype != np.float16 else image.astype("f4"))
        if counted:
            timed("polars", lambda: series.value_counts())
        else:
            timed("polars", lambda: series.unique().sort())
    return found, seconds


def check(image, found, values, counts=None):
    """Against np.unique, but for float16 images, some of which NumPy 2.4 sorts wrongly."""
    if image.dtype == np.float16:
        return
    numbers = found if counts is None else found[0]
    assert np.array_equal(numbers, values)
    if counts is not None:
        assert np.array_equal(found[1], counts)


def extra_memory(case, size, threads, name):
    """Peak bytes beyond the image and the result, over the image's, in a process of its own."""
    image = make_image(case, size)
    function = getattr(ls, name)
    function(image[:1000], threads=threads)
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts anew
    before = resident("VmRSS")
    result = function(image, threads=threads)
    kept = result.nbytes if name == "distinct" else result.values.nbytes + result.counts.nbytes
    return max(0, resident("VmHWM") - before - kept) / image.nbytes


def resident(field):
    try:
        with open("/proc/self/status") as file:
            return next(1024 * int(line.split()[1]) for line in file if line.startswith(field))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_a_process(call, *arguments):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(call, arguments)


def row(case, options):
    image = make_image(case, options.size)
    threads = options.threads
    read = read_limit(image, threads, options.repeats)
    n = f"{case.n:,} values" if case.n else "as they come"
    for name, asked in zip(("distinct", "histogram"), case.asked, strict=True):
        function = getattr(ls, name)
        result = function(image, threads=threads)
        seconds = best(lambda f=function: f(image, threads=threads), options.repeats)
        times = ["-"] * 3
        if not options.no_peers:
            found, peer = peers(image, name == "histogram")
            if name == "histogram":
                check(image, found, result.values, result.counts)
            else:
                check(image, found, result)
            times = [
                f"{peer[p] / seconds:,.0f}" if p in peer else "-"
                for p in ("np.unique", "pandas", "polars")
            ]
            del found
        del result
        extra = in_a_process(extra_memory, case, options.size, threads, name)
        print(
            f"| {case.dtype} {case.name}, {n} | {name} | {read * 1e3:.1f} ms "
            f"| {seconds * 1e3:,.1f} ms | {seconds / read:.1f} ({asked}) "
            f"| {' | '.join(times)} | {extra:.2f} |",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--size", type=int, default=12_000, help="rows and columns")
    parser.add_argument("--threads", type=int, default=ls.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {ISA.name}, {options.threads} threads, NumPy {np.__version__}, "
        f"{options.size} x {options.size} elements\n"
    )
    print(
        "| image | call | read | time | over reading (asked) | np.unique | pandas | polars "
        "| extra memory |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for case in CASES:
        full = f"{case.dtype} {case.name} {case.n}"
        if not options.names or any(name in full for name in options.names):
            row(case, options)


if __name__ == "__main__":
    main()
