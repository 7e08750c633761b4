"""Histogram: distinct values and how often each occurs."""

import operator
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, Self, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import as_array, refuse_masked
from .containers import adaptor, is_lazy
from .dtypes import check_dtype, native
from .nearest import examine
from .threads import check_threads, team
from .values import find_values, fold_zero, value_cost

# Values that are merged at a time, between two looks for Ctrl-C.
MERGED = 1 << 22

# The most distinct values that are gathered of an array that is computed block by block.
MAX_DISTINCT = 1 << 24

# Ascending values, and their counts where these are asked for.
Values = tuple[NDArray[Any], NDArray[Any] | None]


class Histogram:
    """Sorted distinct values and their counts or weights; does not change.

    Parameters
    ----------
    values : array_like, shape (n,)
        Strictly ascending, without NaN; +-inf may be there. An accepted image dtype, kept in
        native byte order.
    counts : array_like, shape (n,)
        Integers >= 0 (kept as uint64) or finite floats >= 0 (kept as float64 weights).

    Raises
    ------
    ValueError, TypeError
        Values or counts that are not so.
    """

    __slots__ = ("__weakref__", "_counts", "_values")

    _values: NDArray[Any]
    _counts: NDArray[Any]

    def __init__(self, values: ArrayLike, counts: ArrayLike) -> None:
        self._set(_check_values(values), _check_counts(counts))
        if len(self._values) != len(self._counts):
            raise ValueError(f"{len(self._values)} values, but {len(self._counts)} counts")

    @classmethod
    def _trusted(cls, values: NDArray[Any], counts: NDArray[Any]) -> Self:
        """From fresh arrays that are known to be right."""
        histogram = cls.__new__(cls)
        histogram._set(values, counts)
        return histogram

    def _set(self, values: NDArray[Any], counts: NDArray[Any]) -> None:
        values.setflags(write=False)
        counts.setflags(write=False)
        # Views, because what owns its memory can be made writeable again.
        self._values, self._counts = values.view(), counts.view()

    @property
    def values(self) -> NDArray[Any]:
        """The distinct values, ascending, shape (n,), read-only."""
        return self._values

    @property
    def counts(self) -> NDArray[Any]:
        """How often each value occurs (uint64) or its weight (float64), shape (n,), read-only."""
        return self._counts

    def merge(*histograms: "Histogram") -> "Histogram":  # noqa: N805, RUF100
        """One histogram of all that several have counted.

        ``Histogram.merge(a, b, c)`` and ``a.merge(b, c)`` are the same. The result does not
        depend on how the data was divided.

        Parameters
        ----------
        *histograms : Histogram
            At least one. Of one dtype, or of dtypes whose common NumPy dtype holds every value
            exactly.

        Returns
        -------
        Histogram
            Counts are uint64, or float64 if any of the histograms has weights.

        Raises
        ------
        ValueError
            No histograms, values that no common dtype holds, or counts beyond 64 bits.
        """
        for histogram in histograms:
            if not isinstance(histogram, Histogram):
                raise TypeError(f"merge takes histograms, given {type(histogram).__name__}")
        if not histograms:
            raise ValueError("merge takes at least one histogram, given none")
        parts: list[Values] = [(h.values, h.counts) for h in histograms]
        values, counts = merge_lowest(parts, most=sys.maxsize)
        assert counts is not None
        return Histogram._trusted(values, counts)

    def update(self, image: ArrayLike, *, where: ArrayLike = True) -> "Histogram":
        """A new histogram that counts `image` too; this one stays as it is.

        So any number of threads may call it at once. But ``shared = shared.update(image)`` reads
        and writes a name of the caller's, which needs the caller's lock; or let each thread keep
        a histogram of its own, and `merge` them.

        Parameters
        ----------
        image : array_like
            As for `levelsnap.histogram`.
        where : array_like of bool, optional
            Broadcastable to the image; False elements are skipped.

        Returns
        -------
        Histogram
            As of `merge`.
        """
        return Histogram.merge(self, histogram_of(image, where=where))

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return (
            self._values.dtype == other._values.dtype
            and self._counts.dtype == other._counts.dtype
            and np.array_equal(self._values, other._values)
            and np.array_equal(self._counts, other._counts)
        )

    def __hash__(self) -> int:
        return hash((self._values.dtype, self._values.tobytes(), self._counts.tobytes()))

    def __repr__(self) -> str:
        values = np.array2string(self._values, separator=", ", threshold=10)
        return f"Histogram({len(self)} values of {self._values.dtype}: {values})"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Histogram, (self._values, self._counts)


def histogram(
    image: ArrayLike,
    *,
    where: ArrayLike = True,
    threads: int | None = None,
    max_distinct: SupportsIndex | None = None,
) -> Histogram:
    """The distinct values of an image and how often each occurs.

    Parameters
    ----------
    image : array_like
        Any accepted dtype, shape, strides and byte order. Masked elements are skipped. Of an
        xarray Dataset, all variables together. A dask array is computed block by block.
    where : array_like of bool, optional
        Broadcastable to the image; False elements are skipped.
    threads : int, optional
        By default `get_num_threads`, and one for small images and for each block of a dask array.
    max_distinct : int, optional
        More distinct values are a ValueError. By default 2**24 for a dask array, of which no
        worker then holds more than a few times as many at once; no limit for others.

    Returns
    -------
    Histogram
        Values ascending, in the image's dtype and native byte order; counts uint64. NaN is
        skipped, -0.0 counts as 0.0, +-inf is kept.

    Notes
    -----
    Extra memory beside the result: 0.3 MB a thread for 8- and 16-bit images; for 32-bit ones at
    most 600 MB, and at most three times the image; for 64-bit ones at most 1.5 times the image,
    and 2 MB a thread. Up to 65,536 elements take up to 4 MB.

    A sample of the image chooses the way: few values are found by a hash set for each thread (20 MB
    at most), 32-bit ones that lie close together, without counts, by a bitmap of all patterns, or
    one for each thread. Else elements are dealt out to buckets, to be counted in hash tables, up to
    two million values, or sorted.

    Examples
    --------
    >>> found = ls.histogram([3, 1, 3, 3])
    >>> found.values, found.counts
    (array([1, 3]), array([1, 3], dtype=uint64))
    """
    values, counts = _find(image, where, threads, True, max_distinct)
    assert counts is not None
    return Histogram._trusted(values, counts)


# `Histogram.update` would find its own name in the class otherwise.
histogram_of = histogram


def distinct(
    image: ArrayLike,
    *,
    where: ArrayLike = True,
    threads: int | None = None,
    max_distinct: SupportsIndex | None = None,
) -> NDArray:
    """The distinct values of an image, ascending: `histogram` without the counts.

    Parameters
    ----------
    image : array_like
        Any accepted dtype, shape, strides and byte order. Masked elements are skipped. Of an
        xarray Dataset, all variables together. A dask array is computed block by block.
    where : array_like of bool, optional
        Broadcastable to the image; False elements are skipped.
    threads, max_distinct : int, optional
        As for `histogram`.

    Returns
    -------
    ndarray
        Of the image's dtype in native byte order. NaN is skipped, -0.0 counts as 0.0, +-inf is
        kept.

    Notes
    -----
    Extra memory is that of `histogram`. An 8- or 16-bit image is read until all values of its dtype
    have been seen.
    """
    return _find(image, where, threads, False, max_distinct)[0]


def _find(
    image: ArrayLike,
    where: ArrayLike,
    threads: int | None,
    counted: bool,
    max_distinct: SupportsIndex | None,
) -> Values:
    if max_distinct is not None:
        limit = check_integer("max_distinct", max_distinct, 1)
    else:
        limit = MAX_DISTINCT if is_lazy(image) else sys.maxsize - 1
    values, counts = lowest(
        image, where, threads=threads, counted=counted, above=None, most=limit + 1
    )
    if len(values) > limit:
        raise ValueError(
            f"more than max_distinct = {limit} distinct values; a larger max_distinct takes "
            "memory, fit(..., approximate=True) a summary of them"
        )
    return values, counts


def lowest(
    image: Any, where: Any, *, threads: int | None, counted: bool, above: Any, most: int
) -> Values:
    """At most so many of the lowest distinct values above one, and their counts if asked for.

    Those of a whole are found among those of its parts, however it was divided; see
    `merge_lowest`.
    """
    if (foreign := adaptor(image)) is not None:
        if threads is not None:
            check_threads(threads)
        elif foreign.is_lazy(image):
            threads = 1  # for a block; they are computed side by side
        of_part = partial(lowest, threads=threads, counted=counted, above=above, most=most)
        return foreign.reduce(of_part, partial(merge_lowest, most=most), image, where)
    array, asked, mask, _ = examine(image, where)
    with team(threads, array.size, value_cost(array.dtype, counted)) as n_threads:
        values, counts = find_values(array, asked, n_threads, counted, mask=mask)
    first = 0
    if above is not None:
        values = _exactly(values, np.result_type(values, above))
        first = int(np.searchsorted(values, above, side="right"))
    return _cut(values, counts, slice(first, first + most))


def merge_lowest(parts: list[Values], *, most: int) -> Values:
    """`lowest` of a whole from those of its parts; counts if all have them."""
    if len(parts) == 1:
        return parts[0]
    dtype = np.result_type(*(values.dtype for values, _ in parts))
    values = [_exactly(v, dtype) for v, _ in parts]
    counts = [c for _, c in parts if c is not None]
    if len(counts) < len(parts):
        counts = []
    merged, found = [], 0
    for pieces in _pieces(values, MERGED):
        merged.append(
            _merge(
                [v[piece] for v, piece in zip(values, pieces, strict=True)],
                [c[piece] for c, piece in zip(counts, pieces, strict=False)],
            )
        )
        found += len(merged[-1][0])
        if found >= most:  # the rest would take memory
            break
    merged_values, merged_counts = zip(*merged, strict=True)
    return _cut(
        np.concatenate(merged_values),
        np.concatenate(merged_counts) if counts else None,
        slice(most),
    )


def _cut(values: NDArray, counts: NDArray | None, kept: slice) -> Values:
    """A slice of values and counts, without the memory of the rest."""
    if len(values[kept]) == len(values):
        return values, counts
    return values[kept].copy(), None if counts is None else counts[kept].copy()


def as_histogram(data: Histogram | ArrayLike) -> Histogram:
    return data if isinstance(data, Histogram) else histogram(data)


def check_weights(weights: object) -> None:
    if not isinstance(weights, str) or weights not in ("distinct", "counts"):
        raise ValueError(f'weights must be "distinct" or "counts", given {weights!r}')


def check_integer(name: str, value: object, least: int) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer, given {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, given {number}")
    return number


def _check_values(values: ArrayLike) -> NDArray:
    array = as_array(values)
    refuse_masked(values, "values")
    check_dtype(array.dtype, "values")
    if array.ndim != 1:
        raise ValueError(f"values must have one dimension, given shape {array.shape}")
    array = array.astype(native(array.dtype))
    if array.dtype.kind == "f":
        if np.isnan(array).any():
            raise ValueError("values hold NaN")
        array = fold_zero(array)
    wrong = np.flatnonzero(~(array[1:] > array[:-1]))
    if len(wrong):
        i = wrong[0]
        raise ValueError(
            f"values must be strictly ascending, given {array[i]} before {array[i + 1]}"
        )
    return array


def _check_counts(counts: ArrayLike) -> NDArray:
    array = as_array(counts)
    refuse_masked(counts, "counts")
    if array.size == 0:
        array = array.astype(np.uint64)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"counts must be integers of up to 64 bits or floats, given dtype {array.dtype}"
        )
    if array.ndim != 1:
        raise ValueError(f"counts must have one dimension, given shape {array.shape}")
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # longdouble
            array = array.astype(np.float64)
    wrong = array[~((array >= 0) & np.isfinite(array))]
    if len(wrong):
        raise ValueError(f"counts must be finite and not negative, given {wrong[0]}")
    return array.astype(np.float64 if array.dtype.kind == "f" else np.uint64)


def _pieces(values: list[NDArray], size: int) -> Iterator[tuple[slice, ...]]:
    """Slices of ascending arrays that hold one range of values, about `size` at most in all."""
    step = max(size // len(values), 1)
    pivots = np.sort(np.concatenate([v[step::step] for v in values]))
    cuts = [[0, *np.searchsorted(v, pivots).tolist(), len(v)] for v in values]
    for ends in pairwise(zip(*cuts, strict=True)):
        yield tuple(map(slice, *ends))


def _merge(values: list[NDArray], counts: list[NDArray]) -> Values:
    """Ascending arrays as one, and the sums of their counts if there are any."""
    together = np.concatenate(values)
    if counts:
        order = np.argsort(together, kind="stable")
        together = together[order]
    else:
        together.sort(kind="stable")  # which is quick for sorted runs
    starts = np.flatnonzero(np.append(True, together[1:] != together[:-1])[: len(together)])
    return together[starts], _sums(np.concatenate(counts)[order], starts) if counts else None


def _exactly(values: NDArray, dtype: np.dtype) -> NDArray:
    """Values in another dtype that holds each of them, else ValueError."""
    converted = values.astype(dtype, copy=False)
    if dtype.kind == "f" and values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        large = np.abs(converted) >= 2.0**53
        for value in values[large]:
            if int(float(value)) != int(value):
                raise ValueError(
                    f"{dtype}, the common dtype of the histograms, cannot hold {value}"
                )
    return converted


def _sums(counts: NDArray, starts: NDArray[np.intp]) -> NDArray:
    """Sums of the runs of `counts` that begin at `starts`."""
    if len(starts) == 0:
        return counts
    if counts.dtype.kind == "u" and counts.sum(dtype=np.float64) >= 2.0**63:
        exact = np.add.reduceat(counts.astype(object), starts)
        if max(exact) >= 1 << 64:
            raise ValueError("the counts of one value add up to more than 64 bits hold")
    with np.errstate(over="ignore"):
        sums = np.add.reduceat(counts, starts)
    if not np.isfinite(sums).all():
        raise ValueError("the weights of one value add up to more than float64 holds")
    return sums
