"""The best groups of values without weights at one price, and whether they are the only ones."""

import numpy as np
from numpy.typing import NDArray

from ._kmeans1d import ASCENT_SCRATCH, PASS_LEAF, ascend, descend, steps_back
from .points import Edges, rows_from_ends
from .tables import ISA

# As in kmeans1d.h, by a wide margin: how much more, in prices, a path may cost to be of interest.
SLACK = 2.0**-15


class Ascent:
    """Least costs of ascending values from both ends at a price for each group, until they meet.

    Parameters
    ----------
    x : (n,) float64 array, ascending
        With differences that are correctly rounded.
    size : int
        Of about the groups that are looked for.
    threads : int
    """

    def __init__(self, x: NDArray, size: int, threads: int) -> None:
        n = self._n = len(x)
        self.x = x
        self._x = rows_from_ends(x, n, -1.0)
        steps = min(n // 2 + 3 * size // 2 + 8 * PASS_LEAF, n)
        steps = (steps + PASS_LEAF - 1) // PASS_LEAF * PASS_LEAF
        # The two overlap here.
        self._first, self._last = max(n - steps, 0), min(steps, n)
        self._rows = np.empty((2, PASS_LEAF + steps + 1))
        self._least = self._rows[:, PASS_LEAF:]
        self._previous = np.empty((2, steps + 1), np.int32)
        self._starts = np.empty((2, steps // PASS_LEAF), np.int32)
        self._scratch = np.empty((2, ASCENT_SCRATCH))
        self._threads = min(threads, 2)
        self._price = 0.0

    def run(self, price: float) -> Edges | None:
        """The edges of about the best groups; None if these may be too long, or values uneven."""
        n, first = self._n, self._first
        self._price = price
        if not ascend(
            self._x, price, self._rows, self._previous, self._starts, self._scratch,
            self._threads, ISA,
        ):  # fmt: skip
            return None
        # A group over all of where the two overlap would start before candidates that are dropped.
        if max(self._starts[:, -1]) < first:
            return None
        middle = first + int(self._through().argmin())
        down, up = np.empty((2, n + 1), np.int64)
        below = steps_back(self._previous[0], middle, down)
        above = steps_back(self._previous[1], n - middle, up)
        return np.concatenate([down[below:0:-1], n - up[: above + 1]])

    def is_only(self, edges: Edges, limit: float) -> bool:
        """Whether this is the only path of at most so much, surely."""
        n, least, through = self._n, self._least, self._through()
        # Paths that cost more, by some, may have been dropped.
        if limit > float(through.min()) + SLACK * self._price:
            return False
        near = self._first + np.flatnonzero(through <= limit)
        met = np.searchsorted(edges, near)
        if (edges[met] != near).any():
            return False
        # Down from the last of these, and up from the first.
        low, high = int(near[0]), int(near[-1])
        behind = np.array([least[1, n - high], least[0, low]])
        paths = np.empty(least.shape, np.int64)
        groups, lows = descend(
            self._x, self._price, self._rows, self._previous, self._starts, self._scratch,
            np.array([high, n - low]), behind, paths, self._threads,
        )  # fmt: skip
        down, up = paths[0, groups[0] :: -1], n - paths[1, : groups[1] + 1]
        same = np.array_equal(down, edges[: met[-1] + 1]) and np.array_equal(up, edges[met[0] :])
        return same and limit < min(lows)

    def _through(self) -> NDArray[np.float64]:
        """Lower bounds of paths through each position where the two overlap."""
        n, first, last = self._n, self._first, self._last
        return self._least[0, first : last + 1] + self._least[1, n - last : n - first + 1][::-1]
