"""Fuzz levelsnap against exact oracles: nearest levels, distinct values, fits.

    python tools/fuzz.py [--seconds 600] [--isa baseline|avx2|avx512]

needs atheris (pip install atheris) beside the test extra. The Python code guides it by its
coverage; the compiled modules count only if they are built with -fsanitize=fuzzer-no-link. Stops at
the first finding, which libFuzzer writes to crash-*; give that file as an argument to see it again.
"""

import argparse
import itertools
import math
import os
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in ("src", "tests")]

DTYPES = "?bBhHiIqQefd"
CODES = {"labels": "bBhHiIqQ", "snap": DTYPES}  # of their results
LONGEST = {0: 1, 1: 300, 2: 20, 3: 6}  # axes, by their number
MEMORY = 1 << 14  # bytes, which hold any of the views


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--isa", choices=["baseline", "avx2", "avx512"])
    parser.add_argument("inputs", nargs="*", help="findings to run again, or a corpus")
    options = parser.parse_args()
    if options.isa:
        os.environ["LEVELSNAP_ISA"] = options.isa
    try:
        import atheris
    except ImportError as error:
        version = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"atheris is not to be had on this Python {version}: {error}")
    with atheris.instrument_imports(include=["levelsnap"]):
        import levelsnap.threads
    levelsnap.threads.THREAD_FROM = 1  # so that small images are shared out too
    np.seterr(all="ignore")  # the oracles' casts
    limits = [f"-max_total_time={options.seconds}", "-max_len=2000", "-len_control=0"]
    families = [check_nearest] * 3 + [check_values, check_fit]

    def check(data):
        source = atheris.FuzzedDataProvider(data)
        source.PickValueInList(families)(source)

    atheris.Setup([sys.argv[0], *limits, *options.inputs], check)
    atheris.Fuzz()


def make_memory(source):
    """Bytes for views to share; sometimes 0 and 1 only."""
    seed = source.ConsumeBytes(source.ConsumeIntInRange(0, 200)) or b"\0"
    memory = np.tile(np.frombuffer(seed, np.uint8), MEMORY // len(seed) + 1)[:MEMORY]
    return memory & 1 if source.ConsumeBool() else memory


def make_view(source, memory, dtype, shape):
    """An array in the memory: reversed, with gaps, transposed, repeated or misaligned.

    In a copy of it, if that is to hold booleans and does not.
    """
    if dtype.kind == "b" and memory.max() > 1:
        memory = memory & 1
    strides = [0] * len(shape)
    extent = dtype.itemsize
    for axis in np.roll(range(len(shape)), source.ConsumeIntInRange(0, 2)):
        step = source.PickValueInList([1, 1, 1, 2, -1, -2, 0])
        strides[axis] = step * extent
        extent *= max(shape[axis] * abs(step), 1)
    before = sum(-s * (n - 1) for s, n in zip(strides, shape, strict=True) if s < 0 and n)
    offset = before + source.ConsumeIntInRange(0, 99)
    return np.ndarray(shape, dtype, memory, offset, strides)


def make_dtype(source, codes=DTYPES):
    return np.dtype(source.PickValueInList(["<", ">"]) + source.PickValueInList(list(codes)))


def make_image(source, memory):
    ndim = source.ConsumeIntInRange(0, 3)
    shape = [source.ConsumeIntInRange(0, LONGEST[ndim]) for _ in range(ndim)]
    return make_view(source, memory, make_dtype(source), shape)


def make_flags(source, memory, shape):
    """`where` or a mask, or None."""
    if source.ConsumeBool():
        return None
    return make_view(source, memory, np.dtype(bool), shape)


def make_out(source, memory, image, codes):
    """None, the image, another view of the memory, or one of memory of its own."""
    kind = source.ConsumeIntInRange(0, 4)
    if kind == 0:
        return None
    if kind == 1 and image.dtype.char in codes:
        return image
    room = memory if kind == 2 else np.zeros_like(memory)
    return make_view(source, room, make_dtype(source, codes), image.shape)


def make_centers(source, image):
    """Finite, distinct: of the image, halves, or anything."""
    pool = [source.ConsumeRegularFloat() for _ in range(source.ConsumeIntInRange(1, 40))]
    pool += image.ravel()[: source.ConsumeIntInRange(0, 300)].astype(np.float64).tolist()
    pool += [source.ConsumeIntInRange(-300, 300) / 2 for _ in range(5)]
    return sorted({x + 0.0 for x in pool if np.isfinite(x)})


def force_method(source, dtype, k):
    """Have the codebooks to come find labels by any way that there is."""
    from test_kernels import exists

    from levelsnap import codebook, tables

    methods = [m for m in tables.Method if exists(tables.ISA, m, dtype.newbyteorder("="), k)]
    method = source.PickValueInList(methods)
    codebook.choose_method = lambda dtype, k, size: method
    tables.MAX_CROWDED = 1


def check_nearest(source):
    """A call of `labels`, `snap` or both: its results, its refusal, and what else it writes."""
    import levelsnap as ls

    memory = make_memory(source)
    image = make_image(source, memory)
    centers = make_centers(source, image)
    force_method(source, image.dtype, len(centers))
    book = ls.Codebook(centers)
    if source.ConsumeBool():  # the short way for a codebook that has its table
        book.labels(np.zeros(image.shape, image.dtype))
        book.snap(np.zeros(image.shape, image.dtype))
    where, mask = (make_flags(source, memory, image.shape) for _ in range(2))
    given = image if mask is None else np.ma.MaskedArray(image, mask)
    skipped = np.zeros(image.shape, bool)
    skipped |= False if where is None else ~where
    skipped |= False if mask is None else mask
    names = source.PickValueInList([["labels"], ["snap"], ["labels", "snap"]])
    nans = ["raise", "propagate"] if names == ["snap"] else ["raise", 0, len(centers) - 1]
    nan = source.PickValueInList(nans)
    outs = [make_out(source, memory, image, CODES[name]) for name in names]
    expected = [
        expect(name, image, centers, skipped, nan, out)
        for name, out in zip(names, outs, strict=True)
    ]
    refuse = any(result is None for result in expected) or share_elements(outs)
    before, image_before = memory.copy(), image.copy()
    mask_before = None if mask is None else mask.copy()
    options = {"where": True if where is None else where, "nan": nan}
    options["out"] = outs[0] if len(outs) == 1 else tuple(outs)
    options["threads"] = source.ConsumeIntInRange(1, 3)
    function = getattr(book, "_and_".join(names))
    if refuse:
        refused(function, given, **options)
        if any(out is image for out in outs):
            same(image, image_before)
        return
    found = function(given, **options)
    for result, out, right in zip(
        [found] if len(outs) == 1 else found, outs, expected, strict=True
    ):
        assert out is None or result is out
        assert out is not None or mask is None or np.array_equal(result.mask, mask_before)
        same(np.ma.getdata(result), right)
        if out is not None and np.shares_memory(out, memory):
            out[...] = view_of(before, memory, out)
    assert np.array_equal(memory, before), "written beside out"


def expect(name, image, centers, skipped, nan, out):
    """The result by the oracle; None: the call is to be refused."""
    import reference

    default = np.min_scalar_type(len(centers) - 1) if name == "labels" else image.dtype
    dtype = default if out is None else out.dtype
    missing = np.isnan(image) & ~skipped
    if out is not None and repeats(out):
        return None
    if missing.any() and (nan == "raise" or (name == "snap" and dtype.kind != "f")):
        return None
    result = reference.labels(np.where(np.isnan(image), image.dtype.type(0), image), centers)
    if name == "labels":
        if np.iinfo(dtype).max < len(centers) - 1:
            return None
        result, for_nan, kept = result.astype(dtype), nan, np.zeros(image.shape, dtype)
    else:
        result, for_nan, kept = reference.decode(result, centers, dtype), np.nan, image
    if missing.any():
        result[missing] = for_nan
    result[skipped] = (kept if out is None else out)[skipped]
    return result


def repeats(array):
    """Whether a view of `make_view` holds elements several times."""
    return array.size and any(
        n > 1 and s == 0 for n, s in zip(array.shape, array.strides, strict=True)
    )


def share_elements(outs):
    return len(outs) == 2 and all(out is not None for out in outs) and np.shares_memory(*outs)


def view_of(other, memory, view):
    """The same view of a copy of the memory."""
    offset = view.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    return np.ndarray(view.shape, view.dtype, other, offset, view.strides)


def check_values(source):
    """`distinct` and `histogram` by any of their ways."""
    import levelsnap as ls
    from levelsnap import values
    from levelsnap.values import Plan, Way

    memory = make_memory(source)
    image = make_image(source, memory)
    plans = [Plan(Way.SORT), Plan(Way.SET), Plan(Way.DEAL)]
    if image.dtype.itemsize == 4:
        plans += [Plan(Way.BITMAP), Plan(Way.BITMAP, True), Plan(Way.BITMAP, True, True)]
    plan = source.PickValueInList(plans)
    values._choose = lambda *args: plan
    values._set_limit = lambda image, threads: 1000
    where, mask = (make_flags(source, memory, image.shape) for _ in range(2))
    kept = ~np.isnan(image)
    kept &= True if where is None else where
    kept &= True if mask is None else ~mask
    expected, counts = np.unique(image[kept], return_counts=True)
    given = image if mask is None else np.ma.MaskedArray(image, mask)
    options = {"where": True if where is None else where}
    options["threads"] = source.ConsumeIntInRange(1, 3)
    same(ls.distinct(given, **options), expected)
    found = ls.histogram(given, **options)
    same(found.values, expected)
    same(found.counts, counts)


def check_fit(source):
    """`fit`, optimal and Lloyd's, and `choose_k` of few values with counts or weights."""
    from test_kmeans1d import brute_force, exact_costs, exact_means

    import levelsnap as ls

    image = make_image(source, make_memory(source))
    values = np.unique(image[np.isfinite(image)])[: source.ConsumeIntInRange(1, 9)]
    ways = [lambda: 1, lambda: source.ConsumeIntInRange(0, 2**64 - 1), source.ConsumeRegularFloat]
    weight = source.PickValueInList(ways)
    weights = np.array([abs(weight()) for _ in values])
    histogram = ls.Histogram(values, weights)
    options = {"weights": source.PickValueInList(["distinct", "counts"])}
    counts = None
    if options["weights"] == "counts":
        values, counts = histogram.values[weights > 0], histogram.counts[weights > 0]
    if not len(values):
        refused(ls.fit, histogram, 1, **options)
        return
    k = source.ConsumeIntInRange(1, min(len(values), 4))
    best = exact_means(values, counts, brute_force(values, counts, k))
    if len(set(best)) < k:
        refused(ls.fit, histogram, k, **options)
    else:
        same(ls.fit(histogram, k, **options).centers, best)
    choice = ls.choose_k(histogram, k, **options)
    costs = exact_costs(values, counts)
    for m, inertia in enumerate(choice.inertia, 1):
        cuts = [0, *brute_force(values, counts, m), len(values)]
        cost = sum(costs[group] for group in itertools.pairwise(cuts))
        exact = float(cost) if cost < 2**1024 - 2**970 else math.inf
        assert math.isclose(inertia, exact, rel_tol=1e-9, abs_tol=1e-300), (inertia, exact)
    means = [
        exact_means(values, counts, cuts)
        for cuts in itertools.combinations(range(1, len(values)), k - 1)
    ]
    if all(len(set(group)) == k for group in means):
        found = ls.fit(histogram, k, method="lloyd", seed=source.ConsumeIntInRange(0, 9), **options)
        assert found.centers.tolist() in means, found


def same(found, expected):
    """Equal values; NaN equals NaN and -0.0 equals 0.0."""
    if not np.array_equal(found, expected, equal_nan=np.asarray(found).dtype.kind == "f"):
        raise AssertionError(f"found {found!r}, expected {expected!r}")


def refused(function, *args, **options):
    try:
        function(*args, **options)
    except ValueError:
        return
    raise AssertionError(f"{function.__name__} took {args!r}, {options!r}")


if __name__ == "__main__":
    main()
