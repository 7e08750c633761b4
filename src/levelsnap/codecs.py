"""Codecs of array stores: labels in the store, levels on read.

`Levels` is a numcodecs codec, for zarr's format 2 and others that use these; `ZarrLevels` is one of
zarr's format 3. Writing an array snaps it.
"""

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .codebook import Codebook, as_codebook
from .dtypes import check_dtype, native

if TYPE_CHECKING:
    from ._zarr import ZarrLevels as ZarrLevels

try:
    from numcodecs.abc import Codec
    from numcodecs.compat import ensure_ndarray_like
    from numcodecs.registry import register_codec
except ImportError as error:
    raise ImportError("levelsnap.codecs needs numcodecs: pip install 'levelsnap[zarr]'") from error


def __getattr__(name: str) -> Any:
    if name == "ZarrLevels":  # zarr is large, and numcodecs works without it
        from ._zarr import ZarrLevels

        return ZarrLevels
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class StoredLabels:
    """What the store holds for an array of one dtype: labels, and codes of two other values.

    The labels 0 to K - 1 stand for the levels in the array's dtype. A fill value that is not
    snapped to itself has the label K: it marks elements that were never written. With
    ``nan="keep"`` NaN has the label that comes next, unless it is the fill value.
    """

    def __init__(
        self, codebook: Codebook, dtype: DTypeLike, fill_value: Any = None, nan: str = "raise"
    ) -> None:
        self.dtype = np.dtype(dtype)
        check_dtype(self.dtype, "the array")
        self.codebook = codebook
        values = codebook.decode(np.arange(codebook.k), native(self.dtype))
        extra: list[Any] = []
        self.fill_code = 0  # of the fill value
        self.nan_label: int | None = None
        self.fill_label: int | None = None  # if it is neither NaN nor snapped to itself
        if fill_value is not None:
            try:
                self.fill = self.dtype.type(fill_value)
            except (OverflowError, TypeError, ValueError) as error:
                raise ValueError(
                    f"fill_value must be a number that {self.dtype} holds, given {fill_value!r}"
                ) from error
            if np.isnan(self.fill):
                self.nan_label = self.fill_code = codebook.k
            else:
                self.fill_code = int(codebook.labels(self.fill))
                if values[self.fill_code] != self.fill:
                    self.fill_label = self.fill_code = codebook.k
            if self.fill_code == codebook.k:
                extra.append(self.fill)
        if nan == "keep" and self.dtype.kind == "f" and self.nan_label is None:
            self.nan_label = codebook.k + len(extra)
            extra.append(np.nan)
        self.values = np.append(values, np.array(extra, values.dtype))
        self.label_dtype = np.min_scalar_type(len(self.values) - 1)

    def encode(self, image: NDArray[Any]) -> NDArray[Any]:
        """The labels of an array."""
        nan = "raise" if self.nan_label is None else self.nan_label
        if self.fill_label is None:
            return self.codebook.labels(image, dtype=self.label_dtype, nan=nan)
        unwritten = image == self.fill
        labels = self.codebook.labels(image, dtype=self.label_dtype, nan=nan, where=~unwritten)
        labels[unwritten] = self.fill_label
        return labels

    def decode(self, labels: NDArray[Any]) -> NDArray[Any]:
        """What the labels stand for."""
        try:
            return self.values.take(labels).astype(self.dtype, copy=False)
        except IndexError:
            raise ValueError(
                f"the store holds the label {labels.max()}; {len(self.values)} are known"
            ) from None


class Levels(Codec):
    """Codec of numcodecs that stores labels.

    Parameters
    ----------
    centers : Codebook or array_like, shape (K,)
        The levels.
    dtype : dtype
        Of the array. Levels are rounded to it as by `levelsnap.snap`.
    fill_value : scalar, optional
        Of the array. It is kept, even if it is no level.
    nan : {"raise", "keep"}
        NaN is refused, or kept. It is always kept if it is the fill value.

    Examples
    --------
    >>> import zarr
    >>> from levelsnap.codecs import Levels
    >>> codec = Levels([0, 10, 20], "f4", fill_value=0)
    >>> array = zarr.create_array(
    ...     {}, shape=4, dtype="f4", zarr_format=2, fill_value=0, filters=[codec]
    ... )
    >>> array[:3] = [1, 9, 99]
    >>> array[:]
    array([ 0., 10., 20.,  0.], dtype=float32)
    """

    codec_id: ClassVar[str] = "levelsnap"

    def __init__(
        self,
        centers: Codebook | ArrayLike,
        dtype: DTypeLike,
        fill_value: float | str | None = None,
        nan: str = "raise",
    ) -> None:
        self.codebook = as_codebook(centers)
        self.fill_value = float(fill_value) if isinstance(fill_value, str) else fill_value
        self.nan = check_nan(nan)
        self.stored = StoredLabels(self.codebook, dtype, self.fill_value, nan)

    def encode(self, buf: Any) -> NDArray[Any]:
        """The labels of an array, or of a buffer of the array's dtype."""
        image = ensure_ndarray_like(buf)
        if image.dtype != self.stored.dtype:
            image = image.view(self.stored.dtype)
        return self.stored.encode(image)

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The levels of labels; into the buffer `out` if it is given."""
        labels = ensure_ndarray_like(buf)
        if labels.dtype != self.stored.label_dtype:
            labels = labels.view(self.stored.label_dtype)
        image = self.stored.decode(labels)
        if out is None:
            return image
        ensure_ndarray_like(out).view(self.stored.dtype).reshape(image.shape)[...] = image
        return out

    def get_config(self) -> dict[str, Any]:
        fill_value = None if self.fill_value is None else self.stored.fill.item()
        if isinstance(fill_value, float) and not math.isfinite(fill_value):
            fill_value = repr(fill_value)  # which JSON cannot hold as a number
        return {
            "id": self.codec_id,
            "centers": self.codebook.centers.tolist(),
            "dtype": self.stored.dtype.str,
            "fill_value": fill_value,
            "nan": self.nan,
        }

    def __repr__(self) -> str:
        options = list(self.get_config().items())[1:]  # without the id
        return f"Levels({', '.join(f'{name}={value!r}' for name, value in options)})"


def check_nan(nan: object) -> Any:
    if not isinstance(nan, str) or nan not in ("raise", "keep"):
        raise ValueError(f'nan must be "raise" or "keep", given {nan!r}')
    return nan


register_codec(Levels)
