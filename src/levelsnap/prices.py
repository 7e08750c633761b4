"""The best cuts of 1-D k-means by a search for the price of a group.

With a price for each group, the best number of groups is free, and the best groups are a shortest
path over the positions between values: O(n log n), whatever their number (Aggarwal, Schieber and
Tokuyama 1994; Gronlund et al. 2017, arXiv:1701.07204, section 3). The least cost is convex in the
number of groups, so that some price makes k groups best.

What makes the answer exact: passes from both ends bound the least cost by every position from
below, so that positions on no best path are left out, which usually leaves those of the answer.
Among those that are left, paths are compared in double-double arithmetic, and where its error
leaves a choice, usually a tie, in rationals.
"""

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import cached_property
from math import exp, inf, log, sqrt

import numpy as np
from numpy.typing import NDArray

from ._kmeans1d import (
    LADDER_LONGEST,
    PASS_LEAF,
    PASS_ROWS,
    TIES_BITS,
    ExactSums,
    Points,
    SweepEnd,
    bands,
    is_cut_within,
    is_only_path,
    lowest_path,
    path_through,
    positions_within,
    run_passes,
    sweep,
)
from .ascent import Ascent
from .ladder import Path, about_price, gathered_price, ladder_paths, longest_group
from .points import EXACT, LEAST_PRICE, Edges, Problem, path_cost, times_power
from .rationals import ExactCosts, exact_cuts
from .tables import ISA
from .ties import Whole

Progress = Callable[[int, int], object]
Cuts = NDArray[np.int64]

# Positions and numbers of groups are held in 32 bits.
MOST_VALUES = 2**31 - 1
# How much more than the best path, in prices, a path may cost for its positions to be kept.
SLACK = 0.01
# Passes, after one of which the slack is that small, for one that has as many groups as are wanted.
MORE_PASSES = 6
# Costs are found by ascents for so many values, if there are no more for each group.
FEWEST_ASCENT = 1 << 12
MOST_ASCENT = 1 << 17
ASCENT_GROUP = 400
# A ladder is climbed first if there are no more values for each group; the smaller number where
# ascents may be quicker.
SMALL_LADDER_GROUP = 32
LADDER_GROUP = 128
FEWEST_LADDER = 4096
# For a first price.
CELLS_OF_GROUP = 20
FEWEST_CELLS = 1 << 13
# From so many cells on, these are more quickly found otherwise.
MOST_BALANCED = 1 << 19
# Denominators from here on count as unknown.
MOST_PARTS = 2**60
# How many times as long as groups bands are, on average, with which a sweep takes longer than
# without, as it then stops where groups cost too much.
WIDE_BANDS = 8
# Of values over hundreds of decades, prices differ by powers of ten between one number of groups
# and the next. Steps of their logarithms are no longer than the latter.
MOST_POWER = 4096.0
FARTHEST = 100.0
# Groups that a sweep may look at.
BUDGET = 1 << 30


def best_cuts(
    problem: Problem,
    k: int,
    *,
    threads: int = 1,
    progress: Progress | None = None,
    price: float | None = None,
) -> Cuts | None:
    """The lowest of the best cuts into k groups, 1 < k < n, in exact real arithmetic.

    Parameters
    ----------
    problem : Problem
    k : int
    threads : int
        At most two are used.
    progress : callable or None
        Called as ``progress(done, total)``, in positions of the first pass; each further pass
        counts for half of what is left.

    price : float, optional
        To begin with.

    Returns
    -------
    cuts : (k - 1,) int64 array, or None
        Positions of the problem. None: its points are not all single values, and no price decides
        among ties.

    Raises
    ------
    ValueError
        More than 2**31 - 1 points.
    """
    n = len(problem)
    if n > MOST_VALUES:
        raise ValueError(f"{n} distinct values; at most {MOST_VALUES} are accepted")
    paths: list[Path] = []
    if price is None:
        paths, price = _ladder(problem, k, threads)
    if len(paths) == 1 and paths[0][2] and len(paths[0][1]) - 1 == k:
        if progress is not None:
            progress(n, n)
        return paths[0][1][1:-1]
    search = Search(problem, k, threads, progress, paths[0][0] if paths else price)
    if len(paths) == 2:
        search.start_between(*paths)
    else:
        search.narrow(SLACK)
    cuts = search.only_cuts()
    while cuts is None:
        graph = search.graph()
        cuts = graph.best_cuts(k, search.bracket)
        if cuts is not None:
            # All paths of k groups that cost no more are in the graph, if this is within the limit.
            needed = _priced(problem.points, np.concatenate([[0], cuts, [n]]), search.price)
            if needed > search.limit and not graph.is_whole:
                search.limit, cuts = needed, None
        elif len(graph.positions) == n + 1:
            if problem.edges is not None:
                return None
            cuts = exact_cuts(problem.values, problem.weights, k)
        elif search.is_rough:
            search.narrow(0.0)
        else:
            search.widen()
    if progress is not None:
        progress(n, n)
    return cuts


class Search:
    """Passes for one price after another, and which paths are of interest at the last one.

    Attributes
    ----------
    price, limit : float
        A best path of k groups costs at most `limit` at `price`, if `limit` is not a guess.
    bracket : Bracket
    is_rough : bool
        Whether the last price gave another number of groups, so that others may do better.
    """

    def __init__(
        self,
        problem: Problem,
        k: int,
        threads: int,
        progress: Progress | None = None,
        price: float | None = None,
    ) -> None:
        self.problem, self.k = problem, k
        self._threads = threads
        self._ascent = _ascent(problem, k, threads)
        self._ascended = False  # at the last price, instead of passes
        self.bracket = Bracket(problem.points, k)
        self.price = self._first_price() if price is None else price
        self.limit = inf
        self.is_rough = False
        self._edges: Edges | None = None
        self._slack = 0.0
        self._progress, self._done = progress, 0.0

    @cached_property
    def passes(self) -> "Passes":
        return Passes(self.problem.points, self._threads)

    def start_between(self, more: Path, fewer: Path) -> None:
        """Be stuck where the best groups at two prices are equally good, as k groups seem to be."""
        for price, edges, _ in (more, fewer):
            self.bracket.next_price(price, edges)
        self.price = self.bracket.tie()
        self._stuck()
        self._run_passes()

    def narrow(self, most: float) -> None:
        """Go on until paths that cost so much more, in prices, than the best are surely enough."""
        self.is_rough = False
        near = 0
        for _ in range(60):
            if self._edges is not None:
                price = self.bracket.next_price(self.price, self._edges)
                if self.bracket.stuck:
                    self._stuck()
                    return
                self.price = price
            self._edges = self._pass()
            off = abs(len(self._edges) - 1 - self.k)
            # Near k the least cost of k groups is about a parabola of k, whose slope is the price.
            self._slack = 4 * off * (off + 2) / self.k
            near += self._slack <= most
            if off == 0 or near > MORE_PASSES:
                self.limit = self._cost(self._edges) + self._slack * self.price
                self.is_rough = self._slack > 0
                return

    def _stuck(self) -> None:
        # The least cost is convex in k, so k groups cost no more than the larger.
        self.limit = max(self._cost(ends) for ends in self.bracket.ends())

    def widen(self) -> None:
        self._slack = max(8 * self._slack, SLACK)
        self.limit += self._slack * self.price

    @property
    def most(self) -> float:
        """The limit and more than rounding takes from it."""
        return _raised(self.limit)

    def graph(self) -> "Graph":
        size = len(self.problem) / self.k
        return Graph(self.problem, self.kept(), self.passes, self.price, self.most, size)

    def only_cuts(self) -> Cuts | None:
        """The best cuts, if it is easily seen that there are no others as good."""
        edges = self._edges
        if edges is None or len(edges) - 1 != self.k:
            return None
        if self._ascended and self._ascent is not None:
            if self._ascent.is_only(edges, self.most):
                return edges[1:-1]
            self._run_passes()
        return edges[1:-1] if self.passes.is_only(edges, self.most) else None

    def complete(self) -> "Passes":
        """The passes at the last price, completed."""
        n = len(self.problem.points)
        if self._ascended:
            self._run_passes()
        self.passes.complete(_part(self._progress, self._done, n))
        return self.passes

    def kept(self, more: float = 0.0) -> Edges:
        """The positions on paths that cost no more than the limit and so much more."""
        least, limit = self.complete().least, _raised(self.limit + more)
        kept = np.empty(positions_within(least, limit, None), np.int64)
        positions_within(least, limit, kept)
        return kept

    def _first_price(self) -> float:
        problem, k = self.problem, self.k
        if self._ascent is None:
            return first_price(problem, k, self._threads)
        return _dense_price(problem, k)

    def _pass(self) -> Edges:
        if self._ascent is not None:
            edges = self._ascent.run(self.price)
            if edges is not None:
                self._ascended = True
                return edges
            self._ascent = None
            if self._edges is None:
                self.price = self._first_price()
        return self._run_passes()

    def _run_passes(self) -> Edges:
        n = len(self.problem.points)
        reach = n // self.k + 8
        self._ascended = False
        edges = self.passes.run(self.price, reach, _part(self._progress, self._done, n))
        self._done = (self._done + n) / 2
        return edges

    def _cost(self, edges: Edges) -> float:
        return _priced(self.problem.points, edges, self.price)


def _ladder(problem: Problem, k: int, threads: int) -> tuple[list[Path], float | None]:
    """As `ladder_paths`, if groups are small."""
    n = len(problem)
    most = SMALL_LADDER_GROUP if n <= MOST_ASCENT else LADDER_GROUP
    if not FEWEST_LADDER <= n <= min(most * k, MOST_VALUES):
        return [], None
    x = problem.separate()
    if x is None or longest_group(x, k) > LADDER_LONGEST / 2:
        return [], None
    return ladder_paths(x, k, _dense_price(problem, k), threads)


def _ascent(problem: Problem, k: int, threads: int) -> Ascent | None:
    """If it may be quicker than passes."""
    n = len(problem)
    if not FEWEST_ASCENT <= n <= min(MOST_ASCENT, ASCENT_GROUP * k):
        return None
    x = problem.separate()
    return None if x is None else Ascent(x, n // k, threads)


def first_price(problem: Problem, k: int, threads: int) -> float:
    """About the price that makes k groups best, from some of the positions."""
    price, n = _dense_price(problem, k), len(problem)
    if CELLS_OF_GROUP * k >= MOST_BALANCED and (x := problem.separate()) is not None:
        cells = min(max(CELLS_OF_GROUP, n // (8 * k)), n // (2 * k))
        found = gathered_price(x, k, price, 0.03 * k, cells, 1.5, threads)
        return price if found is None else _clipped(found)
    cells = min(max(CELLS_OF_GROUP * k, FEWEST_CELLS), 2 * CELLS_OF_GROUP * k)
    if max(2 * cells, FEWEST_LADDER) > n:
        return price
    edges = _balanced_edges(problem, cells)
    s1, s1_rest, _, _, w, w_rest = np.diff(problem.sums.take(edges, axis=1))
    with np.errstate(all="ignore"):
        w += w_rest
        found = about_price((s1 + s1_rest) / w, w, k, price, 0.1, 1.5, threads)
    return price if found is None else _clipped(found)


def _dense_price(problem: Problem, k: int) -> float:
    """About the price of k groups, by the density of the values."""
    return _clipped(_spread(problem, min(8 * k, 1024)) ** 3 / (6 * float(k) ** 3))


def _spread(problem: Problem, most: int) -> float:
    """The sum of (width**2 weight)**(1/3) over some cells.

    Of k levels that are as dense as is best, which is as the cube root of the density of the
    values (Panter and Dite 1951), the cost is the cube of this over 12 k**2.
    """
    n = len(problem)
    cells = min(n // 2, most)
    edges = np.arange(cells + 1) * n // cells
    # From value to value, so that a gap counts too.
    width = np.diff(problem.deviations_at(np.minimum(edges, n - 1)))
    plain = problem.weights is None and problem.edges is None
    weight = np.diff(edges if plain else problem.sums[4, edges])
    with np.errstate(under="ignore"):
        return float(np.cbrt(width**2 * weight).sum())


def _balanced_edges(problem: Problem, cells: int) -> Edges:
    """Edges of at most `cells` cells that matter about equally.

    The best levels are as dense as the cube root of the density of the values (Panter and Dite
    1951), so that a cell's share is width**(2/3) weight**(1/3).
    """
    n, step = len(problem.points), max(1, len(problem.points) // (4 * cells))
    fine = np.append(np.arange(0, n, step), n)
    if step > 1:
        # Each of the outermost values, where a few may be far from the rest.
        ends = cells // 8 // step * step
        inner = fine[(fine >= ends) & (fine <= n - ends)]
        fine = np.concatenate([np.arange(ends), inner, np.arange(n - ends + 1, n + 1)])
    # From value to value, so that a gap counts too.
    width = np.diff(problem.deviation[np.minimum(fine, n - 1)])
    weight = np.diff(fine if problem.weights is None else problem.sums[4, fine])
    total = np.cumsum(np.cbrt(width**2 * weight))
    # Some by number, where a few far values matter most.
    by_number = min(cells / 4, LADDER_LONGEST / 4)
    share = total * ((cells - by_number) / total[-1]) + fine[1:] * (by_number / n)
    share = share.astype(np.int64)
    chosen = np.flatnonzero(share[1:-1] > share[:-2]) + 2
    return np.concatenate([[0], fine[chosen], [n]])


class Passes:
    """Least costs with a price over some points, from both ends, and the arrays that they take.

    Attributes
    ----------
    least : (2, n + 1) array
        Lower bounds of the least cost from position 0 and, in the second row, to position n, as far
        as the passes have come.
    """

    def __init__(self, points: Points, threads: int) -> None:
        n = len(points)
        self.points = points
        self.threads = min(threads, 2)
        self.least = np.empty((2, n + 1))
        self.previous = np.empty((2, n + 1), np.uint32)
        self._scratch = np.empty((2, PASS_ROWS, n + 1 + PASS_LEAF))
        self._state = np.zeros((2, 2), np.int64)
        self._path = np.empty(n + 1, np.int64)
        self._price = 0.0
        # The passes have met between these positions.
        self._meeting = 0, n

    def run(
        self, price: float, reach: int, progress: Callable[[int], object] | None = None
    ) -> Edges:
        """The edges of about the best groups at this price.

        `reach`: about the number of points of a group. The passes only go on until they meet.
        """
        n = len(self.points)
        self._price = price
        self._state[:] = 0
        while True:
            first, last = max(n // 2 - reach, 0), min(n // 2 + reach, n)
            self._go_on([last, n - first], progress)
            if is_cut_within(self.points, price, self.least, self._scratch, first, last):
                break
            reach *= 2
        self._meeting = first, last
        middle = first + int(np.argmin(self._through()))
        start, stop = path_through(self.previous, middle, self._path)
        return self._path[start:stop].copy()

    def complete(self, progress: Callable[[int], object] | None = None) -> None:
        """Go on until the passes have come to the ends."""
        self._go_on([len(self.points)] * 2, progress)

    def is_only(self, edges: Edges, limit: float) -> bool:
        """Whether this is the only path of at most so much, surely. The passes have met."""
        first = self._meeting[0]
        near = first + np.flatnonzero(self._through() <= limit)
        met = np.searchsorted(edges, near)
        if (edges[met] != near).any() or met[0] == 0 or met[-1] == len(edges) - 1:
            return False
        return is_only_path(
            self.points, self._price, self.least, self._scratch, edges, met[0], met[-1], limit,
            self.threads, ISA,
        )  # fmt: skip

    def _through(self) -> NDArray[np.float64]:
        """Lower bounds of paths through each position where the passes have met."""
        first, last = self._meeting
        return self.least[0, first : last + 1] + self.least[1, first : last + 1]

    def _go_on(self, until: list[int], progress: Callable[[int], object] | None) -> None:
        run_passes(
            self.points, self._price, self.least, self.previous, self._scratch, self._state,
            np.array(until), self.threads, ISA, progress,
        )  # fmt: skip


class Bracket:
    """Chooses prices so that k groups become the best ones.

    The best numbers of groups at two prices enclose k, and the slope between their costs is a
    price between. As the least cost is convex in the number of groups, this ends, at the latest
    with `stuck`: then k lies on a straight piece, where fewer and more groups are equally good.

    Attributes
    ----------
    fewer, more : array or None
        Edges of the best groups at `high` and at `low`, the closest to k that are known.
    stuck : bool
    """

    def __init__(self, points: Points, k: int) -> None:
        self.points, self.k = points, k
        self.fewer: Edges | None = None
        self.more: Edges | None = None
        self.high, self.low = inf, 0.0
        self._costs: dict[int, float] = {}
        self.stuck = False
        self._tries = 0
        self._sloped = False
        self._last: tuple[float, int] | None = None
        # The price is about this power of 1 / the odds of a cut: 3, if groups are large (Panter and
        # Dite 1951), and 2, if most hold one value.
        self._power = 3.0 - min(k / len(points), 1.0)

    def next_price(self, price: float, edges: Edges) -> float:
        """The price to try after these edges were best at `price`, with not k groups."""
        return _clipped(self._next(price, edges))

    def _next(self, price: float, edges: Edges) -> float:
        k, found = self.k, len(edges) - 1
        self._tries += 1
        # As many groups at a price closer to the one that is looked for are better to go on from.
        if found < k and (self.fewer is None or found >= len(self.fewer) - 1):
            if self.fewer is None or found >= len(self.fewer):
                self._tries = 0
            self.fewer, self.high = edges, min(price, self.high)
        elif found > k and (self.more is None or found <= len(self.more) - 1):
            if self.more is None or found < len(self.more) - 1:
                self._tries = 0
            self.more, self.low = edges, max(price, self.low)
        if self._last is not None and self._last[1] != found:
            power = (log(self._last[0]) - log(price)) / self._odds(found, self._last[1])
            self._power = min(max(power, 1.0), MOST_POWER)
        self._last = price, found
        if self.fewer is None or self.more is None:
            # Half a group further, for it is as well to have k between two others.
            odds = self._odds(found + (0.5 if found > k else -0.5), k)
            step = self._power * max(1.0, 8.0 ** min(self._tries, 13) / 2) * odds
            return price * exp(min(max(step, -FARTHEST), FARTHEST))
        self.stuck = self._sloped and self._tries > 0
        fewer, more = len(self.fewer) - 1, len(self.more) - 1
        self._sloped = self._tries > 1 or more - fewer <= 4 or fewer <= 1
        if self._sloped:
            return self._slope(self.fewer, self.more)
        power = (log(self.high) - log(self.low)) / self._odds(more, fewer)
        below, above = self._odds(fewer, k), self._odds(more, k)
        near, odds = (self.high, below) if -below < above else (self.low, above)
        return exp(log(near) + power * odds)

    def tie(self) -> float:
        """The price at which `fewer` and `more` are equally good, to be stuck there."""
        self.stuck = True
        return _clipped(self._slope(*self.ends()))

    @property
    def lost(self) -> bool:
        """Whether no price seems to lead to k groups."""
        return self._tries > 3 and (self.fewer is None or self.more is None)

    def ends(self) -> tuple[Edges, Edges]:
        """`fewer` and `more`, both known."""
        assert self.fewer is not None
        assert self.more is not None
        return self.fewer, self.more

    def middle_price(self, price: float, edges: Edges) -> float:
        """A price amid those that make k groups best, as these edges were at `price`."""
        if self.fewer is None or self.more is None or len(self.fewer) == 2:
            return price
        # Roots first, as the product may overflow.
        return sqrt(self._price_at_k(self.fewer, edges)) * sqrt(self._price_at_k(edges, self.more))

    def _slope(self, fewer: Edges, more: Edges) -> float:
        cost = self._cost(fewer) - self._cost(more)
        return cost / (len(more) - len(fewer))

    def _cost(self, edges: Edges) -> float:
        """Of about the best groups; of each number of groups, once."""
        if len(edges) not in self._costs:
            self._costs[len(edges)] = path_cost(self.points, edges)[0]
        return self._costs[len(edges)]

    def _price_at_k(self, fewer: Edges, more: Edges) -> float:
        """From the slope, which is the price of the number of groups in the middle."""
        middle = (len(fewer) + len(more) - 2) / 2
        return self._slope(fewer, more) * exp(self._power * self._odds(middle, self.k))

    def _odds(self, groups: float, others: float) -> float:
        """The logarithm of how much more the odds are of a cut between two values."""
        most = max(len(self.points), self.k) + 1  # of cells there may be fewer than groups
        return log(groups / others) - log((most - groups) / (most - others))


class Graph:
    """Best paths through a few positions, in exact arithmetic, for one price after another.

    Parameters
    ----------
    problem : Problem
    positions : (m,) int64 array
        Ascending, from 0 to the number of values.
    passes : Passes
        At `price`, from both ends.
    price, limit : float
        Paths that cost more than `limit` at `price` are left out.
    size : float
        Of a group, on average.

    Attributes
    ----------
    is_whole : bool
        Whether no paths are left out.
    """

    def __init__(
        self,
        problem: Problem,
        positions: Edges,
        passes: Passes,
        price: float,
        limit: float,
        size: float,
    ) -> None:
        m = len(positions)
        self.problem, self.positions = problem, positions
        self.price, self.limit = price, limit
        self.least = passes.least.take(positions, axis=1)
        self.ends = np.empty((2, m), np.int32)
        bands(
            problem.points, positions, self.least, price, limit,
            _sources(passes.previous[0], positions), np.empty(m), self.ends,
        )  # fmt: skip
        # Of no use are limits that say less than what rounds the bounds of costs.
        width = float(np.mean(self.ends[1] - self.ends[0]))
        self.is_whole = m == len(problem) + 1 and width > WIDE_BANDS * size
        if self.is_whole:
            self.limit = inf
            self.least[:] = 0.0
            self.ends[:] = np.zeros(m), np.arange(m) - 1
        self.potential = np.empty((m, 3))
        self.fewest, self.most, self.groups = np.empty((3, m), np.int32)
        self.parts = np.empty(m, np.uint64)
        self.starts = np.empty(m + 1, np.intp)
        self.sources = np.empty(4 * m, np.intp)
        self.totals = np.empty((4 * m, 3))

    @cached_property
    def exact(self) -> ExactCosts:
        return ExactCosts(self.problem, self.positions)

    @cached_property
    def sums(self) -> tuple[ExactSums, int] | None:
        """In units of a power of two, and its exponent; None where integers do not hold them."""
        weights = self.problem.weights
        if weights is not None and (
            weights.dtype.kind == "f" or weights.sum(dtype=np.float64) >= EXACT
        ):
            return None
        x = self.problem.separate(weighted=True)
        bit = None if x is None or 256 not in TIES_BITS else Whole(x).bit
        return None if bit is None else (ExactSums(times_power(x, -bit), weights), bit)

    def best_cuts(self, k: int, known: Bracket) -> Cuts | None:
        """The lowest of the best cuts into k groups; None if none are found.

        `known` is what the passes have found.
        """
        bracket = Bracket(self.problem.points, k)
        price = self.price
        exact_price = self._exact_tie(*known.ends()) if known.stuck else None
        for _ in range(60):
            if not self._sweep(price if exact_price is None else exact_price):
                return None
            nearest = min(max(k, int(self.fewest[-1])), int(self.most[-1]))
            edges = self._path(nearest)
            if edges is None:
                return None
            if nearest == k:
                return edges[1:-1]
            price = bracket.next_price(price, edges)
            exact_price = self._exact_slope(*bracket.ends()) if bracket.stuck else None
            if bracket.lost:
                return None
        return None

    def _sweep(self, price: float | Fraction) -> bool:
        """Find the best paths to every position. False if that took too long."""
        done, decided = np.zeros(1, np.intp), False
        parts = 0
        if isinstance(price, float):
            scaled = price, 0.0, 0.0
            if self.problem.units[0] > 0:
                parts = self.exact.from_scaled(price).denominator
        else:
            scaled, parts = self.exact.as_scaled(price), price.denominator
        sums = None
        while True:
            end = sweep(
                self.problem.points, self.positions, self.least, self.price, self.limit,
                self.ends, scaled, parts if parts < MOST_PARTS else 0, sums, self.potential,
                self.fewest, self.most, self.groups, self.parts, self.starts, self.sources,
                self.totals, done, decided, BUDGET,
            )  # fmt: skip
            decided = end == SweepEnd.UNDECIDED
            if decided and sums is None and self.sums is not None:
                sums, bit = self.sums
                given = Fraction(price) if isinstance(price, float) else self.exact.scaled(price)
                given /= Fraction(4) ** bit
                sums.set_price(given.numerator, given.denominator)
                decided = False
            elif decided:
                self._decide(int(done[0]), price)
            elif end == SweepEnd.FULL:
                self.sources = np.concatenate([self.sources, np.empty_like(self.sources)])
                self.totals = np.concatenate([self.totals, np.empty_like(self.totals)])
            else:
                return end == SweepEnd.DONE

    def _decide(self, j: int, price: float | Fraction) -> None:
        """Keep the best of the edges to a position that the sweep cannot tell apart."""
        if isinstance(price, float):
            price = self.exact.from_scaled(price)
        start, stop = int(self.starts[j]), int(self.starts[j + 1])
        best = [start]
        for edge in range(start + 1, stop):
            more = self._difference(int(self.sources[edge]), int(self.sources[best[0]]), j, price)
            if more < 0:
                best = [edge]
            elif more == 0:
                best.append(edge)
        stop = start + len(best)
        self.sources[start:stop] = self.sources[best]
        self.totals[start:stop] = self.totals[best]
        self.starts[j + 1] = stop

    def _difference(self, a: int, b: int, j: int, price: Fraction) -> Fraction:
        """How much more a path to j by a costs than one by b."""
        costs: Counter[tuple[int, int]] = Counter()
        ends, groups = [a, b], [1, 1]
        costs[self.exact.cost(a, j)] += 1
        costs[self.exact.cost(b, j)] -= 1
        # Back to where the two paths part; positions ascend along each.
        while ends[0] != ends[1]:
            side = int(ends[1] > ends[0])
            source = int(self.sources[self.starts[ends[side]]])
            costs[self.exact.cost(source, ends[side])] += -1 if side else 1
            groups[side] += 1
            ends[side] = source
        # Often the same costs in another order.
        rest = (Fraction(cost * times, w) for (cost, w), times in costs.items() if times)
        return sum(rest, price * (groups[0] - groups[1]))

    def _path(self, k: int) -> Edges | None:
        """The edges of the lowest of the best paths of k groups, between `fewest` and `most`.

        None if what the limit has left out parts the paths.
        """
        path = np.empty(k + 1, np.intp)
        # Two best paths can exchange their ends so that one has a group more and the other one
        # fewer, because the cost is Monge. So there are best paths of every number between.
        if not lowest_path(self.fewest, self.most, self.starts, self.sources, path):
            return None
        return self.positions[path]

    def _exact_slope(self, fewer: Edges, more: Edges) -> Fraction:
        costs = [
            self.exact.total(np.searchsorted(self.positions, edges)) for edges in (fewer, more)
        ]
        return (costs[0] - costs[1]) / (len(more) - len(fewer))

    def _exact_tie(self, fewer: Edges, more: Edges) -> Fraction:
        """Their slope, if both are best at some price.

        Then it is that of their parts between any two positions that both go through.
        """
        _, *at = np.intersect1d(fewer, more, assume_unique=True, return_indices=True)
        groups = np.diff(at)
        differ = np.flatnonzero(groups[0] != groups[1])
        part = differ[groups.sum(axis=0)[differ].argmin()]
        ends = [
            edges[steps[part] : steps[part + 1] + 1]
            for edges, steps in zip((fewer, more), at, strict=True)
        ]
        return self._exact_slope(*ends)


def _sources(previous: NDArray[np.uint32], positions: Edges) -> NDArray[np.int32]:
    """The indices of the positions before some; -1 where it is not among them, and at 0."""
    before = previous[positions[1:]]
    indices = np.searchsorted(positions, before)
    return np.append(-1, np.where(positions[indices] == before, indices, -1)).astype(np.int32)


def _priced(points: Points, edges: Edges, price: float) -> float:
    """An upper bound of what a path costs."""
    cost, error = path_cost(points, edges)
    return cost + error + price * (len(edges) - 1)


def _raised(limit: float) -> float:
    """More than what rounding takes from the sum of a few terms."""
    return limit * (1 + 2.0**-48)


def _clipped(price: float) -> float:
    return min(max(price, LEAST_PRICE), 1 / LEAST_PRICE)


def _part(progress: Progress | None, done: float, n: int) -> Callable[[int], object] | None:
    """Reports of a pass that counts for half of what is left."""
    if progress is None:
        return None
    return lambda position: progress(int(done + position * (n - done) / (2 * n)), n)
