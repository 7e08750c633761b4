"""Codebook: K levels, and the contract's arithmetic, done once per dtype."""

import itertools
import json
import math
import numbers
import operator
import os
import reprlib
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import interchange
from . import nearest as _nearest
from ._nearest import Table
from .arrays import as_array, refuse_masked
from .containers import adaptor
from .dtypes import cast, check_dtype, integer_range, native, split
from .histogram import Histogram, as_histogram, check_weights
from .tables import choose_method, make_table

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = "levelsnap-codebook"
_FORMAT_VERSION = 1
_MAX_FILE_SIZE = 2**28  # bytes: some ten million centers
MAX_K = 2**24  # about 2 GB with their tables


class Codebook:
    """K levels to which elements are snapped.

    Parameters
    ----------
    centers : array_like, shape (K,), or Codebook
        1 to 2**24 finite, distinct real numbers in any order; rounded to float64 and sorted.

    Raises
    ------
    ValueError
        No centers or more than 2**24, more than one dimension, NaN or infinite centers, or two
        that are equal as float64.
    TypeError
        Centers that are not real numbers.

    Notes
    -----
    A codebook does not change, and may be used from many threads at once. Two are equal if their
    centers are.

    The label of a finite x is the index of the center at the smallest distance to x in exact real
    arithmetic, the lower one at a tie; +inf gets K - 1 and -inf gets 0.

    Examples
    --------
    >>> codebook = ls.Codebook([10, 0, 20])
    >>> codebook.centers
    array([ 0., 10., 20.])
    >>> codebook.thresholds("uint8")
    array([ 5, 15], dtype=uint8)
    """

    # Threads that need the same entry at once may each make it; `setdefault` lets one of them win.
    # A lock instead could be held by another thread when a process forks, for ever in the child.
    __slots__ = (
        "__weakref__", "_centers", "_gap", "_label_dtype", "_plain_tables", "_tables", "_thresholds"
    )  # fmt: skip

    _centers: NDArray[np.float64]
    _gap: float | None
    _label_dtype: np.dtype  # the smallest that holds every label
    _tables: dict[tuple[Any, ...], Table]
    _plain_tables: dict[tuple[Any, ...], Table]
    _thresholds: dict[np.dtype, NDArray[Any]]

    def __init__(self, centers: "ArrayLike | Codebook") -> None:
        checked = centers.centers if isinstance(centers, Codebook) else _check_centers(centers)
        self._set(checked, None)

    def _set(self, centers: NDArray[np.float64], gap: float | None) -> None:
        self._centers, self._gap = centers, gap
        self._label_dtype = np.min_scalar_type(len(self._centers) - 1)
        self._tables = {}
        self._plain_tables = {}
        self._thresholds = {}

    @classmethod
    def _fitted(cls, centers: ArrayLike, gap: float | None) -> Self:
        codebook = cls(centers)
        codebook._gap = gap
        return codebook

    @classmethod
    def _trusted(cls, centers: NDArray[np.float64], gap: float | None) -> Self:
        """From centers that are known to be right."""
        codebook = cls.__new__(cls)
        codebook._set(_fixed(centers), gap)
        return codebook

    @classmethod
    def linear(cls, lo: float, hi: float, k: SupportsIndex) -> Self:
        """K evenly spaced levels from `lo` to `hi`, each correctly rounded.

        Parameters
        ----------
        lo, hi : float
            Finite; the first and the last level. One level lies in the middle.
        k : int
            Number of levels.

        Raises
        ------
        ValueError
            ``k < 1``, ``lo >= hi``, or levels so close that two are equal as float64.
        """
        _check_k(operator.index(k))
        return cls(interchange.evenly_spaced(lo, hi, k))

    @property
    def centers(self) -> NDArray[np.float64]:
        """The levels, ascending: float64, shape (K,), read-only."""
        return self._centers

    @property
    def k(self) -> int:
        """The number of levels."""
        return len(self._centers)

    @property
    def gap(self) -> float | None:
        """By how much the fit may miss the optimum.

        ``inertia <= (1 + gap) * optimum``: 0.0 after ``method="optimal"``, infinite where no
        bound is known, None for a codebook that was not fitted.
        """
        return self._gap

    def thresholds(self, dtype: DTypeLike) -> NDArray[Any]:
        """The exact thresholds between the levels in a dtype; see `levelsnap.thresholds`."""
        dtype = np.dtype(dtype)
        check_dtype(dtype, "the result")
        return self._native_thresholds(native(dtype)).astype(dtype)

    def labels(
        self,
        image: ArrayLike,
        *,
        out: NDArray[Any] | None = None,
        dtype: DTypeLike | None = None,
        where: ArrayLike = True,
        nan: int | str = "raise",
        threads: int | None = None,
    ) -> Any:
        """The index of the nearest level of each element; see `levelsnap.labels`."""
        return _nearest.labels(
            image, self, out=out, dtype=dtype, where=where, nan=nan, threads=threads
        )

    def snap(
        self,
        image: ArrayLike,
        *,
        out: NDArray[Any] | None = None,
        dtype: DTypeLike | None = None,
        where: ArrayLike = True,
        nan: str = "propagate",
        threads: int | None = None,
    ) -> Any:
        """The nearest level of each element; see `levelsnap.snap`."""
        return _nearest.snap(
            image, self, out=out, dtype=dtype, where=where, nan=nan, threads=threads
        )

    def labels_and_snap(
        self,
        image: ArrayLike,
        *,
        out: tuple[NDArray[Any] | None, NDArray[Any] | None] = (None, None),
        dtype: tuple[DTypeLike | None, DTypeLike | None] = (None, None),
        where: ArrayLike = True,
        nan: int | str = "raise",
        threads: int | None = None,
    ) -> tuple[Any, Any]:
        """The labels and the snapped values, in one read; see `levelsnap.labels_and_snap`."""
        return _nearest.labels_and_snap(
            image, self, out=out, dtype=dtype, where=where, nan=nan, threads=threads
        )

    def decode(self, labels: ArrayLike, dtype: DTypeLike = np.float64) -> Any:
        """The level of each label.

        Parameters
        ----------
        labels : array_like of int
            Labels from 0 to K - 1, any shape.
        dtype : dtype
            Of the result; integers are rounded half to even and clipped.

        Returns
        -------
        ndarray
            Of that dtype and the shape of the labels; a scalar for a 0-d one. A masked array
            gives a masked array whose masked elements are not looked up.

        Raises
        ------
        TypeError
            Labels that are not integers.
        ValueError
            A label outside 0 .. K - 1.
        """
        dtype = np.dtype(dtype)
        check_dtype(dtype, "the result")
        if (foreign := adaptor(labels)) is not None:
            return foreign.decode(labels, self, dtype)
        array, where, mask, masked = _nearest.examine(labels, True, "labels")
        if array.dtype.kind not in "iu":
            raise TypeError(f"labels have dtype {array.dtype}; accepted are integer dtypes")
        values = cast(self._centers, dtype)
        result = np.zeros_like(array, dtype=dtype, order="K", subok=False)
        for some, asked, snapped in _nearest.blocks(array, where, mask, result):
            outside = asked & ((some < 0) | (some >= self.k))
            if outside.any():
                raise ValueError(f"labels hold {some[outside][0]}; accepted are 0 to {self.k - 1}")
            snapped[...] = values[np.where(asked, some, 0).astype(np.intp)]
        return _nearest.wrap(result, labels, masked, mask)

    def inertia(self, histogram: Histogram | ArrayLike, weights: str = "distinct") -> float:
        """The sum of squared distances to the nearest level.

        Parameters
        ----------
        histogram : Histogram or array_like
            The data, or an image to make the histogram of.
        weights : {"distinct", "counts"}
            Whether each distinct value counts once, or as often as it occurs.

        Returns
        -------
        float
            In squared units of the data.
        """
        check_weights(weights)
        histogram = as_histogram(histogram)
        high, low = split(histogram.values)
        with np.errstate(over="ignore", invalid="ignore"):
            distance = (high - self._centers[self.labels(histogram.values)]) + low
            squares = distance * distance
            if weights == "counts":
                squares = np.where(histogram.counts > 0, squares * histogram.counts, 0.0)
        try:
            return math.fsum(squares)
        except OverflowError:
            return math.inf

    def lookup_table(self, dtype: DTypeLike, *, encode: str = "values") -> NDArray[Any]:
        """The result for every value of a small integer dtype.

        Parameters
        ----------
        dtype : dtype
            Integer dtype of the image, 8 or 16 bits.
        encode : {"values", "labels"}
            Snapped values in that dtype, or labels in the smallest dtype that holds them.

        Returns
        -------
        ndarray, shape (256,) or (65536,)
            ``cv2.LUT(image, table)`` or ``table[image]`` is the result. For a signed dtype the
            negative values follow the others.
        """
        return interchange.lookup_table(self, dtype, encode)

    def to_gdal_mapping(
        self, *, encode: str = "labels", special: Mapping[float, float | str] | None = None
    ) -> str:
        """The text that ``gdal raster reclassify --mapping`` takes.

        Parameters
        ----------
        encode : {"labels", "values"}
            What a pixel becomes: its label, or its level as float64.
        special : mapping, optional
            Values with results of their own, numbers or GDAL's "NO_DATA": ``{-9999: 255, math.nan:
            255}``. GDAL gives an error for a NaN that has none.

        Returns
        -------
        str
            Intervals ``(t[i-1],t[i]]=label`` of the exact thresholds in float64, in which GDAL
            compares; so a tie goes to the lower level as in `labels`. Exact for every dtype but
            64-bit integers beyond 2**53.
        """
        return interchange.gdal_mapping(self, encode, special)

    def to_cf_attrs(self, dtype: DTypeLike | None = None) -> dict[str, Any]:
        """The attributes of labels by the CF conventions, section 3.5.

        Parameters
        ----------
        dtype : dtype, optional
            Of the labels; by default the smallest.

        Returns
        -------
        dict
            ``flag_values``, the labels in that dtype, and ``flag_meanings``, the levels in words
            without blanks: ``float(word)`` is the level.
        """
        dtype = self._label_dtype if dtype is None else np.dtype(dtype)
        _nearest.check_label_dtype(dtype, self.k - 1)
        return interchange.cf_attrs(self, dtype)

    def to_norm(self, cmap: Any = "viridis") -> tuple[Any, Any]:
        """A matplotlib norm and colormap that give each value the color of its label.

        Parameters
        ----------
        cmap : str, Colormap or sequence of K colors
            K colors are taken from a colormap at equal distances.

        Returns
        -------
        norm : matplotlib.colors.BoundaryNorm
            Its inner boundaries lie just above the thresholds, because an interval of a
            BoundaryNorm is open above. The outer ones are as far from the outer levels.
        cmap : matplotlib.colors.ListedColormap
            Values outside the boundaries have the outer colors.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> image = np.arange(12.0).reshape(3, 4)
        >>> norm, cmap = ls.Codebook([1, 5, 9]).to_norm()
        >>> shown = plt.imshow(image, norm=norm, cmap=cmap)
        """
        return interchange.norm_and_colormap(self, cmap)

    def plot(
        self,
        image_or_histogram: ArrayLike | Histogram,
        ax: Any = None,
        *,
        kind: str = "histogram",
        where: ArrayLike = True,
        threads: int | None = None,
        **options: Any,
    ) -> Any:
        """Draw the levels on data, by matplotlib.

        Parameters
        ----------
        image_or_histogram : array_like or Histogram
            The data; for ``kind="image"`` an image.
        ax : matplotlib Axes, or two of them for ``kind="image"``, optional
            Where to draw; by default a new figure of pyplot.
        kind : {"histogram", "image", "elbow"}
            "histogram": how often values occur, in up to 256 bins, with lines at the levels and
            thresholds (as they are in float64). Of more than 32 levels every n-th is drawn, so
            that lines are close where levels are; thresholds are drawn for up to 16 levels.
            "image": the image before and after, in the same colors. "elbow": how well the best 1,
            2, 3 ... levels fit, as `choose_k` finds them, and how well these do.
        where : array_like of bool, optional
            Broadcastable to the image; False elements are skipped.
        threads : int, optional
            By default `get_num_threads`.
        log : bool
            For a histogram: counts on a logarithmic axis. False by default.
        cmap : str or Colormap
            For an image: its colors, "gray" by default.
        weights : {"distinct", "counts"}
            For an elbow: as for `fit`, "distinct" by default.
        k_max : int
            For an elbow: the most levels; by default 32, or K if that is at most 128.

        Returns
        -------
        Axes, or array of two Axes for ``kind="image"``
            `ax` if it was given.

        Raises
        ------
        ValueError, TypeError
            Wrong options or data, or nothing to draw; then nothing has been drawn.
        ImportError
            Without matplotlib.

        Notes
        -----
        Of a large image every n-th row and column is drawn, at most 1,024 of them. Masked, skipped
        and NaN pixels are hatched. An array with a last axis of 3 or 4 is drawn in color; of others
        with more than two axes, the middle plane.

        Infinite values are left out of histograms and elbows. Beyond 2**24 elements of 32 or 64
        bits, a histogram is counted in 65,536 cells and an elbow is that of a sample, so that
        memory stays small.

        Examples
        --------
        >>> image = np.arange(12.0).reshape(3, 4)
        >>> before, after = ls.Codebook([1, 5, 9]).plot(image, kind="image")
        >>> after.get_title()
        'after: 3 levels'
        """
        from .plots import plot

        options |= {"where": where, "threads": threads}
        return plot(self, image_or_histogram, ax, kind, options)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the codebook as a small JSON file.

        Floats are written so that `load` gives bit-identical centers. The file is written beside
        and renamed, so that it is whole or untouched.

        Parameters
        ----------
        path : str or path
            The file.
        """
        from .files import write_together

        write_together({path: self._write})

    def _write(self, path: "Path") -> None:
        path.write_text(self._to_json(), encoding="ascii", newline="\n")

    def _to_json(self) -> str:
        """The text of a codebook file."""
        gap = self._gap if self._gap is None or math.isfinite(self._gap) else "inf"
        content = {
            "format": _FORMAT,
            "version": _FORMAT_VERSION,
            "gap": gap,
            "centers": self._centers.tolist(),
        }
        text = json.dumps(content, indent=1) + "\n"
        if len(text) > _MAX_FILE_SIZE:
            raise ValueError(
                f"{self.k} centers take {len(text)} bytes; a codebook file holds at most "
                f"{_MAX_FILE_SIZE}"
            )
        return text

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a codebook that `save` wrote.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        Codebook
            Equal to the one that was saved, and with its `gap`.

        Raises
        ------
        OSError
            The file cannot be read.
        ValueError
            It is not a codebook; the message names the file and what is wrong in it.
        """
        from .files import read_regular

        try:
            return cls._from_json(read_regular(path, _MAX_FILE_SIZE))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"{os.fspath(path)} is not a codebook file: {error}") from error

    @classmethod
    def _from_json(cls, text: bytes) -> Self:
        content = json.loads(text, object_pairs_hook=_unique_keys)
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ValueError(f'it has no "format": "{_FORMAT}"')
        version = content.get("version")
        if type(version) is not int or version != _FORMAT_VERSION:
            given = reprlib.repr(version)
            raise ValueError(f"its version is {given}; accepted is {_FORMAT_VERSION}")
        centers = _json_floats(content.get("centers"))
        if any(a >= b for a, b in itertools.pairwise(centers)):
            raise ValueError("its centers are not ascending")
        gap = content.get("gap")
        if gap == "inf":
            gap = math.inf
        elif gap is not None:
            if type(gap) not in (int, float) or not gap >= 0:
                raise ValueError(f"its gap is {reprlib.repr(gap)}; accepted are numbers from 0 on")
            gap = float(gap)
        return cls._fitted(centers, gap)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Codebook):
            return NotImplemented
        return np.array_equal(self._centers, other._centers)

    def __hash__(self) -> int:
        return hash(self._centers.tobytes())

    def __repr__(self) -> str:
        centers = np.array2string(self._centers, separator=", ", threshold=10)
        return f"Codebook(k={self.k}, centers={centers})"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return type(self)._fitted, (self._centers.tolist(), self._gap)

    def _native_thresholds(self, dtype: np.dtype) -> NDArray[Any]:
        """The thresholds in a native dtype, made once."""
        thresholds = self._thresholds.get(dtype)
        if thresholds is None:
            floors = _midpoint_floors(self._centers)
            if dtype.kind == "f":
                thresholds = _round_down(floors, dtype)
            else:
                thresholds = _integer_thresholds(self._centers, floors, dtype)
            thresholds = self._thresholds.setdefault(dtype, thresholds)
        return thresholds

    def _table(
        self, dtype: np.dtype, label_dtype: np.dtype, value_dtype: np.dtype | None, size: int
    ) -> Table:
        """The kernel's table for native dtypes and images of about `size` elements, made once."""
        method = choose_method(dtype, len(self._centers), size)
        key = method, dtype, label_dtype.itemsize, value_dtype
        table = self._tables.get(key)
        if table is None:
            table = make_table(self, method, dtype, label_dtype, value_dtype)
            table = self._tables.setdefault(key, table)
        return table


def as_codebook(centers: Codebook | ArrayLike) -> Codebook:
    return centers if isinstance(centers, Codebook) else Codebook(centers)


def thresholds(centers: Codebook | ArrayLike, dtype: DTypeLike) -> NDArray[Any]:
    """The exact thresholds between levels for one dtype.

    ``t[i]`` is the largest value of `dtype` that is <= ``(c[i] + c[i+1]) / 2`` in exact
    arithmetic, so that for a finite x of that dtype ::

        label i  iff  t[i-1] < x <= t[i]

    Parameters
    ----------
    centers : Codebook or array_like, shape (K,)
        The levels.
    dtype : dtype
        Bool (0 and 1), an integer dtype of 8 to 64 bits, float16, float32 or float64.

    Returns
    -------
    ndarray, shape (m,)
        Of that dtype, ascending. m is K - 1 less the midpoints below an integer dtype's minimum,
        which have no threshold: ``label = (K - 1 - m) + number of i with t[i] < x``.

    Examples
    --------
    >>> ls.thresholds([0, 1, 4], "int32")
    array([0, 2], dtype=int32)
    """
    return as_codebook(centers).thresholds(dtype)


def _check_centers(centers: ArrayLike) -> NDArray[np.float64]:
    """Centers as a read-only, ascending float64 array."""
    _check_k(_length(centers))  # before anything of their size is allocated
    given = as_array(centers)
    _check_k(given.size)
    refuse_masked(centers, "centers")
    if given.dtype.kind == "O" and all(isinstance(c, numbers.Real) for c in given.flat):
        try:  # Fraction, int beyond 64 bits
            given = given.astype(np.float64)
        except OverflowError:
            raise ValueError("centers must be finite; one is beyond float64") from None
    if given.dtype.kind not in "biuf":
        raise TypeError(
            f"centers must be real numbers, given {type(centers).__name__} of dtype {given.dtype}"
        )
    if given.ndim != 1:
        raise ValueError(f"centers must have one dimension, given shape {given.shape}")
    if given.size == 0:
        raise ValueError("centers are empty; at least one is needed")
    with np.errstate(over="ignore"):
        checked = np.sort(given.astype(np.float64) + 0.0)  # -0.0 becomes 0.0
    infinite = checked[~np.isfinite(checked)]
    if len(infinite):
        raise ValueError(
            f"centers must be finite: {len(infinite)} of {given.size} are not, as {infinite[0]}"
        )
    equal = np.flatnonzero(checked[1:] == checked[:-1])
    if len(equal):
        raise ValueError(
            f"centers must be distinct as float64: {float(checked[equal[0]])!r} occurs twice"
        )
    return _fixed(checked)


def _fixed(centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """A copy that nobody can make writeable."""
    return np.frombuffer(centers.tobytes())


def _check_k(k: int) -> None:
    if k > MAX_K:
        raise ValueError(f"there can be at most {MAX_K} centers, given {k}")


def _length(given: Any) -> int:
    """As len(); 0 for what has none, and at most `sys.maxsize`."""
    try:
        return len(given)
    except TypeError:
        return 0
    except OverflowError:
        return sys.maxsize


def _midpoint_floors(centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest float64 <= (c[i] + c[i+1]) / 2 in exact arithmetic.

    The sum is split without error into s + e (Dekker 1971, Fast2Sum; the larger magnitude first).
    Halving s is exact above the subnormals, and there e is 0; so the midpoint lies below s / 2
    just if e < 0, or if halving rounded up. It then lies above the float before s / 2, as |e| is
    at most half a unit in the last place of s.
    """
    low, high = centers[:-1], centers[1:]
    with np.errstate(all="ignore"):
        scale = np.where(np.isinf(low + high), 0.5, 1.0)  # exact: far from the subnormals
        low, high = low * scale, high * scale
        swap = np.abs(low) > np.abs(high)
        large, small = np.where(swap, low, high), np.where(swap, high, low)
        s = large + small
        e = small - (s - large)
        half = s * (0.5 / scale)
        rounding = half * (2 * scale) - s
        below = (rounding > 0) | ((rounding == 0) & (e < 0))
        return np.where(below, np.nextafter(half, -np.inf), half)


def _round_down(values: NDArray[np.float64], dtype: np.dtype) -> NDArray[Any]:
    """The largest values of a native float dtype that are <= the given ones."""
    with np.errstate(all="ignore"):
        nearest = values.astype(dtype)
        below = np.nextafter(nearest, nearest.dtype.type(-np.inf))
    down = np.where(nearest.astype(np.float64) > values, below, nearest)
    return down + nearest.dtype.type(0)  # no -0.0: see ls_float16_key


def _integer_thresholds(
    centers: NDArray[np.float64], floors: NDArray[np.float64], dtype: np.dtype
) -> NDArray[Any]:
    """Floors of the midpoints, clipped from above; those below the dtype's minimum left out."""
    low, high = integer_range(dtype)
    inside = np.floor(floors)
    kept = inside >= low
    below_high = inside < float(high)
    result = np.full(len(floors), high, dtype)
    usual = kept & below_high & (np.abs(inside) < 2.0**52)
    result[usual] = inside[usual].astype(dtype)
    # Beyond 2**52 a midpoint may be an integer that float64 cannot hold. The center of the larger
    # magnitude is an integer there, so the other's fraction cannot change the floor.
    for i in np.flatnonzero(np.abs(inside) >= 2.0**52):
        midpoint = (math.floor(centers[i]) + math.floor(centers[i + 1])) >> 1
        kept[i] = midpoint >= low
        result[i] = min(max(midpoint, low), high)
    return result[kept]


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError(f"it has a key twice, among {[key for key, _ in pairs][:8]}")
    return content


def _json_floats(numbers_: Any) -> list[float]:
    if not isinstance(numbers_, list) or not all(type(x) in (int, float) for x in numbers_):
        raise ValueError("its centers are not numbers")
    return [float(x) for x in numbers_]
