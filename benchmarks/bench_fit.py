"""Time fit after checking the results, and peers beside it.

    python benchmarks/bench_fit.py [solver ties scaled local breaks images memory]

prints Markdown tables:

solver
    `fit` of n different float64 values, and without sorting and means: milliseconds with one and
    with all threads, and in brackets what was aimed at. Of a peer, how many times as long as `fit`
    with all threads it takes, and its cost over the optimum where it is larger. All are given the
    same values in random order. Peers that would take longer than ``--limit`` seconds, going by
    their time for fewer values or levels, or more than ``--memory`` gigabytes, are left out.
ties
    The search alone on integers with many equally good groups, as of a 16-bit image in which nearly
    all values occur, on float32 values, and on float64 values that are evenly spaced but for noise.
scaled
    Values on which sums of squares cancel: the cost of each peer's groups over the optimum.
local
    Cost over the optimum, and time, of ``method="lloyd"`` and ``method="opencv"`` on real images.
breaks
    ``weights="counts"`` beside multi-Otsu thresholding and Fisher-Jenks natural breaks. Where the
    classes differ, the exact variance between classes of both.
images
    `fit` and `labels_and_snap` of large images, each in a new process, beside the function that
    `unique_quantize` stands for.
memory
    The most memory of a new process beyond the values.

Costs are sums of squared distances to the means of the groups, in rational numbers for up to
65,536 values. A time is the best of the repeats; of peers, of one if they are slow.
"""

import argparse
import contextlib
import functools
import itertools
import math
import multiprocessing
import platform
import re
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from fractions import Fraction
from pathlib import Path

import numpy as np
from bench_nearest import best, make_image

import levelsnap as ls
from levelsnap.kmeans1d import make_problem, optimal_cuts
from levelsnap.points import Problem
from levelsnap.rationals import exact_cuts
from levelsnap.tables import ISA

EXACT = 65_536


def random_values(kind, n, seed=0):
    rng = np.random.default_rng(seed)
    values = {"uniform": rng.random, "normal": rng.normal, "lognormal": rng.lognormal}[kind](size=n)
    assert len(np.unique(values)) == n
    return values


def exact_cost(values, labels, weights=None):
    """The cost of any groups, as a rational."""
    counts = itertools.repeat(1) if weights is None else map(Fraction, weights.tolist())
    sums = {}
    for value, label, weight in zip(values.tolist(), labels.tolist(), counts, strict=False):
        x = Fraction(value)
        w, s1, s2 = sums.get(label, (0, 0, 0))
        sums[label] = w + weight, s1 + weight * x, s2 + weight * x * x
    by_weight = {}
    for w, s1, s2 in sums.values():
        by_weight[w] = by_weight.get(w, 0) + s2 * w - s1 * s1
    return sum(Fraction(cost) / w for w, cost in by_weight.items())


def cost_over(values, labels, cuts):
    """The cost of a peer's groups over that of ours, which must not be the larger."""
    order = np.argsort(values)
    values, labels = values[order], labels[order]
    ours = np.zeros(len(values), np.int64)
    ours[cuts] = 1
    ours = np.cumsum(ours)
    if len(values) <= EXACT:
        theirs, least = exact_cost(values, labels), exact_cost(values, ours)
    else:
        problem = Problem(values, None)
        (theirs, error), (least, _) = (
            problem.cost(np.flatnonzero(np.diff(x, prepend=-1, append=-1))) for x in (labels, ours)
        )
        theirs += error
    assert least <= theirs or len(np.unique(labels)) > len(cuts) + 1
    if least == 0:
        return 1.0 if theirs == 0 else math.inf
    return float(theirs / least)


def from_tops(values, tops):
    return np.searchsorted(np.asarray(tops)[:-1], values)


@functools.cache
def find_peers():
    """Name -> call(values, k) that gives labels."""
    found = {}
    with contextlib.suppress(ImportError):
        import ckwrap

        found["ckwrap"] = lambda x, k: ckwrap.ckmeans(x, k).labels
    with contextlib.suppress(ImportError):
        import ckmeans_1d_dp

        found["ckmeans-1d-dp"] = lambda x, k: np.asarray(ckmeans_1d_dp.ckmeans(x, k).cluster)
    with contextlib.suppress(ImportError):
        import kmeans1d

        found["kmeans1d"] = lambda x, k: np.array(kmeans1d.cluster(x, k).clusters)
    with contextlib.suppress(ImportError):
        import jenkspy

        found["jenkspy"] = lambda x, k: from_tops(x, jenkspy.jenks_breaks(x, n_classes=k)[1:])
    with contextlib.suppress(ImportError):
        import mapclassify

        found["mapclassify"] = lambda x, k: from_tops(x, mapclassify.FisherJenks(x, k).bins)
    with contextlib.suppress(ImportError):
        import cv2

        criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 0.0)
        found["cv2, 20 tries"] = lambda x, k: cv2.kmeans(
            x.astype(np.float32).reshape(-1, 1), k, None, criteria, 20, cv2.KMEANS_RANDOM_CENTERS
        )[1].ravel()
    return found


class Limits:
    """What a peer may be expected to take, from what it took before."""

    def __init__(self, options):
        self.options = options
        self.known = {}

    def allow(self, name, n, k):
        quadratic = name in ("jenkspy", "mapclassify")
        if name != "cv2, 20 tries" and 16 * n * k > self.options.memory * 1e9:
            return False
        seconds, n_before, k_before = self.known.get(name, (1e-3, 1000, 2))
        growth = (n / n_before) ** (2 if quadratic else 1) * (k / k_before)
        return seconds * growth <= self.options.limit

    def note(self, name, n, k, seconds):
        self.known[name] = seconds, n, k


def timed_peer(call, options):
    """What a peer finds and its seconds: the best of the repeats, but of one if it is slow."""
    start = time.perf_counter()
    found = call()
    seconds = time.perf_counter() - start
    return found, min(seconds, best(call, options.repeats)) if seconds < 0.5 else seconds


SOLVER = [
    *(("uniform", 1000, k, None) for k in (2, 8, 32, 256)),
    *(("uniform", 65_536, k, 5) for k in (2, 8, 32, 256, 5000, 30_000)),
    *((kind, 65_536, k, 5) for kind in ("normal", "lognormal") for k in (2, 8, 32, 256)),
    *(("uniform", 1_000_000, k, 100 if k <= 32 else 250) for k in (2, 8, 32, 256, 10_000)),
    *(
        (kind, 1_000_000, k, 100 if k <= 32 else 250)
        for kind in ("normal", "lognormal")
        for k in (2, 8, 32, 256)
    ),
    *(("uniform", 10_000_000, k, 1500) for k in (2, 8, 32, 256)),
]


def sums_and_search(ascending, k, threads):
    return optimal_cuts(make_problem(ascending, None, k, threads), k, threads=threads)


def solver(options):
    peers, limits = dict(find_peers()), Limits(options)
    peers.pop("mapclassify", None)  # for tables, not for thousands of values
    threads = options.threads
    columns = [f"fit, {t} thread{'s' if t > 1 else ''}" for t in (1, threads)]
    columns += [f"sums and search, {t} thread{'s' if t > 1 else ''}" for t in (1, threads)]
    print(f"\n| values | K | {' | '.join(columns)} | {' | '.join(peers)} |")
    print(f"| --- {'| ---: ' * (1 + len(columns) + len(peers))}|")
    losses = []
    for kind, n, k, asked in SOLVER:
        case = f"{kind} {n:,}, K = {k:,}"
        if not re.search(options.only, case):
            continue
        values = random_values(kind, n)
        ascending = np.sort(values)
        cuts = sums_and_search(ascending, k, threads)
        labels = ls.fit(values, k).labels(ascending)
        assert (np.flatnonzero(np.diff(labels)) + 1 == cuts).all()
        repeats = max(2, min(options.repeats, 20_000_000 // n))
        calls = [functools.partial(ls.fit, values, k, threads=t) for t in (1, threads)]
        calls += [functools.partial(sums_and_search, ascending, k, t) for t in (1, threads)]
        times = [best(call, repeats) for call in calls]
        cells = [
            f"{seconds * 1e3:,.3g} ms" if seconds < 1 else f"{seconds:,.2f} s" for seconds in times
        ]
        ours = times[1]
        if asked:
            cells[1] += f" ({asked:,})"
            if ours * 1e3 > asked:
                losses.append(f"{case}: {ours * 1e3 / asked:.2f} of the aim")
        for name, peer in peers.items():
            if not limits.allow(name, n, k):
                cells.append("-")
                continue
            found, seconds = timed_peer(functools.partial(peer, values, k), options)
            limits.note(name, n, k, seconds)
            excess = cost_over(values, found, cuts)
            cells.append(
                f"{seconds / ours:,.3g}{f', cost {excess:.4g}' if excess >= 1.00005 else ''}"
            )
            if seconds < ours:
                losses.append(f"{case}: {name} takes {seconds / ours:.2f} as long")
        print(f"| {kind} {n:,} | {k:,} | {' | '.join(cells)} |", flush=True)
    print(f"\nLosses: {'; '.join(losses) or 'none'}.")


def tied():
    """Name -> (values, numbers of levels)."""
    rng = np.random.default_rng(0)
    row = np.arange(65_536, dtype=np.uint16)
    some = np.sort(rng.permutation(row)[:-20])
    gaps = np.cumsum(rng.integers(1, 3, 20_000))
    nanoseconds = 1_700_000_000 * 10**9 + np.arange(500)
    floats = [np.unique(rng.random(n, np.float32)) for n in (65_536, 1_000_000)]
    return {
        "uint16 but one value": (np.delete(row, 30_001), (3, 32, 256, 1000, 5000, 20_000)),
        "uint16 but 20 values": (some, (3, 32, 256, 1000, 6551, 20_000)),
        "gaps of 1 or 2, 20,000 values": (gaps, (3, 32, 256, 2000, 10_000, 15_000)),
        "0..599 and 500 unix nanoseconds": (np.append(np.arange(600), nanoseconds), (3, 10, 100)),
        "uint16, 40,000 values": (np.sort(rng.permutation(row)[:40_000]), (5000, 30_000)),
        **{
            f"float32, {len(x):,} values": (x, (len(x) // 13, len(x) // 3, len(x) * 9 // 10))
            for x in floats
        },
        "np.linspace(0, 1, 20,000)": (np.linspace(0, 1, 20_000), (600, 6000, 16_000)),
        "20,000 integers and noise of 1e-12": (
            np.arange(20_000) + 1e-12 * rng.normal(size=20_000),
            (600, 6000, 16_000),
        ),
    }


def ties(options):
    threads = options.threads
    columns = [f"{t} thread{'s' if t > 1 else ''}" for t in (1, threads)]
    print(f"\n| values | K | {' | '.join(columns)} |\n| --- | ---: | ---: | ---: |")
    for name, (values, ks) in tied().items():
        problem = Problem(values, None, threads)
        for k in ks:
            if not re.search(options.only, f"{name}, K = {k:,}"):
                continue
            calls = [functools.partial(optimal_cuts, problem, k, threads=t) for t in (1, threads)]
            assert_lowest(values, calls[0]())
            assert (calls[0]() == calls[1]()).all()
            times = [f"{best(call, options.repeats) * 1e3:,.3g} ms" for call in calls]
            print(f"| {name} | {k:,} | {' | '.join(times)} |", flush=True)


def assert_lowest(values, cuts):
    """No cut can move by one, down for the same cost or up for less."""
    edges = [0, *cuts.tolist(), len(values)]
    values = [Fraction(x) for x in values.tolist()] if values.dtype.kind == "f" else values.tolist()

    def cost(i, j):
        offsets = [x - values[i] for x in values[i:j]]
        return sum(x * x for x in offsets) - Fraction(sum(offsets) ** 2, j - i)

    for a, b, c in zip(edges, edges[1:], edges[2:], strict=False):
        least = cost(a, b) + cost(b, c)
        assert b - 1 == a or cost(a, b - 1) + cost(b - 1, c) > least
        assert b + 1 == c or cost(a, b + 1) + cost(b + 1, c) >= least


def gallery():
    """Name -> (values, K)."""
    rng = np.random.default_rng(0)

    def groups(at, width, n=40):
        return np.unique(np.concatenate([c + width * rng.random(n) for c in at]))

    nodata = np.float32(-3.4e38)
    return {
        "1e9 + {0..4}, each 40 values within 0.01": (groups(1e9 + np.arange(5), 0.01), 5),
        "1e8 + {0..4}, each 40 values within 0.01": (groups(1e8 + np.arange(5), 0.01), 5),
        "unix seconds, 5 bursts of 60 in a day": (
            np.unique(1_700_000_000 + groups(np.arange(5) * 17_000, 60).astype(np.int64)),
            5,
        ),
        "unix nanoseconds, 5 bursts of 1 ms in a second": (
            np.unique(
                1_700_000_000 * 10**9 + groups(np.arange(5) * 2 * 10**8, 1e6).astype(np.int64)
            ),
            5,
        ),
        "DEM 0..3000 with nodata -3.4e38, float32": (
            np.append(nodata, np.arange(3001, dtype=np.float32)),
            4,
        ),
        "tight pairs of groups at +-1e9": (groups([-1e9, -1e9 + 1, 1e9, 1e9 + 1], 0.01), 4),
        "uint16 60000..60999": (np.arange(60_000, 61_000, dtype=np.uint16), 8),
        "normal and one value at 1e12": (np.append(np.sort(rng.normal(size=1000)), 1e12), 8),
        "log-uniform over 16 decades": (np.unique(10.0 ** rng.uniform(-8, 8, 1000)), 8),
        "1e300 beside 1e-300": (
            np.unique(np.append(1e300 * rng.random(500), 1e-300 * rng.random(500))),
            8,
        ),
        "both ends of int64, 40 values each": (
            np.append(-(2**63) + np.arange(40), 2**63 - 1 - np.arange(40)[::-1]),
            4,
        ),
    }


def new_process():
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def peer_labels(name, values, k):
    warnings.simplefilter("ignore")
    with np.errstate(all="ignore"):
        return find_peers()[name](values, k)


def scaled(options):
    peers = find_peers()
    print(f"\n| values | K | levelsnap | {' | '.join(peers)} |")
    print(f"| --- {'| ---: ' * (2 + len(peers))}|")
    pool = new_process()  # which some values end
    for name, (values, k) in gallery().items():
        cuts = optimal_cuts(Problem(values, None), k)
        assert (cuts == exact_cuts(values, None, k)).all()
        cells = []
        for peer in peers:
            try:
                labels = pool.submit(peer_labels, peer, values.astype(np.float64), k).result()
                excess = cost_over(values, labels, cuts)
                cells.append("inf" if excess == math.inf else f"{excess:,.6g}")
            except BrokenProcessPool:
                cells.append("crashes")
                pool = new_process()
            except Exception as error:  # whatever a peer raises is its result
                cells.append(type(error).__name__)
        print(f"| {name} | {k} | 1 | {' | '.join(cells)} |", flush=True)


def real_images(names):
    """Name -> image, of examples/ and of what scikit-image has in its wheel."""
    from skimage import color, data, io

    found = {
        path.stem: io.imread(path)
        for path in sorted((Path(__file__).parents[1] / "examples").glob("*.png"))
    }
    for name in names:
        found[name] = getattr(data, name)()
        if found[name].ndim == 3:
            found[name] = color.rgb2gray(found[name]).astype(np.float32)
    return found


def local(options):
    images = real_images(["camera", "coins", "moon", "page", "text", "chelsea"])
    print("\n| image, distinct values | K | optimal | lloyd | opencv | lloyd over | opencv over |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    excesses = {"lloyd": [], "opencv": []}
    for name, image in images.items():
        values = ls.distinct(image)
        for k in (4, 8, 16, 32):
            times, costs = {}, {}
            for method in ("optimal", "lloyd", "opencv"):
                fit = functools.partial(ls.fit, values, k, method=method, seed=0, eps=1e-3)
                costs[method] = fit().inertia(values)  # OpenCV is imported
                times[method] = best(fit, 1 if method == "opencv" else options.repeats)
            assert costs["optimal"] <= min(costs.values()) * (1 + 1e-12)
            over = {method: costs[method] / costs["optimal"] for method in excesses}
            for method, excess in over.items():
                excesses[method].append(excess)
            cells = [f"{seconds * 1e3:,.3g} ms" for seconds in times.values()]
            cells += [f"{excess:.4f}" for excess in over.values()]
            print(
                f"| {name} {image.dtype}, {len(values):,} | {k} | {' | '.join(cells)} |", flush=True
            )
    for method, over in excesses.items():
        print(f"\n{method}: median {np.median(over):.4f}, worst {max(over):.4f} of the optimum.")


def breaks(options):
    import mapclassify
    from skimage import data
    from skimage.filters import threshold_multiotsu

    print("\n| image | classes | fit | multi-Otsu | over fit | variance between the classes |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    images = real_images(["camera", "coins", "moon", "page", "text"])
    # Of more levels, multi-Otsu takes minutes.
    images["jacksboro_dem // 8"] = images.pop("jacksboro_dem") // 8
    images["moon // 4"] = images["moon"] // 4
    images["retina, green"] = data.retina()[..., 1]
    for name, image in images.items():
        if not re.search(options.only, name):
            continue
        for classes in (2, 3, 4, 5):
            theirs = functools.partial(threshold_multiotsu, image, classes)
            breaks_row(name, classes, image, theirs, options)
    print("\n| values | classes | fit | FisherJenks | over fit | variance between the classes |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    values = mapclassify.load_example().to_numpy()
    samples = {"mapclassify's example": values}
    samples["1,000 lognormal"] = random_values("lognormal", 1000)
    for name, sample in samples.items():
        if not re.search(options.only, name):
            continue
        mapclassify.FisherJenks(sample[:50], 3)  # compiled by numba, if that is there
        for classes in (3, 5, 9):
            theirs = functools.partial(
                lambda x, k: mapclassify.FisherJenks(x, k).bins[:-1], sample, classes
            )
            breaks_row(name, classes, sample, theirs, options)


def breaks_row(name, classes, image, theirs, options):
    histogram = ls.histogram(image)
    values, counts = histogram.values, histogram.counts
    fit = functools.partial(ls.fit, image, classes, weights="counts")
    labels = fit().labels(values)
    assert (np.flatnonzero(np.diff(labels)) + 1 == exact_cuts(values, counts, classes)).all()
    found, their_seconds = timed_peer(theirs, options)
    their_labels = np.searchsorted(found, values)
    seconds = best(fit, options.repeats)
    verdict = "equal classes"
    if not (labels == their_labels).all():
        whole = exact_cost(values, np.zeros_like(labels), counts)
        ours, other = (
            (whole - exact_cost(values, x, counts)) / int(counts.sum())
            for x in (labels, their_labels)
        )
        assert ours > other
        verdict = f"{float(ours):.6f}, theirs {float(other):.6f}"
    print(
        f"| {name} | {classes} | {seconds * 1e3:,.3g} ms | {their_seconds * 1e3:,.3g} ms "
        f"| {their_seconds / seconds:,.3g} | {verdict} |",
        flush=True,
    )


def in_new_process(function, *args):
    with new_process() as pool:
        return pool.submit(function, *args).result()


def resident(field="VmRSS"):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(field))


def peak(call):
    """The result of a call, its seconds and the most memory that it took; Linux only."""
    before = resident()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    return result, seconds, resident("VmHWM") - before


IMAGES = [("uint8", 8), ("uint16", 32), ("float32 of 12-bit data", 32), ("float32", 32)]


def large_image(kind, size):
    if kind == "float32 of 12-bit data":
        image = np.random.default_rng(0).integers(0, 4096, (size, size), np.uint16)
        return image.astype(np.float32)
    return make_image(kind, size)


def whole_way(kind, k, size, threads):
    """Seconds and bytes of each step."""
    image = large_image(kind, size)
    few = image[: size // 100]
    codebook = ls.fit(few, k)
    labels, snapped = codebook.labels_and_snap(few)
    assert (
        snapped == codebook.centers[labels].astype(image.dtype)
    ).all() or image.dtype.kind == "u"
    values, distinct_seconds, _ = peak(lambda: ls.distinct(image, threads=threads))
    n = len(values)
    del values
    codebook, fit_seconds, fit_bytes = peak(lambda: ls.fit(image, k, threads=threads))
    assert codebook.gap == 0
    _, snap_seconds, snap_bytes = peak(lambda: codebook.labels_and_snap(image, threads=threads))
    return n, distinct_seconds, fit_seconds, snap_seconds, fit_bytes, snap_bytes


def original(image, k):
    """Seconds of the levels and of the pixels, by a loop over them."""
    import cv2

    start = time.perf_counter()
    values = np.unique(image).astype(np.float32).reshape(-1, 1)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 0.05)
    centers = cv2.kmeans(values, k, None, criteria, 20, cv2.KMEANS_RANDOM_CENTERS)[2]
    centers = np.sort(centers.ravel()).astype(np.float64)
    middle = time.perf_counter()
    labels = np.empty(image.size, np.int64)
    for i, pixel in enumerate(image.ravel()):
        labels[i] = np.argmin(np.abs(pixel - centers))
    snapped = centers[labels].reshape(image.shape)
    assert snapped.shape == image.shape
    return middle - start, time.perf_counter() - middle


def images(options):
    print(
        "\n| image, K, distinct values | distinct | fit, with that | labels_and_snap | fit + "
        "labels_and_snap | most memory of fit | results | original | over levelsnap |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    scale = (options.size / 1000) ** 2
    for kind, k in IMAGES:
        if not re.search(options.only, f"{kind}, K = {k}"):
            continue
        n, distinct, fit, snap, fit_bytes, snap_bytes = in_new_process(
            whole_way, kind, k, options.size, options.threads
        )
        levels, pixels = original(large_image(kind, 1000), k)
        old = levels + pixels * scale
        print(
            f"| {kind}, {k}, {n:,} | {distinct:.3g} s | {fit:.3g} s | {snap:.3g} s "
            f"| {fit + snap:.3g} s | {fit_bytes / 1e6:,.0f} MB | {snap_bytes / 1e6:,.0f} MB "
            f"| {old:,.0f} s | {old / (fit + snap):,.0f} |",
            flush=True,
        )
    print(
        "\nMemory is beyond the image. The original: np.unique, cv2.kmeans (20 tries, eps 0.05), a "
        f"loop over the pixels; of 1000 x 1000 pixels, the loop's time times {scale:g}, the rest "
        "as it is, in its favour."
    )


def fit_memory(name, n, k, threads):
    values = random_values("uniform", n)
    if name == "levelsnap":
        ls.fit(values[:100], 2)
        return peak(lambda: ls.fit(values, k, threads=threads))[1:]
    peer = find_peers()[name]
    peer(values[:100], 2)
    return peak(lambda: peer(values, k))[1:]


def memory(options):
    print("\n| n | K | | time | memory beyond the values | bytes per value |")
    print("| ---: | ---: | --- | ---: | ---: | ---: |")
    cases = [("levelsnap", 10_000_000, k) for k in (2, 32, 256)]
    names = [name for name in find_peers() if name in ("ckwrap", "ckmeans-1d-dp", "kmeans1d")]
    cases += [(name, 1_000_000, 32) for name in ("levelsnap", *names)]
    for name, n, k in cases:
        seconds, n_bytes = in_new_process(fit_memory, name, n, k, options.threads)
        print(
            f"| {n:,} | {k} | {name} | {seconds:,.3g} s | {n_bytes / 1e6:,.0f} MB "
            f"| {n_bytes / n:,.0f} |",
            flush=True,
        )


def main():
    parts = {
        "solver": solver,
        "ties": ties,
        "scaled": scaled,
        "local": local,
        "breaks": breaks,
        "images": images,
        "memory": memory,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(parts)}; all by default")
    parser.add_argument(
        "--only",
        default="",
        metavar="PATTERN",
        help='of solver, ties, breaks and images, only cases such as "uniform 1,000, K = 8"',
    )
    parser.add_argument("--size", type=int, default=12000, help="side of the square images")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=ls.get_num_threads())
    parser.add_argument("--limit", type=float, default=60, help="seconds that a peer may take")
    parser.add_argument("--memory", type=float, default=4, help="gigabytes that a peer may take")
    options = parser.parse_args()
    for part in options.parts:
        if part not in parts:
            parser.error(f"unknown part {part!r}; accepted are {', '.join(parts)}")
    print(
        f"{options.threads} threads, {ISA.name}, {platform.machine()}, NumPy {np.__version__}, "
        f"levelsnap {ls.__version__}"
    )
    for part in options.parts or parts:
        parts[part](options)


if __name__ == "__main__":
    main()
