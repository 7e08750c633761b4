"""GeoTIFF, and what else GDAL reads, by windows, through rasterio."""

import math
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning

from .windows import COMPRESSIONS, GREY_FIRST, Image, Output, Reader, Window

# GDAL keeps decoded blocks; each pixel is asked for once, so it needs no more than a few.
CACHE = 1 << 23

_COLOURS = {
    *(ColorInterp.palette, ColorInterp.alpha),
    *(ColorInterp.red, ColorInterp.green, ColorInterp.blue),
}


class GdalReader(Reader):
    """All bands of a dataset: of shape (rows, columns), or (bands, rows, columns)."""

    def __init__(self, path: Path, threads: int) -> None:
        with ExitStack() as stack:
            stack.enter_context(_environment(threads))
            self.source = stack.enter_context(_open(path))
            self._take(self.source)
            self._stack = stack.pop_all()

    def _take(self, source: Any) -> None:
        if source.count == 0:
            parts = ", ".join(source.subdatasets) or "none"
            raise ValueError(f"it holds no image; name one of its parts: {parts}")
        if _COLOURS & set(source.colorinterp):
            raise ValueError(f"its pixels have colour or several channels; {GREY_FIRST}")
        if len(set(source.dtypes)) > 1:
            raise ValueError(f"its bands are of several dtypes: {', '.join(source.dtypes)}")
        self.dtype = np.dtype(source.dtypes[0])
        self.shape = source.shape if source.count == 1 else (source.count, *source.shape)
        bands = source.count if _pixelwise(source) else 1
        self.block = (bands, *source.block_shapes[0])[-len(self.shape) :]
        flags = {flag for band in source.mask_flag_enums for flag in band}
        self.has_mask_band = MaskFlags.per_dataset in flags
        self.mixed_nodata = not self.has_mask_band and len(_values(source.nodatavals)) > 1
        self._by_mask = self.masked = self.has_mask_band or self.mixed_nodata
        if not self._by_mask:
            self.take_nodata(source.nodatavals[0])

    def _read(self, window: Window) -> Image:
        indexes, where = _place(window)
        image = self.source.read(indexes, window=where)
        if self._by_mask:
            return np.ma.MaskedArray(image, self.source.read_masks(indexes, window=where) == 0)
        return image

    def take_nodata(self, nodata: float | None) -> None:
        super().take_nodata(nodata)
        if self.nodata is not None:
            self._by_mask = self.mixed_nodata = False

    def close(self) -> None:
        super().close()
        self._stack.close()


class GdalWriter:
    """A GeoTIFF in the layout of its source, with the source's place, tags and descriptions."""

    ordered = False

    def __init__(self, path: Path, name: Path, output: Output) -> None:
        assert isinstance(output.source, GdalReader)
        self._path, self._output, self._reader = path, output, output.source
        self.block = self._reader.block
        with ExitStack() as stack:
            stack.enter_context(_environment(output.threads, GDAL_TIFF_INTERNAL_MASK=True))
            profile = _profile(output, self._reader.source)
            self._file = _open(path, "w", **profile)
            stack.callback(self._file.close)
            _copy_metadata(self._reader.source, self._file, output.labels)
            self._stack = stack.pop_all()

    def write(self, window: Window, image: Image) -> None:
        indexes, where = _place(window)
        self._file.write(np.asarray(image), indexes, window=where)
        first = indexes == 1 or 1 in indexes
        if self._reader.has_mask_band and not self._output.labels and first:
            mask = self._reader.source.read_masks(1, window=where)
            self._file.write_mask(mask, window=where)

    def finish(self) -> None:
        self._file.close()
        if self._output.overviews:
            with _open(self._path, "r+") as file:
                # By the nearest pixel, as a mean of levels is no level.
                file.build_overviews(_factors(self._reader.source), Resampling.nearest)
        _check_whole(self._path)

    def close(self) -> None:
        self._stack.close()


def _open(path: Path, mode: str = "r", **profile: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(path, mode, **profile)


def _environment(threads: int, **options: Any) -> Any:
    return rasterio.Env(
        GDAL_CACHEMAX=CACHE, GDAL_NUM_THREADS=str(threads), GDAL_DISABLE_READDIR_ON_OPEN="FALSE",
        **options,
    )  # fmt: skip


def _place(window: Window) -> tuple[Any, Any]:
    """rasterio's number or numbers of bands, and its window."""
    *bands, rows, columns = window
    indexes = list(range(bands[0].start + 1, bands[0].stop + 1)) if bands else 1
    return indexes, rasterio.windows.Window.from_slices(rows, columns)


def _values(nodata: tuple[float | None, ...]) -> set[str]:
    return {str(value) for value in nodata}  # NaN is unlike itself, but written alike


def _profile(output: Output, source: Any) -> dict[str, Any]:
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": source.width,
        "height": source.height,
        "count": source.count,
        "dtype": "uint8" if output.dtype.kind == "b" else output.dtype.name,
        "nodata": output.nodata,
        "interleave": "pixel" if source.count > 1 and _pixelwise(source) else "band",
        "photometric": "MINISBLACK",  # GDAL takes three bands of 8 bits for colours
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": output.threads,
    }
    if source.crs is not None:
        profile["crs"] = source.crs
    if not source.gcps[0] and not source.transform.is_identity:
        profile["transform"] = source.transform
    return profile | _layout(source) | _compression(output, source)


def _pixelwise(source: Any) -> bool:
    return str(source.profile.get("interleave")) == "pixel"


def _layout(source: Any) -> dict[str, Any]:
    height, width = source.block_shapes[0]
    if width == source.width:
        return {"blockysize": height}
    if height % 16 or width % 16:  # which tiles of a TIFF must not have
        height = width = 256
    return {"tiled": True, "blockysize": height, "blockxsize": width}


def _compression(output: Output, source: Any) -> dict[str, Any]:
    if output.compression is not None:
        name = output.compression
    else:
        known = source.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "NONE").lower()
        lossless = (*COMPRESSIONS, "lzma", "packbits")
        name = known if known in lossless else "deflate"
    if name == "none":
        return {}
    predictor = int(source.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR", 1))
    if predictor == 3 and output.dtype.kind != "f":
        predictor = 2
    options: dict[str, Any] = {"compress": name}
    if predictor != 1 and name in ("deflate", "lzw", "zstd"):
        options["predictor"] = predictor
    return options


def _copy_metadata(source: Any, file: Any, labels: bool) -> None:
    file.update_tags(**source.tags())
    file.descriptions = source.descriptions
    if source.gcps[0]:
        file.gcps = source.gcps
    if source.rpcs:
        file.rpcs = source.rpcs
    if labels:  # of which statistics, units and scales no longer hold
        return
    file.scales, file.offsets = source.scales, source.offsets
    file.units = tuple(unit or "" for unit in source.units)
    for band in source.indexes:
        tags = source.tags(band)
        kept = {name: tags[name] for name in tags if not name.startswith("STATISTICS_")}
        file.update_tags(band, **kept)


def _factors(source: Any) -> list[int]:
    """Those of the source, else halves until 256 pixels are left."""
    count = max(math.ceil(math.log2(max(source.shape) / 256)), 1)
    return source.overviews(1) or [2**i for i in range(1, count + 1)]


def _check_whole(path: Path) -> None:
    """Raise OSError if blocks are missing: GDAL does not say when it cannot write the last ones."""
    size = path.stat().st_size
    with _open(path) as file:
        for band in file.indexes:
            for (row, column), _ in file.block_windows(band):
                tags = {
                    name: file.get_tag_item(f"{name}_{column}_{row}", "TIFF", band)
                    for name in ("BLOCK_OFFSET", "BLOCK_SIZE")
                }
                if None in tags.values() or sum(map(int, tags.values())) > size:
                    raise OSError(28, "it could not be written whole")
