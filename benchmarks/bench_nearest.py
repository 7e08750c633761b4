"""Time labels, snap and labels_and_snap after checking the results, and peers beside them.

    python benchmarks/bench_nearest.py [kernels layouts small peers] [--plot FILE]

prints Markdown tables:

kernels
    Each kind of image, number and kind of levels. "Copy" is two measures of the memory: as many
    threads copying as many bytes as the call reads and writes in pieces as the kernels take them,
    and the quickest copy that the C library has, in one piece for each thread. The factors are the
    call's time over those, and what was aimed at (of the copy in pieces), if anything was.
layouts
    Crops, other orders, other byte orders, ``where=``, new results: over the contiguous call.
small
    Microseconds of a call on few elements.
peers
    Labels as a user of the peer would find them, where it is installed; also where it wins.
    "Pixels off" counts labels that differ from the exact ones.

A time is the best of the repeats; of peers, of one. ``LEVELSNAP_ISA`` forces an instruction set.
``--plot`` draws the time per pixel against the number of levels.
"""

import argparse
import contextlib
import functools
import platform
import time
import timeit
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

import levelsnap as ls
from levelsnap.tables import ISA

# Bytes of a piece of the copy.
PIECE = 3 << 16


def best(call, repeats):
    return best_in_turn([call], repeats)[0]


def best_in_turn(calls, repeats):
    """In turn, as the machine may be slower for a while."""
    times = [[] for _ in calls]
    for _ in range(repeats):
        for call, seconds in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
    return list(map(min, times))


@functools.lru_cache(maxsize=2)
def copier(n_bytes, threads, piece):
    """Has `threads` threads read and write `n_bytes` bytes in all."""
    rows = max(n_bytes // 2 // piece, threads)
    # Rows that do not touch: NumPy copies each by itself.
    source, target = (np.ones((rows, piece + 64), np.uint8)[:, :piece] for _ in range(2))
    parts = [slice(i * rows // threads, (i + 1) * rows // threads) for i in range(threads)]
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(lambda part: np.copyto(target[part], source[part]), parts))


def copiers(n_bytes, options):
    whole = -(-n_bytes // 2 // options.threads)
    return [copier(n_bytes, options.threads, piece) for piece in (PIECE, whole)]


class Case(NamedTuple):
    dtype: str
    k: int
    asked: float | None = None
    call: str = "labels"
    levels: str = "random"


CASES = {
    "AVX512": [
        Case("uint8", 256, 1.1),
        Case("uint8", 256, 1.1, "snap"),
        Case("uint16", 32, 1.15),
        Case("uint16", 64, 1.3),
        Case("uint16", 256, 3),
        Case("float32", 8, 1.15),
        Case("float32", 32, 1.15),
        Case("float32", 64, 1.3),
        Case("float32", 128, 1.8),
        Case("float32", 256, 2.6),
        *(
            Case("float32", k, 3 if levels == "random" else 6, "labels", levels)
            for k in (1000, 65536)
            for levels in ("random", "12 decades", "two groups", "far outlier")
        ),
        Case("float32", 32, 1.0, "snap"),
        Case("float32", 32, 0.8, "snap in place"),
        Case("float32", 32, 1.0, "labels_and_snap"),
        Case("float32", 256, None, "snap"),
        Case("float64", 32, 1.2),
        Case("float64", 256, 2.5),
        Case("float16", 256, 3),
        Case("float16", 5000, 3),
        Case("int8", 256, 3),
        Case("int16", 5000, 3),
        Case("bool", 2, 3),
        Case("int32", 32, 1.5),
        Case("int32", 5000, 4),
        Case("uint64", 32, 1.5),
        Case("uint64", 256, 4),
        Case("int64", 5000, 4),
    ],
    "AVX2": [
        Case("float32", 8, 1.3),
        Case("float32", 32, 1.3),
        Case("float32", 64, 2.2),
        Case("float32", 256, 3.2),
        Case("float32", 1000, 3.2),
        Case("float32", 65536, 3.2),
        Case("uint8", 256, 2),
        Case("uint16", 32, 2),
    ],
    "BASELINE": [
        Case("float32", 8, 4),
        Case("float32", 64),
        Case("float32", 1000),
        Case("float32", 65536),
    ],
}


def make_image(dtype, size, seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        image = rng.random((size, size), np.float64 if dtype == np.float64 else np.float32)
        return image.astype(dtype, copy=False)
    if dtype.kind == "b":
        return rng.random((size, size), np.float32) < 0.5
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, (size, size), dtype, endpoint=True)


def make_centers(dtype, k, levels="random"):
    rng = np.random.default_rng(k)
    dtype = np.dtype(dtype)
    if levels == "12 decades":
        return np.logspace(-12, 0, k)
    if levels == "two groups":
        return np.sort(np.append(rng.normal(0.2, 1e-4, k // 2), rng.normal(0.8, 1e-4, k - k // 2)))
    if levels == "far outlier":
        return np.append(np.sort(rng.random(k - 1)), 1e12)
    if dtype.kind in "fb":
        return np.sort(rng.random(k))
    info = np.iinfo(dtype)
    return np.sort(rng.random(k)) * (float(info.max) - info.min) + info.min


def check(codebook, image):
    """The labels of some rows are the numbers of thresholds below."""
    sample = image[:50]
    thresholds = codebook.thresholds(image.dtype)
    exact = np.searchsorted(thresholds, sample) + (codebook.k - 1 - len(thresholds))
    labels, snapped = codebook.labels_and_snap(sample)
    assert np.array_equal(labels, exact)
    assert np.array_equal(snapped, codebook.decode(exact, image.dtype))


def kernels(options):
    print("\n| image, call | K, levels | time | over the copy in pieces | over the quickest copy |")
    print("| --- | --- | ---: | ---: | ---: |")
    kept = None
    for case in CASES[ISA.name]:
        if kept is None or kept.dtype != case.dtype:
            kept = None  # one image in memory
            kept = make_image(case.dtype, options.size)
        kernel_row(case, kept, options)


def kernel_row(case, image, options):
    codebook = ls.Codebook(np.unique(make_centers(case.dtype, case.k, case.levels)))
    check(codebook, image)
    labels = np.zeros(image.shape, np.min_scalar_type(codebook.k - 1))
    if case.call == "snap in place":
        snapped = image = image.copy()
    else:
        snapped = np.zeros_like(image)
    threads = options.threads
    call, n_bytes = {
        "labels": (
            lambda: codebook.labels(image, out=labels, threads=threads),
            image.nbytes + labels.nbytes,
        ),
        "labels_and_snap": (
            lambda: codebook.labels_and_snap(image, out=(labels, snapped), threads=threads),
            2 * image.nbytes + labels.nbytes,
        ),
    }.get(
        case.call,
        (lambda: codebook.snap(image, out=snapped, threads=threads), 2 * image.nbytes),
    )
    call()
    seconds, pieces, whole = best_in_turn([call, *copiers(n_bytes, options)], options.repeats)
    asked = f" ({case.asked})" if case.asked else ""
    print(
        f"| {case.dtype} {case.call} | {case.k}, {case.levels} | {seconds * 1e3:,.0f} ms "
        f"| {seconds / pieces:.2f}{asked} | {seconds / whole:.2f} |",
        flush=True,
    )


def layouts(options):
    image = make_image("float32", options.size)
    out, snapped = np.zeros(image.shape, np.uint8), np.zeros_like(image)
    codebook = ls.Codebook(make_centers("float32", 8))
    check(codebook, image)
    rng = np.random.default_rng(1)
    half = rng.random(image.shape, np.float32) < 0.5
    edge = options.size // 12
    crop = np.s_[edge:-edge, edge:-edge]
    threads = options.threads

    def timed(image, out, **given):
        return best(
            lambda: codebook.labels(image, out=out, threads=threads, **given), options.repeats
        )

    timed(image, out)
    print("\n| float32, K = 8 | time over the contiguous call's (asked) |")
    print("| --- | ---: |")
    smooth = np.sort(image.ravel()).reshape(image.shape)
    swapped = image.astype(image.dtype.newbyteorder("S"))
    for name, asked, ratio in (
        ("ordered pixels", 1.1, lambda: timed(smooth, out) / timed(image, out)),
        (
            "a crop, per pixel",
            1.2,
            lambda: (
                timed(image[crop], out[crop]) / image[crop].size * image.size / timed(image, out)
            ),
        ),
        ("Fortran order", 1.2, lambda: timed(image.T, out.T) / timed(image, out)),
        ("the other byte order", 2, lambda: timed(swapped, out) / timed(image, out)),
        ("where= random, half True", 3, lambda: timed(image, out, where=half) / timed(image, out)),
        ("a new result", None, lambda: timed(image, None) / timed(image, out)),
        (
            "a new result of snap",
            None,
            lambda: (
                best(lambda: codebook.snap(image, threads=threads), options.repeats)
                / best(lambda: codebook.snap(image, out=snapped, threads=threads), options.repeats)
            ),
        ),
    ):
        print(f"| {name} | {ratio():.2f}{f' ({asked})' if asked else ''} |", flush=True)
    codebook = ls.Codebook(make_centers("float32", 256))
    one, all_ = (
        best(lambda threads=threads: codebook.labels(image, out=out, threads=threads), 3)
        for threads in (1, options.threads)
    )
    print(f"\nK = 256: one thread has {all_ / one:.0%} of the speed of {options.threads}.")


def small(options):
    codebook = ls.Codebook(make_centers("float32", 8))
    thresholds = codebook.thresholds(np.float32)
    print("\n| float32, K = 8, elements | labels, out= | labels | np.searchsorted |")
    print("| ---: | ---: | ---: | ---: |")
    for n in (1, 16, 100, 1000, 10_000, 100_000):
        image = np.random.default_rng(n).random(n, np.float32)
        out = np.empty(n, np.uint8)
        cells = []
        for call in (
            functools.partial(codebook.labels, image, out=out),
            functools.partial(codebook.labels, image),
            functools.partial(np.searchsorted, thresholds, image),
        ):
            call()
            number = max(20, 1_000_000 // (n + 100))
            seconds = min(timeit.repeat(call, number=number, repeat=options.repeats)) / number
            cells.append(f"{seconds * 1e6:,.2f} us")
        print(f"| {n:,} | {' | '.join(cells)} |", flush=True)


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


def boost_labels(midpoints):
    import boost_histogram

    axis = boost_histogram.axis.Variable([-np.inf, *midpoints, np.inf])
    return lambda image, out: np.copyto(
        out, axis.index(image.ravel()).reshape(image.shape), "unsafe"
    )


def sklearn_labels(centers):
    from sklearn.cluster import KMeans

    model = KMeans(len(centers), init=centers[:, None], n_init=1, max_iter=1)
    model.fit(centers[:, None])
    return lambda image, out: np.copyto(
        out, model.predict(image.reshape(-1, 1)).reshape(image.shape), casting="unsafe"
    )


def peer_calls(dtype, centers, threads):
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
    if dtype.itemsize <= 2:
        values = np.arange(1 << 8 * dtype.itemsize, dtype=dtype)
        table = ls.labels(values, centers, dtype=np.uint8)
        found["np.take (table)"] = lambda x, out: np.take(table, x, out=out, mode="clip")
        if dtype == np.uint8:
            with contextlib.suppress(ImportError):
                found["cv2.LUT"] = cv2_labels(table)
    with contextlib.suppress(ImportError):
        found["numba prange"] = numba_labels(ls.thresholds(centers, dtype), threads)
    with contextlib.suppress(ImportError):
        found["torch.bucketize"] = torch_labels(midpoints, threads)
    with contextlib.suppress(ImportError):
        found["boost-histogram index"] = boost_labels(midpoints)
    if dtype.kind == "f" and len(centers) <= 256:  # its time grows with the number of levels
        with contextlib.suppress(ImportError):
            found["sklearn KMeans.predict"] = sklearn_labels(centers.astype(dtype))
    return found


def peers(options):
    print("\n| image, levels | method | time | over levelsnap | pixels off |")
    print("| --- | --- | ---: | ---: | ---: |")
    for dtype in map(np.dtype, ("uint8", "uint16", "float32")):
        image = make_image(dtype, options.size)
        for k in (8, 256):
            centers = make_centers(dtype, k)
            codebook = ls.Codebook(centers)
            check(codebook, image)
            labels = np.zeros(image.shape, np.uint8)
            call = functools.partial(codebook.labels, image, out=labels, threads=options.threads)
            ours = best(call, options.repeats)
            case = f"{dtype.name}, K = {k}"
            print(f"| {case} | **levelsnap** | {ours * 1e3:,.0f} ms | 1.0 | 0 |", flush=True)
            for name, peer in peer_calls(dtype, centers, options.threads).items():
                out = np.zeros(image.shape, np.uint8)
                peer(image[:1], out[:1])  # numba compiles
                seconds = best(functools.partial(peer, image, out), 1)
                off = np.count_nonzero(out != labels)
                print(
                    f"| {case} | {name} | {seconds * 1e3:,.0f} ms | {seconds / ours:,.1f} "
                    f"| {off:,} |",
                    flush=True,
                )


def plot(options):
    """Time per pixel of float32 against the number of levels, one line for each method."""
    from matplotlib.figure import Figure

    image = make_image("float32", 4000)
    lines = {}
    for k in (2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 16384, 65536):
        centers = make_centers("float32", k)
        codebook = ls.Codebook(centers)
        check(codebook, image)
        out = np.zeros(image.shape, np.min_scalar_type(k - 1))
        call = functools.partial(codebook.labels, image, out=out, threads=options.threads)
        lines.setdefault("levelsnap", []).append((k, best(call, options.repeats)))
        for name, peer in peer_calls(image.dtype, centers, options.threads).items():
            out = np.zeros(image.shape, np.uint16)
            peer(image[:1], out[:1])
            lines.setdefault(name, []).append((k, best(functools.partial(peer, image, out), 1)))
    pieces = best(copiers(image.nbytes * 5 // 4, options)[0], options.repeats)
    figure = Figure((8, 5), layout="constrained")
    axes = figure.subplots()
    styles = ["o-", "s--", "^--", "D:", "v:", "P-.", "X-."]
    for (name, points), style in zip(lines.items(), styles, strict=False):
        ks, seconds = np.array(points).T
        axes.loglog(
            ks,
            seconds / image.size * 1e9,
            style,
            label=name,
            color="black" if name == "levelsnap" else None,
            linewidth=2.5 if name == "levelsnap" else 1.2,
        )
    axes.axhline(pieces / image.size * 1e9, color="0.6", zorder=0)
    axes.text(65536, pieces / image.size * 1e9, "a copy of the bytes", ha="right", va="top")
    axes.set_xlabel("levels")
    axes.set_ylabel("nanoseconds per pixel")
    axes.set_title(f"Labels of {image.size:,} float32 pixels, {options.threads} threads")
    axes.legend()
    figure.savefig(options.plot, dpi=110)


def main():
    parts = {"kernels": kernels, "layouts": layouts, "small": small, "peers": peers}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(parts)}; all by default")
    parser.add_argument("--size", type=int, default=12000, help="side of the square image")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=ls.get_num_threads())
    parser.add_argument("--plot", metavar="FILE", help="draw, instead of the tables")
    options = parser.parse_args()
    for part in options.parts:
        if part not in parts:
            parser.error(f"unknown part {part!r}; accepted are {', '.join(parts)}")
    if options.plot:
        plot(options)
        return
    print(
        f"{options.size} x {options.size} random pixels, {options.threads} threads, "
        f"{ISA.name}, {platform.machine()}, NumPy {np.__version__}, levelsnap {ls.__version__}"
    )
    for part in options.parts or parts:
        parts[part](options)


if __name__ == "__main__":
    main()
