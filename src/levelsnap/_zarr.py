"""`levelsnap.codecs.ZarrLevels`, in a module of its own because it imports zarr."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any, Self

from zarr.abc.codec import ArrayArrayCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import NDBuffer
from zarr.dtype import UInt8, UInt16, UInt32
from zarr.registry import register_codec

from .codebook import Codebook, as_codebook
from .codecs import StoredLabels, check_nan

_UNSIGNED = {1: UInt8, 2: UInt16, 4: UInt32}  # by bytes


@dataclass(frozen=True, init=False)
class ZarrLevels(ArrayArrayCodec):
    """Codec of zarr format 3 that stores labels.

    Parameters
    ----------
    centers : Codebook or array_like, shape (K,)
        The levels; rounded to the array's dtype on reading, as by `levelsnap.snap`.
    nan : {"raise", "keep"}
        NaN is refused, or kept. It is always kept if it is the array's fill value, and so is any
        other fill value, even if it is no level.

    Examples
    --------
    >>> import zarr
    >>> from levelsnap.codecs import ZarrLevels
    >>> image = np.array([1.0, 9.0, 99.0])
    >>> zarr.create_array({}, data=image, filters=[ZarrLevels([0, 10, 20])])[:]
    array([ 0., 10., 20.])
    """

    is_fixed_size = True
    name = "levelsnap.levels"

    codebook: Codebook
    nan: str

    def __init__(self, centers: Any, nan: str = "raise") -> None:
        object.__setattr__(self, "codebook", as_codebook(centers))
        object.__setattr__(self, "nan", check_nan(nan))

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        return cls(**data["configuration"])

    def to_dict(self) -> Any:
        configuration = {"centers": self.codebook.centers.tolist(), "nan": self.nan}
        return {"name": self.name, "configuration": configuration}

    def validate(self, *, shape: Any, dtype: Any, chunk_grid: Any) -> None:
        StoredLabels(self.codebook, dtype.to_native_dtype())

    def resolve_metadata(self, chunk_spec: ArraySpec) -> ArraySpec:
        stored = self._stored(chunk_spec)
        return replace(
            chunk_spec,
            dtype=_UNSIGNED[stored.label_dtype.itemsize](),
            fill_value=stored.label_dtype.type(stored.fill_code),
        )

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        stored = self._stored(chunk_spec)
        return input_byte_length // stored.dtype.itemsize * stored.label_dtype.itemsize

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._encode_sync, chunk_data, chunk_spec)

    async def _decode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        labels = self._stored(chunk_spec).encode(chunk_data.as_numpy_array())
        return chunk_spec.prototype.nd_buffer.from_numpy_array(labels)

    def _decode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> NDBuffer:
        image = self._stored(chunk_spec).decode(chunk_data.as_numpy_array())
        return chunk_spec.prototype.nd_buffer.from_numpy_array(image)

    def _stored(self, chunk_spec: ArraySpec) -> StoredLabels:
        dtype = chunk_spec.dtype.to_native_dtype()
        return StoredLabels(self.codebook, dtype, chunk_spec.fill_value, self.nan)


register_codec(ZarrLevels.name, ZarrLevels)
