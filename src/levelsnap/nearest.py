"""labels, snap, labels_and_snap: check, allocate, call the kernel."""

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import codebook as _codebook
from ._nearest import Table, nearest_plain
from ._nearest import nearest as run_kernel
from .arrays import as_array
from .containers import adaptor
from .dtypes import cast, check_dtype, integer_range, is_swapped, native
from .tables import label_cost
from .threads import THREAD_FROM, team

# Elements that NumPy's iterator takes at a time on the slow side roads.
NDITER_BLOCK = 1 << 16

# Results of at least this many bytes do not stay in most caches, and are written past them.
STREAM_FROM = 1 << 24

# Images so small that one thread takes them whole.
PLAIN_BELOW = 2 * THREAD_FROM

# Which elements are asked for, or which are skipped.
Flags = NDArray[np.bool_] | None

# Effort spent on finding out whether two overlapping arrays share an element.
_OVERLAP_WORK = 1 << 16


def labels(
    image: ArrayLike,
    centers: "_codebook.Codebook | ArrayLike",
    *,
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    where: ArrayLike = True,
    nan: int | str = "raise",
    threads: int | None = None,
) -> Any:
    """The index of the nearest level of each element.

    Distances are compared in exact real arithmetic; a tie goes to the lower level. +inf gets
    K - 1, -inf gets 0.

    Parameters
    ----------
    image : array_like
        Of bool, integers of 8 to 64 bits, float16, float32 or float64; any shape, strides and byte
        order. Never copied as a whole. An xarray DataArray or Dataset gives the same kind, a dask
        array one that is computed when that is asked for.
    centers : Codebook or array_like, shape (K,)
        The levels.
    out : ndarray, optional
        Of the image's shape and an integer dtype that holds K - 1. It may overlap the image.
    dtype : dtype, optional
        Integer dtype of the result. By default the smallest unsigned one that holds K - 1.
    where : array_like of bool, optional
        Broadcastable to the image. Elements where it is False are not looked at: they stay as
        they are in `out`, and are 0 in a new result.
    nan : "raise" or int
        What to do with NaN: refuse it, or the label it gets.
    threads : int, optional
        By default `get_num_threads`, and one for small images and for each block of a dask array.

    Returns
    -------
    ndarray
        `out` if given, else a new array of the image's shape and memory order; a NumPy scalar for
        a 0-d image. A masked array gives a masked array with its mask; masked elements are
        skipped like those that `where` skips.

    Raises
    ------
    ValueError
        NaN in the image (how many and where the first is), a label dtype that cannot hold K - 1
        or the NaN label, `out` or `where` that do not fit, bad centers, ``threads < 1``. `out` may
        be partly written then.
    TypeError
        A dtype that is not accepted.

    Notes
    -----
    With `out`, a call takes less than 2 MB of memory a thread, whatever the layout, dtype, mask or
    `where`, beside the tables of a new codebook (up to about 100 bytes a level, kept with it) and
    the mask of a masked `out` that had none. A copy is made of what `out` overlaps partly only.

    Examples
    --------
    >>> ls.labels([1, 5, 6, np.inf], [0, 10, 20])
    array([0, 0, 1, 2], dtype=uint8)
    >>> ls.labels([1.0, np.nan], [0, 10], nan=255)
    array([  0, 255], dtype=uint8)
    """
    codebook = _codebook.as_codebook(centers)
    if dtype is None and where is True and type(nan) is str and nan == "raise":
        result = _plain(codebook, image, out, False, threads)
        if result is not None:
            return result
    if (foreign := adaptor(image)) is not None:
        return foreign.nearest(
            "labels", image, codebook,
            out=out, dtype=dtype, where=where, nan=nan, threads=threads,
        )  # fmt: skip
    nan_label = _check_nan_label(nan)
    call = _Call(codebook, image, where)
    call.take_labels(out, dtype)
    call.run(nan_label, "nan=<label>", threads)
    return call.labels_result()


def snap(
    image: ArrayLike,
    centers: "_codebook.Codebook | ArrayLike",
    *,
    out: NDArray[Any] | None = None,
    dtype: DTypeLike | None = None,
    where: ArrayLike = True,
    nan: str = "propagate",
    threads: int | None = None,
) -> Any:
    """The nearest level of each element, in the image's dtype.

    ``centers[label]`` with the label of `labels`, cast to the result's dtype: for integers (bool
    counts as 0 and 1) rounded half to even and clipped to the range, for floats +-inf beyond it.

    Parameters
    ----------
    image : array_like
        As for `labels`.
    centers : Codebook or array_like, shape (K,)
        The levels.
    out : ndarray, optional
        Of the image's shape; may be the image itself.
    dtype : dtype, optional
        Of the result: bool, an integer or a float dtype. By default the image's.
    where : array_like of bool, optional
        As for `labels`. Skipped elements of a new result keep the image's value, cast like the
        levels; in an integer result a skipped NaN is 0.
    nan : {"propagate", "raise"}
        NaN stays NaN, or is refused. In an integer result it is always refused.
    threads : int, optional
        As for `labels`.

    Returns
    -------
    ndarray
        As for `labels`.

    Raises
    ------
    ValueError, TypeError
        As for `labels`. If `out` is the image, it is unchanged then.

    Notes
    -----
    Snapping twice equals snapping once for integer dtypes and for levels that the dtype holds
    exactly. A level that is rounded to float32 may lie nearer to its neighbour.

    Memory is that of `labels`.

    Examples
    --------
    >>> ls.snap([1, 5, 6, 99], [0, 10.5, 20])
    array([ 0,  0, 10, 20])
    """
    codebook = _codebook.as_codebook(centers)
    if dtype is None and where is True and type(nan) is str and nan == "propagate":
        result = _plain(codebook, image, out, True, threads)
        if result is not None:
            return result
    if (foreign := adaptor(image)) is not None:
        return foreign.nearest(
            "snap", image, codebook,
            out=out, dtype=dtype, where=where, nan=nan, threads=threads,
        )  # fmt: skip
    if not isinstance(nan, str) or nan not in ("propagate", "raise"):
        raise ValueError(f'nan must be "propagate" or "raise", given {nan!r}')
    call = _Call(codebook, image, where)
    call.take_values(out, dtype)
    call.run(None if nan == "raise" else 0, 'nan="propagate"', threads)
    return call.values_result()


def labels_and_snap(
    image: ArrayLike,
    centers: "_codebook.Codebook | ArrayLike",
    *,
    out: tuple[NDArray[Any] | None, NDArray[Any] | None] = (None, None),
    dtype: tuple[DTypeLike | None, DTypeLike | None] = (None, None),
    where: ArrayLike = True,
    nan: int | str = "raise",
    threads: int | None = None,
) -> tuple[Any, Any]:
    """The labels and the snapped values, in one read of the image.

    Parameters
    ----------
    image : array_like
        As for `labels`.
    centers : Codebook or array_like, shape (K,)
        The levels.
    out, dtype : pair
        Those of `labels` and of `snap`. The two `out` must not overlap each other.
    where : array_like of bool, optional
        As for `labels` and `snap`.
    nan : "raise" or int
        As for `labels`. The snapped value of a NaN that has a label stays NaN.
    threads : int, optional
        As for `labels`.

    Returns
    -------
    labels : ndarray
        What `labels` gives.
    snapped : ndarray
        What `snap` gives.

    Raises
    ------
    ValueError, TypeError
        As for `labels` and `snap`.

    Notes
    -----
    Memory is that of `labels`.
    """
    codebook = _codebook.as_codebook(centers)
    label_out, value_out = out = _pair(out, "out")
    label_dtype, value_dtype = dtype = _pair(dtype, "dtype")
    if (foreign := adaptor(image)) is not None:
        return foreign.nearest(
            "labels_and_snap", image, codebook,
            out=out, dtype=dtype, where=where, nan=nan, threads=threads,
        )  # fmt: skip
    nan_label = _check_nan_label(nan)
    call = _Call(codebook, image, where)
    call.take_labels(label_out, label_dtype)
    call.take_values(value_out, value_dtype)
    call.run(nan_label, "nan=<label>", threads)
    return call.labels_result(), call.values_result()


def _plain(
    codebook: "_codebook.Codebook", image: Any, out: Any, snapped: bool, threads: Any
) -> NDArray | None:
    """The result of a call that needs no more than its kernel, else None.

    The checks of `_Call` take longer than the kernel for a few thousand elements. A call that
    passed them leaves its table under its dtypes, so that here only what may differ is checked.
    """
    if type(image) is not np.ndarray or not image.ndim:
        return None
    if threads is not None and not (type(threads) is int and threads > 0):
        return None
    if out is None:
        dtype = image.dtype if snapped else codebook._label_dtype
    elif type(out) is np.ndarray:
        dtype = out.dtype
    else:
        return None
    table = codebook._plain_tables.get((snapped, image.dtype, dtype, image.size.bit_length()))
    if table is None:
        return None
    result = np.empty(image.shape, dtype) if out is None else out
    nans = nearest_plain(table, image, result, snapped)
    return result if nans == 0 or (nans > 0 and snapped) else None


class _Call:
    """One call on its way: what is asked, what was checked, what was allocated."""

    def __init__(self, codebook: "_codebook.Codebook", image: Any, where: Any) -> None:
        self.codebook = codebook
        self.given = image
        self.image, self.where, self.mask, self.masked = examine(image, where)
        self.labels: NDArray | None = None
        self.values: NDArray | None = None
        self.label_out: NDArray | None = None
        self.value_out: NDArray | None = None
        self.convert_skipped = False

    @property
    def _skips(self) -> bool:
        return self.where is not None or self.mask is not None

    def take_labels(self, out: Any, dtype: Any) -> None:
        highest = len(self.codebook._centers) - 1
        if out is not None:
            self.label_out = out
            self.labels = _check_out(out, self.image, dtype)
            check_label_dtype(self.labels.dtype, highest)
            return
        chosen = self.codebook._label_dtype if dtype is None else np.dtype(dtype)
        check_label_dtype(chosen, highest)
        make = np.zeros_like if self._skips else np.empty_like
        self.labels = make(self.image, dtype=chosen, order="K", subok=False)

    def take_values(self, out: Any, dtype: Any) -> None:
        if out is not None:
            self.value_out = out
            self.values = _check_out(out, self.image, dtype)
            check_dtype(self.values.dtype, "out")
            return
        chosen = self.image.dtype if dtype is None else np.dtype(dtype)
        check_dtype(chosen, "the result")
        self.values = np.empty_like(self.image, dtype=chosen, order="K", subok=False)
        self.convert_skipped = self._skips

    def run(self, nan_label: int | None, remedy: str, threads: int | None) -> None:
        """Call the kernel; `nan_label` None: NaN is refused."""
        labels, values = self.labels, self.values
        k = len(self.codebook._centers)
        team_of_call = team(threads, self.image.size, label_cost(self.image.dtype, k))
        if labels is not None and nan_label is not None:
            nan_label = _nan_label_bits(nan_label, labels.dtype)
        into_integers = values is not None and values.dtype.kind != "f"
        refuse_nan = self.image.dtype.kind == "f" and (nan_label is None or into_integers)
        in_place = self._separate()
        image = self.image
        table = self.codebook._table(
            native(image.dtype),
            self.codebook._label_dtype if labels is None else native(labels.dtype),
            None if values is None else native(values.dtype),
            image.size,
        )

        def kernel(labels: NDArray | None, values: NDArray | None, keep: bool) -> int:
            n_bytes = sum(a.nbytes for a in (labels, values) if a is not None)
            with team_of_call as n_threads:
                return run_kernel(
                    table,
                    image,
                    is_swapped(image.dtype),
                    self.where,
                    labels,
                    labels is not None and is_swapped(labels.dtype),
                    values,
                    values is not None and is_swapped(values.dtype),
                    nan_label or 0,
                    keep,
                    n_bytes >= STREAM_FROM and not in_place,
                    n_threads,
                    self.mask,
                )

        if refuse_nan and in_place and kernel(None, None, False):
            self._raise_nan(nan_label is None, remedy)
        keep = self.convert_skipped and native(values.dtype) == native(image.dtype)
        if self.convert_skipped and not keep:
            _cast_skipped(image, self.where, self.mask, values)
        if kernel(labels, values, keep) and refuse_nan:
            self._raise_nan(nan_label is None, remedy)
        self._remember(table)

    def _remember(self, table: Table) -> None:
        """Leave the table for `_plain`, if its short way serves such a call."""
        image, snapped = self.image, self.labels is None
        result = self.values if snapped else self.labels
        if (
            image.size < PLAIN_BELOW
            and not self._skips
            and (self.labels is None or self.values is None)
            and image.dtype.isnative
            and result.dtype.isnative
            and (not snapped or result.dtype == image.dtype)
        ):
            key = snapped, image.dtype, result.dtype, image.size.bit_length()
            self.codebook._plain_tables[key] = table

    def labels_result(self) -> Any:
        return self._result(self.labels, self.label_out)

    def values_result(self) -> Any:
        return self._result(self.values, self.value_out)

    def _result(self, array: Any, out: Any) -> Any:
        if out is None:
            return wrap(array, self.given, self.masked, self.mask)
        if self.masked and isinstance(out, np.ma.MaskedArray):
            out.mask = np.ma.nomask if self.mask is None else self.mask
        return out

    def _separate(self) -> bool:
        """Copy what an out overlaps harmfully; tells whether one lies exactly on what is read.

        A kernel reads what is skipped, and each element, before it writes there: flags and values
        that lie exactly under their results are harmless, and NaN stays NaN. Labels are so only
        where nothing is read after them: the values, or a NaN that is still to get its label. A
        mask is still to be given to the results.
        """
        given_outs = (self.labels, self.label_out), (self.values, self.value_out)
        outs = [array for array, out in given_outs if out is not None]
        if len(outs) == 2 and _share_memory(*outs):
            raise ValueError("the two arrays given as out overlap each other")
        given, in_place = self.image, False
        for out in outs:
            for name in ("where", "mask"):
                flags = getattr(self, name)
                if flags is not None and _share_memory(out, flags):
                    if _same_elements(out, flags) and name == "where":
                        in_place = True
                    else:
                        setattr(self, name, flags.copy())
            over_image = _same_elements(out, given)
            in_place |= over_image
            harmless = out is self.values or (self.values is None and given.dtype.kind != "f")
            if not (over_image and harmless) and self.image is given and _share_memory(out, given):
                self.image = given.copy(order="K")
        return in_place

    def _raise_nan(self, by_option: bool, remedy: str) -> None:
        count, first = _find_nan(self.image, self.where, self.mask)
        if by_option:
            reason = f"pass {remedy} to accept NaN"
        else:
            reason = f"{self.values.dtype.name} cannot hold NaN; pass a float dtype= or out="
        raise ValueError(
            f"image holds {count} NaN, the first at index {first}: {reason}, "
            "or where=~np.isnan(image) to skip it"
        )


def examine(image: Any, where: Any, what: str = "image") -> tuple[NDArray, Flags, Flags, bool]:
    """The image as an array of an accepted dtype, where, its mask, and if it is a masked array.

    ``where`` and the mask become boolean arrays of the image's shape, or None if they skip nothing.
    """
    if image is np.ma.masked:  # its attributes cannot be set, nor copied to a result
        image = np.ma.MaskedArray(0.0, mask=True)
    masked = isinstance(image, np.ma.MaskedArray)
    array = as_array(image)
    check_dtype(array.dtype, what)
    asked = None if where is True else _check_where(where, array.shape)
    return array, asked, _mask_of(image, array.shape), masked


def _mask_of(image: Any, shape: tuple[int, ...]) -> Flags:
    given = np.ma.getmask(image)
    if given is np.ma.nomask:
        return None
    mask = as_array(given)
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(
            f"the mask has dtype {mask.dtype} and shape {mask.shape}; the image needs a boolean "
            f"one of shape {shape}"
        )
    return mask


def blocks(
    image: NDArray, where: Flags, mask: Flags, *results: NDArray, order: Any = "K"
) -> Iterator[tuple[NDArray, ...]]:
    """Short runs of an image, each with which of its elements are asked for, and of results."""
    skipping = [np.True_ if where is None else where, np.False_ if mask is None else mask]
    runs = np.nditer(
        [image, *skipping, *results],
        ["external_loop", "buffered", "zerosize_ok"],
        [["readonly"]] * 3 + [["readwrite"]] * len(results),
        order=order,
        buffersize=NDITER_BLOCK,
    )
    with runs:
        for x, asked, masked, *others in runs:
            yield x, asked & ~masked, *others


def wrap(result: NDArray, given: Any, masked: bool, mask: Flags) -> Any:
    """A fresh result in the clothes of the array it was made of."""
    if not masked:
        return result[()] if result.ndim == 0 else result
    if given is np.ma.masked:
        return given
    wrapped = np.ma.MaskedArray(result, np.ma.nomask if mask is None else mask.copy())
    if _holds(result.dtype, given.fill_value):
        wrapped.fill_value = given.fill_value
    return wrapped


def _holds(dtype: np.dtype, value: Any) -> bool:
    """Whether a dtype can hold a scalar without loss."""
    given = np.asarray(value)
    if given.dtype.kind not in "biuf" or given.ndim:
        return False
    converted = cast(given, dtype)
    return bool(converted == value) or bool(converted != converted and value != value)


def _check_where(where: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    asked = as_array(where)
    if asked.dtype != bool:
        raise TypeError(f"where must be boolean, given dtype {asked.dtype}")
    try:
        return np.broadcast_to(asked, shape)
    except ValueError:
        raise ValueError(
            f"where of shape {asked.shape} does not broadcast to the image's shape {shape}"
        ) from None


def _check_out(out: Any, image: NDArray, dtype: Any) -> NDArray:
    """`out` as a plain array over its memory."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, given {type(out).__name__}")
    array = as_array(out)
    if array.shape != image.shape:
        raise ValueError(f"out has shape {array.shape}; the image has {image.shape}")
    if not array.flags.writeable:
        raise ValueError("out is read-only")
    if dtype is not None and np.dtype(dtype) != array.dtype:
        raise ValueError(f"dtype={np.dtype(dtype)} contradicts out, which has {array.dtype}")
    if _overlaps_itself(array):
        raise ValueError(f"out overlaps itself: strides {array.strides}, shape {array.shape}")
    return array


def check_label_dtype(dtype: np.dtype, highest: int) -> None:
    if dtype.kind not in "iu":
        raise TypeError(f"labels need an integer dtype, given {dtype.name}")
    if integer_range(dtype)[1] < highest:
        raise ValueError(
            f"{dtype.name} cannot hold the label {highest}; pass a wider dtype= or out="
        )


def _check_nan_label(nan: Any) -> int | None:
    """The label for NaN, or None to refuse NaN."""
    if isinstance(nan, str) and nan == "raise":
        return None
    try:
        if isinstance(nan, (bool, np.bool_)):
            raise TypeError
        return operator.index(nan)
    except TypeError:
        raise ValueError(f'nan must be "raise" or an integer label, given {nan!r}') from None


def _nan_label_bits(label: int, dtype: np.dtype) -> int:
    low, high = integer_range(dtype)
    if not low <= label <= high:
        raise ValueError(
            f"the label nan={label} does not fit {dtype.name} ({low} to {high}); "
            f"pass a {'signed' if low == 0 and label < 0 else 'wider'} dtype= or out="
        )
    return label & ((1 << 8 * dtype.itemsize) - 1)


def _pair(given: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise TypeError(f"{what} must be a pair (for labels, for snapped), given {given!r}")
    return given[0], given[1]


def _same_elements(a: NDArray, b: NDArray) -> bool:
    """Whether two arrays of one shape lie element on element."""
    return (
        a.itemsize == b.itemsize
        and a.strides == b.strides
        and a.__array_interface__["data"][0] == b.__array_interface__["data"][0]
    )


def _share_memory(a: NDArray, b: NDArray) -> bool:
    """Whether two arrays share an element; True if that is too hard to find out."""
    if not np.may_share_memory(a, b):
        return False
    try:
        return np.shares_memory(a, b, max_work=_OVERLAP_WORK)
    except np.exceptions.TooHardError:
        return True


def _overlaps_itself(array: NDArray) -> bool:
    """Whether two elements of an array may share memory.

    They do not if, from the smallest stride on, each steps over all that lies inside it. That
    holds for every slice and transposition of an ordinary array.
    """
    extent = array.itemsize
    if array.size:
        axes = zip(map(abs, array.strides), array.shape, strict=True)
        for stride, length in sorted(axes):
            if length > 1:
                if stride < extent:
                    return True
                extent += stride * (length - 1)
    return False


def _cast_skipped(image: NDArray, where: Flags, mask: Flags, values: NDArray) -> None:
    """Give the skipped elements of a new result the image's values, in another dtype."""
    for x, asked, v in blocks(image, where, mask, values):
        v[~asked] = cast(x[~asked], native(values.dtype))


def _find_nan(image: NDArray, where: Flags, mask: Flags) -> tuple[int, tuple[int, ...]]:
    """How many NaN there are, and the index of the first in C order."""
    count, first, start = 0, 0, 0
    for x, asked in blocks(image, where, mask, order="C"):
        nans = np.flatnonzero(np.isnan(x) & asked)
        if len(nans) and not count:
            first = start + nans[0]
        count += len(nans)
        start += len(x)
    return count, tuple(int(i) for i in np.unravel_index(first, image.shape))
