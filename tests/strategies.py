"""Awkward dtypes, values, centers and memory layouts, for the gallery and for Hypothesis."""

import math

import hypothesis.extra.numpy as hnp
import numpy as np
import reference
from hypothesis import strategies as st

NATIVE = [
    np.dtype(c) for c in ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")
]
INTEGERS = [d for d in NATIVE if d.kind in "iu"]
FLOATS = [d for d in NATIVE if d.kind == "f"]
SWAPPED = [d.newbyteorder("S") for d in NATIVE if d.itemsize > 1]
DTYPES = NATIVE + SWAPPED

HUGE = math.nextafter(math.inf, 0)
TINY = 5e-324

CENTERS = {
    "one": [0.3],
    "two": [0, 1],
    "unsorted": [7, -2.5, 100, 3],
    "unrepresentable midpoints": [0.1, 0.2, 0.3, 1 / 3, 0.7],
    "adjacent floats": [1.0, 1 + 2**-52, 1 + 2**-51, 2.0, 2 + 2**-51],
    "adjacent float32": [1.0, 1 + 2**-23, 1 + 2**-22, -1.0, -1 - 2**-23],
    "adjacent float16": [1.0, 1 + 2**-10, 1 + 2**-9, -1.0, -1 - 2**-10],
    "closer than float32": [1 - 1e-12, 1 + 1e-12, 1 + 2e-12, 1 + 3e-9, 16777217.0, 16777218.9],
    "1e30 beside 1e-30": [-1e30, -1e-30, 1e-30, 2e-30, 1e30],
    "subnormal float64": [-2 * TINY, -TINY, 0.0, TINY, 2 * TINY, 5 * TINY],
    "subnormal float32": [-(2**-149), 0.0, 2**-149, 2**-148, 1.5 * 2**-147],
    "subnormal float16": [-(2**-24), 2**-25, 2**-24, 2**-23, 1.5 * 2**-22],
    "sum overflows": [-HUGE, -1.7e308, 1.6e308, 1.7e308, HUGE],
    "one threshold in uint8": [9.9, 10.1, 10.2, 10.3, 10.4, 12.0],
    "halves": [-1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 126.5, 127.5, 254.5, 255.5],
    "all below unsigned": [-9.0, -5.0, -1.0],
    "all above uint8": [256.0, 300.0, 70000.5],
    "around uint8": [-300, -200, -0.75, -0.25, 0.5, 200, 255.5, 256.5, 300, 5000],
    "around int8": [-129.5, -128.5, -127.5, -100, 126.5, 127.5, 128.5],
    "around uint16": [-1, 0, 65534.5, 65535.5, 65536, 1e5],
    "around int32": [-(2.0**31) - 1.5, -(2.0**31), 0, 2.0**31 - 1.5, 2.0**31 - 0.5, 2.0**32],
    "around 2^53": [2**53 - 1, 2**53, 2**53 + 2, 2**53 + 4, -(2**53), -(2**53) - 2],
    "int64 minimum": [-(2.0**63) - 2048, -(2**63), -(2**63) + 1024, -(2**60) - 256, -(2**60)],
    "int64 maximum": [2**60, 2**60 + 256, 2**63 - 1024, 2**63, 2**63 + 2048],
    "uint64 maximum": [2**64 - 4096, 2**64 - 2048, 2.0**64, 2.0**64 + 4096],
    "beyond float16": [-1e6, 65472.0, 65504.0, 65519.0, 65520.0, 1e6],
    "beyond float32": [-1e300, -3.5e38, 3.4028234e38, 3.4028235e38, 3.4028236e38, 1e300],
    "257 irregular": [math.tan(i * 0.0121) * 100 for i in range(-128, 129)],
}


def values(dtype):
    """Extremes, powers of two and their neighbours, both zeros, subnormals and infinities."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        info = np.finfo(dtype.newbyteorder("="))
        powers = np.ldexp(np.ones(16, info.dtype), np.arange(-8, 8))
        with np.errstate(all="ignore"):
            points = [0, info.smallest_subnormal, info.tiny, info.max, np.inf, 1 / 3, 3, 100, 255]
            points = np.concatenate([np.array(points, info.dtype), powers])
            above = np.nextafter(points, info.dtype.type(np.inf))
            below = np.nextafter(points, info.dtype.type(-np.inf))
        return np.concatenate([-points, -above, points, above, below]).astype(dtype)
    powers = [sign * 2**e + step for sign in (-1, 1) for e in range(65) for step in (-1, 0, 1)]
    return integers([*powers, *range(-5, 6), 100, 200], dtype)


def beside(centers, dtype):
    """The centers and the thresholds in dtype, and what lies one step beside them."""
    dtype = np.dtype(dtype)
    near = [reference.snapped_value(float(c), dtype) for c in centers]
    near += reference.thresholds(centers, dtype).tolist()
    if dtype.kind != "f":
        return integers([x + step for x in near for step in (-1, 0, 1)], dtype)
    with np.errstate(all="ignore"):
        near = np.array(near, dtype.newbyteorder("="))
        sides = [np.nextafter(near, near.dtype.type(end)) for end in (-np.inf, np.inf)]
    return np.concatenate([near, *sides]).astype(dtype)


def integers(candidates, dtype):
    """Those of the candidates that an integer dtype holds."""
    low, high = reference.limits(dtype)
    return np.array(sorted({x for x in candidates if low <= x <= high}), dtype)


def picture(dtype, shape=(4, 6, 10), centers=(), seed=0):
    """A C-ordered image of awkward values, in no order."""
    near = beside(centers, dtype) if len(centers) else []
    pool = np.array([*values(dtype), *near], dtype)
    return pool[np.random.default_rng(seed).integers(len(pool), size=shape)]


def with_nan(image, *indices):
    """A copy of a float image with NaN at the indices."""
    image = image.copy()
    for index in indices:
        image[index] = np.nan
    return image


def misaligned(image, offset=1):
    """A copy of image whose data start at an odd address."""
    memory = np.zeros(image.nbytes + offset, np.uint8)
    copy = np.ndarray(image.shape, image.dtype, memory, offset)
    copy[...] = image
    return copy


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.integers(-600, 600).map(lambda n: n / 2),
    st.integers(-(2**64), 2**65).map(float),
    st.sampled_from([c for name in CENTERS if name != "257 irregular" for c in CENTERS[name]]),
)


@st.composite
def centers(draw, elements=None, max_size=12):
    """Finite distinct centers, in any order; of any floats, some of them adjacent."""
    drawn = numbers if elements is None else elements
    found = draw(st.lists(drawn.map(float), min_size=1, max_size=max_size))
    if elements is None and draw(st.booleans()):
        found += [math.nextafter(c, 0) for c in found[:2]]
    return list(dict.fromkeys(found))  # 0.0 and -0.0 are one key


@st.composite
def images(draw, dtype, centers=()):
    """An image of up to five dimensions with any strides, on and beside the thresholds."""
    dtype = np.dtype(dtype)
    drawn = draw(st.lists(hnp.from_dtype(dtype.newbyteorder("="), allow_nan=False), max_size=4))
    pool = np.array([*drawn, *values(dtype), *beside(centers, dtype)], dtype)
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
    steps = [draw(st.sampled_from([1, 1, -1, 2, -3, 0])) for _ in shape]
    base = tuple(n * abs(step) if step else 1 for n, step in zip(shape, steps, strict=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    image = pool[rng.integers(len(pool), size=base)]
    image = misaligned(np.asarray(image), draw(st.sampled_from([0, 1])))
    image = image[tuple(slice(None, None, step or 1) for step in steps)]
    return np.broadcast_to(image, shape).transpose(draw(st.permutations(range(len(shape)))))


@st.composite
def cases(draw, dtypes=tuple(DTYPES), elements=None):
    """An image and centers for it."""
    found = draw(centers(elements))
    return draw(images(draw(st.sampled_from(dtypes)), found)), found
