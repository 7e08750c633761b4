"""The best cuts of values most of which lie in long evenly spaced runs, as all of uint16 but a few.

Prices tie in such runs: groups of q and q + 1 values are equally good at one price, at which nearly
every position lies on a best path. But the least cost of n values in m groups has a closed form. At
a price, a group with too many values of one run had better be divided. So a path enters a run
within a few positions from its start, leaves it within a few from its end, and jumps between these.
"""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ._kmeans1d import PASS_LEAF, SweepEnd, lowest_jumps, sweep_near
from .points import EXACT, Problem, as_integers
from .rationals import ExactCosts
from .tables import ISA

# Elsewhere passes are as quick.
FEWEST_VALUES = 512
# Costs of evenly spaced values are held in 64 bits.
MOST_VALUES = 1 << 20
# How many times as many values as positions there must be.
SAVING = 3
# Candidates that a sweep may look at.
MOST_CANDIDATES = 1 << 23


def run_cuts(problem: Problem, k: int) -> NDArray[np.int64] | None:
    """The lowest of the best cuts into k groups, 1 < k < n; None if it is not quickly found."""
    n = len(problem.values)
    if problem.weights is not None or not FEWEST_VALUES <= n <= MOST_VALUES:
        return None
    # Most problems end here. Gaps that differ when they are rounded do so.
    gaps = np.diff(as_integers(problem.values[: n // 4]))
    if np.count_nonzero(gaps[1:] != gaps[:-1]) > n // 8 or problem.units[0] == 0:
        return None
    unit = problem.units[0]
    first, second = np.abs(problem.sums[:4:2, [0, -1]]).max(axis=1)
    if first > EXACT * unit or second > EXACT * unit**2:
        return None
    gaps = np.diff(problem.deviation)
    breaks = np.flatnonzero(gaps[1:] != gaps[:-1]) + 1
    if len(breaks) > n // 8:
        return None
    return _Runs(problem, k, gaps, breaks).cuts()


class _Runs:
    """Sweeps for one price after another.

    Parameters
    ----------
    problem : Problem
    k : int
    gaps : (n - 1,) array
    breaks : array
        Indices of gaps that are not the same as the one before.
    """

    def __init__(
        self, problem: Problem, k: int, gaps: NDArray[np.float64], breaks: NDArray[np.intp]
    ) -> None:
        self._problem, self._k = problem, k
        n = len(problem.values)
        starts = np.append(0, breaks)
        stops = np.append(breaks, n - 1)
        # Positions from which on groups lie within a run, and up to which. A run begins after the
        # position where the one before ends.
        self._low = starts + 2
        self._low[0] = 0
        self._high = stops + 1
        self._square = gaps[starts] ** 2
        self._unit = problem.units[0] ** 2
        longest = int(np.argmax(stops - starts))
        self._main = Fraction(float(self._square[longest] / self._unit))

    def cuts(self) -> NDArray[np.int64] | None:
        n, k = len(self._problem.values), self._k
        q = n // k
        price = self._tie(q)
        if n < 2 * q * q:
            # One number of groups or none ties there; evenly spread values have about this price.
            price = self._main * (round(n**3 / (3 * k**3)) + Fraction(1, 2)) / 2
        # Numbers of groups and costs at the closest prices.
        fewer: tuple[int, Fraction] | None = None
        more: tuple[int, Fraction] | None = None
        for _ in range(30):
            sweep = self._sweep(price)
            if sweep is None:
                return None
            if sweep.fewest <= k <= sweep.most:
                return sweep.cuts(k)
            found = sweep.most if sweep.most < k else sweep.fewest
            cost = sweep.cost(found)
            if cost is None:
                return None
            if found < k:
                fewer = found, cost
            else:
                more = found, cost
            if fewer is not None and more is not None:
                price = (fewer[1] - more[1]) / (more[0] - fewer[0])
                continue
            # The best groups are about that much larger.
            scaled = q * found / k
            q = max(min(int(scaled), q - 1), 0) if found < k else max(int(scaled), q + 1)
            price = self._tie(q)
        return None

    def _tie(self, q: int) -> Fraction:
        """The price at which groups of q and q + 1 values of the longest run are equally good."""
        return self._main * (Fraction(q * (q + 1) * (2 * q + 1), 12) if q else Fraction(1, 4))

    def _sweep(self, price: Fraction) -> "_Sweep | None":
        n = len(self._problem.values)
        # Two halves of m values save at least spacing**2 (m**3 - m) / 16: more than the price for
        # more values than this.
        most = np.cbrt(16 * float(price) * self._unit / self._square).astype(np.int64) + 2
        chosen = self._high - self._low > 2 * most + 2
        low, high, most = self._low[chosen], self._high[chosen], most[chosen]
        if len(low) == 0 or most.max() > n:
            return None
        # The first run is entered at 0, the last one left at n.
        entries = np.where(low == 0, 0, most)
        exits = np.where(high == n, 0, most)
        change = np.zeros(n + 2, np.int8)
        change[low + entries + 1] = 1
        change[high - exits] = -1
        nodes = np.flatnonzero(np.cumsum(change[: n + 1], dtype=np.int8) == 0)
        width = int(most.max())
        if SAVING * len(nodes) > n or len(nodes) * width > MOST_CANDIDATES:
            return None
        m = len(nodes)
        ends = np.empty((2, m), np.int32)
        first, last = np.searchsorted(nodes, [low, low + entries])
        leave, until = np.searchsorted(nodes, [high - exits, high])
        ends[0] = 0
        ends[0, leave] = leave
        np.maximum.accumulate(ends[0], out=ends[0])
        ends[1] = np.arange(-1, m - 1)
        square = np.zeros(m)
        count = until + 1 - leave
        jumping = np.repeat(leave - np.cumsum(count) + count, count) + np.arange(count.sum())
        ends[0, jumping] = np.repeat(first, count)
        ends[1, jumping] = np.repeat(last, count)
        square[jumping] = np.repeat(self._square[chosen], count)
        sweep = _Sweep(self._problem, nodes, ends, square, price)
        return sweep if sweep.end == SweepEnd.DONE else None


class _Sweep:
    """Best paths at a price through some positions, with jumps."""

    def __init__(
        self,
        problem: Problem,
        nodes: NDArray[np.int64],
        ends: NDArray[np.int32],
        square: NDArray[np.float64],
        price: Fraction,
    ) -> None:
        m = len(nodes)
        self._nodes, self._square = nodes, square
        self._exact = ExactCosts(problem, nodes)
        self._unit = problem.units[0] ** 2
        sums = np.zeros((3, m + PASS_LEAF))
        sums[:, :m] = problem.sums[::2].take(nodes, axis=1)
        self._numbers = np.empty((5, m), np.int32)
        self._starts = np.empty(m + 1, np.intp)
        capacity = 4 * m
        while True:
            self._sources = np.empty(capacity, np.intp)
            self._groups = np.empty((capacity, 2), np.int32)
            self.end = sweep_near(
                problem.points, nodes, sums, square, ends, self._exact.as_scaled(price),
                price.denominator if price.denominator < 2**60 else 0, np.empty((m, 3)),
                self._numbers, np.empty(m, np.uint64), self._starts, self._sources, self._groups,
                np.empty((capacity, 3)), np.empty((3, m + PASS_LEAF)), ISA,
            )  # fmt: skip
            if self.end != SweepEnd.FULL:
                break
            capacity *= 2
        self.fewest, self.most = int(self._numbers[0, -1]), int(self._numbers[1, -1])

    def cuts(self, k: int) -> NDArray[np.int64] | None:
        """The lowest of the best cuts into k groups."""
        found = self._path(k)
        return None if found is None else found[0][1:-1]

    def cost(self, k: int) -> Fraction | None:
        """Of the best k groups, in units of the values."""
        found = self._path(k)
        if found is None:
            return None
        _, path, counts = found
        jumps = self._square[path[1:]] > 0
        i, j = path[:-1][~jumps], path[1:][~jumps]
        twice = 0
        sizes = self._nodes[path[1:][jumps]] - self._nodes[path[:-1][jumps]]
        squares = self._square[path[1:][jumps]] / self._unit
        for n, m, square in zip(
            sizes.tolist(), counts[jumps].tolist(), squares.tolist(), strict=True
        ):
            q, larger = divmod(n, m)
            groups = larger * (q + 2) + (m - larger) * (q - 1)
            twice += groups * q * (q + 1) // 6 * int(square)
        return self._exact.total_of(i, j) + Fraction(twice, 2)

    def _path(self, k: int) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.int32]] | None:
        """The edges of the groups, the nodes on the path, and how many groups lie between them."""
        m = len(self._nodes)
        edges = np.empty(k + 1, np.int64)
        path, counts = np.empty(m, np.intp), np.empty(m, np.int32)
        found = lowest_jumps(
            self._nodes, self._numbers, self._starts, self._sources, self._groups, edges, path,
            counts,
        )  # fmt: skip
        return None if found == 0 else (edges, path[m - found :], counts[m - found + 1 :])
