"""Values and weights of 1-D k-means as scaled doubles, with prefix sums about the median."""

from collections.abc import Iterator
from copy import copy
from math import frexp, ldexp
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ._kmeans1d import PASS_LEAF, Points, group_costs, group_means, lowest_bit, subtract, walk_sums
from .tables import ISA

# 0, the cuts and n.
Edges = NDArray[np.int64]

# Values are scaled below 2**SCALE, which leaves the most room for squares before they underflow.
SCALE = 400
# Values that are taken at a time, to stay in the caches.
CHUNK = 1 << 16
# Of more values than a chunk, sums are summed in parts of so many.
PART = 1 << 10
SUMS = 6
# Rows of a block that is not touched. When it is freed, glibc's heap comes to keep twice as much,
# so that the system need not clear the arrays of each fit anew. Its limit is 32 MiB.
ROOM = 24
# Values from which a thread for each side of the median pays.
TWO_SIDES_FROM = 1 << 17
# Prices are not looked for below this, nor above its inverse.
LEAST_PRICE = 2.0**-960
# Integers up to here are exact as float64.
EXACT = 2**53


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
    edges : (points + 1,) int64 array, optional
        The values between two edges, 0 and n among these, stay together as one point, and the sums
        are kept for these alone. Positions are then numbers of points.

    Attributes
    ----------
    points : Points
        Deviations from the median times 2**exponent, rounded, and their prefix sums. These and
        `deviation` to `bounds` are found when they are asked for.
    deviation, last, sums : arrays
        Of these; the first and the last deviation of each point.
    units : tuple of float
        Powers of two that deviations and weights are multiples of, where all sums are exact; or
        zeros.
    exponent, cost_exponent : int
        A sum of squared distances is held times 2**cost_exponent.
    """

    points: Points
    deviation: NDArray[np.float64]
    last: NDArray[np.float64]
    sums: NDArray[np.float64]
    units: tuple[float, float]
    bounds: tuple[float, ...]

    def __init__(
        self,
        values: NDArray,
        weights: NDArray | None,
        threads: int = 1,
        edges: Edges | None = None,
    ) -> None:
        self.values, self.weights, self.edges = values, weights, edges
        self.threads = min(threads, 2)
        self.exponent = 0
        low, high = float(values[0]), float(values[-1])
        if values.dtype.kind == "f":
            self.exponent = SCALE - frexp(max(-low, high))[1]
        # Deviations reach half the range. Parts of less than 2**-53 of that are no use as units.
        self._useless = frexp(high / 2 - low / 2)[1] + self.exponent - 55
        self._whole = weights is None or weights.dtype.kind == "u"
        self._heaviest = 1 if weights is None else weights.max()
        self._weight_exponent = 0 if self._whole else -frexp(self._heaviest)[1]
        self.cost_exponent = 2 * self.exponent + self._weight_exponent
        if len(values) <= 2 * CHUNK:
            np.empty((ROOM, len(values)))

    def __getattr__(self, name: str) -> Any:
        if name not in Problem.__annotations__ or self.is_summed:
            raise AttributeError(name)
        self._sum_up()
        return getattr(self, name)

    def __len__(self) -> int:
        """The number of points."""
        return len(self.values) if self.edges is None else len(self.edges) - 1

    @property
    def is_summed(self) -> bool:
        return "points" in self.__dict__

    def _sum_up(self) -> None:
        values, edges, exponent = self.values, self.edges, self.exponent
        n = len(values)
        if edges is None:
            self.deviation = self.last = np.empty(n)
        else:
            self.deviation, self.last = self._ends(edges)
        self.sums = np.empty((SUMS, len(self.deviation) + 1))
        middle = n // 2
        self.sums[:, middle if edges is None else edges == middle] = 0.0
        self._given_up = False
        sides = [(0, n)] if n <= CHUNK else [(0, middle), (middle, n)]
        if self.threads > 1 and n >= TWO_SIDES_FROM:
            from concurrent.futures import ThreadPoolExecutor  # 4 ms of the package's import

            with ThreadPoolExecutor(2) as pool:
                try:
                    lowest = list(pool.map(self._fill, sides))
                except BaseException:  # such as KeyboardInterrupt, which threads do not see
                    self._given_up = True
                    raise
        else:
            lowest = list(map(self._fill, sides))

        squares, weight_ends = self.sums[2::2, :: len(self.deviation)].tolist()
        total = weight_ends[1] - weight_ends[0]
        rounded = self._whole and self._heaviest > EXACT
        units = (0.0, 0.0)
        if not rounded:
            bit, weight_bit = map(min, zip(*lowest, strict=True))
            units = self._units(bit, weight_bit, squares, weight_ends)
        # Counts above 2**53 are rounded before they are summed.
        kappa, tiny = errors_of_sums(n, total)
        kappa = 2.0**-49 if rounded else kappa
        if self._whole:
            # Sums of integers up to 2**53 are exact pairs.
            about_weights = (kappa if rounded else 0.0, 0.0, 0.0)
        else:
            about_weights = (kappa, n * 2.0**-980, 2.0**-900)
        errors = (kappa, tiny, *about_weights) if units[0] == 0 else (0.0,) * 5
        self.bounds, self.units = (*errors, *units), units
        near, scale = None, 1.0
        exact_weights = self._whole and not rounded
        # Larger exponents exceed those of doubles.
        if values.dtype == np.float64 and exact_weights and edges is None and 0 <= exponent < 1000:
            near, scale = values, 2.0**exponent
        self.points = Points(self.deviation, self.last, self.sums, self.bounds, near, scale)

    def at(self, edges: Edges) -> Self:
        """The same values with other points.

        Where these are not joined from this problem's, one of its edges must be the median.
        """
        if not self.is_summed:
            self._sum_up()
        other = copy(self)
        other.edges = edges
        other.deviation, other.last = other._ends(edges)
        within, divided = edges, edges[:0]
        if self.edges is not None:
            # The point that each edge lies in, or at the start of.
            within = np.searchsorted(self.edges, edges, side="right") - 1
            divided = within[self.edges[within] != edges]
            divided = divided[np.diff(divided, prepend=-1) > 0]
        other.sums = self.sums.take(within, axis=1)
        middle = len(self.values) // 2
        # Neighbours that are walked through together, away from the median like all before.
        apart = (np.diff(divided) > 1) | (self.positions(divided[1:]) == middle)
        for run in np.split(divided, np.flatnonzero(apart) + 1) if len(divided) else ():
            ends = np.array([run[0], run[-1] + 1])
            first, last = self.positions(ends).tolist()
            below = first < middle
            state = self.sums[:, ends[int(below)]].copy()
            for _ in other._walk(last if below else first, first, last, state):
                pass
        other.points = Points(other.deviation, other.last, other.sums, other.bounds)
        return other

    def _ends(self, edges: Edges) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The first and the last deviation of each point; equal for single values only."""
        first = self._deviations(self.values[edges[:-1]])[0]
        last = self._deviations(self.values[edges[1:] - 1])[0]
        same = (first == last) & (np.diff(edges) > 1)  # rounded
        last[same] = np.nextafter(last[same], np.inf)
        return first, last

    def _fill(self, side: tuple[int, int]) -> tuple[int, int]:
        """Fill the sums from one position to another, one of them or one between is the median.

        Returns exponents of powers of two that the deviations, and the weights, are multiples of;
        less than that once they are too small for exact sums.
        """
        lowest, lowest_weight = 4096, 0
        for high, low, weights in self._walk(len(self.values) // 2, *side, np.zeros(6)):
            lowest = lowest_bit(high, low, lowest, self._useless)
            if weights is not None and self.weights.dtype.kind == "f":
                # A weight that is 0 was lost when weights were scaled down.
                lowest_weight = lowest_bit(weights, None, lowest_weight, -54)
                lowest_weight = lowest_weight if weights.all() else -2000
        return lowest, lowest_weight

    def _walk(
        self, start: int, first: int, last: int, state: NDArray[np.float64]
    ) -> Iterator[tuple[NDArray, NDArray, NDArray | None]]:
        """Go on with prefix sums from a position that has those of `state`, up and down.

        It is one of the ends, or between them if there are at most CHUNK values. Yields the
        deviations of each chunk, as high and low, and the weights.
        """
        edges, upward = self.edges, start == first
        while first < last and not self._given_up:
            low_end = first if upward else max(first, last - CHUNK)
            high_end = min(last, first + CHUNK) if upward else last
            high, low = self._deviations(self.values[low_end:high_end])
            weights = None
            if self.weights is not None:
                weights = times_power(self.weights[low_end:high_end], self._weight_exponent)
            here, positions = slice(low_end, high_end + 1), None
            if edges is None:
                self.deviation[low_end:high_end] = high
            else:
                here = slice(*np.searchsorted(edges, [low_end, high_end + 1]))
                positions = edges[here] - low_end
            part = 0 if len(self.values) <= CHUNK else PART
            walk_sums(
                high, low, weights, state, start - low_end, part, ISA, positions,
                self.sums[:, here],
            )  # fmt: skip
            yield high, low, weights
            if upward:
                start = first = high_end
            else:
                start = last = low_end

    def _units(
        self, lowest: int, lowest_weight: int, squares: list[float], weights: list[float]
    ) -> tuple[float, float]:
        """Powers of two that deviations and weights are multiples of, if all sums are exact.

        A pair holds any integer up to 2**104, and adds two of them exactly. So is the square of a
        deviation times a weight up to 2**102: the rest of the square, times the weight, and the
        rest of the product are integers of at most 50 bits. Else zeros.
        """
        if not self._scales_exactly() or abs(lowest) > 1000 or abs(lowest_weight) > 1000:
            return 0.0, 0.0
        unit, weight_unit = 2.0**lowest, 2.0**lowest_weight
        reach = max(abs(float(self.deviation[0])), abs(float(self.last[-1])))
        exact = (
            reach / unit <= EXACT
            and max(map(abs, weights)) / weight_unit <= EXACT / 2
            and max(map(abs, squares)) / unit / unit / weight_unit <= 2.0**102
        )
        return (unit, weight_unit) if exact else (0.0, 0.0)

    def _deviations(self, values: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """values - median as high + low; exact but for subnormal remains."""
        middle = self.values[len(self.values) // 2 :][:1]
        if values.dtype.kind == "f":
            high = times_power(values, self.exponent)
            low = np.empty(len(values))
            subtract(high, ldexp(float(middle[0]), self.exponent), low)
            return high, low
        values, middle = as_integers(values), as_integers(middle)
        if values.dtype.itemsize < 8:
            high = values - middle.astype(np.float64)
            return high, np.zeros(len(values))
        # Unsigned arithmetic wraps, so a difference of 64-bit integers is exact as a magnitude.
        below = values < middle
        bits = values.view(np.uint64) - middle.view(np.uint64)
        np.negative(bits, out=bits, where=below)
        low = (bits & np.uint64(0xFFFFFFFF)).astype(np.float64)
        high = (bits - (bits & np.uint64(0xFFFFFFFF))).astype(np.float64)
        high, low = two_sum(high, low)
        np.negative(high, out=high, where=below)
        np.negative(low, out=low, where=below)
        return high, low

    def _scales_exactly(self) -> bool:
        """Whether no value loses bits: huge ones are scaled down, and tiny ones beside them."""
        if self.exponent >= 0:
            return True
        at = int(np.searchsorted(self.values, 0))
        nearest = np.abs(self.values[max(at - 1, 0) : at + 2])
        return float(nearest[nearest > 0].min()) * 2.0**self.exponent >= 2.0**-960

    def separate(self, weighted: bool = False) -> NDArray[np.float64] | None:
        """The values but for a constant, scaled, if they are points themselves.

        Their differences are correctly rounded; None if they would not be, or if the values have
        weights and that is not asked for.
        """
        values = self.values
        if (self.weights is not None and not weighted) or self.edges is not None:
            return None
        if not self._scales_exactly():
            return None
        if values.dtype.kind == "f":
            return times_power(values, self.exponent)
        if int(values[-1]) - int(values[0]) > EXACT:
            return None
        return self._deviations(values)[0]

    def alone(self) -> NDArray[np.float64] | None:
        """The values as float64, if that is exact and they have no weights."""
        values = self.values
        wide = values.dtype.kind in "iu" and values.dtype.itemsize == 8
        if self.weights is not None or (wide and max(-int(values[0]), int(values[-1])) > EXACT):
            return None
        return values.astype(np.float64, copy=False)

    def deviations_at(self, points: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._deviations(self.values[self.positions(points)])[0]

    def positions(self, cuts: Edges) -> Edges:
        """The positions of cuts between the values."""
        return cuts if self.edges is None else self.edges[cuts]

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
        value = self.values.item(len(self.values) // 2)
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


def errors_of_sums(n: int, weight: float) -> tuple[float, float]:
    """`kappa` and `tiny` of `Points`, of n values and their weight."""
    # In a part, of parts, and of chunks; Problem.at, which begins parts anew, divides points less
    # than PART times.
    additions = n if n <= CHUNK else 2 * PART + n // PART + n // CHUNK
    return (additions + 16) * 2.0**-101, (n + 16 + weight) * 2.0**-980


def path_cost(points: Points, edges: Edges) -> tuple[float, float]:
    """The scaled cost of the groups between edges, and a bound of its error."""
    costs, errors = _costs(points, edges)
    total = float(costs.sum())
    return total, float(errors.sum()) * (1 + 1e-9) + len(costs) * 2.0**-52 * total


def _costs(points: Points, edges: Edges) -> NDArray[np.float64]:
    costs = np.empty((2, len(edges) - 1))
    group_costs(points, edges, costs[0], costs[1])
    return costs


def divided(
    starts: Edges, sizes: NDArray[np.int64], shares: NDArray[np.float64], number: int
) -> Edges:
    """Where the parts of cells start; about so many parts in all, as many of each as its share."""
    if len(starts) == 0:
        return starts
    parts = np.ceil(shares * (number / shares.sum())).astype(np.int64)
    parts = np.clip(parts, 1, sizes)
    part = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    return np.repeat(starts, parts) + part * np.repeat(sizes, parts) // np.repeat(parts, parts)


def times_power(values: NDArray, exponent: int) -> NDArray[np.float64]:
    """A new array, values * 2**exponent."""
    if abs(exponent) < 1000:
        return np.multiply(values, 2.0**exponent, dtype=np.float64)
    with np.errstate(under="ignore"):
        return np.ldexp(values.astype(np.float64), exponent)


def as_integers(values: NDArray) -> NDArray:
    return values.view(np.uint8) if values.dtype.kind == "b" else values


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """a + b as the rounded sum and its exact error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def rows_from_ends(x: NDArray, steps: int, sign: float) -> NDArray[np.float64]:
    """The first values and, times a sign, the last ones from the end; `steps` of each, or all.

    Kernels read PASS_LEAF more before and behind, and use none of them.
    """
    size = min(steps, len(x))
    before, stop = PASS_LEAF, PASS_LEAF + size
    rows = np.empty((2, steps + 3 * PASS_LEAF))
    rows[0, before:stop] = x[:size]
    np.multiply(x[len(x) - size :][::-1], sign, out=rows[1, before:stop])
    rows[:, :before] = rows[:, before : before + 1]
    rows[:, stop:] = rows[:, stop - 1 : stop]
    return rows
