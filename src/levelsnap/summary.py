"""Summary: cells that stand for more distinct values than memory holds, and the fit of these."""

from collections.abc import Iterable
from math import inf
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .cells import cell_edges
from .dtypes import split
from .kmeans1d import group_means, optimal_cuts
from .points import Edges, Problem
from .prices import Progress

# Ascending values are gathered run by run, each in so many cells.
RUN = 1 << 20
CELLS_OF_RUN = 1 << 16

# More cells than this are gathered in half as many.
CELLS = 1 << 21

# More than the relative rounding error of an operation, and of sums of as many terms as RUN.
_ROUNDING = 2.0**-52
_OF_SUMS = 2.0**-30


class Summary:
    """Cells of ascending values: of each a point, a weight, and how far the values lie from it.

    Attributes
    ----------
    points : (n,) float64 array, ascending
        About the means of the cells.
    weights : (n,) uint64 or float64 array
        The sums of the weights of a cell's values.
    offsets : (n,) float64 array
        Bounds of the distances between the points and the true means.
    spreads : (n,) float64 array
        Bounds of the root mean square distances between the values and their points.
    """

    def __init__(self, points: NDArray, weights: NDArray, offsets: NDArray, spreads: NDArray):
        self.points, self.weights = points, weights
        self.offsets, self.spreads = offsets, spreads

    @classmethod
    def of(cls, batches: Iterable[tuple[NDArray, NDArray | None]]) -> Self:
        """From all values and their weights in ascending batches; None: each weighs 1."""
        parts: list[Self] = []
        for values, weights in batches:
            for start in range(0, len(values), RUN):
                run = slice(start, start + RUN)
                parts.append(cls._of_values(values[run], None if weights is None else weights[run]))
            whole = cls._joined(parts)
            if len(whole.points) > CELLS:
                whole = whole._gathered(cell_edges(whole.points, CELLS // 2))
            parts = [whole]
        return whole

    @classmethod
    def _of_values(cls, values: NDArray, weights: NDArray | None) -> Self:
        points, rest = split(values)
        if weights is None:
            weights = np.ones(len(values), np.uint64)
        offsets = np.abs(rest) * (1 + _ROUNDING)
        alone = cls(points, weights, offsets, offsets)
        return alone._gathered(cell_edges(values, CELLS_OF_RUN))

    @classmethod
    def _joined(cls, parts: list[Self]) -> Self:
        names = "points", "weights", "offsets", "spreads"
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    @np.errstate(over="ignore", invalid="ignore")
    def _gathered(self, edges: Edges) -> Self:
        """Larger cells: those of this summary between edges.

        With p the points, m the means, o the offsets and s the spreads of the cells of one larger
        cell with the point r, the sum of squared distances from r is
        sum w (mean (x - p)**2 + 2 (m - p) (p - r) + (p - r)**2) <= sum w (s**2 + (|p - r| + o)**2).
        """
        starts, sizes = edges[:-1], np.diff(edges)
        first, last = self.points[starts], self.points[edges[1:] - 1]
        width = last - first

        def of_each(x: NDArray) -> NDArray:
            return np.repeat(x, sizes)

        # Relative to the width, so that squares do not leave the range of floats.
        far = np.maximum(self.spreads, self.offsets)
        scale = np.maximum(width, np.maximum.reduceat(far, starts))
        scale[scale == 0] = 1
        each = of_each(scale)
        distance = (self.points - of_each(first)) / each
        offset, spread = self.offsets / each, self.spreads / each
        weights = np.add.reduceat(self.weights, starts)
        shares = self.weights / of_each(weights)
        mean = np.add.reduceat(shares * distance, starts)
        points = np.clip(first + mean * scale, first, last)
        points = np.where(np.isfinite(points), points, first)

        away = np.abs(distance - of_each((points - first) / scale)) + offset
        squares = np.add.reduceat(shares * (spread**2 + away**2), starts)
        slack = 1 + _OF_SUMS
        rounding = np.where(width > 0, width * _OF_SUMS + 4 * np.spacing(np.abs(points)), 0.0)
        offsets = np.add.reduceat(shares * offset, starts) * scale * slack + rounding
        spreads = np.sqrt(squares) * scale * slack + rounding
        return type(self)(points, weights, offsets, spreads)

    def fit(
        self, k: int, *, threads: int, progress: Progress | None = None
    ) -> tuple[NDArray[np.float64], float]:
        """The best centers of the points with their weights, and how far from the optimum of the
        values they can be: their cost is at most (1 + gap) times it; inf if no bound is known.
        """
        apart = np.append(True, self.points[1:] > self.points[:-1])
        cells = (
            self if apart.all() else self._gathered(np.append(np.flatnonzero(apart), len(apart)))
        )
        if k > len(cells.points):
            raise ValueError(
                f"k = {k} is more than the {len(cells.points)} cells of the approximation"
            )
        problem = Problem(cells.points, cells.weights, threads)
        cuts = optimal_cuts(problem, k, threads=threads, progress=progress)
        return group_means(problem, cuts), cells._gap(problem, cuts)

    @np.errstate(all="ignore")
    def _gap(self, problem: Problem, cuts: Edges) -> float:
        """With x the values, r their points, m their cells' means and c the centers:

        ||x - c||**2 = ||x - r||**2 + 2 (m - r) (r - c) + ||r - c||**2, and the optimum is at least
        (||r - c|| - ||x - r||)**2, as `kmeans1d.Grid` explains.
        """
        cost, error = problem.cost(np.concatenate([[0], cuts, [len(self.points)]]))
        spreads, offsets = (
            float(self.weights @ np.ldexp(distances, problem.exponent) ** 2) * (1 + _OF_SUMS)
            for distances in (self.spreads, self.offsets)
        )
        highest = cost + error
        highest += spreads + 2 * np.sqrt(offsets) * np.sqrt(highest)
        least = np.sqrt(max(cost - error, 0.0)) * (1 - 2.0**-50) - np.sqrt(spreads)
        if not least > 0:  # nor for NaN
            return inf
        gap = float(highest / least**2 * (1 + 2.0**-48)) - 1
        return gap if gap >= 0 else inf
