"""The best cuts into groups of few values, by least costs at several prices at once.

The cost of a group is the same at every price, so that a vector of prices takes hardly longer than
one. The slope of the least cost between two prices lies between the numbers of groups at these.
"""

from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._kmeans1d import (
    LADDER_GRID,
    LADDER_LONGEST,
    LADDER_ROWS,
    PASS_LEAF,
    climb,
    ladder_back,
)
from .points import LEAST_PRICE, Edges, divided, rows_from_ends
from .tables import ISA
from .ties import Whole, tied_edges

# The price that is likeliest to be the right one, and how far the others are from it, in steps.
LIKELIEST = PASS_LEAF // 2
RUNGS = np.arange(PASS_LEAF) - LIKELIEST
# Steps of the best path to which rivals may lead, which are told from it in exact arithmetic, and
# groups of all of these.
MOST_RIVALS = 64
MOST_RIVAL_GROUPS = 512
# For a price that is off by a few times.
FIRST_STEP = 0.25
# As far as prices, which are rounded, are told apart; and so that the least of them is not lost.
LEAST_STEP = 2.0**-38
MOST_STEP = 1.0
# Beyond the prices of a climb the price of k groups is not guessed farther than this logarithm.
FARTHEST = 8.0
MOST_CLIMBS = 8
# The `spread` of a climber that is to find k groups; and of one whose values stand for others, so
# that the price of k among these is rather that of several numbers of groups.
EXACT = 0.2
AVERAGED = 0.35
# Numbers of groups that are so far apart at two prices follow a smooth curve between.
SMOOTH = 256
# Values of a sample, and of each run of neighbours in it.
SAMPLE = 1 << 12
SAMPLE_RUN = 1 << 7
CELLS_OF_GROUP = 12
# Values from which cells are quicker than a climb more.
FEWEST_GATHERED = 1 << 18
# Neighbours whose groups or cells are about equally large.
GATHERED = 1 << 6
# Where prices between two are tried.
TOWARDS = np.arange(1, LIKELIEST + 1) / (LIKELIEST + 1)

# A price, the edges of about the best groups there, and whether these are surely the only best.
Path = tuple[float, Edges, bool]


class Ladder:
    """Least costs of ascending values from both ends at PASS_LEAF prices, until they meet.

    Parameters
    ----------
    x : (n,) float64 array, ascending
        With differences that are correctly rounded.
    weights : (n,) float64 array or None
        None: each value weighs 1.
    threads : int

    Attributes
    ----------
    size : int
        n
    prices : (PASS_LEAF,) array, ascending
        Those of the last climb.
    totals : (PASS_LEAF,) array
        Lower bounds of the least costs of all values; rounded, if there are weights.
    """

    def __init__(self, x: NDArray, weights: NDArray | None, threads: int) -> None:
        n = self.size = len(x)
        # A cut lies where the two overlap, as no group is as long.
        steps = min(n // 2 + LADDER_LONGEST // 2 + PASS_LEAF, n)
        steps = (steps + PASS_LEAF - 1) // PASS_LEAF * PASS_LEAF
        self._x = rows_from_ends(x, steps, -1.0)
        self._weights = None if weights is None else rows_from_ends(weights, steps, 1.0)
        self._first = max(n - steps, 0)
        self._rows = np.empty((2, LADDER_ROWS + 1, PASS_LEAF))
        self._least = np.empty((2, steps + 1))
        self._origins = np.empty((2, steps // PASS_LEAF + 1))
        self._starts = np.empty((2, steps // PASS_LEAF), np.int32)
        self._costs = np.empty((2, LADDER_LONGEST + 1, PASS_LEAF))
        self._threads = threads
        self._which = LIKELIEST
        self.prices = self.totals = self._through = np.empty(0)

    def climb(self, prices: NDArray[np.float64]) -> bool:
        """Round the prices, and climb about them. False if a group may be too long."""
        grid = LADDER_GRID * 2.0 ** np.frexp(prices.max())[1]
        self.prices = prices = np.rint(prices / grid) * grid
        base = climb(
            self._x, self._weights, prices, self._which, self._rows, self._least, self._origins,
            self._starts, self._costs, self._threads, ISA,
        )  # fmt: skip
        if base < 0:
            return False
        # By way of each position where the two overlap.
        low, high = self._first - base, self.size + 1 - self._first - base
        self._through = self._rows[0, low:high] + self._rows[1, low:high][::-1]
        self.totals = self._through.min(axis=0) + self._rows[:, -1].sum(axis=0)
        return True

    def counts(self) -> NDArray[np.float64]:
        """Numbers of groups between those at each two neighbouring prices."""
        return np.diff(self.totals) / np.diff(self.prices)

    def path(self, which: int) -> Path:
        """About the best groups at one of the prices. The values have no weights."""
        if which != self._which:
            self._which = which
            self.climb(self.prices)
        price, through = float(self.prices[which]), self._through[:, which]
        # More than errors add up to: of each group about as below, and of its cost.
        groups = self.totals[which] / price
        slack = (4e-12 * groups + 8e-15 * self.size**2 / groups) * price
        near = np.flatnonzero(through <= through.min() + slack) + self._first
        # Where one path has all of these, it ends at the last one, coming from below.
        paths, gaps, errors = self._back(near[0], near[-1])
        down, up = paths[0], self.size - paths[1]
        parting = int(np.searchsorted(-down, -near[0]))
        joined = len(up) > parting and bool((down[parting::-1] == up[: parting + 1]).all())
        if not joined:
            middle = int(through.argmin()) + self._first
            paths = self._back(middle, middle)[0]
            return price, np.concatenate([paths[0][:0:-1], self.size - paths[1]]), False
        edges = np.concatenate([down[:parting:-1], up])
        proved = 2 * sum(errors) < slack < 2.0**-11 * price
        proved = proved and bool((edges[np.searchsorted(edges, near)] == near).all())
        for side in range(2):
            proved = proved and self._is_alone(side, paths[side], gaps[side], errors[side])
        return price, edges, proved

    def _back(
        self, low: int, high: int
    ) -> tuple[list[NDArray[np.int64]], list[NDArray[np.float64]], tuple[float, float]]:
        """A path down from a position and one up from another that is no higher.

        As `ladder_back` gives them: each from its end, with gaps and errors.
        """
        least = self._least
        steps = np.array([high, self.size - low])
        paths, gaps = np.empty(least.shape, np.int64), np.empty(least.shape)
        groups, errors = ladder_back(
            self._x, self.prices, self._which, least, self._origins, self._starts, steps, paths,
            gaps, self._threads,
        )  # fmt: skip
        kept = [paths[side, : groups[side] + 1] for side in range(2)]
        return kept, [gaps[side, : groups[side]] for side in range(2)], errors

    def _is_alone(
        self, side: int, path: NDArray[np.int64], gaps: NDArray[np.float64], error: float
    ) -> bool:
        """Whether it is surely the only best path to each of its steps.

        By induction from the first one. A path by another edge costs more, if its bound exceeds
        that of the best by more than errors add up to. Else it is a rival, as are all ways back
        from there, by bounds as near, to where it left the path, and is compared exactly.
        """
        doubtful = np.flatnonzero(gaps <= error)
        if len(doubtful) > MOST_RIVALS:
            return False
        left = MOST_RIVAL_GROUPS
        for g in doubtful.tolist():
            ends = self._near_sources(side, int(path[g]), 2 * error)
            rivals = [[int(path[g]), end] for end in ends[ends != path[g + 1]].tolist()]
            while rivals:
                rival = rivals.pop()
                at = int(np.searchsorted(-path, -rival[-1]))
                if at < len(path) and path[at] == rival[-1]:
                    own = path[g : at + 1].tolist()
                    if not self._exact_cost(side, own) < self._exact_cost(side, rival):
                        return False
                    continue
                left -= 1
                if left < 0:
                    return False
                ends = self._near_sources(side, rival[-1], 2 * error)
                rivals += [[*rival, end] for end in ends.tolist()]
        return True

    def _near_sources(self, side: int, step: int, more: float) -> NDArray[np.int64]:
        """Where edges to a step come from whose bounds are the least, or this much more."""
        first = int(self._starts[side, (step - 1) // PASS_LEAF])
        i = np.arange(first, step)
        x = self._x[side, PASS_LEAF + first : PASS_LEAF + step]
        distance, size = (x[-1] - x)[::-1], step - i
        s1, s2 = np.cumsum(distance)[::-1], np.cumsum(distance**2)[::-1]
        origins = self._origins[side, (np.append(i, step) + PASS_LEAF - 1) // PASS_LEAF]
        bounds = s2 - s1**2 * (1 / size + (4 * size + 16) * 2.0**-53)
        bounds += self._least[side, first:step] + (origins[:-1] - origins[-1])
        return i[bounds <= bounds.min() + more]

    def _exact_cost(self, side: int, steps: list[int]) -> Fraction:
        """Of the groups between descending steps, with their prices."""
        total: Fraction = Fraction(float(self.prices[self._which])) * (len(steps) - 1)
        for last, first in pairwise(steps):
            x = [Fraction(v) for v in self._x[side, PASS_LEAF + first : PASS_LEAF + last].tolist()]
            zero = Fraction(0)
            total += sum((v * v for v in x), zero) - sum(x, zero) ** 2 / len(x)
        return total


class Climber:
    """Climbs a ladder about one price after another, until one makes about k groups best.

    Parameters
    ----------
    ladder : Ladder
    k : float
    price : float
        To begin with.
    step : float
        Between the logarithms of the first prices.
    spread : float
        Between the numbers of groups at neighbouring prices, over the root of the gap in which k
        was found before.
    close : bool
        Whether the first price is about right, so that lower ones are not tried.

    Attributes
    ----------
    gap : float
        About how many groups more the closest price with no fewer than k has than the closest one
        with fewer.
    guess : float or None
        About the price of k groups, as far as it is known.
    """

    def __init__(
        self,
        ladder: Ladder,
        k: float,
        price: float,
        step: float,
        spread: float,
        close: bool = False,
    ) -> None:
        self.ladder, self._k, self._close = ladder, k, close
        self._price, self._step, self._spread = price, step, spread
        self._power = _power(ladder.size, k)
        self._most_power = 4 * self._power
        self.gap = np.inf
        self.guess: float | None = None
        # The logarithms of prices of more and of fewer groups.
        self._low, self._high = -np.inf, np.inf
        self._tied = False

    def approach(self) -> bool:
        """Climb until k is found between two prices.

        False if it is not: groups may be too long, or prices lead nowhere.
        """
        for missed in range(MOST_CLIMBS):
            prices = self._price * np.exp(min(max(self._step, LEAST_STEP), MOST_STEP) * RUNGS)
            if prices[0] < LEAST_PRICE or prices[-1] > 1 / LEAST_PRICE:
                return False
            if not self.ladder.climb(prices):
                if self._close:
                    return False
                self._price /= 8
                continue
            counts, logs = self.ladder.counts(), np.log(prices)
            if not counts[-1] >= 0.5:
                return False
            more, fewer = counts >= self._k, counts < self._k
            self._low = max([self._low, *logs[:-1][more]])
            self._high = min([self._high, *logs[1:][fewer]])
            # Counts are those at the middle, but for what is of the third order.
            logs = np.log((prices[1:] + prices[:-1]) / 2)
            at = int(np.clip(np.count_nonzero(more), 1, len(counts) - 1))
            if counts[at - 1] > counts[at]:
                power = (logs[at] - logs[at - 1]) / np.log(counts[at - 1] / counts[at])
                self._power = float(np.clip(power, 1.0, self._most_power))
            self.gap = counts[at - 1] - counts[at]
            at -= counts[at - 1] - self._k < self._k - counts[at]
            log = logs[at] + self._power * np.log(counts[at] / self._k)
            middle = min(max(at, 1), len(counts) - 2)
            some = slice(middle - 1, middle + 2)
            if (np.diff(counts[some]) < -SMOOTH).all():
                log = _parabola(counts[some], logs[some], self._k)
            log = min(max(log, logs[0] - FARTHEST), logs[-1] + FARTHEST)
            center = (self._low + self._high) / 2
            if not self._low < log < self._high and np.isfinite(center):
                log = center
            self.guess = self._price = float(np.exp(log))
            found = (more[0] and fewer[-1]) or self._k in self.known()[1]
            # Guesses go astray where many groups tie: most of those between all prices are between
            # two, and elsewhere there are none.
            between = counts[0] - counts[-1]
            self._tied |= not found and between < 0.5
            astray = 2 * self.gap >= between if found else missed > 0
            if (self._tied or astray) and np.isfinite(center):
                self._price = float(np.exp(center))
                # Some beyond both, to see how many groups the tie is between.
                self._step = (self._high - self._low) / LIKELIEST
            elif found:
                spacing = max(self._spread * max(self.gap, 0.0) ** 0.5, 0.3)
                self._step = self._power * spacing / self._k
            else:
                self._step = min(2 * self._step, max(self._step, FIRST_STEP))
            if found:
                return True
        return False

    def known(self) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """For which prices the numbers of groups are known, and these."""
        ladder, counts = self.ladder, self.ladder.counts()
        # To add a group is rounded alike at each price, but for what is as good as random.
        rounded = self._k**0.5 * 2.0**-43 * ladder.prices + 2.0**-51 * ladder.totals
        rounded = rounded[:-1] / np.diff(ladder.prices)
        fewest = np.ceil(counts - rounded)[1:]
        known = np.flatnonzero(fewest == np.floor(counts + rounded)[:-1])
        return known + 1, fewest[known].astype(np.int64)


def _parabola(x: NDArray[np.float64], y: NDArray[np.float64], at: float) -> float:
    """Of the parabola through three points."""
    first = (y[1] - y[0]) / (x[1] - x[0])
    second = ((y[2] - y[1]) / (x[2] - x[1]) - first) / (x[2] - x[0])
    return float(y[0] + (at - x[0]) * (first + (at - x[1]) * second))


def about_price(
    x: NDArray,
    weights: NDArray | None,
    k: float,
    price: float,
    step: float,
    gap: float,
    threads: int,
) -> float | None:
    """About the price of k groups, from one that may be off by a few times; None if not known.

    `step`: between the logarithms of the first prices to try; `gap`: between numbers of groups that
    k is to be found within.
    """
    climber = Climber(Ladder(x, weights, threads), k, price, step, AVERAGED)
    before = np.inf
    while climber.approach() and gap < climber.gap <= before / 2:
        before = climber.gap
    return climber.guess


def shares(
    x: NDArray, number: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Where runs of ascending values start, how many these are, and their shares of so many groups.

    The best levels are as dense as the cube root of the density (Panter and Dite 1951).
    """
    starts = np.arange(0, len(x), GATHERED)
    sizes = np.diff(starts, append=len(x))
    # From value to value, so that a gap counts too.
    with np.errstate(under="ignore"):
        share = np.cbrt(np.diff(x[np.append(starts, -1)]) ** 2 * sizes)
    for _ in range(3):  # no more groups than values
        share = np.minimum(share, sizes * (share.sum() / number))
    return starts, sizes, share


def longest_group(x: NDArray, k: int) -> float:
    """About how many values the longest of the best k groups has."""
    _, sizes, share = shares(x, k)
    whole = slice(max(len(share) - 1, 1))
    with np.errstate(divide="ignore"):
        return float((sizes[whole] / share[whole]).max() * (share.sum() / k))


def gathered_price(
    x: NDArray, k: int, price: float, off: float, cells: int, gap: float, threads: int
) -> float | None:
    """About the price of k groups, by cells of neighbours, so many of a group; None if not known.

    `off`: by about how many groups `price` may be wrong; `gap`: as for `about_price`.
    """
    starts, sizes, share = shares(x, cells * k)
    edges = divided(starts, sizes, share, cells * k)
    weights = np.diff(edges, append=len(x)).astype(np.float64)
    means = np.add.reduceat(x, edges) / weights
    return about_price(means, weights, k, price, 3 * off / k, gap, threads)


def ladder_paths(x: NDArray, k: int, price: float, threads: int) -> tuple[list[Path], float | None]:
    """About the best groups at the price of k groups, or where these tie with fewer and more, two.

    None if they are not found, but maybe about the price. `price`: one that may be off by a few
    times.
    """
    n, off = len(x), 0.03 * k
    if n > 4 * SAMPLE:
        # From the middles of as many parts.
        middles = np.arange(1, 2 * SAMPLE // SAMPLE_RUN, 2) * (n * SAMPLE_RUN // (2 * SAMPLE))
        runs = x[middles[:, None] + np.arange(SAMPLE_RUN) - SAMPLE_RUN // 2]
        gaps = np.diff(runs, append=0.0)
        gaps[:, -1] = 64 * price**0.5  # no group is as wide
        part = k * SAMPLE / n
        found = about_price(np.cumsum(gaps), None, part, price, FIRST_STEP, 0.5 * part**0.5, 1)
        if found is None:
            return [], None
        # As the root of how many values of the sample have a cut before them, or have none.
        fewer = min(part, SAMPLE - part)
        price, off = found, 0.8 * fewer**0.5 * (n / SAMPLE)
        if n >= max(2 * CELLS_OF_GROUP * k, FEWEST_GATHERED):
            found = gathered_price(x, k, price, off, CELLS_OF_GROUP, 8, threads)
            if found is not None:
                price, off = found, 4
    step = 0.5 * _power(n, k) * off / k
    climber = Climber(Ladder(x, None, threads), k, price, step, EXACT, n > 4 * SAMPLE)
    whole = Whole(x)
    for _ in range(MOST_CLIMBS):
        if not climber.approach():
            break
        paths = _at_tangents(climber, whole, k, threads)
        if paths:
            return paths, climber.guess
    return [], climber.guess


def _power(n: int, k: float) -> float:
    """The price is about this power of 1 / groups, for k groups of n values.

    It is 3 (Panter and Dite 1951), or more where few values have a neighbour in their group.
    """
    return 3 + 2 * k / max(n - k, 1.0)


class _Line(NamedTuple):
    """The least cost of so many groups, near a price where no other number is better."""

    groups: int
    cost: float  # without their prices
    price: float


def _at_tangents(climber: Climber, whole: Whole, k: int, threads: int) -> list[Path]:
    """As `ladder_paths`, from a climb about the price of k groups; empty if that is not known.

    The least cost is a straight line of the price between prices of as many groups. Where the lines
    of more and of fewer groups than k meet is the price of k, if it is that of any between.
    """
    ladder = climber.ladder
    lines: list[_Line] = []
    middle = 0.0
    while True:
        known, counts = climber.known()
        if k in counts:
            right = known[counts == k]
            which = LIKELIEST if LIKELIEST in right else int(right[0])
            path = None if whole.are_dense else ladder.path(which)
            if path is None or not path[2]:
                price = float(ladder.prices[which])
                edges = tied_edges(whole, k, price, threads, tied=False)
                if edges is not None:
                    return [(price, edges, True)]
            return [path or ladder.path(which)]
        before, lines = lines, _closest(lines, k, ladder, known, counts)
        if lines and lines == before:
            # As good as both, or better.
            edges = tied_edges(whole, k, middle, threads)
            if edges is not None:
                return [(middle, edges, True)]
            path = ladder.path(LIKELIEST)
            if len(path[1]) - 1 == k:
                return [path]
            lines = _closest(lines, k, ladder, np.array([LIKELIEST]), np.array([len(path[1]) - 1]))
        if len(lines) < 2:
            return []
        more, fewer = lines
        middle = (fewer.cost - more.cost) / (more.groups - fewer.groups)
        least = LEAST_STEP * middle
        if lines == before or min(middle - more.price, fewer.price - middle) < least:
            if not np.isin([line.groups for line in lines], counts).all():
                return []
            ends = [int(known[counts == line.groups][0]) for line in lines]
            return [ladder.path(which) for which in ends]
        near = [more.price + (middle - more.price) * TOWARDS, [middle]]
        near += [fewer.price - (fewer.price - middle) * TOWARDS[1:]]
        if not ladder.climb(np.sort(np.concatenate(near))):
            return []


def _closest(
    lines: list[_Line], k: int, ladder: Ladder, known: NDArray[np.intp], counts: NDArray[np.int64]
) -> list[_Line]:
    """Those of the fewest groups more than k and of the most fewer, as far as they are known."""
    for which, groups in zip(known.tolist(), counts.tolist(), strict=True):
        price = float(ladder.prices[which])
        line = _Line(groups, float(ladder.totals[which]) - price * groups, price)
        if all(groups != other.groups for other in lines):
            lines = [*lines, line]
    more = sorted(line for line in lines if line.groups > k)[:1]
    return more + sorted(line for line in lines if line.groups < k)[-1:]
