"""The best cuts into groups of few values, by least costs at several prices at once.

The cost of a group is the same at every price, so that a vector of prices takes hardly longer than
one. The slope of the least cost between two prices lies between the numbers of groups at these.
"""

import numpy as np
from numpy.typing import NDArray

from ._kmeans1d import LADDER_LONGEST, LADDER_ROWS, PASS_LEAF, climb
from .ascent import both_ways
from .tables import ISA

# The price that is likeliest to be the right one, and how far the others are from it, in steps.
LIKELIEST = PASS_LEAF // 2
RUNGS = np.arange(PASS_LEAF) - LIKELIEST
# For a price that is off by a few times.
FIRST_STEP = 0.25
MOST_CLIMBS = 8
# Values of a sample, and of each run of neighbours in it.
SAMPLE = 1 << 12
SAMPLE_RUN = 1 << 7
# Where prices between two are tried.
TOWARDS = np.arange(1, LIKELIEST + 1) / (LIKELIEST + 1)


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
    prices : (PASS_LEAF,) array, ascending
        Those of the last climb.
    totals : (PASS_LEAF,) array
        Lower bounds of the least costs of all values; rounded, if there are weights.
    """

    def __init__(self, x: NDArray, weights: NDArray | None, threads: int) -> None:
        n = self._n = len(x)
        self._x = both_ways(x, -x)
        self._weights = None if weights is None else both_ways(weights, weights)
        # A cut lies where the two overlap, as no group is as long.
        steps = min(n // 2 + LADDER_LONGEST // 2 + PASS_LEAF, n)
        self._steps = (steps + PASS_LEAF - 1) // PASS_LEAF * PASS_LEAF
        self._rows = np.empty((2, LADDER_ROWS, PASS_LEAF))
        self._costs = np.empty((2, LADDER_LONGEST + 1, PASS_LEAF))
        self._threads = threads
        self.prices = self.totals = np.empty(0)

    def climb(self, prices: NDArray[np.float64]) -> bool:
        """False if a group may be too long."""
        self.prices = prices
        base = climb(
            self._x, self._weights, prices, self._steps, self._rows, self._costs, self._threads,
            ISA,
        )  # fmt: skip
        if base < 0:
            return False
        # By way of each position where the two overlap.
        first = max(self._n - self._steps, 0)
        low, high = first - base, self._n + 1 - first - base
        self.totals = (self._rows[0, low:high] + self._rows[1, low:high][::-1]).min(axis=0)
        return True

    def counts(self) -> NDArray[np.float64]:
        """Numbers of groups between those at each two neighbouring prices."""
        return np.diff(self.totals) / np.diff(self.prices)


class Climber:
    """Climbs a ladder about one price after another, until one makes about k groups best.

    Attributes
    ----------
    gap : float
        Between about how many groups k was found to be.
    guess : float or None
        About the price of k groups, as far as it is known.
    """

    def __init__(self, ladder: Ladder, k: float) -> None:
        self.ladder, self._k = ladder, k
        # The price is about this power of 1 / groups (Panter and Dite 1951).
        self._power = 3.0
        self.gap = np.inf
        self.guess: float | None = None
        # The logarithms of prices of more and of fewer groups.
        self._low, self._high = -np.inf, np.inf

    def step_of(self, groups: float) -> float:
        """Between the logarithms of prices of so many more groups."""
        return self._power * groups / self._k

    def next_price(self, price: float, step: float) -> float | None:
        """About the price of k groups, from prices about one, which are so far apart.

        None if it is not found, as where groups are too long.
        """
        for _ in range(MOST_CLIMBS):
            prices = price * np.exp(step * RUNGS)
            if not self.ladder.climb(prices):
                price /= 8
                continue
            counts, logs = self.ladder.counts(), np.log(prices)
            if not counts[-1] >= 0.5:
                return None
            more, fewer = counts >= self._k, counts < self._k
            self._low = max([self._low, *logs[:-1][more]])
            self._high = min([self._high, *logs[1:][fewer]])
            logs = (logs[1:] + logs[:-1]) / 2
            at = int(np.clip(np.count_nonzero(more), 1, len(counts) - 1))
            if counts[at - 1] > counts[at]:
                power = (logs[at] - logs[at - 1]) / np.log(counts[at - 1] / counts[at])
                self._power = float(np.clip(power, 1.0, 12.0))
            self.gap = counts[at - 1] - counts[at]
            at -= counts[at - 1] - self._k < self._k - counts[at]
            log = logs[at] + self._power * np.log(counts[at] / self._k)
            if not self._low < log < self._high and np.isfinite(self._low + self._high):
                log = (self._low + self._high) / 2
            self.guess = price = float(np.exp(log))
            if more[0] and fewer[-1]:
                return price
            # Not beyond the prices between which the one of k groups is known to be.
            step = min(2 * step, max(step, FIRST_STEP), (self._high - self._low) / len(counts))
        return None

    def known(self) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """For which prices the numbers of groups are known, and these."""
        ladder, counts = self.ladder, self.ladder.counts()
        # To add a group is rounded alike each time.
        rounded = self._k * 2.0**-53 * ladder.totals[:-1] / np.diff(ladder.prices)
        fewest = np.ceil(counts - rounded)[1:]
        known = np.flatnonzero(fewest == np.floor(counts + rounded)[:-1])
        return known + 1, fewest[known].astype(np.int64)


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
    climber = Climber(Ladder(x, weights, threads), k)
    for _ in range(MOST_CLIMBS):
        before = climber.gap
        found = climber.next_price(price, step)
        if found is None or climber.gap <= gap or climber.gap > before / 2:
            break
        price, step = found, climber.step_of(_spacing(climber.gap))
    return climber.guess


def ladder_prices(x: NDArray, k: int, price: float, threads: int) -> list[float]:
    """About the price of k groups; where these tie with fewer and more, one of more and of fewer.

    Empty if none is found. `price`: one that may be off by a few times.
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
            return []
        price, off = found, 0.4 * k / part**0.5
    climber = Climber(Ladder(x, None, threads), k)
    for _ in range(MOST_CLIMBS):
        before = climber.gap
        found = climber.next_price(price, climber.step_of(off))
        if found is None:
            break
        # Many groups tie if they are far more than expected.
        gap = climber.gap
        if gap <= 4 or gap > min(before / 2, 8 * off):
            prices = _at_tangents(climber, k)
            if prices:
                return prices
        price, off = found, _spacing(gap)
    return [] if climber.guess is None else [climber.guess]


def _at_tangents(climber: Climber, k: int) -> list[float]:
    """As `ladder_prices`, from a climb about the price of k groups; empty if that is not known.

    The least cost is a straight line of the price between prices of as many groups. Where the lines
    of more and of fewer groups than k meet is the price of k, if it is that of any between.
    """
    ladder, before = climber.ladder, None
    while True:
        known, counts = climber.known()
        if k in counts:
            right = known[counts == k]
            return [float(ladder.prices[right[len(right) // 2]])]
        above, below = known[counts > k], known[counts < k]
        if len(above) == 0 or len(below) == 0:
            return []
        ends = [int(above[-1]), int(below[0])]
        numbers = [int(counts[counts > k][-1]), int(counts[counts < k][0])]
        if numbers == before:
            return ladder.prices[ends].tolist()
        before = numbers
        prices, totals = ladder.prices[ends], ladder.totals[ends]
        costs = totals - prices * numbers
        middle = float(costs[1] - costs[0]) / (numbers[0] - numbers[1])
        if not prices[0] < middle < prices[1]:
            return []
        near = [prices[0] + (middle - prices[0]) * TOWARDS, [middle]]
        near += [prices[1] - (prices[1] - middle) * TOWARDS[1:]]
        if not ladder.climb(np.sort(np.concatenate(near))):
            return []


def _spacing(gap: float) -> float:
    """Of numbers of groups, to find k between two so far apart, that of evenly many misses."""
    return max(0.35 * gap**0.5, 0.3)
