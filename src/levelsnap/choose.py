"""choose_k: how well each number of levels fits, and which to take."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cells import cell_edges
from .fit import check_choice, check_integer, check_progress, values_to_fit
from .histogram import Histogram, check_weights
from .kmeans1d import Grid, optimal_cuts
from .points import Problem
from .prices import Progress
from .threads import check_threads, solver_team

_CRITERIA = ("bic", "gvf")

# More distinct values than this are gathered in as many cells.
CELLS = 1 << 16


@dataclass(frozen=True, eq=False)
class KChoice:
    """How well each number of levels fits, and the one that was chosen.

    It can be given for `k` wherever an integer is asked for, as in ``fit(image, choice)``.

    Attributes
    ----------
    k : int
        The chosen number of levels.
    criterion : {"bic", "gvf"}
        By which it was chosen.
    ks : (m,) int64 array
        1 to the most levels that were looked at; the arrays below belong to these.
    inertia : (m,) float64 array
        The least sum of squared distances to the levels, in squared units of the data; infinite
        beyond the range of floats.
    gvf : (m,) float64 array
        Goodness of variance fit: 1 - inertia / inertia of one level.
    bic : (m,) float64 array
        Bayesian information criterion, larger is better; NaN where every group is a single value,
        or where a variance is beyond the range of floats.
    """

    k: int
    criterion: str
    ks: NDArray[np.int64]
    inertia: NDArray[np.float64]
    gvf: NDArray[np.float64]
    bic: NDArray[np.float64]

    def __index__(self) -> int:
        return self.k

    def plot(self, ax: Any = None) -> Any:
        """Draw the goodness of fit against the number of levels, by matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure of pyplot.

        Returns
        -------
        Axes
            `ax` if it was given.
        """
        from .plots import draw_choice

        return draw_choice(self, ax)

    def __repr__(self) -> str:
        return f"KChoice(k={self.k}, criterion={self.criterion!r}, ks=1..{len(self.ks)})"


def choose_k(
    histogram: Histogram | ArrayLike,
    k_max: SupportsIndex = 32,
    *,
    criterion: str = "bic",
    weights: str = "distinct",
    threads: int | None = None,
    progress: Progress | None = None,
) -> KChoice:
    """Fit 1 to `k_max` levels and choose a number of them.

    Parameters
    ----------
    histogram : Histogram or array_like
        The data, or an image to find the distinct values of.
    k_max : int
        The most levels to look at; no more than there are distinct values are.
    criterion : {"bic", "gvf"}
        "bic": the largest Bayesian information criterion. "gvf": the elbow of the goodness of
        variance fit, where it is farthest above the straight line from its first value to its
        last.
    weights : {"distinct", "counts"}
        As for `fit`.
    threads : int, optional
        By default `get_num_threads`.
    progress : callable, optional
        Called as ``progress(done, total)`` after each number of levels.

    Returns
    -------
    KChoice
        The chosen number of levels, and how well each number fits.

    Raises
    ------
    ValueError, TypeError
        As `fit` does.

    Notes
    -----
    Up to 65,536 distinct values the groups are the best ones. More are gathered in as many cells
    and the groups are the best ones of these.

    The BIC is that of a mixture of K normal distributions, each with the mean, variance and share
    of its group, where each value counts for its own group only [1]_: with N values, N_g of them
    in group g of variance s_g**2,

        2 sum_g N_g (log(N_g / N) - log(2 pi s_g**2) / 2 - 1 / 2) - (3 K - 1) log N.

    A group of one distinct value takes a sixth of the distance to its nearest neighbour for s_g.

    References
    ----------
    .. [1] Wang, Song: Ckmeans.1d.dp: Optimal k-means clustering in one dimension by dynamic
       programming. The R Journal 3/2, 2011, and its package up to version 3.4.12.

    Examples
    --------
    >>> image = [0, 1, 2, 50, 51, 52, 99, 100, 101]
    >>> ls.choose_k(image, 5).k
    3
    """
    k_max = check_integer("k_max", k_max, 1)
    check_choice("criterion", criterion, _CRITERIA)
    check_weights(weights)
    check_progress(progress)
    if threads is not None:
        check_threads(threads)

    values, counts = values_to_fit(histogram, weights, True, threads)
    cells = cell_edges(values, max(CELLS, k_max)) if len(values) > CELLS else None
    ks = np.arange(1, min(k_max, len(values)) + 1)
    inertia, bic = np.empty(len(ks)), np.empty(len(ks))
    with solver_team(threads, len(values)) as n_threads:
        problem = Problem(values, counts, n_threads, cells)
        for i, groups in enumerate(_groups(problem, ks, n_threads)):
            costs = _costs(groups)
            inertia[i] = costs.sum()
            bic[i] = _bic(groups, costs)
            if progress is not None:
                progress(i + 1, len(ks))
    with np.errstate(invalid="ignore"):  # beyond the range of floats
        gvf = 1 - inertia / inertia[0] if inertia[0] > 0 else np.ones(len(ks))
    chosen = _elbow(gvf) if criterion == "gvf" or np.isnan(bic).all() else int(np.nanargmax(bic))
    return KChoice(int(ks[chosen]), criterion, ks, inertia, gvf, bic)


def _groups(problem: Problem, ks: NDArray[np.int64], threads: int) -> Iterator[Problem]:
    """The best groups as points of a problem, for each of some numbers of groups."""
    grid = None if problem.edges is None else Grid(problem, threads)
    for k in ks.tolist():
        cuts = grid.cuts(k)[0] if grid else optimal_cuts(problem, k, threads=threads)
        yield problem.at(np.concatenate([[0], cuts, [len(problem.values)]]))


@np.errstate(over="ignore")
def _costs(groups: Problem) -> NDArray[np.float64]:
    """The cost of each group, in squared units of the values; inf beyond the range of floats."""
    costs, errors = groups.costs(np.arange(len(groups.points) + 1))
    doubtful = np.flatnonzero(~(errors <= 1e-9 * costs))
    costs = np.ldexp(costs, -groups.cost_exponent)
    for g in doubtful.tolist():
        # Far from the median, or light beside it: by sums about a median of its own.
        first, last = groups.positions(np.array([g, g + 1])).tolist()
        weights = None if groups.weights is None else groups.weights[first:last]
        group = Problem(groups.values[first:last], weights)
        cost, _ = group.cost(np.array([0, last - first]))
        costs[g] = np.ldexp(cost, -group.cost_exponent)
    return costs


@np.errstate(all="ignore")
def _bic(groups: Problem, costs: NDArray[np.float64]) -> float:
    """See `choose_k`; NaN where every group is a single value, or variances leave the floats."""
    k = len(costs)
    scale = 2 * groups.exponent - groups.cost_exponent
    number = np.ldexp(np.diff(groups.sums[4]), scale)
    single = groups.deviation == groups.last
    if single.all():
        return math.nan
    gaps = np.concatenate([[np.inf], groups.deviation[1:] - groups.last[:-1], [np.inf]])
    nearest = np.ldexp(np.minimum(gaps[:-1], gaps[1:]), -groups.exponent)
    variance = np.where(single, (nearest / 6) ** 2, costs / number)
    total = number.sum()
    fits = number * (np.log(number / total) - np.log(2 * np.pi * variance) / 2 - 0.5)
    bic = float(2 * fits.sum() - (3 * k - 1) * np.log(total))
    return bic if math.isfinite(bic) else math.nan


def _elbow(gvf: NDArray[np.float64]) -> int:
    """Where a rising curve is farthest above the line from its first point to its last."""
    line = np.linspace(gvf[0], gvf[-1], len(gvf))
    return int(np.argmax(gvf - line))
