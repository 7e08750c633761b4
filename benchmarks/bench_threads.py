"""Time calls after pauses, and calls from many Python threads.

    python benchmarks/bench_threads.py [cold] [many]

prints Markdown tables. "cold": the median time of a call with ``threads=None`` over that of the
same call with ``threads=1``, with pauses between calls; calls of both kinds alternate, each after
its pause. "many": elements per second of 8 Python threads that call at once, over those of the best
single caller; and how many threads the process has before and after 10,000 calls.
"""

import argparse
import platform
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import levelsnap as ls
from levelsnap.tables import ISA

PAUSES = (0, 0.001, 0.02, 0.1)
COLD_SIZES = (16, 1_000, 10_000, 100_000, 300_000, 1_000_000, 2_000_000, 4_000_000)
# What a call after a pause may take, over its own serial time.
COLD_LIMIT = 1.3

CALLERS = 8
MANY_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
# From this size on callers together should have this share of the best single caller's speed.
MANY_FROM, MANY_SHARE = 100_000, 0.9


def cold_calls(size):
    """Pairs (name, call of threads)."""
    rng = np.random.default_rng(0)
    for dtype, k in (
        ("uint8", 8),
        ("uint16", 32),
        ("float32", 8),
        ("float32", 1000),
        ("float64", 32),
    ):
        image = (rng.random(size) * 255).astype(dtype)
        codebook = ls.Codebook(np.linspace(1, 250, k))
        out = np.empty(size, codebook.labels(image[:1]).dtype)
        expected = codebook.labels(image, threads=1)
        assert np.array_equal(codebook.labels(image, threads=2), expected)
        yield (
            f"labels, {dtype}, K = {k}",
            lambda threads, b=codebook, i=image, o=out: b.labels(i, out=o, threads=threads),
        )
        if k == 1000:
            few = np.round(image)
            yield (
                f"histogram, {dtype}",
                lambda threads, i=few: ls.histogram(i, threads=threads),
            )


def cold_ratio(call, pause, repeats):
    times = {None: [], 1: []}
    for threads in [None, 1] * repeats:
        time.sleep(pause)
        start = time.perf_counter()
        call(threads)
        times[threads].append(time.perf_counter() - start)
    return statistics.median(times[None]) / statistics.median(times[1])


def cold(options):
    pauses = " | ".join(f"{1000 * pause:g} ms" for pause in PAUSES)
    print(f"\n| call | elements | {pauses} |\n| --- | --: |{' --: |' * len(PAUSES)}")
    for size in COLD_SIZES:
        for name, call in cold_calls(size):
            ratios = [cold_ratio(call, pause, options.repeats) for pause in PAUSES]
            cells = [f"**{r:.2f}**" if r > COLD_LIMIT else f"{r:.2f}" for r in ratios]
            print(f"| {name} | {size:,} | {' | '.join(cells)} |", flush=True)
    print(f"\nMore than {COLD_LIMIT} is in bold.")


def throughput(callers, image, codebook, threads, seconds):
    """Elements per second that callers label together, each into an array of its own."""

    def work(out):
        end, calls = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            codebook.labels(image, out=out, threads=threads)
            calls += 1
        return calls

    outs = [np.empty(image.shape, np.uint8) for _ in range(callers)]
    with ThreadPoolExecutor(callers) as pool:
        start = time.perf_counter()
        calls = sum(pool.map(work, outs))
        elapsed = time.perf_counter() - start
    expected = codebook.labels(image, threads=1)
    assert all(np.array_equal(out, expected) for out in outs)
    return calls * image.size / elapsed


def many(options):
    codebook = ls.Codebook(np.linspace(-2, 2, 64))
    rng = np.random.default_rng(0)
    asked = (1, 2, 4, None)
    heads = " | ".join(f"threads={threads}" for threads in asked)
    print(f"\n| elements | best single caller, million/s | {heads} |\n| --: | --: |{' --: |' * 4}")
    for size in MANY_SIZES:
        image = rng.standard_normal(size).astype(np.float32)
        single = max(throughput(1, image, codebook, n, options.seconds) for n in asked)
        shares = [throughput(CALLERS, image, codebook, n, options.seconds) / single for n in asked]
        cells = [
            f"**{share:.2f}**" if size >= MANY_FROM and share < MANY_SHARE else f"{share:.2f}"
            for share in shares
        ]
        print(f"| {size:,} | {single / 1e6:,.0f} | {' | '.join(cells)} |", flush=True)
    print(f"\nLess than {MANY_SHARE} of the best single caller is in bold.\n")
    print("Threads of the process, before and after each 2,500 calls of 8 callers:", growth())


def growth():
    image = np.zeros(1 << 17, np.float32)
    codebook = ls.Codebook([0.0, 1.0])
    counts = []
    with ThreadPoolExecutor(CALLERS) as pool:
        for _ in range(5):
            counts.append(n_threads())
            list(pool.map(lambda _: codebook.labels(image, threads=2), range(2_500)))
    return counts


def n_threads():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Threads:"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parts = {"cold": cold, "many": many}
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(parts)}; by default all")
    parser.add_argument("--repeats", type=int, default=15, help="of a call after a pause")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each throughput")
    options = parser.parse_args()
    print(f"levelsnap {ls.__version__}, {ISA.name.lower()}, {platform.machine()}, ", end="")
    print(f"{ls.get_num_threads()} threads, NumPy {np.__version__}")
    for part in options.parts or parts:
        parts[part](options)


if __name__ == "__main__":
    main()
