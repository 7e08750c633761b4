"""From coarse to fine: where the best cuts of very many values may lie.

The values are gathered in cells. A best partition P of the values into k groups cuts some cells in
their inside. It can be turned into a partition R that cuts between cells only and costs hardly
more, so that passes over the cells, which bound what such partitions cost, tell where the cuts of P
may lie. These cells are divided, until they are single values.

From P to R
-----------
Let M be the midpoint of the centers of two neighbouring groups A and B of P, g their distance, and
c a cell of weight W from a to b that is cut between the two in its inside. As every value of P is
nearest to its own center, M lies within c. Put the part of c below the cut, of weight w and mean m,
from A to B: that costs 2 w g (M - m), with the centers as they were. The part above costs
2 w' g (m' - M) if it is put from B to A. One of the two is at most g (b - a) w w' / (W / 2), which
is at most g (b - a) W / 2.

If c is cut twice or more, or else holds all of a group whose other end is an edge of c, all of c is
put to one of its groups that reach beyond c, or made a group of its own, so that cuts at its edges
remain: a center of a group within c lies within c, as M does, so that the next center is at most
2 (b - a) from any value of c, and that costs at most 4 (b - a)**2 W and saves groups.

R leaves every cut of P that lies between cells, and has one at an edge of each cell that P cuts
inside. With centers that are as they were it costs, for each of these at most k - 1 cells, at most
W (b - a) max(g / 2, 4 (b - a)) more than P, which costs no more than any other partition.

No distance g is known, but a bound: the values within g / 4 of M are farther than g / 4 from their
centers, so that g**2 / 16 times their weight is no more than P costs. And those within g / 8 would
each gain (3 g / 8)**2 - (g / 8)**2 = g**2 / 8 from one more center, at M.
"""

from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .points import Edges, Problem, divided
from .prices import Cuts, Progress, Search, best_cuts

# The fewest cells to begin with, and for k groups so many times k**2: enough for P to be found
# near R.
LEAST_CELLS = 1 << 12
CELLS_EACH = 16
# Neighbours among the first cells for which one bound is found.
BLOCK = 16
# Values are gathered if there are so many for each cell.
VALUES_EACH = 16


def first_cells(values: NDArray, weights: NDArray | None, k: int) -> Edges | None:
    """Edges of cells to begin with; None where the values may as well be taken one by one."""
    cells = max(LEAST_CELLS, CELLS_EACH * k**2)
    if VALUES_EACH * cells > len(values):
        return None
    n = len(values)
    fine = cell_edges(values, cells)
    width = np.diff(Problem(values[np.minimum(fine, n - 1)], None).deviation)
    # The best levels are as dense as the cube root of the density (Panter and Dite 1951), so that
    # what it costs to cut beside a cell is about the same for all.
    share = np.cbrt((width / width.max()) ** 2 * np.diff(fine))
    inside = divided(fine[:-1], np.diff(fine), share, cells)
    heavy = inside[:0]
    if weights is not None:
        # Values that outweigh a cell are taken alone.
        with np.errstate(over="ignore"):
            heavy = np.flatnonzero(weights > weights.mean(dtype=np.float64) * (n / cells))
    return _together(inside, heavy, heavy + 1, [n // 2, n])


def fine_cuts(
    problem: Problem, k: int, *, threads: int = 1, progress: Progress | None = None
) -> Cuts:
    """The lowest of the best cuts of values gathered in cells, as positions of the values.

    Parameters and errors are those of `best_cuts`; one of the edges must be the median.
    """
    n, at_once = len(problem.values), max(len(problem.points), LEAST_CELLS)
    search = Search(problem, k, threads)
    search.narrow(0.0)
    reach = _largest_distances(search)
    divisible, left = problem.deviation < problem.last, VALUES_EACH * n
    while True:
        cells, price = search.problem, search.price
        excess = _excess(cells, reach)
        kept, divisible = _where_cut(search, divisible, excess)
        edges = cells.positions(np.arange(len(cells.points) + 1))
        starts, sizes = edges[:-1][divisible], np.diff(edges)[divisible]
        before, left = left, int(sizes.sum())
        if 2 * left > n:
            break
        shares, parts = sizes.astype(np.float64), left
        if at_once < left < before // 2:
            shares, parts = np.sqrt(excess[divisible]), at_once
        inside = divided(starts, sizes, shares, parts)
        finer = _together([0, n // 2, n], edges[kept], inside, starts + sizes)
        reach = reach[np.searchsorted(edges, finer[:-1], side="right") - 1]
        cells = cells.at(finer)
        divisible = np.isin(finer[:-1], inside) & (cells.deviation < cells.last)
        if not divisible.any():
            cuts = best_cuts(cells, k, threads=threads, progress=progress, price=price)
            if cuts is not None:
                return cells.positions(cuts)
            break
        search = Search(cells, k, threads, None, price)
        search.narrow(0.0)
    whole = Problem(problem.values, problem.weights, threads)
    cuts = best_cuts(whole, k, threads=threads, progress=progress, price=price)
    assert cuts is not None
    return cuts


def _where_cut(
    search: Search, divisible: NDArray[np.bool_], excess: NDArray[np.float64]
) -> tuple[Edges, NDArray[np.bool_]]:
    """Positions where the best groups may be cut, and the cells that they may be cut inside.

    `divisible` are the cells that are known to be the only ones of these.
    """
    while True:
        kept = search.kept(_sum_of_largest(excess[divisible], search.k - 1))
        near = np.zeros(len(divisible) + 2, np.bool_)
        near[kept] = near[kept + 1] = True  # the cells before and after
        fewer = divisible & near[1:-1]
        if np.count_nonzero(fewer) == np.count_nonzero(divisible):
            return kept, fewer
        divisible = fewer


def _excess(cells: Problem, reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much more it may cost to cut beside a cell than inside.

    `reach`: how far apart the centers of two groups may be that are cut inside.
    """
    sums, width = cells.sums, cells.last - cells.deviation
    width += np.where(width > 0, _rounding(cells.deviation, cells.last), 0.0)
    rounding = (cells.bounds[2] + 2.0**-90) * (sums[4, -1] - sums[4, 0])
    weight = np.diff(sums[4]) + np.diff(sums[5]) + rounding
    return weight * width * np.maximum(reach / 2, 4 * width) * (1 + 1e-9)


def _rounding(first: NDArray[np.float64], last: NDArray[np.float64]) -> NDArray[np.float64]:
    """At least how much farther apart two deviations may be that are rounded."""
    return 2.0**-51 * np.maximum(np.abs(first), np.abs(last))


def _largest_distances(search: Search) -> NDArray[np.float64]:
    """How far apart the centers of two of the best groups may be that are cut inside each cell."""
    cells, gain = search.problem, inf
    least = float(search.complete().least[0, -1])
    while True:
        reach = _distances(search, gain)
        # Those of k + 1 groups are no farther apart, and one more gains no more.
        most = _sum_of_largest(_excess(cells, reach), search.k)
        less = (search.most - least + search.price + most) * (1 + 1e-9)
        if not less < 0.9 * gain:
            return reach
        gain = less


def _distances(search: Search, gain: float) -> NDArray[np.float64]:
    """As `_largest_distances`, if no group more than k gains more than `gain`; block by block."""
    cells = search.problem
    weight = cells.sums[4]
    rounding = 2.0**-50 * (weight[-1] - weight[0])
    starts = np.arange(0, len(cells.points), BLOCK)
    stops = np.append(starts[1:], len(cells.points))
    first, last = cells.deviation[starts], cells.last[stops - 1]
    first, last = first - _rounding(first, last), last + _rounding(first, last)

    def weight_within(distance: float, blocks: NDArray[np.intp]) -> NDArray[np.float64]:
        """At least that of the values so near to any midpoint in a block."""
        start = np.searchsorted(cells.deviation, last[blocks] - distance)
        stop = np.searchsorted(cells.last, first[blocks] + distance, side="right")
        return weight[np.maximum(start, stop)] - weight[start] - rounding

    cost = (search.most - search.price * search.k) * (1 + 1e-9)
    distance = cells.last[-1] - cells.deviation[0]
    reach = np.full(len(starts), distance)
    here = np.arange(len(starts))
    while len(here):
        distance /= 2
        excluded = weight_within(distance / 4, here) * distance**2 > 16 * cost
        excluded |= weight_within(distance / 8, here) * distance**2 > 8 * gain
        here = here[excluded]
        reach[here] = distance
    return np.repeat(reach, stops - starts) * (1 + 1e-9)


def _sum_of_largest(excess: NDArray[np.float64], number: int) -> float:
    if number < len(excess):
        excess = np.partition(excess, len(excess) - number)[-number:]
    return float(excess.sum())


def cell_edges(values: NDArray, cells: int) -> Edges:
    """Edges of at most `cells` nonempty cells: half of equal width, half of equal number."""
    n, half = len(values), cells // 2
    by_number = np.linspace(0, n, cells - half + 1).astype(np.int64)
    # Halves, because the range itself may overflow.
    first, last = float(values[0]) / 2, float(values[-1]) / 2
    limits = first + (last - first) * (np.arange(1, half) / half)
    limits *= 2
    if values.dtype.kind == "f":
        limits = limits.astype(values.dtype)
    elif values.dtype.kind != "b":
        limits = _clipped(limits, values.dtype)
    return _together(by_number, np.searchsorted(values, limits))


def _together(*edges: ArrayLike) -> Edges:
    """Ascending edges as one array, each once. np.unique hashes them, which is slower."""
    together = np.concatenate(edges)
    together.sort(kind="stable")  # which is quick for sorted runs
    return together[np.append(True, together[1:] > together[:-1])]


def _clipped(limits: NDArray[np.float64], dtype: np.dtype) -> NDArray:
    """Limits within the range of an integer dtype, cast to it."""
    info = np.iinfo(dtype)
    inside = (limits >= float(info.min)) & (limits < float(info.max))
    return limits[inside].astype(dtype)
