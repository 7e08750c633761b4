"""Exact arithmetic for optimal 1-D k-means: sums and costs of values as Python integers.

Values count in a power of two of their own, and so do weights, so that both are integers.
"""

from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise, starmap
from math import gcd

import numpy as np
from numpy.typing import NDArray

from .points import Edges, Problem, as_integers

# Exact prefix sums of w, w d and w d**2.
Sums = tuple[int, int, int]

# Values whose Python integers are held at a time.
BLOCK = 1 << 16
# Sums of so many values take as long as those of one group by itself.
FEW_GROUPS = 64


class ExactCosts:
    """Costs of groups between some positions of a problem as rationals, times 2**exponent."""

    def __init__(self, problem: Problem, positions: NDArray[np.int64]) -> None:
        values, weights = problem.values, problem.weights
        self._problem, self._positions = problem, positions
        # How many values single groups may have before sums of all are worth their time.
        self._budget = len(values) // 2
        # Where a problem's own sums are exact, they are taken where they are needed.
        self._rounded = problem.units[0] == 0
        if self._rounded:
            self._units = _unit(values), 0 if weights is None else _unit(weights)
            scale = problem.cost_exponent + 2 * self._units[0] + self._units[1]
        else:
            unit, weight_unit = (int(np.frexp(unit)[1]) - 1 for unit in problem.units)
            scale = 2 * unit + weight_unit
        # From the scale of a Problem to that of the sums.
        self.shift = -scale

    @cached_property
    def _sums(self) -> list[Sums]:
        positions = self._problem.positions(self._positions)
        return exact_sums(self._problem.values, self._problem.weights, positions)

    def cost(self, i: int, j: int) -> tuple[int, int]:
        """Numerator and denominator, from the i-th position to the j-th."""
        ends = np.array([i, j])
        if self._rounded and self._budget > 0:
            first, last = self._problem.positions(self._positions[ends]).tolist()
            self._budget -= last - first
            weights = self._problem.weights
            group = None if weights is None else weights[first:last]
            ends = np.array([0, last - first])
            _, (w, s1, s2) = exact_sums(self._problem.values[first:last], group, ends, self._units)
        else:
            (w_i, s1_i, s2_i), (w_j, s1_j, s2_j) = self._rows(ends).T.tolist()
            w, s1, s2 = w_j - w_i, s1_j - s1_i, s2_j - s2_i
        return s2 * w - s1 * s1, w

    def total(self, edges: NDArray[np.intp]) -> Fraction:
        """Of the groups between edges, which are indices of positions."""
        if self._rounded and len(edges) * FEW_GROUPS < len(self._problem.values):
            costs = starmap(self.cost, pairwise(edges.tolist()))
            return sum(starmap(Fraction, costs), Fraction(0))
        return self.total_of(edges[:-1], edges[1:])

    def total_of(self, sources: NDArray[np.intp], targets: NDArray[np.intp]) -> Fraction:
        """Of the groups from each position to another."""
        w, s1, s2 = self._rows(targets) - self._rows(sources)
        if int(w.max()) * int(s2.max()) * len(w) >= 2**62:
            w, s1, s2 = (row.astype(object) for row in (w, s1, s2))
        numerators = s2 * w - s1 * s1
        order = np.argsort(w, kind="stable")
        weights = w[order]
        first = np.flatnonzero(np.append(True, weights[1:] != weights[:-1]))
        sums = np.add.reduceat(numerators[order], first)
        parts = zip(sums.tolist(), weights[first].tolist(), strict=True)
        return sum((Fraction(n, w) for n, w in parts), Fraction(0))

    def _rows(self, indices: NDArray[np.intp]) -> NDArray:
        """Sums of w, w d and w d**2 in rows, as integers."""
        if self._rounded:
            return np.array([self._sums[i] for i in indices.tolist()], object).T
        unit, weight_unit = self._problem.units
        sums = self._problem.sums.take(self._positions[indices], axis=1)
        sums /= np.repeat([weight_unit * unit, weight_unit * unit**2, weight_unit], 2)[:, None]
        if np.abs(sums).max() < 2.0**61:
            whole = sums.astype(np.int64)
        else:
            whole = np.array([list(map(int, row)) for row in sums.tolist()], object)
        return (whole[::2] + whole[1::2])[[2, 0, 1]]

    def from_scaled(self, price: float) -> Fraction:
        return Fraction(price) * Fraction(2) ** self.shift

    def scaled(self, price: Fraction) -> Fraction:
        """On the scale of a Problem."""
        return price / Fraction(2) ** self.shift

    def as_scaled(self, price: Fraction) -> tuple[float, float, float]:
        """As hi, lo and a bound of the error, on the scale of a Problem."""
        scaled = self.scaled(price)
        high = float(scaled)
        low = float(scaled - Fraction(high))
        return high, low, abs(low) * 2.0**-50 + 2.0**-1000


def exact_cost(problem: Problem, edges: Edges) -> Fraction:
    """The cost of the groups between edges."""
    groups = np.arange(len(edges))
    costs = ExactCosts(problem.at(edges), groups)
    return costs.total(groups) / Fraction(2) ** (costs.shift + problem.cost_exponent)


def exact_cuts(values: NDArray, weights: NDArray | None, k: int) -> NDArray[np.int64]:
    """The lowest of the best cuts into k groups, by dynamic programming over all positions.

    By divide and conquer, as the lowest best cut never decreases with the position: O(k n log n)
    operations on long integers.
    """
    n = len(values)
    sums = exact_sums(values, weights, np.arange(n + 1))
    # The g-th cut takes one of the positions g..n-k+g.
    below, least, choices = [0], [(0, 1)], []
    for g in range(1, k + 1):
        here = list(range(g, n - k + g + 1)) if g < k else [n]
        least, choice = _layer(sums, here, below, least)
        choices.append(dict(zip(here, choice, strict=True)))
        below = here
    cuts = [n]
    for choice_of in reversed(choices):
        cuts.append(choice_of[cuts[-1]])
    return np.array(cuts[-2:0:-1], np.int64)


def _layer(
    sums: list[Sums], here: list[int], below: list[int], least: list[tuple[int, int]]
) -> tuple[list[tuple[int, int]], list[int]]:
    """The least cost of each position here, and the lowest best position below for its last group.

    `least` holds the costs of the positions below, as numerators and denominators.
    """
    costs, choices = [(0, 1)] * len(here), [0] * len(here)
    # Indices of positions, and of candidates below.
    todo = [(0, len(here) - 1, 0, len(below) - 1)]
    while todo:
        low, high, first, last = todo.pop()
        middle = (low + high) // 2
        w_j, s1_j, s2_j = sums[here[middle]]
        best, choice = (1, 0), first  # more than any cost
        for candidate in range(first, last + 1):
            if below[candidate] >= here[middle]:
                break
            w_i, s1_i, s2_i = sums[below[candidate]]
            w, s1 = w_j - w_i, s1_j - s1_i
            numerator, denominator = least[candidate]
            squares = (s2_j - s2_i) * w - s1 * s1
            numerator, denominator = numerator * w + squares * denominator, denominator * w
            if numerator * best[1] < best[0] * denominator:
                best, choice = (numerator, denominator), candidate
        common = gcd(*best)
        costs[middle] = best[0] // common, best[1] // common
        choices[middle] = below[choice]
        if low < middle:
            todo.append((low, middle - 1, first, choice))
        if middle < high:
            todo.append((middle + 1, high, choice, last))
    return costs, choices


def exact_mean(values: NDArray, weights: NDArray | None) -> float:
    """The mean, correctly rounded, whatever its size."""
    unit = _unit(values)
    w, s1, _ = exact_sums(values, weights, np.array([0, len(values)]))[1]
    median = _integers(values[len(values) // 2 :][:1], unit)[0]
    numerator, denominator = s1 + median * w, w
    # Python rounds the quotient of two integers correctly.
    if unit < 0:
        denominator <<= -unit
    else:
        numerator <<= unit
    return numerator / denominator


def exact_sums(
    values: NDArray,
    weights: NDArray | None,
    positions: NDArray[np.intp],
    units: tuple[int, int] | None = None,
) -> list[Sums]:
    """Prefix sums of w, w d and w d**2 at ascending positions from 0 on, as Python integers.

    d is the deviation from the median; values and weights count in powers of two, by default of
    their own.
    """
    if units is None:
        units = _unit(values), 0 if weights is None else _unit(weights)
    unit, weight_unit = units
    median = _integers(values[len(values) // 2 :][:1], unit)[0]
    totals = [0, 0, 0]
    sums: list[Sums] = []
    for start in range(0, int(positions[-1]) + 1, BLOCK):
        stop = min(start + BLOCK, len(values))
        wanted = positions[np.searchsorted(positions, start) :]
        wanted = wanted[: np.searchsorted(wanted, start + BLOCK)] - start
        d = _integers(values[start:stop], unit) - median
        if weights is None:
            terms = ([1] * len(d), d.tolist(), (d * d).tolist())
        else:
            w = _integers(weights[start:stop], weight_unit)
            terms = (w.tolist(), (w * d).tolist(), (w * d * d).tolist())
        running = [
            list(accumulate(term, initial=total)) for term, total in zip(terms, totals, strict=True)
        ]
        sums.extend(zip(*([row[i] for i in wanted.tolist()] for row in running), strict=True))
        totals = [row[-1] for row in running]
    return sums


def _unit(values: NDArray) -> int:
    """An exponent such that every value is an integer times 2**exponent."""
    if values.dtype.kind != "f":
        return 0
    nonzero = np.abs(values[values != 0])
    return int(np.frexp(np.float64(nonzero.min()))[1]) - 53 if len(nonzero) else 0


def _integers(values: NDArray, unit: int) -> NDArray:
    """Values as Python integers times 2**unit, in an array of objects."""
    if values.dtype.kind != "f":
        return as_integers(values).astype(object)
    fractions, exponents = np.frexp(values.astype(np.float64))
    shifts = np.where(fractions == 0, 0, exponents - 53 - unit)
    return np.ldexp(fractions, 53).astype(np.int64).astype(object) << shifts.astype(object)
