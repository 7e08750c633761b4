"""The best cuts where many groups of few values cost the same, as integers and float32 values do.

The values are whole multiples of a unit. In parts of the unit squared, of which a common multiple
of all sizes of groups makes one, every cost is an integer. So is some price that makes k groups
best, as what one group more saves is such a price: the least cost is convex in the number of
groups.
"""

from itertools import accumulate
from math import frexp, inf, lcm
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._kmeans1d import TIES_BITS, Ties, lowest_bit
from .points import Edges, times_power

# The common multiple of all sizes of groups up to 0, 1, 2, ..; those of more exceed 63 bits.
MULTIPLES = list(accumulate(range(1, 43), lcm, initial=1))
# Units between 2**-500 and 2**500 have squares that are normal numbers.
MOST_BIT = 500
# How well the price is known at first.
PRECISION = 2.0**-39
MOST_RUNS = 24
# Of more values a group, 128 bits take longer than other ways.
WIDE_GROUP = 16


class _Tangent(NamedTuple):
    """The least cost of so many groups, which are the best ones at a price."""

    price: int
    groups: int
    cost: int  # without their prices, modulo 2**bits


def tied_edges(x: NDArray[np.float64], k: int, price: float) -> Edges | None:
    """The edges of the lowest of the best k groups; None where integers do not lead to them.

    That is if 61 bits do not hold the values, if a group has too many of these for its cost or for
    that to be quick, or if no price was found. `x` is ascending, and counts but for a constant;
    `price` is about that of k groups.
    """
    # Times the values, integers of at most 61 bits.
    exponent = 61 - frexp(max(-x[0], x[-1]))[1]
    bit = lowest_bit(x, None, MOST_BIT, -exponent)
    if bit < max(-exponent, -MOST_BIT) or not 0 < price < inf:
        return None
    whole, price = times_power(x, -bit).astype(np.int64), price / 4.0**bit
    for bits in TIES_BITS:
        if bits > 64 and len(x) > WIDE_GROUP * k:
            break
        # Of groups that are longer, costs might overflow.
        longest = len(MULTIPLES) - 1
        while 2**6 * longest * MULTIPLES[longest] * (int(price) + 2) >= 2 ** (bits - 2):
            longest -= 1
        edges = _best_edges(whole, k, price, longest, bits) if longest > 1 else None
        if edges is not None:
            return edges
    return None


def _best_edges(
    x: NDArray[np.int64], k: int, price: float, longest: int, bits: int
) -> Edges | None:
    """As `tied_edges`, of groups of no more than `longest` values."""
    parts = MULTIPLES[longest]
    ties = Ties(x, np.array([0, *(parts // size for size in range(1, longest + 1))]), bits)
    more: _Tangent | None = None
    fewer: _Tangent | None = None
    at = round(price * parts)
    step, highest = int(at * PRECISION) + 1, 2 * at
    for _ in range(MOST_RUNS):
        if (found := ties.run(at)) is None:
            break
        fewest, most, cost = found
        if fewest <= k <= most:
            edges = np.empty(k + 1, np.int64)
            ties.path(edges)
            return edges
        if fewest > k:
            more = _Tangent(at, fewest, cost - at * fewest)
        else:
            fewer = _Tangent(at, most, cost - at * most)
        if more is None:
            at = max(at - step, 0)
        elif fewer is None:
            at = min(at + step, highest)
        else:
            at = _price_between(more, fewer, 2**bits)
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
