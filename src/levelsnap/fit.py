"""fit: K levels from the distinct values of an image."""

import math
import numbers
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cells import cell_edges
from .codebook import MAX_K, Codebook
from .containers import adaptor, is_lazy
from .histogram import Histogram, Values, check_integer, check_weights, distinct, histogram, lowest
from .kmeans1d import Grid, group_means, lloyd_cuts, optimal_means
from .nearest import blocks, examine
from .points import Problem
from .prices import Progress
from .summary import Summary
from .threads import check_threads, solver_team

# Of the grid that stands for more than `max_distinct` values.
CELLS = 1 << 20

_METHODS = ("optimal", "lloyd", "opencv")


def fit(
    image_or_histogram: ArrayLike | Histogram,
    k: SupportsIndex,
    *,
    method: str = "optimal",
    weights: str = "distinct",
    where: ArrayLike = True,
    threads: int | None = None,
    seed: int | None = None,
    approximate: bool = False,
    max_distinct: int = 2**24,
    progress: Progress | None = None,
    attempts: int = 20,
    max_iter: int = 100,
    eps: float = 0.05,
) -> Codebook:
    """Choose K levels for an image: 1-D k-means of its distinct values.

    Parameters
    ----------
    image_or_histogram : array_like or Histogram
        Any accepted dtype, shape, strides and byte order. NaN and masked elements are skipped. Of
        an xarray Dataset, all variables together. A dask array is computed block by block.
    k : int
        Number of levels, from 1 to the number of distinct values.
    method : {"optimal", "lloyd", "opencv"}
        "optimal": the global optimum in exact real arithmetic. "lloyd": a local optimum, which
        can be far from the best. "opencv": ``cv2.kmeans`` on the distinct values as float32.
    weights : {"distinct", "counts"}
        "distinct": each distinct value counts once, however often it occurs. "counts": as often
        as it occurs, or by its weight; values that never occur are left out. The optimum is then
        multi-Otsu thresholding, or Fisher-Jenks natural breaks.
    where : array_like of bool, optional
        Broadcastable to the image; False elements are skipped.
    threads : int, optional
        By default `get_num_threads`.
    seed : int, optional
        Of the random starts of "lloyd" and "opencv"; for the latter below 2**31.
    approximate : bool
        Whether "optimal" may work on a grid of 2**20 cells if there are more than `max_distinct`
        values. `Codebook.gap` is then a bound of the relative excess over the optimum. A dask
        array is then read once for every `max_distinct` distinct values.
    max_distinct : int
        The most distinct values for which "optimal" is computed exactly; of a dask array, the
        most that any method takes.
    progress : callable, optional
        Called now and then as ``progress(done, total)``; not by "opencv".
    attempts, max_iter : int
        Starts of "lloyd" and "opencv", and iterations per start.
    eps : float
        Of "lloyd" and "opencv": a start is over when no center moves by more, in the image's
        units.

    Returns
    -------
    Codebook
        With ``gap`` 0.0 for "optimal", the bound for a grid, and infinity for the local methods.
        Centers are the correctly rounded means of their groups ("opencv": its float32 centers).

    Raises
    ------
    ValueError
        `k` below 1 or above the number of distinct values, infinite elements, nothing left to
        fit, more than `max_distinct` values without `approximate`, two means that round to one
        float64, ``where`` beside a histogram, or an option outside its range. With "opencv" also
        NaN, ``weights="counts"`` and values beyond float32.
    TypeError
        Options of the wrong type, or an image of another dtype.
    ImportError
        "opencv" without OpenCV.

    Warns
    -----
    RuntimeWarning
        If "opencv" returns equal centers, which are merged.

    Notes
    -----
    Among equally good groupings, "optimal" takes the one whose cuts between groups are lowest.
    It searches for the price of a group at which k groups are best [1]_ [2]_, and proves its
    answer: `Codebook.gap` is 0.0. For n distinct values that takes O(n log n) time, whatever k
    is, and 100 to 200 n bytes; from 65,536 values and about 256 k**2 on, values are gathered in
    cells first, which takes hardly more than to read them and at most about 40 n bytes. With many
    ties it takes longer, as these are settled exactly.

    Ctrl-C ends a fit within about a second; with "opencv" only when ``cv2.kmeans`` returns.

    An 8-bit image that uses all 256 values has the distinct values 0 to 255, so
    ``weights="distinct"`` spaces its levels evenly, whatever the picture; ``weights="counts"``
    follows the picture.

    References
    ----------
    .. [1] Aggarwal, Schieber, Tokuyama: Finding a minimum-weight k-link path in graphs with the
       concave Monge property and applications. Discrete & Computational Geometry 12, 1994.
    .. [2] Gronlund, Larsen, Mathiasen, Nielsen, Schneider, Song: Fast exact k-means, k-medians
       and Bregman divergence clustering in 1D. arXiv:1701.07204, 2017.

    Examples
    --------
    >>> image = np.array([[0, 0, 0, 0], [0, 1, 8, 9]])
    >>> ls.fit(image, 2).centers
    array([0.5, 8.5])
    >>> ls.fit(image, 2, weights="counts").centers
    array([0.16666667, 8.5       ])
    """
    k = check_integer("k", k, 1)
    check_choice("method", method, _METHODS)
    check_weights(weights)
    max_distinct = check_integer("max_distinct", max_distinct, 1)
    attempts = check_integer("attempts", attempts, 1)
    max_iter = check_integer("max_iter", max_iter, 1)
    if not isinstance(eps, numbers.Real):
        raise TypeError(f"eps must be a number, given {eps!r}")
    try:
        eps = float(eps)
    except OverflowError:
        eps = math.inf
    if not 0 <= eps < math.inf:
        raise ValueError(f"eps must be finite and not negative, given {eps!r}")
    if seed is not None:
        seed = check_integer("seed", seed, 0)
    check_bool("approximate", approximate)
    check_progress(progress)
    if threads is not None:
        check_threads(threads)
    if isinstance(image_or_histogram, Histogram) and where is not True:
        raise ValueError("where applies to an image; a histogram has no elements to skip")
    if method == "opencv":
        if weights == "counts":
            raise ValueError('method "opencv" takes weights="distinct" only')
        _check_no_nan(image_or_histogram, where)

    lazy = is_lazy(image_or_histogram)
    if lazy and approximate and method == "optimal":
        batches = _batches(image_or_histogram, weights, where, threads, max_distinct + 1)
        values, counts = next(batches)
        if len(values) > max_distinct:
            summary = Summary.of(chain([(values, counts)], batches))
            with solver_team(threads, len(summary.points)) as n_threads:
                return Codebook._trusted(*summary.fit(k, threads=n_threads, progress=progress))
    else:
        values, counts = values_to_fit(
            image_or_histogram, weights, where, threads, max_distinct if lazy else None
        )
    if method == "opencv":
        return _fit_opencv(values, k, seed, attempts, max_iter, eps)
    _check_k(k, len(values), "distinct values")
    _check_k(k, MAX_K, "levels that a codebook may have")
    if method == "optimal" and len(values) > max_distinct and not approximate:
        raise ValueError(
            f"{len(values)} distinct values are more than max_distinct = {max_distinct}; "
            "approximate=True fits on a grid, a larger max_distinct takes time and memory"
        )
    cells = None
    if method == "optimal" and len(values) > max(max_distinct, CELLS):
        cells = cell_edges(values, max(CELLS, k))
    with solver_team(threads, len(values)) as n_threads:
        if cells is None and method == "optimal":
            centers = optimal_means(values, counts, k, threads=n_threads, progress=progress)
            return Codebook._trusted(centers, 0.0)
        problem = Problem(values, counts, n_threads, cells)
        if method == "lloyd":
            gap = math.inf
            cuts = lloyd_cuts(
                problem, k,
                attempts=attempts, max_iter=max_iter, eps=eps, seed=seed, progress=progress,
            )  # fmt: skip
        else:
            cuts, gap = Grid(problem, n_threads).cuts(k, progress=progress)
        return Codebook._trusted(group_means(problem, cuts), gap)


def unique_quantize(
    arr: ArrayLike, K: SupportsIndex, eps: float = 0.05, max_iter: int = 100, max_tries: int = 20
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Quantize an array to K levels by ``cv2.kmeans`` on its distinct values.

    Parameters
    ----------
    arr : array_like
        Any shape and accepted dtype, without NaN.
    K : int
        Number of levels, at most the number of distinct values as float32.
    eps : float
        A try is over when no center moves by more, in units of `arr`.
    max_iter : int
        Iterations per try.
    max_tries : int
        Tries, each from random centers; the best counts.

    Returns
    -------
    centers : (K,) float64 array
        Ascending; fewer if ``cv2.kmeans`` returns equal ones, with a RuntimeWarning.
    labels : int64 array of arr's shape
        The index of the nearest center, exactly; the lower one at a tie.
    image : float64 array of arr's shape
        The nearest center of each element.

    Raises
    ------
    ValueError, TypeError, ImportError
        As for `fit` with ``method="opencv"``.

    See Also
    --------
    fit : The same with every option, and the global optimum by default.
    """
    max_tries = check_integer("max_tries", max_tries, 1)
    codebook = fit(arr, K, method="opencv", attempts=max_tries, max_iter=max_iter, eps=eps)
    labels, image = codebook.labels_and_snap(arr, dtype=(np.int64, np.float64))
    return codebook.centers.copy(), labels, image


def values_to_fit(
    data: ArrayLike | Histogram,
    weights: str,
    where: ArrayLike,
    threads: int | None,
    max_distinct: int | None = None,
) -> Values:
    """The finite values to fit, at least one, and their weights; None: each counts once."""
    counts: NDArray[Any] | None
    if isinstance(data, Histogram):
        values, counts = data.values, data.counts
    elif weights == "counts":
        counted = histogram(data, where=where, threads=threads, max_distinct=max_distinct)
        values, counts = counted.values, counted.counts
    else:
        values = distinct(data, where=where, threads=threads, max_distinct=max_distinct)
        counts = None
    if weights == "counts" and counts is not None and not counts.all():
        values, counts = values[counts > 0], counts[counts > 0]
    _check_values(values, counts, data, where)
    return values, counts if weights == "counts" else None


def _batches(
    image: ArrayLike, weights: str, where: ArrayLike, threads: int | None, size: int
) -> Iterator[Values]:
    """The values to fit and their weights, ascending, so many at a time; each reads the image."""
    above = None
    while True:
        values, counts = lowest(
            image, where, threads=threads,
            counted=weights == "counts", above=above, most=size,
        )  # fmt: skip
        if above is None or len(values):
            _check_values(values, counts, image, where)
        yield values, counts
        if len(values) < size:
            return
        above = values[-1]


def _check_values(
    values: NDArray[Any], counts: NDArray[Any] | None, data: ArrayLike | Histogram, where: ArrayLike
) -> None:
    """Refuse infinite values, and that there are none."""
    # They ascend.
    if len(values) and not (math.isfinite(values[0]) and math.isfinite(values[-1])):
        infinite = np.isinf(values)
        if counts is not None and counts.dtype.kind == "u" and counts[infinite].any():
            number = int(counts[infinite].sum())
        elif isinstance(data, Histogram):
            number = int(np.count_nonzero(infinite))
        else:
            number = count_elements(np.isinf, data, where)
        raise ValueError(
            f"{number} infinite element{'s' if number > 1 else ''} in the data; "
            "a level is a mean of finite values"
        )
    if len(values) == 0:
        if isinstance(data, Histogram) and len(data.values):
            raise ValueError("nothing to fit: every weight of the histogram is zero")
        raise ValueError("nothing to fit: there are no values that are not NaN or skipped")


def _fit_opencv(
    values: NDArray[Any], k: int, seed: int | None, attempts: int, max_iter: int, eps: float
) -> Codebook:
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            "method \"opencv\" needs OpenCV: pip install 'levelsnap[opencv]'"
        ) from error
    with np.errstate(over="ignore"):
        data = np.unique(values.astype(np.float32))
    beyond = np.count_nonzero(np.isinf(data))
    if beyond:
        raise ValueError('values are beyond the range of float32, which method "opencv" uses')
    _check_k(k, len(data), "distinct values as float32")
    for name, number in [("seed", seed), ("attempts", attempts), ("max_iter", max_iter)]:
        if number is not None and number >= 2**31:
            raise ValueError(f'{name} must be below 2**31 for method "opencv", given {number}')
    if seed is not None:
        cv2.setRNGSeed(seed)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, max_iter, eps)
    _, _, found = cv2.kmeans(
        data.reshape(-1, 1), k, None, criteria, attempts, cv2.KMEANS_RANDOM_CENTERS
    )
    centers = np.unique(found.astype(np.float64))
    if len(centers) < k:
        warnings.warn(
            f"cv2.kmeans returned {len(centers)} different centers for k = {k}; equal ones are "
            "merged",
            RuntimeWarning,
            stacklevel=3,
        )
    return Codebook._fitted(centers, math.inf)


def _check_no_nan(data: ArrayLike | Histogram, where: ArrayLike) -> None:
    number = 0 if isinstance(data, Histogram) else count_elements(np.isnan, data, where)
    if number:
        raise ValueError(
            f'{number} NaN in the image, which method "opencv" does not take; skip '
            f'{"it" if number == 1 else "them"} by where= or take method "optimal"'
        )


def count_elements(
    test: Callable[[NDArray[Any]], NDArray[np.bool_]], image: ArrayLike, where: ArrayLike
) -> int:
    """How many of the elements asked for pass a test of floats, without a copy of the image."""
    if (foreign := adaptor(image)) is not None:
        return foreign.reduce(partial(count_elements, test), sum, image, where)
    array, asked, mask, _ = examine(image, where)
    if array.dtype.kind != "f":
        return 0
    return sum(int(np.count_nonzero(test(x) & here)) for x, here in blocks(array, asked, mask))


def _check_k(k: int, n: int, what: str) -> None:
    if k > n:
        raise ValueError(f"k = {k} is more than the {n} {what}")


def check_choice(name: str, value: object, accepted: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in accepted:
        quoted = ", ".join(f'"{choice}"' for choice in accepted)
        raise ValueError(f"{name} must be one of {quoted}, given {value!r}")


def check_progress(progress: object) -> None:
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable or None, given {progress!r}")


def check_bool(name: str, value: object) -> None:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, given {value!r}")
