"""Time labels, snap and labels_and_snap against peers, after checking the results.

    python benchmarks/bench_nearest.py [--size 12000] [--repeats 5] [--threads 2]

Prints a Markdown table. "limit" is a copy of as many bytes as the call must read and write, by as
many threads, in the same run; a time is the best of the repeats, of peers one run, and the factor
beside it is the time over the limit. Peers are shown where they are installed, also where they
win. "pixels off" counts the pixels whose label differs from the exact one.
"""

import argparse
import contextlib
import functools
import platform
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import levelsnap as ls


def best(call, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def copy_limit(n_bytes, threads, repeats):
    """Seconds in which `threads` threads read and write `n_bytes` bytes in all."""
    source, target = (np.ones(n_bytes // 2, np.uint8) for _ in range(2))
    parts = [
        slice(i * len(source) // threads, (i + 1) * len(source) // threads) for i in range(threads)
    ]
    with ThreadPoolExecutor(threads) as pool:
        return best(
            lambda: list(pool.map(lambda part: np.copyto(target[part], source[part]), parts)),
            repeats,
        )


def numba_labels(thresholds, threads):
    import numba

    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))

    @numba.njit(parallel=True)
    def loop(image, thresholds, out):
        for i in numba.prange(image.size):
            out[i] = np.searchsorted(thresholds, image[i])

    return lambda image, out: loop(image.ravel(), thresholds, out.ravel())


def cv2_labels(table):
    import cv2

    return lambda image, out: cv2.LUT(image, table, dst=out)


def torch_labels(midpoints, threads):
    import torch

    torch.set_num_threads(threads)
    boundaries = torch.from_numpy(midpoints.astype(np.float32))
    return lambda image, out: np.copyto(
        out, torch.bucketize(torch.from_numpy(image), boundaries).numpy(), casting="unsafe"
    )


def peers(image, centers, threads):
    """Name -> call(image, out) that fills out with labels, as a user of the peer would write it."""
    midpoints = (centers[1:] + centers[:-1]) / 2
    found = {
        "np.searchsorted": lambda x, out: np.copyto(
            out, np.searchsorted(midpoints, x), casting="unsafe"
        ),
        "np.digitize": lambda x, out: np.copyto(
            out, np.digitize(x, midpoints, right=True), casting="unsafe"
        ),
    }
    if image.dtype.itemsize <= 2:
        values = np.arange(1 << 8 * image.dtype.itemsize, dtype=image.dtype)
        table = ls.labels(values, centers, dtype=np.uint8)
        found["np.take (table)"] = lambda x, out: np.take(table, x, out=out, mode="clip")
        if image.dtype == np.uint8:
            with contextlib.suppress(ImportError):
                found["cv2.LUT"] = cv2_labels(table)
    with contextlib.suppress(ImportError):
        found["numba prange"] = numba_labels(ls.thresholds(centers, image.dtype), threads)
    with contextlib.suppress(ImportError):
        found["torch.bucketize"] = torch_labels(midpoints, threads)
    return found


def row(case, name, seconds, limit, off):
    print(f"| {case} | {name} | {seconds * 1e3:,.0f} ms | {seconds / limit:,.1f} | {off:,} |")


def bench(dtype, k, size, threads, repeats):
    rng = np.random.default_rng(k)
    if np.dtype(dtype).kind == "f":
        image = rng.random((size, size), np.float32).astype(dtype, copy=False)
        centers = np.sort(rng.random(k))
    else:
        image = rng.integers(0, np.iinfo(dtype).max, (size, size), dtype, endpoint=True)
        centers = np.sort(rng.random(k)) * np.iinfo(dtype).max
    codebook = ls.Codebook(centers)
    thresholds = codebook.thresholds(dtype)
    labels = np.empty(image.shape, np.uint8)
    snapped = np.empty_like(image)

    sample = image[:50].astype(np.float64)
    exact = np.searchsorted(thresholds.astype(np.float64), sample) + (k - 1 - len(thresholds))
    assert np.array_equal(codebook.labels(image[:50]), exact)
    codebook.labels_and_snap(image, out=(labels, snapped), threads=threads)
    assert np.array_equal(snapped[:50], codebook.decode(labels[:50], dtype))
    truth = labels.copy()

    case = f"{np.dtype(dtype).name}, K = {k}"
    limit = copy_limit(image.nbytes + labels.nbytes, threads, repeats)
    row(case, "limit", limit, limit, 0)
    row(
        case,
        "**levelsnap labels**",
        best(lambda: codebook.labels(image, out=labels, threads=threads), repeats),
        limit,
        0,
    )
    for name, n_bytes, call in (
        ("snap", 2 * image.nbytes, lambda: codebook.snap(image, out=snapped, threads=threads)),
        (
            "labels_and_snap",
            2 * image.nbytes + labels.nbytes,
            lambda: codebook.labels_and_snap(image, out=(labels, snapped), threads=threads),
        ),
    ):
        row(
            case, f"levelsnap {name}", best(call, repeats), copy_limit(n_bytes, threads, repeats), 0
        )
    for name, call in peers(image, centers, threads).items():
        out = np.zeros(image.shape, np.uint8)
        call(image[:1], out[:1])  # numba compiles
        seconds = best(functools.partial(call, image, out), 1)
        row(case, name, seconds, limit, np.count_nonzero(out != truth))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=12000, help="side of the square image")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=ls.get_num_threads())
    options = parser.parse_args()
    print(
        f"{options.size} x {options.size} random pixels, {options.threads} threads, "
        f"{platform.machine()}, NumPy {np.__version__}, levelsnap {ls.__version__}\n"
    )
    print("| image, levels | method | time | over the limit | pixels off |")
    print("| --- | --- | ---: | ---: | ---: |")
    for dtype in (np.uint8, np.uint16, np.float32):
        for k in (8, 256):
            bench(dtype, k, options.size, options.threads, options.repeats)


if __name__ == "__main__":
    main()
