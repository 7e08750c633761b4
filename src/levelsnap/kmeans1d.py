"""Optimal 1-D k-means: where to cut ascending values into k groups, and the groups' means.

`optimal_cuts` is the global optimum, proved in exact arithmetic; `prices.py` finds it.
`lloyd_cuts` and `Grid` are the inexact alternatives.
"""

from fractions import Fraction
from functools import cache
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._kmeans1d import PASS_LEAF, PASS_ROWS, few_means, layers, lone_means, round_means
from .cells import fine_cuts, first_cells
from .points import (
    CHUNK,
    EXACT,
    Edges,
    Problem,
    as_integers,
    errors_of_sums,
    times_power,
    two_sum,
)
from .prices import Cuts, Progress, best_cuts
from .rationals import exact_cost, exact_mean
from .runs import run_cuts
from .tables import ISA

# Clusters that far gaps are looked for between.
MOST_CLUSTERS = 16
# Layers of least costs are quicker than passes if their number squared times n is no more.
FEW_LAYERS = 1 << 17
# Of more values, the best cuts are often not told apart in double arithmetic.
FEW_VALUES = 1 << 16


def make_problem(values: NDArray, weights: NDArray | None, k: int, threads: int) -> Problem:
    """A problem to find k groups of: very many values are gathered in cells at first."""
    return Problem(values, weights, threads, first_cells(values, weights, k))


def optimal_means(
    values: NDArray,
    weights: NDArray | None,
    k: int,
    *,
    threads: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """The means of the groups that `optimal_cuts` finds, as `group_means` gives them."""
    n = len(values)
    if weights is not None and weights[0] == weights[-1] and (weights == weights[0]).all():
        weights = None  # which is quicker
    few = _is_few(n, k)
    if few and _is_plain(values, weights) and not _evenly_spaced(values):
        numbers = values.astype(np.float64, copy=False)
        heavy = None if weights is None else weights.astype(np.float64)
        errors = errors_of_sums(n, n if heavy is None else float(heavy.sum()))
        scratch = np.empty((6 + PASS_ROWS + k, n + 1 + PASS_LEAF))
        edges, centers = np.empty(k + 1, np.int64), np.empty(k)
        if few_means(numbers, heavy, *errors, scratch, edges, centers, ISA):
            if progress is not None:
                progress(n, n)
            return centers
        few = False
    problem = make_problem(values, weights, k, threads)
    cuts = optimal_cuts(problem, k, threads=threads, progress=progress, few=few)
    return group_means(problem, cuts)


def optimal_cuts(
    problem: Problem,
    k: int,
    *,
    threads: int = 1,
    progress: Progress | None = None,
    few: bool = True,
) -> Cuts:
    """The cuts that minimise the weighted sum of squared distances to the group means.

    Parameters
    ----------
    problem : Problem
        The values and their weights; its cells, if it has some, are divided where needed.
    k : int
        Number of groups, 1 <= k <= n.
    threads : int
        At most two are used.
    progress : callable or None
        Called as ``progress(done, total)`` now and then, and at last with ``done = total``.
    few : bool
        Whether `layer_cuts` are tried.

    Returns
    -------
    cuts : (k - 1,) int64 array, strictly ascending
        Group g is ``values[cuts[g-1]:cuts[g]]``, also if there are cells. It is the global
        optimum in exact real arithmetic. Among equally good solutions it is the one whose cuts are
        all lowest: the cost is Monge, so the best solutions form a lattice and have a least
        element.
    """
    values, weights = problem.values, problem.weights
    n = len(values)
    every = k in (1, n)
    if every or (_evenly_spaced(values) and (weights is None or (weights == weights[0]).all())):
        if progress is not None:
            progress(n, n)
        return np.arange(1, k, dtype=np.int64) if every else _even_cuts(n, k)
    low, high = _outliers(values, weights, k)
    if low or high:
        inner = slice(low, n - high)
        inner_weights = None if weights is None else weights[inner]
        inner_problem = make_problem(values[inner], inner_weights, k, threads)
        cuts = optimal_cuts(inner_problem, k - low - high, threads=threads, progress=progress)
        return np.concatenate([np.arange(1, low + 1), cuts + low, np.arange(n - high, n)])
    gaps = _far_gaps(problem, k)
    if gaps:
        return _cuts_about_gaps(problem, k, gaps, threads, progress)
    if problem.edges is not None:
        return fine_cuts(problem, k, threads=threads, progress=progress)
    quick = run_cuts(problem, k)
    if quick is None and few:
        quick = layer_cuts(problem, k)
    if quick is None:
        return best_cuts(problem, k, threads=threads, progress=progress)
    if progress is not None:
        progress(n, n)
    return quick


def layer_cuts(problem: Problem, k: int) -> Cuts | None:
    """The best cuts into a few groups of not too many values, if double arithmetic proves them."""
    n = len(problem.values)
    if not _is_few(n, k):
        return None
    edges = np.empty(k + 1, np.int64)
    scratch = np.empty((PASS_ROWS - 2 + k, n + 1 + PASS_LEAF))
    return edges[1:-1] if layers(problem.points, scratch, edges, ISA) else None


def _is_few(n: int, k: int) -> bool:
    return 1 < k < n <= FEW_VALUES and (k - 2) ** 2 * n <= FEW_LAYERS


def _is_plain(values: NDArray, weights: NDArray | None) -> bool:
    """Whether values and weights are exact as doubles whose squares are far from their limits."""
    reach = max(-float(values[0]), float(values[-1]))
    least, most = (2.0**-300, 2.0**300) if values.dtype.kind == "f" else (0.0, EXACT)
    whole = weights is None or (weights.dtype.kind == "u" and weights.max() <= EXACT)
    return least < reach < most and whole


def group_means(problem: Problem, cuts: NDArray) -> NDArray[np.float64]:
    """The mean of each group, correctly rounded to float64 (to nearest, ties to even).

    Parameters
    ----------
    problem : Problem
    cuts : (k - 1,) array of int

    Returns
    -------
    centers : (k,) float64 array, strictly ascending

    Raises
    ------
    ValueError
        If the means of two groups round to one float64.
    """
    values = problem.values
    edges = _edges(cuts, len(values))
    centers = _means(problem, edges)
    same = centers[1:] == centers[:-1]
    if np.count_nonzero(same):
        g = int(np.argmax(same))
        groups = [f"{i} ({values[edges[i]]!s} to {values[edges[i + 1] - 1]!s})" for i in (g, g + 1)]
        raise ValueError(
            f"the means of groups {groups[0]} and {groups[1]} are the same float64, "
            f"{float(centers[g])!r}; subtract an offset from the image or take fewer levels"
        )
    return centers


def lloyd_cuts(
    problem: Problem,
    k: int,
    *,
    attempts: int,
    max_iter: int,
    eps: float,
    seed: int | None,
    progress: Progress | None = None,
) -> Cuts:
    """Cuts that no single step of Lloyd's algorithm improves: a local optimum.

    The first start is from quantiles, each other from k random values. Each iteration moves every
    cut to the midpoint between two means; every group keeps at least one value.

    Parameters
    ----------
    problem, k, progress : as for `optimal_cuts`
    attempts : int
        Number of starts; the best result counts, the first of equally good ones.
    max_iter : int
        Iterations per start.
    eps : float
        A start is over when no center moves by more than this, in units of the values.
    seed : int or None
        Of the random starts.

    Returns
    -------
    cuts : (k - 1,) int64 array
    """
    n = len(problem.values)
    random = np.random.default_rng(seed)
    best: Cuts | None = None
    least = inf
    for attempt in range(attempts):
        if attempt == 0:
            weight = problem.sums[4] - problem.sums[4, 0]
            cuts = np.searchsorted(weight, np.arange(1, k) * (weight[-1] / k))
        else:
            means = problem.deviation[np.sort(random.choice(n, k, replace=False, shuffle=False))]
            cuts = problem.nearest_cuts(means)
        cuts = _lloyd(problem, _nonempty(cuts, n), max_iter, eps)
        cost = problem.cost(_edges(cuts, n))[0]
        if best is None or cost < least:
            best, least = cuts, cost
        if progress is not None:
            progress(attempt + 1, attempts)
    return best


class Grid:
    """Nearly optimal cuts of values gathered in cells, for any number of groups.

    The optimal cuts of the cells' means, each with its cell's weight, are taken for the values.

    Parameters
    ----------
    cells : Problem
        With `edges`, which `cell_edges` makes.
    threads : int

    Notes
    -----
    Let x be the values, r(x) the point of x's cell and c(x) the best center of x. By the triangle
    inequality of weighted L2, sqrt(grid optimum) <= ||r - c|| <= ||x - c|| + ||x - r||, so the
    optimum is at least (sqrt(grid optimum) - ||x - r||)**2. With m the mean of a cell,
    ||x - r||**2 is the sum of the cost within the cells and w (m - r)**2.
    """

    def __init__(self, cells: Problem, threads: int) -> None:
        self._cells, self._threads = cells, threads
        points, offsets = _cell_points(cells)
        starts = np.flatnonzero(np.append(True, points[1:] > points[:-1]))
        # How far a point may be from the mean of its cell.
        self._offsets = np.maximum.reduceat(offsets, starts)
        self._edges = np.append(starts, len(points))
        weights = _cell_weights(cells.weights, cells.positions(self._edges))
        self._points = Problem(points[starts], weights, threads)

    def cuts(self, k: int, *, progress: Progress | None = None) -> tuple[Cuts, float]:
        """Cuts between cells, as positions of the values, and how far from the optimum they can be.

        Returns
        -------
        cuts : (k - 1,) int64 array
        gap : float
            A rigorous bound: the cost is at most (1 + gap) times the optimum; inf if none is known.

        Raises
        ------
        ValueError
            Fewer cells than k have different means.
        """
        if len(self._edges) <= k:
            raise ValueError(f"the values lie too close together for k = {k} float64 means")
        found = optimal_cuts(self._points, k, threads=self._threads, progress=progress)
        cuts = self._edges[found]
        cost, error = self._cells.cost(_edges(cuts, len(self._cells.deviation)))
        least = self._least_cost(found)
        # Not for NaN either, which extreme weights can lead to.
        cuts = self._cells.positions(cuts)
        return cuts, max((cost + error) / least * (1 + 1e-15) - 1, 0.0) if least > 0 else inf

    @np.errstate(all="ignore")
    def _least_cost(self, found: Cuts) -> float:
        """A lower bound of the optimum, scaled, from the best cuts of the cells' points."""
        cells, points = self._cells, self._points
        grid_cost, grid_error = points.cost(_edges(found, len(self._offsets)))
        # To the scale of the values.
        grid_least = np.ldexp(grid_cost - grid_error, cells.cost_exponent - points.cost_exponent)
        if points.weights.dtype.kind == "f":
            # The weights of the cells are rounded sums.
            grid_least *= 1 - len(cells.values) * 2.0**-52
        apart, apart_error = cells.cost(self._edges)
        weight_exponent = cells.cost_exponent - 2 * cells.exponent
        weights = np.ldexp(points.weights.astype(np.float64), weight_exponent)
        offsets = np.ldexp(self._offsets, cells.exponent)
        apart += apart_error + float(weights @ offsets**2) * (1 + 1e-9)
        least = np.sqrt(max(grid_least, 0.0)) * (1 - 1e-15) - np.sqrt(apart) * (1 + 1e-15)
        return float(least) ** 2 if least > 0 else 0.0


def _outliers(values: NDArray, weights: NDArray | None, k: int) -> tuple[int, int]:
    """How many of the lowest and highest values are alone in their group in every optimum.

    To join an outlier to a neighbour costs at least min(w) gap**2 / 2. To leave every outlier
    alone, and all others in one group, costs at most W range**2 / 4. Such outliers, for example
    -1.8e308 for "no data", would make the squares of all other values underflow.
    """
    n = len(values)
    found = 0, 0
    # Halves, because the range itself may overflow.
    first, second, next_last, last = (float(values[i]) / 2 for i in (0, 1, -2, -1))
    if 5 * max(second - first, last - next_last) < last - first < inf:
        return found  # surely none
    low, high = 0, n
    smallest_gap: float | Fraction = inf
    lightest: float | Fraction = 1 if weights is None else inf
    while low + n - high < k - 1:
        first, second, next_last, last = (
            Fraction(values[i].item()) for i in (low, low + 1, high - 2, high - 1)
        )
        if second - first >= last - next_last:
            gap, spread, pair = second - first, last - second, slice(low, low + 2)
            low += 1
        else:
            gap, spread, pair = last - next_last, next_last - first, slice(high - 2, high)
            high -= 1
        if 4 * gap < spread:
            break
        smallest_gap = min(smallest_gap, gap)
        total = Fraction(high - low)
        if weights is not None:
            total *= Fraction(weights[low:high].max().item())
            lightest = min(lightest, Fraction(weights[pair].min().item()))
        if 2 * lightest * smallest_gap**2 > total * spread**2:
            found = low, n - high
    return found


def _far_gaps(problem: Problem, k: int) -> list[int]:
    """Where gaps cut every optimum of k groups, and leave a few clusters; empty if nowhere.

    Beyond gaps of 2**32 times the width of every cluster, sums about one median would tell little
    of the other clusters. To bridge one costs at least min(w) gap**2 / 2, and a group for each
    cluster costs at most W width**2 / 4.
    """
    values, weights, n = problem.values, problem.weights, len(problem.values)

    def width(first: int, last: int) -> Any:
        ends = values[[first, last]]
        if values.dtype.kind == "f":
            ends = times_power(ends, problem.exponent)  # the range itself may overflow
        first_end, last_end = ends.tolist()
        return last_end - first_end

    far = 2.0**33  # rounding takes far less than the factor of 2
    if n > 8:
        # Surely none, if neighbours are not close together.
        some = np.array([0, n // 4, n // 4 + 1, n // 2, n // 2 + 1, n - 1])
        first, a, b, c, d, last = values[some].tolist()
        if last - first < far * min(b - a, d - c):
            return []
    clusters, narrowest = [(width(0, n - 1), 0, n)], inf
    while len(clusters) <= min(k, MOST_CLUSTERS):
        widest, first, stop = clusters.pop(int(np.argmax([cluster[0] for cluster in clusters])))
        if widest * far <= narrowest and clusters:
            cuts = sorted(start for _, start, _ in [*clusters, (widest, first, stop)] if start > 0)
            if weights is None:
                return cuts
            # Their sum may overflow.
            beside = np.concatenate([weights[cut - 1 : cut + 1] for cut in cuts])
            light = weights.max().item() / 2.0**60 * n < beside.min().item()
            return cuts if light else []
        low, high = values[first].item(), values[stop - 1].item()
        middle = low / 2 + high / 2 if values.dtype.kind == "f" else (low + high) // 2
        cut = int(np.searchsorted(values, values.dtype.type(middle), side="right"))
        if not first < cut < stop:
            return []
        narrowest = min(narrowest, width(cut - 1, cut))
        clusters += [(width(first, cut - 1), first, cut), (width(cut, stop - 1), cut, stop)]
    return []


def _cuts_about_gaps(
    problem: Problem, k: int, gaps: list[int], threads: int, progress: Progress | None
) -> Cuts:
    """The optimum where every one is cut at some gaps: by sums about medians beside one of them."""
    values, weights = problem.values, problem.weights
    fewest = len(gaps) // 2 + 1, len(gaps) - len(gaps) // 2
    gap = gaps[fewest[0] - 1]
    sides = [
        make_problem(values[side], None if weights is None else weights[side], k, threads)
        for side in (slice(gap), slice(gap, None))
    ]

    @cache
    def best(side: int, groups: int) -> tuple[Cuts, Fraction]:
        cuts = optimal_cuts(sides[side], groups, threads=threads)
        return cuts, exact_cost(sides[side], _edges(cuts, len(sides[side].values)))

    # The most groups below the gap of which the last one gains no less than it would above it. Both
    # gains decrease with the groups, as the least cost is convex in their number.
    low, high = max(fewest[0], k - (len(values) - gap)), min(gap, k - fewest[1])
    while low < high:
        below = (low + high + 1) // 2
        gain = best(0, below - 1)[1] - best(0, below)[1]
        if gain >= best(1, k - below)[1] - best(1, k - below + 1)[1]:
            low = below
        else:
            high = below - 1
    if progress is not None:
        progress(len(values), len(values))
    return np.concatenate([best(0, low)[0], [gap], best(1, k - low)[0] + gap])


def _means(problem: Problem, edges: Edges) -> NDArray[np.float64]:
    """The correctly rounded mean of each group; the exact way where the quick one is in doubt."""
    alone = None if problem.is_summed else problem.alone()
    if alone is not None:
        centers = np.empty(len(edges) - 1)
        done = np.empty(len(centers), np.uint8)
        lone_means(alone, edges, centers, done, problem.threads)
        safe = done.view(np.bool_)
    elif problem.edges is None:
        centers, _, safe = problem.means(edges)
    else:
        centers, _, safe = problem.at(edges).means(np.arange(len(edges)))
    if np.count_nonzero(safe) < len(safe):
        _mend_means(problem, edges, centers, safe)
    return centers


def _mend_means(
    problem: Problem, edges: Edges, centers: NDArray[np.float64], safe: NDArray[np.bool_]
) -> None:
    """Replace the means that are in doubt, often because they lie halfway between two floats."""
    values, weights = problem.values, problem.weights
    alone = np.diff(edges) == 1
    centers[alone] = values[edges[:-1][alone]] + 0.0  # not -0.0
    safe |= alone
    whole = weights is None or weights.dtype.kind == "f" or weights.max() <= EXACT
    if whole and values.dtype.kind == "f":
        given = None if weights is None else weights.astype(np.float64)
        round_means(values.astype(np.float64), given, edges, centers, safe.view(np.uint8))
    for g in np.flatnonzero(~safe).tolist():
        group = slice(edges[g], edges[g + 1])
        centers[g] = exact_mean(values[group], None if weights is None else weights[group])


def _lloyd(problem: Problem, cuts: Cuts, max_iter: int, eps: float) -> Cuts:
    """Lloyd's iterations from strictly ascending cuts."""
    n = len(problem.values)
    with np.errstate(over="ignore"):
        eps = np.ldexp(eps, problem.exponent)
    means = None
    for _ in range(max_iter):
        edges = _edges(cuts, n)
        s1, s1_rest, _, _, w, w_rest = np.diff(problem.sums[:, edges])
        # Weights that cancel leave no mean; any value of the group will do then.
        with np.errstate(all="ignore"):
            moved = (s1 + s1_rest) / (w + w_rest)
        moved = np.clip(moved, problem.deviation[edges[:-1]], problem.deviation[edges[1:] - 1])
        moved = np.where(np.isnan(moved), problem.deviation[edges[:-1]], moved)
        if means is not None and np.abs(moved - means).max() <= eps:
            break
        means = moved
        next_cuts = _nonempty(problem.nearest_cuts(means), n)
        if (next_cuts == cuts).all():
            break
        cuts = next_cuts
    return cuts


def _nonempty(cuts: NDArray, n: int) -> Cuts:
    """Ascending cuts, moved as little as is needed for no group to be empty."""
    k = len(cuts) + 1
    steps = np.arange(1, k)
    cuts = np.maximum.accumulate(np.maximum(cuts, 1) - steps) + steps
    return np.minimum(cuts, n - k + steps).astype(np.int64)


def _edges(cuts: NDArray, n: int) -> Edges:
    edges = np.empty(len(cuts) + 2, np.int64)
    edges[0], edges[1:-1], edges[-1] = 0, cuts, n
    return edges


def _cell_points(cells: Problem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A point in each cell, about its mean, and a bound of the distance between the two."""
    edges = cells.positions(np.arange(len(cells.deviation) + 1))
    first = cells.values[edges[:-1]].astype(np.float64)
    last = cells.values[edges[1:] - 1].astype(np.float64)
    points, offsets, _ = cells.means(np.arange(len(edges)))
    points = np.clip(np.where(np.isfinite(points), points, first), first, last)
    # The mean lies between first and last, which are rounded if the values are 64-bit integers.
    with np.errstate(over="ignore"):
        width = (last - first) + 2 * np.spacing(np.maximum(np.abs(first), np.abs(last)))
    return points, np.fmin(offsets + np.spacing(np.abs(points)), width)


def _cell_weights(weights: NDArray | None, edges: Edges) -> NDArray:
    if weights is None:
        return np.diff(edges).astype(np.uint64)
    if weights.dtype.kind == "u" and weights.sum(dtype=np.float64) >= EXACT:
        weights = weights.astype(np.float64)
    return np.add.reduceat(weights, edges[:-1])


def _evenly_spaced(values: NDArray) -> bool:
    """Whether all differences of neighbours are equal in exact arithmetic."""
    if len(values) > 2:
        first, second, third = values[:3].tolist()
        # Steps are rounded by far less.
        if abs((third - second) - (second - first)) > 1e-9 * (third - first):
            return False
    if values.dtype.kind == "f" and max(map(abs, values[[0, -1]].tolist())) > 2.0**1022:
        return False
    start, stop = 0, 8
    while start < len(values) - 1:
        steps = _steps(values[start : stop + 1])
        if start == 0:
            first = [step[0] for step in steps]
        if any((step != one).any() for step, one in zip(steps, first, strict=True)):
            return False
        start, stop = stop, stop + CHUNK
    return True


def _steps(values: NDArray) -> tuple[NDArray, ...]:
    """Differences of neighbours, exactly: of floats as high and low."""
    if values.dtype.kind == "f":
        wide = values.astype(np.float64)
        return two_sum(wide[1:], -wide[:-1])
    # Of ascending integers they are exact as unsigned ones.
    return (np.diff(as_integers(values).astype(np.uint64)),)


def _even_cuts(n: int, k: int) -> Cuts:
    """The optimum for equally spaced values that count once.

    The cost of a group of m values is proportional to m**3 - m, which is convex. So no two sizes
    differ by more than 1, and the cuts are lowest if the smaller groups come first.
    """
    size, larger = divmod(n, k)
    group = np.arange(1, k, dtype=np.int64)
    return size * group + np.maximum(group - (k - larger), 0)
