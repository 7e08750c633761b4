"""Zarr arrays by windows."""

import base64
import math
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from .interchange import OF_VALUES
from .windows import Image, Output, Reader, Window

NAMES = "_ARRAY_DIMENSIONS"  # of dimensions, in format 2


class ZarrReader(Reader):
    """One array of a store; its ``_FillValue``, by the conventions of xarray, is nodata.

    Format 2 has it as the fill value: where names of dimensions show that xarray wrote the array.
    """

    def __init__(self, path: Path, threads: int) -> None:
        with zarr.config.set({"threading.max_workers": threads}):
            found = zarr.open(path, mode="r")
        if not isinstance(found, zarr.Array):
            names = ", ".join(f"{path / name}" for name, _ in found.arrays()) or "none"
            raise ValueError(f"it is a group; name one of its arrays: {names}")
        self.array = found
        self.shape, self.dtype = found.shape, found.dtype
        self.block = tuple(found.shards or found.chunks)
        fill = found.attrs.get("_FillValue")
        if fill is None and _fill_is_nodata(found) and found.fill_value is not None:
            fill = found.fill_value.item()
        self.take_nodata(_fill_value(fill, found.dtype))

    def _read(self, window: Window) -> Image:
        return np.asarray(self.array[window])


class ZarrWriter:
    """A store of one array, with the chunks and attributes of its source."""

    ordered = False

    def __init__(self, path: Path, name: Path, output: Output) -> None:
        source = output.source if isinstance(output.source, ZarrReader) else None
        arguments = _copied(source.array, output) if source else _new(output)
        # After Ctrl-C zarr goes on writing; `close` waits for that, in a thread that it spares.
        self._pool = ThreadPoolExecutor(1)
        created = self._pool.submit(
            zarr.create_array, path, shape=output.shape, dtype=output.dtype, **arguments,
            attributes=_attributes(source, output),
        )  # fmt: skip
        try:
            self.array = created.result()
        except BaseException:
            self.close()
            raise
        self.block = tuple(self.array.shards or self.array.chunks)

    def write(self, window: Window, image: Image) -> None:
        self._pool.submit(self.array.__setitem__, window, np.asarray(image)).result()

    def finish(self) -> None:
        pass

    def close(self) -> None:
        self._pool.shutdown()


def _fill_is_nodata(array: Any) -> bool:
    """Whether xarray takes the fill value for nodata."""
    return array.metadata.zarr_format == 2 and NAMES in array.attrs


def _fill_value(value: Any, dtype: np.dtype) -> float | None:
    if isinstance(value, str) and dtype.kind == "f":
        if value in ("NaN", "nan"):
            return math.nan
        # As xarray writes it into stores of format 3.
        return struct.unpack("<d", base64.standard_b64decode(value))[0]
    return value if isinstance(value, int | float) else None


def _encoded(nodata: float, dtype: np.dtype) -> float | str:
    """As `_fill_value` reads it, and xarray writes it into stores of format 3."""
    if dtype.kind != "f":
        return int(nodata)
    return base64.standard_b64encode(struct.pack("<d", nodata)).decode()


def _copied(array: Any, output: Output) -> dict[str, Any]:
    kept = {
        "chunks": array.chunks,
        "shards": array.shards,
        "zarr_format": array.metadata.zarr_format,
        "compressors": _compressors(output, array.compressors, array.metadata.zarr_format),
    }
    if array.metadata.zarr_format == 3:
        kept["dimension_names"] = array.metadata.dimension_names
    if not output.labels:
        kept["fill_value"] = array.fill_value
    if _fill_is_nodata(array) and (output.labels or output.nodata is not None):
        kept["fill_value"] = output.nodata
    return kept


def _new(output: Output) -> dict[str, Any]:
    return {"compressors": _compressors(output, "auto", 3)}


def _compressors(output: Output, kept: Any, version: int) -> Any:
    if output.compression is None:
        return kept
    if output.compression == "none":
        return None
    if version == 3:
        from zarr.codecs import GzipCodec, ZstdCodec

        return (ZstdCodec if output.compression == "zstd" else GzipCodec)()
    from numcodecs import Zlib, Zstd

    return (Zstd if output.compression == "zstd" else Zlib)()


def _attributes(source: ZarrReader | None, output: Output) -> dict[str, Any]:
    kept = dict(source.array.attrs) if source else {}
    if output.labels:
        kept = {name: kept[name] for name in kept if name not in OF_VALUES}
    if output.nodata is None or (source and _fill_is_nodata(source.array)):
        return kept
    known = _fill_value(kept.get("_FillValue"), output.dtype)
    if known is not None:
        known = float(output.dtype.type(known)) if output.dtype.kind == "f" else known
    if known is None or not np.array_equal(known, output.nodata, equal_nan=True):
        kept["_FillValue"] = _encoded(output.nodata, output.dtype)
    return kept
