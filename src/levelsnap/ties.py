"""The best cuts where many groups of few values cost the same, or nearly so.

Integers and float32 values do the one, evenly spaced float64 values the other.

The values are whole multiples of a unit. In parts of the unit squared, of which a common multiple
of all sizes of groups makes one, every cost is an integer. So is some price that makes k groups
best, as what one group more saves is such a price: the least cost is convex in the number of
groups.
"""

from functools import cached_property
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
# So many bits of each value: the sum of 42 has no more than 64, or 128.
NARROW_BITS = 58
MOST_BITS = 122
# How well the price is known at first.
PRECISION = 2.0**-39
MOST_RUNS = 24
# Of more values a group, 128 bits and 256 take longer than other ways.
WIDE_GROUP = 32


class _Tangent(NamedTuple):
    """The least cost of so many groups, which are the best ones at a price."""

    price: int
    groups: int
    cost: int  # without their prices, modulo 2**bits


class Whole:
    """Ascending values that, but for a constant, may be whole multiples of a power of two."""

    def __init__(self, x: NDArray[np.float64]) -> None:
        self.x = x

    @cached_property
    def bit(self) -> int | None:
        """The exponent of the largest such power; None if 122 bits do not hold the values."""
        return self._bit_of(MOST_BITS) if self._narrow_bit is None else self._narrow_bit

    @property
    def are_narrow(self) -> bool:
        """Whether 58 bits hold the values."""
        return self._narrow_bit is not None

    @property
    def are_dense(self) -> bool:
        """Whether groups are likely to tie: their costs take as few values as there are groups."""
        bit = self._narrow_bit
        return bit is not None and self._span(bit) ** 2 < 8.0 * len(self.x) ** 3

    @cached_property
    def _narrow_bit(self) -> int | None:
        return self._bit_of(NARROW_BITS)

    def _bit_of(self, bits: int) -> int | None:
        """None if so many do not hold the values."""
        # With the constant, they are integers of at most three bits more.
        lowest = max(frexp(max(-self.x[0], self.x[-1]))[1] - bits - 3, -MOST_BIT)
        bit = lowest_bit(self.x, None, MOST_BIT, lowest)
        return bit if bit >= lowest and self._span(bit) < 2.0**bits else None

    def _span(self, bit: int) -> float:
        return ldexp(float(self.x[-1] - self.x[0]), -bit)


def tied_edges(whole: Whole, k: int, price: float, threads: int, tied: bool = True) -> Edges | None:
    """The edges of the lowest of the best k groups; None where integers do not lead to them.

    That is if a group has too many values for its cost or for that to be quick, if the values have
    no common unit, or if no price was found. `price` is about that of k groups; `tied`: where these
    tie with fewer and more.
    """
    if whole.bit is None:
        return None
    n, price = len(whole.x), price / 4.0**whole.bit
    if not 0 < price < inf:
        return None
    values = times_power(whole.x, -whole.bit)
    for bits in TIES_BITS:
        if bits > 64 and n > WIDE_GROUP * k:
            break
        if bits <= 128 and not whole.are_narrow:
            continue
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
