"""Values and weights of 1-D k-means as scaled doubles, with prefix sums about the median."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._kmeans1d import Points, group_costs, group_means, prefix_sums, subtract
from .threads import get_num_threads

# 0, the cuts and n.
Edges = NDArray[np.int64]

# Values are scaled below 2**SCALE, which leaves the most room for squares before they underflow.
SCALE = 400
# Fewer values than this are left to one thread.
SERIAL = 1 << 13
# Integers up to here are exact as float64.
EXACT = 2**53


def solver_threads(threads: int | None, n: int) -> int:
    """The number of threads for n values."""
    if n < SERIAL:
        return 1
    return get_num_threads() if threads is None else threads


class Problem:
    """Values and weights as scaled doubles, and their prefix sums.

    Parameters
    ----------
    values : (n,) array, strictly ascending and finite
        bool, any integer of 8 to 64 bits, float16, float32 or float64.
    weights : (n,) array of uint64 or float64, or None
        Positive and finite; None: each value weighs 1.
    threads : int
        At most two are used.

    Attributes
    ----------
    points : Points
        Deviations from the median times 2**exponent, rounded, and their prefix sums.
    exponent, cost_exponent : int
        A sum of squared distances is held times 2**cost_exponent.
    """

    def __init__(self, values: NDArray, weights: NDArray | None, threads: int = 1) -> None:
        n = len(values)
        self.values, self.weights = values, weights
        self.deviation, rest, self.exponent = _deviations(values)
        scaled, weight_exponent = _scaled_weights(weights)
        self.cost_exponent = 2 * self.exponent + weight_exponent
        self.sums = np.empty((6, n + 1))
        prefix_sums(self.deviation, rest, scaled, self.sums, min(threads, 2))

        whole = weights is None or weights.dtype.kind == "u"
        total = n if scaled is None else float(scaled.sum())
        rounded = whole and weights is not None and weights.max() > EXACT
        # Counts above 2**53 are rounded before they are summed.
        kappa = 2.0**-49 if rounded else (n + 16) * 2.0**-101
        tiny = (n + 16 + total) * 2.0**-980
        if whole:
            # Sums of integers up to 2**53 are exact pairs.
            about_weights = (kappa if rounded else 0.0, 0.0, 0.0)
        else:
            about_weights = (kappa, n * 2.0**-980, 2.0**-900)
        self.bounds = (kappa, tiny, *about_weights)
        self.points = Points(self.deviation, self.sums, self.bounds, True)

    def cost(self, edges: Edges) -> tuple[float, float]:
        """The cost of the groups between edges and a bound of its error, both scaled."""
        return path_cost(self.points, edges)

    def costs(self, edges: Edges) -> NDArray[np.float64]:
        """The scaled cost of each group, and a bound of its error, shape (2, groups)."""
        return _costs(self.points, edges)

    def means(
        self, edges: Edges
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Means of groups by double-double arithmetic.

        Returns
        -------
        means : (k,) float64 array
        distances : (k,) float64 array
            Bounds of their distances from the true means; inf where weights cancel.
        safe : (k,) bool array
            Which are surely the correctly rounded means.
        """
        value = self.values[len(self.values) // 2].item()
        high = float(value)
        low = 0.0 if self.values.dtype.kind == "f" else float(value - int(high))
        means, distances = np.empty((2, len(edges) - 1))
        safe = np.empty(len(edges) - 1, np.uint8)
        group_means(self.points, edges, self.exponent, (high, low), means, distances, safe)
        return means, distances, safe.view(np.bool_)

    def nearest_cuts(self, means: NDArray[np.float64]) -> NDArray[np.intp]:
        """Cuts at the midpoints of ascending scaled means; a midpoint's value goes down."""
        middles = means[:-1] + (means[1:] - means[:-1]) / 2
        return np.searchsorted(self.deviation, middles, side="right")


def path_cost(points: Points, edges: Edges) -> tuple[float, float]:
    """The scaled cost of the groups between edges, and a bound of its error."""
    costs, errors = _costs(points, edges)
    total = float(costs.sum())
    return total, float(errors.sum()) * (1 + 1e-9) + len(costs) * 2.0**-52 * total


def _costs(points: Points, edges: Edges) -> NDArray[np.float64]:
    costs = np.empty((2, len(edges) - 1))
    group_costs(points, edges, costs[0], costs[1])
    return costs


def _deviations(values: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """value - median as high + low times 2**-exponent; exact but for subnormal remains."""
    middle = len(values) // 2
    if values.dtype.kind == "f":
        ends = values[[0, -1]].astype(np.float64)
        exponent = SCALE - int(np.frexp(np.abs(ends).max())[1])
        high = _times_power(values, exponent)
        low = np.empty(len(values))
        subtract(high, high[middle], low)
        return high, low, exponent
    values = as_integers(values)
    if values.dtype.itemsize < 8:
        high = values - np.float64(values[middle])
        return high, np.zeros(len(values)), 0
    # Unsigned arithmetic wraps, so a difference of 64-bit integers is exact as a magnitude.
    bits = values.view(np.uint64) - values[middle : middle + 1].view(np.uint64)
    np.negative(bits[:middle], out=bits[:middle])
    low = (bits & np.uint64(0xFFFFFFFF)).astype(np.float64)
    high = (bits - (bits & np.uint64(0xFFFFFFFF))).astype(np.float64)
    high, low = two_sum(high, low)
    np.negative(high[:middle], out=high[:middle])
    np.negative(low[:middle], out=low[:middle])
    return high, low, 0


def _times_power(values: NDArray, exponent: int) -> NDArray[np.float64]:
    """A new array, values * 2**exponent."""
    if abs(exponent) < 1000:
        return np.multiply(values, 2.0**exponent, dtype=np.float64)
    with np.errstate(under="ignore"):
        return np.ldexp(values.astype(np.float64), exponent)


def _scaled_weights(weights: NDArray | None) -> tuple[NDArray[np.float64] | None, int]:
    """Weights as float64 times 2**exponent: integers as they are, floats below 1."""
    if weights is None:
        return None, 0
    if weights.dtype.kind == "u":
        return weights.astype(np.float64), 0
    exponent = -int(np.frexp(weights.max())[1])
    with np.errstate(under="ignore"):
        return np.ldexp(weights, exponent), exponent


def as_integers(values: NDArray) -> NDArray:
    return values.view(np.uint8) if values.dtype.kind == "b" else values


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """a + b as the rounded sum and its exact error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)
