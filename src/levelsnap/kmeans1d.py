"""Optimal 1-D k-means: where to cut ascending values into k groups, proved in exact arithmetic.

The quick path is a dynamic program over the cuts (Bellman 1973; Wang and Song 2011, Ckmeans.1d.dp)
with divide and conquer over its monotone best cuts, O(k n log n) (Gronlund et al. 2017,
arXiv:1701.07204). It works in double-double arithmetic with a rigorous bound of every error, so it
knows which cuts it cannot tell apart. Where that leaves a choice, usually a tie, the exact path
settles it in integers, among the cuts that are left.
"""

from fractions import Fraction
from itertools import accumulate
from math import gcd, inf

import numpy as np

from ._kmeans1d import group_costs, prefix_sums, solve_layer

# Values are scaled below 2**SCALE, which leaves the most room for squares before they underflow.
SCALE = 400
# Integers up to here are exact as float64.
EXACT = 2**53
# Values whose Python integers are held at a time.
BLOCK = 1 << 16


def optimal_cuts(values, weights, k, *, progress=None):
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
        cuts = optimal_cuts(
            values[inner],
            None if weights is None else weights[inner],
            k - low - high,
            progress=progress,
        )
        alone = np.arange(1, low + 1), np.arange(n - high, n)
        return np.concatenate([alone[0], cuts + low, alone[1]])
    lowest, highest, limits = _bands(values, weights, k, progress)
    if (lowest == highest).all():
        return lowest
    return _exact_cuts(values, weights, lowest, highest, limits)


def group_means(values, weights, cuts):
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
        groups = [
            f"{i} ({values[edges[i]]!s} to {values[edges[i + 1] - 1]!s})" for i in (g, g + 1)
        ]
        raise ValueError(
            f"the means of groups {groups[0]} and {groups[1]} are the same float64, "
            f"{float(centers[g])!r}; subtract an offset from the image or take fewer levels"
        )
    return centers


def lloyd_cuts(values, weights, k, *, attempts, max_iter, eps, seed, progress=None):
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
    best, least = None, inf
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


def grid_cuts(values, weights, k, *, cells=1 << 20, steps=10, progress=None):
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
    Let x be the values, r(x) the mean of x's cell and c(x) the best center of x. By the triangle
    inequality of weighted L2, sqrt(grid optimum) <= ||r - c|| <= ||x - c|| + ||x - r||, so the
    optimum is at least (sqrt(grid optimum) - sqrt(cost within the cells))**2.
    """
    n = len(values)
    problem = Problem(values, weights)
    edges = _cell_edges(values, max(cells, k))
    if len(edges) == n + 1:
        return optimal_cuts(values, weights, k, progress=progress), 0.0
    means = _means(problem, edges)
    distinct = np.concatenate([[True], means[1:] > means[:-1]])
    if np.count_nonzero(distinct) < k:
        raise ValueError(f"the values lie too close together for k = {k} float64 means")
    edges, means = np.append(edges[:-1][distinct], n), means[distinct]
    total = problem.sums[4] + problem.sums[5]
    cell_weights = np.diff(total[edges])
    if weights is None or weights.dtype.kind == "u":
        cell_weights = cell_weights.astype(np.uint64)
    coarse = optimal_cuts(means, cell_weights, k, progress=progress)
    cuts = _lloyd(problem, edges[coarse], steps, 0.0)

    grid = Problem(means, cell_weights)
    cost, error = problem.cost(_edges(cuts, n))
    within, within_error = problem.cost(edges)
    grid_cost, grid_error = grid.cost(_edges(coarse, len(means)))
    # To the scale of the values; the means are rounded by at most half a unit in the last place.
    grid_least = np.ldexp(grid_cost - grid_error, problem.cost_exponent - grid.cost_exponent)
    rounding = np.ldexp(np.spacing(np.abs(means)) / 2, problem.exponent)
    within += within_error + float(np.diff(total[edges]) @ rounding**2) * (1 + 1e-9)
    least = np.sqrt(max(grid_least, 0.0)) * (1 - 1e-15) - np.sqrt(within) * (1 + 1e-15)
    if least <= 0:
        return cuts, inf
    return cuts, max(float((cost + error) / least**2) * (1 + 1e-15) - 1, 0.0)


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

    def __init__(self, values, weights):
        n = len(values)
        self.values, self.weights = values, weights
        self.deviation, rest, self.exponent = _deviations(values)
        scaled, weight_exponent = _scaled_weights(weights)
        self.cost_exponent = 2 * self.exponent + weight_exponent
        self.sums = np.empty((6, n + 1))
        prefix_sums(self.deviation, rest, scaled, self.sums)

        whole = weights is None or weights.dtype.kind == "u"
        total = n if weights is None else float(scaled.sum())
        rounded = whole and weights is not None and weights.max() > EXACT
        kappa = 2.0**-49 if rounded else (n + 16) * 2.0**-101
        tiny = (n + 16 + total) * 2.0**-980
        if whole:
            # Sums of integers up to 2**53 are exact pairs.
            about_weights = (kappa if rounded else 0.0, 0.0, 0.0)
        else:
            about_weights = (kappa, n * 2.0**-980, 2.0**-900)
        weight_rough = 0.0 if whole and total < EXACT else 2.0**-46
        self.bounds = (kappa, tiny, *about_weights, weight_rough)

    def cost(self, edges):
        """The cost of the groups between edges and a bound of its error, both scaled."""
        k = len(edges) - 1
        costs, errors = np.empty(k), np.empty(k)
        group_costs(self.deviation, self.sums, self.bounds, edges, costs, errors)
        total = float(costs.sum())
        return total, float(errors.sum()) * (1 + 1e-9) + k * 2.0**-52 * total

    def nearest_cuts(self, means):
        """Cuts at the midpoints of ascending scaled means; a midpoint's value goes down."""
        middles = means[:-1] + (means[1:] - means[:-1]) / 2
        return np.searchsorted(self.deviation, middles, side="right")


def _outliers(values, weights, k):
    """How many of the lowest and highest values are alone in their group in every optimum.

    To join an outlier to a neighbour costs at least min(w) gap**2 / 2. To leave every outlier
    alone, and all others in one group, costs at most W range**2 / 4. Such outliers, for example
    -1.8e308 for "no data", would make the squares of all other values underflow.
    """
    n = len(values)
    low, high, found = 0, n, (0, 0)
    gaps, lightest = [], 1 if weights is None else inf
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
        gaps.append(gap)
        total = Fraction(high - low)
        if weights is not None:
            total *= Fraction(weights[low:high].max().item())
            lightest = min(lightest, Fraction(weights[pair].min().item()))
        if 2 * lightest * min(gaps) ** 2 > total * spread**2:
            found = low, n - high
    return found


def _deviations(values):
    """value - median as high + low times 2**-exponent; exact but for subnormal remains."""
    middle = len(values) // 2
    if values.dtype.kind == "f":
        # frexp of the largest magnitude; float64 first, for it may overflow float16 arithmetic.
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


def _scaled_weights(weights):
    """Weights as float64 times 2**exponent: integers as they are, floats below 1."""
    if weights is None:
        return None, 0
    if weights.dtype.kind == "u":
        return weights.astype(np.float64), 0
    exponent = -int(np.frexp(weights.max())[1])
    with np.errstate(under="ignore"):
        return np.ldexp(weights, exponent), exponent


def _bands(values, weights, k, progress):
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
    unused = np.empty((2, n - k + 1), np.uint32)
    scratch = np.empty(n + 1)
    before, after = np.empty((2, 3, n + 1))
    before[:, 0] = 0
    budget = 32 * n * n.bit_length()
    for g in range(1, k + 1):
        first, last = (g, n - k + g) if g < k else (n, n)
        low, high = (g - 1, n - 1) if g > 1 else (0, 0)
        found = limits[:, g - 2] if 1 < g < k else unused
        settled = solve_layer(
            problem.deviation, problem.sums, problem.bounds, before, after, *found,
            scratch, first, last, low, high, budget,
        )  # fmt: skip
        if not settled:
            return everything
        before, after = after, before
        if progress is not None:
            progress(g, k)
    bands = []
    for side in range(2):
        cut = int(unused[side, 0])
        band = [cut]
        for g in range(k - 1, 1, -1):
            cut = int(limits[side, g - 2, cut - g])
            band.append(cut)
        bands.append(np.array(band[::-1], np.int64))
    return *bands, limits


def _exact_cuts(values, weights, lowest, highest, limits):
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
    w, s1, s2 = _exact_sums(values, weights, positions)
    starts = np.searchsorted(positions, [low for low, _ in bands]).tolist()

    # The least costs of a band's positions, as fractions (numerator, denominator).
    least = [(0, 1)]
    choices = []
    for g in range(1, k + 1):
        low, high = bands[g]
        below, above = bands[g - 1]
        before, least = least, [None] * (high - low + 1)
        choice = [None] * (high - low + 1)
        # A band is contiguous in `positions` too: index = position + offset.
        here, there = starts[g] - low, starts[g - 1] - below
        todo = [(low, high, below, above)]
        while todo:
            first, last, left, right = todo.pop()
            j = (first + last) // 2
            start, stop = left, min(right, j - 1)
            if limits is not None and 1 < g < k:
                start = max(start, int(limits[0, g - 2, j - g]))
                stop = min(stop, int(limits[1, g - 2, j - g]))
            wj, s1j, s2j = w[here + j], s1[here + j], s2[here + j]
            best = None
            for i in range(start, stop + 1):
                weight, sum1 = wj - w[there + i], s1j - s1[there + i]
                numerator, denominator = before[i - below]
                squares = (s2j - s2[there + i]) * weight - sum1 * sum1
                numerator = numerator * weight + squares * denominator
                denominator *= weight
                if best is None or numerator * best[1] < best[0] * denominator:
                    best = numerator, denominator
                    choice[j - low] = i
            common = gcd(*best)
            least[j - low] = best[0] // common, best[1] // common
            if first < j:
                todo.append((first, j - 1, left, choice[j - low]))
            if j < last:
                todo.append((j + 1, last, choice[j - low], right))
        choices.append(choice)

    cuts = []
    cut = n
    for g in range(k, 1, -1):
        cut = choices[g - 1][cut - bands[g][0]]
        cuts.append(cut)
    return np.array(cuts[::-1], np.int64)


def _exact_sums(values, weights, positions):
    """Prefix sums of w, w d and w d**2 at ascending positions from 0 on, as Python integers.

    d is the deviation from the median; values and weights count in a power of two of their own.
    """
    unit = _unit(values)
    weight_unit = 0 if weights is None else _unit(weights)
    median = _integers(values[len(values) // 2 :][:1], unit)[0]
    totals = [0, 0, 0]
    sums = ([], [], [])
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
        for which, term in enumerate(terms):
            running = list(accumulate(term, initial=totals[which]))
            sums[which].extend([running[i] for i in wanted.tolist()])
            totals[which] = running[-1]
    return sums


def _means(problem, edges):
    """The correctly rounded mean of each group; the exact way where the quick one is in doubt."""
    values, weights = problem.values, problem.weights
    centers, safe = _quick_means(problem, edges)
    for g in np.flatnonzero(~safe).tolist():
        group = slice(edges[g], edges[g + 1])
        centers[g] = _exact_mean(values[group], None if weights is None else weights[group])
    # A mean of -0.0 is 0.0.
    return centers + 0.0


@np.errstate(all="ignore")
def _quick_means(problem, edges):
    """Means by double-double arithmetic, and which of them are surely rounded correctly."""
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
    safe &= w > weight_floor + kappa * w_total
    return center, safe


def _exact_mean(values, weights):
    """The mean, correctly rounded, whatever its size."""
    unit = _unit(values)
    w, s1, _ = _exact_sums(values, weights, np.array([0, len(values)]))
    median = _integers(values[len(values) // 2 :][:1], unit)[0]
    numerator, denominator = s1[1] + median * w[1], w[1]
    # Python rounds the quotient of two integers correctly.
    if unit < 0:
        denominator <<= -unit
    else:
        numerator <<= unit
    return numerator / denominator


def _median(values):
    """The middle value, as a pair of floats whose sum is exact."""
    value = values[len(values) // 2].item()
    return float(value), float(value - int(float(value))) if values.dtype.kind != "f" else 0.0


def _lloyd(problem, cuts, max_iter, eps):
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


def _nonempty(cuts, n):
    """Ascending cuts, moved as little as is needed for no group to be empty."""
    k = len(cuts) + 1
    steps = np.arange(1, k)
    cuts = np.maximum.accumulate(np.maximum(cuts, 1) - steps) + steps
    return np.minimum(cuts, n - k + steps).astype(np.int64)


def _edges(cuts, n):
    return np.concatenate([[0], cuts, [n]]).astype(np.intp)


def _cell_edges(values, cells):
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


def _clipped(limits, dtype):
    """Limits within the range of an integer dtype, cast to it."""
    info = np.iinfo(dtype)
    inside = (limits >= float(info.min)) & (limits < float(info.max))
    return limits[inside].astype(dtype)


def _evenly_spaced(values):
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


def _even_cuts(n, k):
    """The optimum for equally spaced values that count once.

    The cost of a group of m values is proportional to m**3 - m, which is convex. So no two sizes
    differ by more than 1, and the cuts are lowest if the smaller groups come first.
    """
    size, larger = divmod(n, k)
    group = np.arange(1, k, dtype=np.int64)
    return size * group + np.maximum(group - (k - larger), 0)


def _as_integers(values):
    return values.view(np.uint8) if values.dtype.kind == "b" else values


def _unit(values):
    """An exponent such that every value is an integer times 2**exponent."""
    if values.dtype.kind != "f":
        return 0
    nonzero = np.abs(values[values != 0])
    return int(np.frexp(np.float64(nonzero.min()))[1]) - 53 if len(nonzero) else 0


def _integers(values, unit):
    """Values as Python integers times 2**unit, in an array of objects."""
    if values.dtype.kind != "f":
        return _as_integers(values).astype(object)
    fractions, exponents = np.frexp(values.astype(np.float64))
    shifts = np.where(fractions == 0, 0, exponents - 53 - unit)
    return np.ldexp(fractions, 53).astype(np.int64).astype(object) << shifts.astype(object)


def _two_sum(a, b):
    """a + b as the rounded sum and its exact error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _subtract(a, b):
    """The difference of two pairs (high, low), again with |low| <= 2**-53 |high|."""
    high, low = _two_sum(a[0], -b[0])
    return _two_sum(high, low + (a[1] - b[1]))


def _two_product(a, b):
    """a * b as the rounded product and its error, exact unless it underflows (Dekker)."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _halves(a):
    scaled = 134217729.0 * a
    high = scaled - (scaled - a)
    return high, a - high
