"""Fuzz labels, snap, labels_and_snap, distinct, histogram and fit against exact oracles.

    python tools/fuzz.py [--seconds 600] [--isa baseline|avx2|avx512]

needs atheris (pip install atheris). The Python code guides it by its coverage; the compiled modules
count only if they are built with -fsanitize=fuzzer-no-link. Stops at the first finding, which
libFuzzer writes to crash-*; give that file as an argument to see it again.
"""

import argparse
import itertools
import os
import sys
from fractions import Fraction
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / part) for part in ("src", "tests")]

DTYPES = "?bBhHiIqQefd"


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
        import levelsnap  # noqa: F401
    limit = [f"-max_total_time={options.seconds}", "-max_len=2000"]
    atheris.Setup([sys.argv[0], *limit, *options.inputs], lambda data: check(atheris, data))
    atheris.Fuzz()


def check(atheris, data):
    """One case: an image of any layout, and one family of functions."""
    source = atheris.FuzzedDataProvider(data)
    image = make_image(source)
    family = source.PickValueInList([check_nearest, check_nearest, check_values, check_fit])
    family(source, image)


def make_array(source, dtype, shape, strided=True):
    """An array of any bytes: offset, reversed, sliced, transposed or broadcast."""
    import numpy as np

    steps = [source.PickValueInList([1, 1, 2, 3, -1, -2, 0]) if strided else 1 for _ in shape]
    whole = [max(n * abs(step), 1) if step else 1 for n, step in zip(shape, steps, strict=True)]
    offset = source.ConsumeIntInRange(0, 9)
    size = int(np.prod(whole)) * dtype.itemsize
    seed = source.ConsumeBytes(source.ConsumeIntInRange(0, 200)) or b"\0"
    content = np.resize(np.frombuffer(seed, np.uint8), size + offset)
    if dtype.kind == "b":
        content &= 1
    array = np.frombuffer(content.tobytes(), dtype, offset=offset).reshape(whole)
    array = array[tuple(slice(None, None, step or 1) for step in steps)]
    cut = tuple(slice(n) for n in shape)
    array = np.broadcast_to(array[cut], shape)
    return array.transpose(np.roll(np.arange(len(shape)), source.ConsumeIntInRange(0, 3)))


def make_image(source):
    import numpy as np

    dtype = np.dtype(source.PickValueInList(list(DTYPES)))
    dtype = dtype.newbyteorder(source.PickValueInList(["<", ">"]))
    longest = source.PickValueInList([3, 9, 40])
    shape = [source.ConsumeIntInRange(0, longest) for _ in range(source.ConsumeIntInRange(0, 3))]
    return make_array(source, dtype, shape)


def make_centers(source, image):
    """Finite, distinct: of the image, near it, or anything."""
    import numpy as np

    pool = [source.ConsumeRegularFloat() for _ in range(source.ConsumeIntInRange(1, 40))]
    with np.errstate(invalid="ignore"):  # signalling NaN
        pool += image.ravel()[: source.ConsumeIntInRange(0, 300)].astype(np.float64).tolist()
    pool += [source.ConsumeIntInRange(-300, 300) / 2 for _ in range(5)]
    return sorted({x + 0.0 for x in pool if np.isfinite(x)})


def check_nearest(source, image):
    import numpy as np
    import reference

    import levelsnap as ls

    centers = make_centers(source, image)
    threads = source.ConsumeIntInRange(1, 3)
    asked = np.broadcast_to(True, image.shape)
    if source.ConsumeBool():
        asked = make_array(source, np.dtype(bool), image.shape, strided=False)
        asked = asked.reshape(image.shape)
    nan = image != image
    labels = np.where(nan, 0, reference.labels(np.where(nan, 0, image), centers))
    snapped = reference.decode(labels, centers, image.dtype)
    snapped = np.where(nan | ~asked, image, snapped)
    labels = np.where(asked, labels, 0)
    options = {"where": asked, "threads": threads}
    found = ls.labels(image, centers, nan=0, **options)
    same(found, labels)
    same(ls.snap(image, centers, **options), snapped)
    both = ls.labels_and_snap(image, centers, nan=0, **options)
    same(both[0], labels)
    same(both[1], snapped)
    in_place = image.copy(order="K")
    same(ls.snap(in_place, centers, out=in_place, **options), snapped)
    outs = np.zeros([2 * n for n in image.shape], np.int64)[
        tuple([slice(None, None, 2)] * image.ndim)
    ]
    if image.ndim:
        same(ls.labels(image, centers, nan=0, out=outs, **options), labels)
    if (nan & asked).any():
        refused(ls.labels, image, centers, **options)


def check_values(source, image):
    import numpy as np

    import levelsnap as ls

    threads = source.ConsumeIntInRange(1, 3)
    kept = image[~(image != image)].ravel()
    values, counts = np.unique(kept, return_counts=True)
    same(ls.distinct(image, threads=threads), values)
    found = ls.histogram(image, threads=threads)
    same(found.values, values)
    same(found.counts, counts)


def check_fit(source, image):
    import numpy as np

    import levelsnap as ls

    values = np.unique(image[np.isfinite(image)])[:9].astype(image.dtype)
    if len(values) == 0:
        return
    k = source.ConsumeIntInRange(1, min(len(values), 4))
    exact = [Fraction(x) for x in values.tolist()]
    try:
        found = ls.fit(values, k, threads=1).centers
    except ValueError as error:
        if "round" not in str(error):
            raise
        return
    costs = []
    for inner in itertools.combinations(range(1, len(exact)), k - 1):
        groups = [exact[a:b] for a, b in itertools.pairwise([0, *inner, len(exact)])]
        means = [sum(group) / len(group) for group in groups]
        pairs = zip(groups, means, strict=True)
        costs.append((sum((x - mean) ** 2 for group, mean in pairs for x in group), inner, means))
    best = [float(mean) for mean in min(costs)[2]]
    same(found, np.array(best))


def same(found, expected):
    """Equal values; NaN equals NaN and -0.0 equals 0.0."""
    import numpy as np

    if not np.array_equal(found, expected, equal_nan=np.asarray(found).dtype.kind == "f"):
        raise AssertionError(f"found {found!r}, expected {expected!r}")


def refused(function, *args, **options):
    try:
        function(*args, **options)
    except ValueError:
        return
    raise AssertionError(f"{function.__name__} took {args!r}")


if __name__ == "__main__":
    main()
