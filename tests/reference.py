"""The contract in exact rational arithmetic: slow, short and obviously right.

Python compares int, float and Fraction exactly, so nothing here rounds before it compares.
"""

from bisect import bisect_left
from fractions import Fraction
from itertools import pairwise
from math import floor

import numpy as np


def limits(dtype):
    """The smallest and the largest value of an integer dtype; bool counts as 0..1."""
    dtype = np.dtype(dtype)
    return (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


def label(x, centers):
    """The index of the nearest of the ascending centers, the lower one of two equally near."""
    x = np.asarray(x).item()
    i = bisect_left(centers, x)
    if i in (0, len(centers)):  # outside all centers, +-inf included
        return min(i, len(centers) - 1)
    below, above = Fraction(x) - Fraction(centers[i - 1]), Fraction(centers[i]) - Fraction(x)
    return i - 1 if below <= above else i


def labels(image, centers):
    """The label of every element, int64; a NaN gets 0, which the tests replace."""
    image, centers = np.asarray(image), sorted(map(float, centers))
    elements = image.ravel().tolist()
    found = {x: label(x, centers) for x in set(elements)}
    return np.array([found[x] for x in elements], np.int64).reshape(image.shape)


def thresholds(centers, dtype):
    """The largest value of dtype <= each midpoint; none for one below an integer's minimum."""
    dtype = np.dtype(dtype)
    exact = [Fraction(c) for c in sorted(map(float, centers))]
    midpoints = [(a + b) / 2 for a, b in pairwise(exact)]
    if dtype.kind == "f":
        return np.array([floor_float(m, dtype) for m in midpoints], dtype)
    low, high = limits(dtype)
    return np.array([min(floor(m), high) for m in midpoints if m >= low], dtype)


@np.errstate(all="ignore")
def floor_float(x, dtype):
    """The largest value of a float dtype that is <= the rational x."""
    down = dtype.type(-np.inf)
    t = dtype.type(float(x))
    while float(t) > x:
        t = np.nextafter(t, down)
    return t


@np.errstate(all="ignore")
def snapped_value(center, dtype):
    """A center in the output dtype: half to even and clipped, or the nearest float or +-inf."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return dtype.type(center)
    low, high = limits(dtype)
    return min(max(round(Fraction(center)), low), high)


def decode(labels, centers, dtype):
    """Every label replaced by its center in the output dtype."""
    centers = sorted(map(float, centers))
    levels = {i: snapped_value(centers[i], dtype) for i in set(labels.ravel().tolist())}
    return np.array([levels[i] for i in labels.ravel().tolist()], dtype).reshape(labels.shape)


def snapped(image, centers, dtype):
    """Every element replaced by its center in the output dtype."""
    return decode(labels(image, centers), centers, dtype)
