"""The best cuts where many groups of few values cost the same, as integers and float32 values do.

The values are whole multiples of a unit. In parts of the unit squared, of which a common multiple
of all sizes of groups makes one, every cost is an integer. So is some price that makes k groups
best, as what one group more saves is such a price: the least cost is convex in the number of
groups.
"""

from itertools import accumulate
from math import frexp, inf, lcm, ldexp
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._kmeans1d import TIES_BITS, Ties, lowest_bit, run_ties
from .points import Edges, times_power

# The common multiple of all sizes of groups up to 0, 1, 2, ..; those of more exceed 63 bits.
MULTIPLES = list(accumulate(range(1, 43), lcm, initial=1))
# Units between 2**-500 and 2**500 have squares that are normal numbers.
MOST_BIT = 500
# So many bits of each value: 42 of them have a sum of 64.
MOST_BITS = 58
# How well the price is known at first.
PRECISION = 2.0**-39
MOST_RUNS = 24
# Of more values a group, 128 bits take longer than other ways.
WIDE_GROUP = 32


class _Tangent(NamedTuple):
    """The least cost of so many groups, which are the best ones at a price."""

    price: int
    groups: int
    cost: int  # without their prices, modulo 2**bits


class Whole(NamedTuple):
    """Ascending values that, but for a constant, are whole multiples of 2**bit."""

    x: NDArray[np.float64]
    bit: int

    @property
    def span(self) -> float:
        """From the first to the last, in units."""
        return ldexp(float(self.x[-1] - self.x[0]), -self.bit)

    @property
    def are_dense(self) -> bool:
        """Whether groups are likely to tie: their costs take as few values as there are groups."""
        return self.span**2 < 8.0 * len(self.x) ** 3

    def integers(self) -> NDArray[np.int64]:
        """The values in units, from 0 on."""
        values = times_power(self.x, -self.bit).astype(np.int64)
        values -= values[0]
        return values


def whole_values(x: NDArray[np.float64]) -> Whole | None:
    """None if 58 bits do not hold the values, but for a constant."""
    # Times the values, integers of at most 61 bits.
    exponent = 61 - frexp(max(-x[0], x[-1]))[1]
    bit = lowest_bit(x, None, MOST_BIT, -exponent)
    if bit < max(-exponent, -MOST_BIT):
        return None
    whole = Whole(x, bit)
    return whole if whole.span < 2.0**MOST_BITS else None


def tied_edges(
    whole: Whole | None, k: int, price: float, threads: int, tied: bool = True
) -> Edges | None:
    """The edges of the lowest of the best k groups; None where integers do not lead to them.

    That is if a group has too many values for its cost or for that to be quick, or if no price was
    found. `price` is about that of k groups; `tied`: where these tie with fewer and more.
    """
    if whole is None:
        return None
    n, price = len(whole.x), price / 4.0**whole.bit
    if not 0 < price < inf:
        return None
    values = whole.integers()
    for bits in TIES_BITS:
        if bits > 64 and n > WIDE_GROUP * k:
            break
        # Of groups that are longer, costs might overflow.
        longest = len(MULTIPLES) - 1
        while 2**6 * longest * MULTIPLES[longest] * (int(price) + 2) >= 2 ** (bits - 2):
            longest -= 1
        if longest > 1:
            parts = MULTIPLES[longest] // np.arange(1, longest + 1)
            some = [
                Ties(values, np.append(0, parts), bits) for _ in range(1 + (tied and threads > 1))
            ]
            edges = _best_edges(some, k, round(price * MULTIPLES[longest]), 2**bits)
            if edges is not None:
                return edges
    return None


def _best_edges(some: list[Ties], k: int, price: int, modulus: int) -> Edges | None:
    """As `tied_edges`, by the integers that costs and the price are.

    One of `some`, or, with two threads, two.
    """
    more: _Tangent | None = None
    fewer: _Tangent | None = None
    step, highest = int(price * PRECISION) + 1, 2 * price
    # That of k groups is likely to lie between two.
    prices = [price] if len(some) == 1 else [max(price - step, 0), price + step]
    for _ in range(MOST_RUNS):
        found = run_ties(some, prices)
        if found is None:
            break
        for ties, at, (fewest, most, cost) in zip(some, prices, found, strict=False):
            if fewest <= k <= most:
                edges = np.empty(k + 1, np.int64)
                ties.path(edges)
                return edges
            if fewest > k:
                more = _Tangent(at, fewest, cost - at * fewest)
            elif fewer is None or fewer.price > at:
                fewer = _Tangent(at, most, cost - at * most)
        if more is None:
            assert fewer is not None
            price = max(fewer.price - step, 0)
        elif fewer is None:
            price = min(more.price + step, highest)
        else:
            price = _price_between(more, fewer, modulus)
        some, prices = some[:1], [price]
        step *= 16
    return None


def _price_between(more: _Tangent, fewer: _Tangent, modulus: int) -> int:
    """The price at which two tangents meet, rounded; between theirs."""
    groups, apart = more.groups - fewer.groups, fewer.price - more.price
    if groups * apart >= modulus:
        return more.price + apart // 2
    # The groups save as much as at the lower price or more, and no more than at the higher one.
    beyond = (fewer.cost - more.cost - more.price * groups) % modulus
    return more.price + min(max(beyond // groups, 1), apart - 1)
