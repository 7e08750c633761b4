"""Optimal 1-D k-means: where to cut ascending values into k groups, proved in exact arithmetic.

The quick path is a dynamic program over the cuts (Bellman 1973; Wang and Song 2011, Ckmeans.1d.dp)
with divide and conquer over its monotone best cuts, O(k n log n) (Gronlund et al. 2017,
arXiv:1701.07204). It works in double-double arithmetic with a rigorous bound of every error, so it
knows which cuts it cannot tell apart. Where that leaves a choice, usually a tie, the exact path
settles it in integers, among the cuts that are left.

`lloyd_cuts` and `grid_cuts` are the inexact alternatives.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate
from math import gcd, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._kmeans1d import group_costs, prefix_sums, solve_layer

Progress = Callable[[int, int], object]
Cuts = NDArray[np.int64]
# 0, the cuts and n.
Edges = NDArray[np.intp]
# Exact prefix sums of w, w d and w d**2.
Sums = tuple[int, int, int]

# Values are scaled below 2**SCALE, which leaves the most room for squares before they underflow.
SCALE = 400
# Integers up to here are exact as float64.
EXACT = 2**53
# Values whose Python integers are held at a time.
BLOCK = 1 << 16


def optimal_cuts(
    values: NDArray, weights: NDArray | None, k: int, *, progress: Progress | None = None
) -> Cuts:
    """The cuts that minimise the weighted sum of squared distances to the group means.

    Parameters
    ----------
    values : (n,) array, strictly ascending and finite
        bool, any integer of 8 to 64 bits, float16, float32 or float64.
    weights : (n,) array of uint64 or float64, or None
        Positive and finite; None: each value weighs 1.
    k : int
        Number of groups, 1 <= k <= n.
    progress : callable or None
        Called as ``progress(done, total)`` after each of the ``total = k`` layers.

    Returns
    -------
    cuts : (k - 1,) int64 array, strictly ascending
        Group g is ``values[cuts[g-1]:cuts[g]]``. It is the global optimum in exact real
        arithmetic. Among equally good solutions it is the one whose cuts are all lowest: the
        cost is Monge, so the best solutions form a lattice and have a least element.
    """
    n = len(values)
    if weights is not None and (weights == weights[0]).all():
        weights = None
    if k in (1, n):
        return np.arange(1, k, dtype=np.int64)
    if weights is None and _evenly_spaced(values):
        return _even_cuts(n, k)
    low, high = _outliers(values, weights, k)
    if low or high:
        inner = slice(low, n - high)
        inner_weights = None if weights is None else weights[inner]
        cuts = optimal_cuts(values[inner], inner_weights, k - low - high, progress=progress)
        return np.concatenate([np.arange(1, low + 1), cuts + low, np.arange(n - high, n)])
    lowest, highest, limits = _bands(values, weights, k, progress)
    if (lowest == highest).all():
        return lowest
    return _exact_cuts(values, weights, lowest, highest, limits)


def group_means(values: NDArray, weights: NDArray | None, cuts: NDArray) -> NDArray[np.float64]:
    """The mean of each group, correctly rounded to float64 (to nearest, ties to even).

    Parameters
    ----------
    values, weights : as for `optimal_cuts`
    cuts : (k - 1,) array of int

    Returns
    -------
    centers : (k,) float64 array, strictly ascending

    Raises
    ------
    ValueError
        If the means of two groups round to one float64.
    """
    edges = _edges(cuts, len(values))
    centers = _means(Problem(values, weights), edges)
    same = np.flatnonzero(centers[1:] == centers[:-1])
    if len(same):
        g = int(same[0])
        groups = [f"{i} ({values[edges[i]]!s} to {values[edges[i + 1] - 1]!s})" for i in (g, g + 1)]
        raise ValueError(
            f"the means of groups {groups[0]} and {groups[1]} are the same float64, "
            f"{float(centers[g])!r}; subtract an offset from the image or take fewer levels"
        )
    return centers


def lloyd_cuts(
    values: NDArray,
    weights: NDArray | None,
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
    values, weights, k, progress : as for `optimal_cuts`
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
    n = len(values)
    problem = Problem(values, weights)
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


def grid_cuts(
    values: NDArray,
    weights: NDArray | None,
    k: int,
    *,
    cells: int = 1 << 20,
    steps: int = 10,
    progress: Progress | None = None,
) -> tuple[Cuts, float]:
    """Nearly optimal cuts of very many values, and how far from the optimum they can be.

    The values are gathered in cells, half of them of equal width and half of equal number. The
    optimal cuts of the cells' means are polished by Lloyd steps on the values themselves.

    Parameters
    ----------
    values, weights, k, progress : as for `optimal_cuts`
    cells : int
        The most cells to use; at least k are.
    steps : int
        The most Lloyd steps.

    Returns
    -------
    cuts : (k - 1,) int64 array
    gap : float
        A rigorous bound: the cost is at most (1 + gap) times the optimum; inf if none is known.

    Notes
    -----
    Let x be the values, r(x) the point of x's cell and c(x) the best center of x. By the triangle
    inequality of weighted L2, sqrt(grid optimum) <= ||r - c|| <= ||x - c|| + ||x - r||, so the
    optimum is at least (sqrt(grid optimum) - ||x - r||)**2. With m the mean of a cell,
    ||x - r||**2 is the sum of the cost within the cells and w (m - r)**2.
    """
    n = len(values)
    problem = Problem(values, weights)
    edges = _cell_edges(values, max(cells, k))
    if len(edges) == n + 1:
        return optimal_cuts(values, weights, k, progress=progress), 0.0
    points, offsets = _cell_points(problem, edges)
    starts = np.flatnonzero(np.append(True, points[1:] > points[:-1]))
    if len(starts) < k:
        raise ValueError(f"the values lie too close together for k = {k} float64 means")
    points, offsets = points[starts], np.maximum.reduceat(offsets, starts)
    edges = np.append(edges[starts], n)
    cell_weights = _cell_weights(weights, edges)
    coarse = optimal_cuts(points, cell_weights, k, progress=progress)
    cuts = _lloyd(problem, edges[coarse], steps, 0.0)

    cost, error = problem.cost(_edges(cuts, n))
    least = _least_cost(problem, edges, offsets, Problem(points, cell_weights), coarse)
    # Not for NaN either, which extreme weights can lead to.
    return cuts, max((cost + error) / least * (1 + 1e-15) - 1, 0.0) if least > 0 else inf


@np.errstate(all="ignore")
def _least_cost(
    problem: "Problem", edges: Edges, offsets: NDArray[np.float64], grid: "Problem", cuts: Cuts
) -> float:
    """A lower bound of the optimum from that of its grid; see `grid_cuts`.

    Parameters
    ----------
    problem, grid : Problem
        The values, and a point for each of their cells.
    edges, offsets : arrays
        The edges of the cells, and how far a point may be from the mean of its cell.
    cuts : array
        The optimal cuts of the grid.
    """
    grid_cost, grid_error = grid.cost(_edges(cuts, len(offsets)))
    # To the scale of the values.
    grid_least = np.ldexp(grid_cost - grid_error, problem.cost_exponent - grid.cost_exponent)
    if grid.weights.dtype.kind == "f":
        # The weights of the cells are rounded sums.
        grid_least *= 1 - len(problem.values) * 2.0**-52
    apart, apart_error = problem.cost(edges)
    weight_exponent = problem.cost_exponent - 2 * problem.exponent
    scaled_weights = np.ldexp(grid.weights.astype(np.float64), weight_exponent)
    scaled_offsets = np.ldexp(offsets, problem.exponent)
    apart += apart_error + float(scaled_weights @ scaled_offsets**2) * (1 + 1e-9)
    least = np.sqrt(max(grid_least, 0.0)) * (1 - 1e-15) - np.sqrt(apart) * (1 + 1e-15)
    return float(least) ** 2 if least > 0 else 0.0


class Problem:
    """Values and weights as the quick path takes them: scaled doubles and their prefix sums.

    Attributes
    ----------
    deviation : (n,) float64 array
        (value - median) * 2**exponent, rounded.
    exponent, cost_exponent : int
        A sum of squared distances is held times 2**cost_exponent.
    sums : (6, n + 1) float64 array
        See `prefix_sums`.
    bounds : tuple of float
        kappa, tiny and the four about weights of _kmeans1d.pyx.
    """

    def __init__(self, values: NDArray, weights: NDArray | None) -> None:
        n = len(values)
        self.values, self.weights = values, weights
        self.deviation, rest, self.exponent = _deviations(values)
        scaled, weight_exponent = _scaled_weights(weights)
        self.cost_exponent = 2 * self.exponent + weight_exponent
        self.sums = np.empty((6, n + 1))
        prefix_sums(self.deviation, rest, scaled, self.sums)

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
        weight_rough = 0.0 if whole and total < EXACT else 2.0**-46
        self.bounds = (kappa, tiny, *about_weights, weight_rough)

    def cost(self, edges: Edges) -> tuple[float, float]:
        """The cost of the groups between edges and a bound of its error, both scaled."""
        k = len(edges) - 1
        costs, errors = np.empty(k), np.empty(k)
        group_costs(self.deviation, self.sums, self.bounds, edges, costs, errors)
        total = float(costs.sum())
        return total, float(errors.sum()) * (1 + 1e-9) + k * 2.0**-52 * total

    def nearest_cuts(self, means: NDArray[np.float64]) -> NDArray[np.intp]:
        """Cuts at the midpoints of ascending scaled means; a midpoint's value goes down."""
        middles = means[:-1] + (means[1:] - means[:-1]) / 2
        return np.searchsorted(self.deviation, middles, side="right")


def _outliers(values: NDArray, weights: NDArray | None, k: int) -> tuple[int, int]:
    """How many of the lowest and highest values are alone in their group in every optimum.

    To join an outlier to a neighbour costs at least min(w) gap**2 / 2. To leave every outlier
    alone, and all others in one group, costs at most W range**2 / 4. Such outliers, for example
    -1.8e308 for "no data", would make the squares of all other values underflow.
    """
    n = len(values)
    low, high, found = 0, n, (0, 0)
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


def _deviations(values: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """value - median as high + low times 2**-exponent; exact but for subnormal remains."""
    middle = len(values) // 2
    if values.dtype.kind == "f":
        ends = values[[0, -1]].astype(np.float64)
        exponent = SCALE - int(np.frexp(np.abs(ends).max())[1])
        with np.errstate(under="ignore"):
            scaled = np.ldexp(values.astype(np.float64), exponent)
            high, low = _two_sum(scaled, -scaled[middle])
        return high, low, exponent
    values = _as_integers(values)
    if values.dtype.itemsize < 8:
        high = values - np.float64(values[middle])
        return high, np.zeros(len(values)), 0
    # Unsigned arithmetic wraps, so a difference of 64-bit integers is exact as a magnitude.
    bits = values.view(np.uint64) - values[middle : middle + 1].view(np.uint64)
    np.negative(bits[:middle], out=bits[:middle])
    low = (bits & np.uint64(0xFFFFFFFF)).astype(np.float64)
    high = (bits - (bits & np.uint64(0xFFFFFFFF))).astype(np.float64)
    high, low = _two_sum(high, low)
    np.negative(high[:middle], out=high[:middle])
    np.negative(low[:middle], out=low[:middle])
    return high, low, 0


def _scaled_weights(weights: NDArray | None) -> tuple[NDArray[np.float64] | None, int]:
    """Weights as float64 times 2**exponent: integers as they are, floats below 1."""
    if weights is None:
        return None, 0
    if weights.dtype.kind == "u":
        return weights.astype(np.float64), 0
    exponent = -int(np.frexp(weights.max())[1])
    with np.errstate(under="ignore"):
        return np.ldexp(weights, exponent), exponent


def _bands(
    values: NDArray, weights: NDArray | None, k: int, progress: Progress | None
) -> tuple[Cuts, Cuts, NDArray[np.uint32] | None]:
    """Bounds of every optimal cut by the quick path.

    Returns
    -------
    lowest, highest : (k - 1,) int64 arrays
        The lowest optimal cuts lie between them.
    limits : (2, k - 2, n - k + 1) uint32 array or None
        The same for the last cut of the first j values in g groups: ``limits[:, g-2, j-g]``.
    """
    n = len(values)
    if n >= 2**32:
        raise ValueError(f"{n} distinct values; at most 2**32 - 1 are accepted")
    first_cuts = np.arange(1, k, dtype=np.int64)
    everything = first_cuts, first_cuts + (n - k), None
    problem = Problem(values, weights)
    # Allocated at once, so that too large a problem fails at its start.
    limits = np.empty((2, k - 2, n - k + 1), np.uint32)
    # Of the first layer and the last; only the last one's cut is read.
    ends = np.empty((2, n - k + 1), np.uint32)
    scratch = np.empty(n + 1)
    before, after = np.empty((2, 3, n + 1))
    before[:, 0] = 0
    budget = 32 * n * n.bit_length()
    for g in range(1, k + 1):
        first, last = (g, n - k + g) if g < k else (n, n)
        low, high = (g - 1, n - 1) if g > 1 else (0, 0)
        found = limits[:, g - 2] if 1 < g < k else ends
        settled = solve_layer(
            problem.deviation, problem.sums, problem.bounds, before, after, found[0], found[1],
            scratch, first, last, low, high, budget,
        )  # fmt: skip
        if not settled:
            return everything
        before, after = after, before
        if progress is not None:
            progress(g, k)
    paths = np.empty((2, k - 1), np.int64)
    for side in range(2):
        cut = paths[side, k - 2] = int(ends[side, 0])
        for g in range(k - 1, 1, -1):
            cut = paths[side, g - 2] = int(limits[side, g - 2, cut - g])
    return paths[0], paths[1], limits


def _exact_cuts(
    values: NDArray,
    weights: NDArray | None,
    lowest: Cuts,
    highest: Cuts,
    limits: NDArray[np.uint32] | None,
) -> Cuts:
    """The optimal cuts between lowest and highest, in exact integer arithmetic.

    The same dynamic program as the quick path, over the positions in the bands only. The lowest
    best last cut of a position in one band lies in the band below, so nothing is lost.
    """
    n, k = len(values), len(lowest) + 1
    bands = [(0, 0), *zip(lowest.tolist(), highest.tolist(), strict=True), (n, n)]
    needed = np.zeros(n + 1, bool)
    for low, high in bands:
        needed[low : high + 1] = True
    positions = np.flatnonzero(needed)
    sums = _exact_sums(values, weights, positions)
    starts = np.searchsorted(positions, [low for low, _ in bands]).tolist()

    # The least cost of each position of a band, as a fraction (numerator, denominator).
    least = [(0, 1)]
    below, start_below = sums[:1], 0
    choices = []
    for g, (low, high) in enumerate(bands[1:], 1):
        start = starts[g]
        here = sums[start : start + high - low + 1]
        firsts = np.zeros(len(here), np.int64)
        lasts = np.arange(low, high + 1) - 1 - start_below
        if limits is not None and 1 < g < k:
            firsts, limited = (
                limits[:, g - 2, low - g : high - g + 1].astype(np.int64) - start_below
            )
            lasts = np.minimum(lasts, limited)
        least, choice = _exact_layer(here, below, least, firsts.tolist(), lasts.tolist())
        choices.append([start_below + i for i in choice])
        below, start_below = here, low

    cuts = []
    cut = n
    for g in range(k, 1, -1):
        cut = choices[g - 1][cut - bands[g][0]]
        cuts.append(cut)
    return np.array(cuts[::-1], np.int64)


def _exact_layer(
    here: list[Sums],
    below: list[Sums],
    least: list[tuple[int, int]],
    firsts: list[int],
    lasts: list[int],
) -> tuple[list[tuple[int, int]], list[int]]:
    """The least cost of each position of a band, and the lowest best cut in the band below.

    Parameters
    ----------
    here, below : list of (w, s1, s2)
        Prefix sums at the positions of the two bands.
    least : list of fractions
        The least cost of each position below.
    firsts, lasts : list of int
        The candidates below for each position here.
    """
    costs = [(0, 1)] * len(here)
    choice = [0] * len(here)
    # By divide and conquer, as the lowest best cut never decreases: positions and candidates.
    todo = [(0, len(here) - 1, 0, len(below) - 1)]
    while todo:
        low, high, first, last = todo.pop()
        j = (low + high) // 2
        w_j, s1_j, s2_j = here[j]
        best = 1, 0  # more than any cost
        for i in range(max(first, firsts[j]), min(last, lasts[j]) + 1):
            w_i, s1_i, s2_i = below[i]
            w, s1 = w_j - w_i, s1_j - s1_i
            numerator, denominator = least[i]
            squares = (s2_j - s2_i) * w - s1 * s1
            numerator, denominator = numerator * w + squares * denominator, denominator * w
            if numerator * best[1] < best[0] * denominator:
                best = numerator, denominator
                choice[j] = i
        common = gcd(*best)
        costs[j] = best[0] // common, best[1] // common
        if low < j:
            todo.append((low, j - 1, first, choice[j]))
        if j < high:
            todo.append((j + 1, high, choice[j], last))
    return costs, choice


def _exact_sums(
    values: NDArray, weights: NDArray | None, positions: NDArray[np.intp]
) -> list[Sums]:
    """Prefix sums of w, w d and w d**2 at ascending positions from 0 on, as Python integers.

    d is the deviation from the median; values and weights count in a power of two of their own.
    """
    unit = _unit(values)
    weight_unit = 0 if weights is None else _unit(weights)
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


def _means(problem: Problem, edges: Edges) -> NDArray[np.float64]:
    """The correctly rounded mean of each group; the exact way where the quick one is in doubt."""
    values, weights = problem.values, problem.weights
    centers, _, safe = _quick_means(problem, edges)
    alone = np.diff(edges) == 1
    centers[alone] = values[edges[:-1][alone]]
    for g in np.flatnonzero(~(safe | alone)).tolist():
        group = slice(edges[g], edges[g + 1])
        centers[g] = _exact_mean(values[group], None if weights is None else weights[group])
    # A mean of -0.0 is 0.0.
    return centers + 0.0


@np.errstate(all="ignore")
def _quick_means(
    problem: Problem, edges: Edges
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Means by double-double arithmetic.

    Returns
    -------
    centers : (k,) float64 array
    distances : (k,) float64 array
        Bounds of their distances from the true means; inf where weights cancel.
    safe : (k,) bool array
        Which of the centers are surely the correctly rounded means.
    """
    kappa, tiny, weight_kappa, weight_tiny, weight_floor, _ = problem.bounds
    starts, stops = problem.sums[:, edges[:-1]], problem.sums[:, edges[1:]]
    s1, s1_rest = _subtract(stops[0:2], starts[0:2])
    w, w_rest = _subtract(stops[4:6], starts[4:6])
    mean = s1 / w
    back, back_rest = _two_product(mean, w)
    mean_rest = ((s1 - back) - back_rest + s1_rest - mean * w_rest) / w
    reach = np.abs(problem.deviation[[edges[:-1], edges[1:] - 1]]).max(axis=0)
    s1_error = kappa * (np.abs(starts[0]) + np.abs(stops[0])) + tiny + weight_tiny * reach
    w_total = np.abs(starts[4]) + np.abs(stops[4])
    w_error = weight_kappa * w_total + weight_tiny
    error = (s1_error + w_error * np.abs(mean)) / w + 2.0**-100 * np.abs(mean)

    mean, mean_rest, error = (np.ldexp(x, -problem.exponent) for x in (mean, mean_rest, error))
    high, low = _median(problem.values)
    center, rest = _two_sum(high, mean)
    rest += low + mean_rest
    center, rest = _two_sum(center, rest)
    error = 2 * error + 2.0**-100 * (np.abs(mean) + abs(high)) + 2.0**-980
    safe = (center + (rest - error) == center) & (center + (rest + error) == center)
    reliable = w > weight_floor + kappa * w_total
    return center, np.where(reliable, np.abs(rest) + error, np.inf), safe & reliable


def _exact_mean(values: NDArray, weights: NDArray | None) -> float:
    """The mean, correctly rounded, whatever its size."""
    unit = _unit(values)
    w, s1, _ = _exact_sums(values, weights, np.array([0, len(values)]))[1]
    median = _integers(values[len(values) // 2 :][:1], unit)[0]
    numerator, denominator = s1 + median * w, w
    # Python rounds the quotient of two integers correctly.
    if unit < 0:
        denominator <<= -unit
    else:
        numerator <<= unit
    return numerator / denominator


def _median(values: NDArray) -> tuple[float, float]:
    """The middle value, as a pair of floats whose sum is exact."""
    value = values[len(values) // 2].item()
    return float(value), float(value - int(float(value))) if values.dtype.kind != "f" else 0.0


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
    return np.concatenate([[0], cuts, [n]]).astype(np.intp)


def _cell_edges(values: NDArray, cells: int) -> Edges:
    """Edges of at most `cells` nonempty cells: half of equal width, half of equal number."""
    n, half = len(values), cells // 2
    by_number = np.linspace(0, n, cells - half + 1).astype(np.intp)
    # Halves, because the range itself may overflow.
    first, last = float(values[0]) / 2, float(values[-1]) / 2
    limits = first + (last - first) * (np.arange(1, half) / half)
    limits *= 2
    if values.dtype.kind == "f":
        limits = limits.astype(values.dtype)
    elif values.dtype.kind != "b":
        limits = _clipped(limits, values.dtype)
    return np.union1d(by_number, np.searchsorted(values, limits))


def _cell_points(problem: Problem, edges: Edges) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A point in each cell, about its mean, and a bound of the distance between the two."""
    first = problem.values[edges[:-1]].astype(np.float64)
    last = problem.values[edges[1:] - 1].astype(np.float64)
    points, offsets, _ = _quick_means(problem, edges)
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


def _clipped(limits: NDArray[np.float64], dtype: np.dtype) -> NDArray:
    """Limits within the range of an integer dtype, cast to it."""
    info = np.iinfo(dtype)
    inside = (limits >= float(info.min)) & (limits < float(info.max))
    return limits[inside].astype(dtype)


def _evenly_spaced(values: NDArray) -> bool:
    """Whether all differences of neighbours are equal in exact arithmetic."""
    if values.dtype.kind == "f":
        wide = values.astype(np.float64)
        if max(abs(wide[0]), abs(wide[-1])) > 2.0**1022:
            return False
        steps = _two_sum(wide[1:], -wide[:-1])
    else:
        # Differences of ascending integers are exact as unsigned ones.
        steps = [np.diff(_as_integers(values).astype(np.uint64))]
    return all((step == step[0]).all() for step in steps)


def _even_cuts(n: int, k: int) -> Cuts:
    """The optimum for equally spaced values that count once.

    The cost of a group of m values is proportional to m**3 - m, which is convex. So no two sizes
    differ by more than 1, and the cuts are lowest if the smaller groups come first.
    """
    size, larger = divmod(n, k)
    group = np.arange(1, k, dtype=np.int64)
    return size * group + np.maximum(group - (k - larger), 0)


def _as_integers(values: NDArray) -> NDArray:
    return values.view(np.uint8) if values.dtype.kind == "b" else values


def _unit(values: NDArray) -> int:
    """An exponent such that every value is an integer times 2**exponent."""
    if values.dtype.kind != "f":
        return 0
    nonzero = np.abs(values[values != 0])
    return int(np.frexp(np.float64(nonzero.min()))[1]) - 53 if len(nonzero) else 0


def _integers(values: NDArray, unit: int) -> NDArray:
    """Values as Python integers times 2**unit, in an array of objects."""
    if values.dtype.kind != "f":
        return _as_integers(values).astype(object)
    fractions, exponents = np.frexp(values.astype(np.float64))
    shifts = np.where(fractions == 0, 0, exponents - 53 - unit)
    return np.ldexp(fractions, 53).astype(np.int64).astype(object) << shifts.astype(object)


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """a + b as the rounded sum and its exact error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _subtract(a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
    """The difference of two pairs (high, low), again with |low| <= 2**-53 |high|."""
    high, low = _two_sum(a[0], -b[0])
    return _two_sum(high, low + (a[1] - b[1]))


def _two_product(a: NDArray, b: NDArray) -> tuple[NDArray, NDArray]:
    """a * b as the rounded product and its error, exact unless it underflows (Dekker)."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _halves(a: NDArray) -> tuple[NDArray, NDArray]:
    scaled = 134217729.0 * a
    high = scaled - (scaled - a)
    return high, a - high
