"""TIFF, BigTIFF, OME-TIFF and ImageJ's TIFF by windows, through tifffile."""

import itertools
import json
import logging
import math
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from .windows import GREY_FIRST, Image, Output, Reader, WholeFile, Window, as_bytes, as_number

REDUCED_OR_MASK = 0b101  # bits of NewSubfileType
STRIP = 1 << 18  # bytes, of compressed strips that no source has
CLASSIC_MOST = (1 << 32) - (1 << 25)  # bytes of pixels that leave room for tags

# Where the pixels lie on the earth, and GDAL's metadata and nodata.
PLACE_TAGS = (33550, 33922, 34264, 34735, 34736, 34737)
GDAL_METADATA, GDAL_NODATA = 42112, 42113

# Lossless, by the names of `windows.COMPRESSIONS`.
_COMPRESSIONS = {"none": 1, "deflate": 8, "lzw": 5, "zstd": 50000}

# What it logs about a damaged file is followed by an exception, which is enough.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)


class Elsewhere(ValueError):
    """Another package reads this file better, or alone."""


class TiffReader(Reader):
    """All images of one shape in a TIFF file but overviews and masks, as one array."""

    def __init__(self, path: Path, threads: int, *, geographic: bool) -> None:
        self._path = path
        self._threads = threads
        self.file = tifffile.TiffFile(path)
        try:
            if not geographic and _is_geographic(self.file):
                raise Elsewhere("it lies on the earth")
            self.series = _series(self.file)
            self.page = _checked(self.series)
            self._take_shape()
            self._try_decoder()
        except BaseException:
            self.file.close()
            raise

    def _take_shape(self) -> None:
        first, page = self.series[0], self.page
        self._mapped = page.is_memmappable and all(s.dataoffset is not None for s in self.series)
        shape = first.shape
        # tifffile writes pages without the last axes of one element.
        while not self._mapped and shape[-1] == 1 and shape[-len(page.shape) :] != page.shape:
            shape = shape[:-1]
        self.shape = (len(self.series), *shape) if len(self.series) > 1 else shape
        self.dtype = first.dtype
        self._plane: tuple[int, ...] = page.shape if len(page.shape) == 2 else ()
        self._lead = self.shape[: len(self.shape) - len(page.shape)]
        self._pages = [page for series in self.series for page in series.pages]
        if self._mapped and not page.is_tiled:
            plane = (1,) * len(page.shape)
        elif page.is_tiled:
            plane = page.tile if len(page.tile) == len(page.shape) else page.shape
        else:
            plane = (min(page.rowsperstrip, page.shape[0]), *page.shape[1:])
        self.block = (1,) * len(self._lead) + tuple(plane if len(page.shape) == 2 else page.shape)
        with suppress(ValueError, TypeError):
            tag = page.tags.get(GDAL_NODATA)
            self.take_nodata(as_number(tag.value) if tag else None)

    def _try_decoder(self) -> None:
        if self._mapped:
            return
        try:
            offset = next(i for i, size in enumerate(self.page.databytecounts) if size)
        except StopIteration:
            return
        try:
            self._segments(self.page, [offset])
        except ValueError as error:
            if "imagecodecs" in str(error):
                raise Elsewhere(str(error)) from error
            raise

    def _read(self, window: Window) -> Image:
        lead, plane = window[: len(self._lead)], window[len(self._lead) :]
        if self._mapped:
            return self._read_map(window)
        image = np.empty([part.stop - part.start for part in window], self.dtype)
        numbers = np.arange(math.prod(self._lead)).reshape(self._lead)[lead or ...]
        for index, number in np.ndenumerate(numbers):
            page = self._pages[number]
            if page is None:
                image[index] = 0
            elif self._plane:
                self._read_plane(page, plane, image[index])
            else:
                image[index] = page.asarray().reshape(self.page.shape)[plane]
        return image

    def _read_map(self, window: Window) -> Image:
        dtype = np.dtype(self.file.byteorder + self.dtype.char)
        maps = [
            np.memmap(self._path, dtype, "r", series.dataoffset, series.shape)
            for series in self.series
        ]
        if len(maps) == 1:
            return maps[0][window].astype(self.dtype, copy=False)
        return np.stack([part[window[1:]] for part in maps[window[0]]]).astype(self.dtype)

    def _read_plane(self, page: Any, window: Window, out: Image) -> None:
        rows, columns = window
        height, width = self.block[-2:]
        across = -(-self._plane[1] // width)
        indices = [
            row * across + column
            for row in range(rows.start // height, -(-rows.stop // height))
            for column in range(columns.start // width, -(-columns.stop // width))
        ]
        for segment, (_, _, top, left, _) in self._segments(page, indices):
            _paste(segment, top - rows.start, left - columns.start, out)

    def _segments(self, page: Any, indices: list[int]) -> list[tuple[Image, tuple[int, ...]]]:
        """Decoded tiles or strips, with their places."""
        read = self.file.filehandle.read_segments(
            [page.dataoffsets[i] for i in indices],
            [page.databytecounts[i] for i in indices],
            indices=indices,
        )

        def decode(encoded: tuple[bytes | None, int]) -> tuple[Image, tuple[int, ...]]:
            data, index = encoded
            pixels, place, shape = self.page.decode(data, index, jpegtables=page.jpegtables)
            if pixels is None:
                pixels = np.full(shape, self.page.nodata, self.dtype)
            return pixels[0, :, :, 0], place

        return list(_in_threads(decode, list(read), self._threads))

    def close(self) -> None:
        super().close()
        self.file.close()


def _is_geographic(file: Any) -> bool:
    """Whether it says where it lies, or what GDAL alone understands."""
    tags = file.pages[0].tags if len(file.pages) else ()
    return any(code in tags for code in (*PLACE_TAGS, GDAL_METADATA, GDAL_NODATA))


def _series(file: Any) -> list[Any]:
    if not file.series:
        raise ValueError("it holds no image")
    images = [s for s in file.series if not s.keyframe.subfiletype & REDUCED_OR_MASK]
    return images or file.series[:1]


def _checked(series: list[Any]) -> Any:
    """The first page of images that are grey and alike."""
    page = series[0].keyframe
    if page.dtype is None:
        raise ValueError(
            f"pixels of {page.bitspersample} bits in sample format {page.sampleformat} are not "
            "supported"
        )
    colours = tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.PALETTE
    if page.samplesperpixel > 1 or page.photometric in colours:
        raise ValueError(f"its pixels have colour or several channels; {GREY_FIRST}")
    # Without the tag tifffile says MINISWHITE too.
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and 262 in page.tags:
        raise ValueError("it stores white as 0 (MinIsWhite); convert it to MinIsBlack first")
    if len({(s.shape, s.dtype) for s in series}) > 1:
        raise ValueError("it holds images of several shapes or dtypes; save one of them alone")
    return page


def _paste(segment: Image, top: int, left: int, out: Image) -> None:
    """Copy what of a segment, whose corner is at (top, left), lies inside."""
    here, there = [], []
    for start, length, size in zip((top, left), segment.shape, out.shape, strict=True):
        first, last = max(start, 0), min(start + length, size)
        here.append(slice(first, last))
        there.append(slice(first - start, last - start))
    out[tuple(here)] = segment[tuple(there)]


def _in_threads(function: Callable[[Any], Any], items: list[Any], threads: int) -> Iterator[Any]:
    if threads == 1 or len(items) == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(function, items)


class TiffWriter:
    """A TIFF file in the layout of its source, with the source's tags.

    tifffile asks an iterator for tiles and strips, so it runs in a thread that waits for windows.
    """

    ordered = True

    def __init__(self, path: Path, name: Path, output: Output) -> None:
        self._output = output
        self._threads = output.threads
        source = output.source if isinstance(output.source, TiffReader) else None
        self._take_layout(source)
        self._file = WholeFile(path)
        self._writer, arguments = self._prepared(name, source)
        self._chunks: queue.Queue[list[Image] | None] = queue.Queue(1)
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(arguments,), daemon=True)
        self._thread.start()

    def _take_layout(self, source: TiffReader | None) -> None:
        dtype, shape = self._output.dtype, self._output.shape
        page = source.page if source else None
        self._tag, self._predictor = choose_codec(self._output, page)
        self._tile = page.tile if page and page.is_tiled and len(page.tile) == 2 else None
        rows = shape[-2]
        if self._tile:
            block = self._tile
        else:
            if self._tag != 1 or page:
                rows = page.rowsperstrip if page else STRIP // (shape[-1] * dtype.itemsize)
            block = (min(max(rows, 1), shape[-2]), shape[-1])
            self._rows = block[0]
            if self._tag == 1:
                block = (1, shape[-1])  # strips that follow each other
        self.block = (1,) * (len(shape) - 2) + tuple(block)

    def _prepared(self, name: Path, source: TiffReader | None) -> tuple[Any, dict[str, Any]]:
        output = self._output
        size = math.prod(output.shape) * output.dtype.itemsize
        big = size > CLASSIC_MOST or (source is not None and source.file.is_bigtiff)
        kind, kept = _metadata(source, name, output)
        narrow = len(output.shape) > 2 and output.shape[-1] == 1
        if kind == "imagej" and (big or self._tag != 1 or self._tile or narrow):
            kind, kept = "shaped", {}
        writer = tifffile.TiffWriter(
            self._file, bigtiff=big, ome=kind == "ome", imagej=kind == "imagej"
        )
        arguments = {
            "shape": output.shape,
            "dtype": output.dtype.newbyteorder("="),
            # Without the photometric, a last axis of 3 or 4 would be written as colour.
            "photometric": "minisblack",
            "compression": self._tag if self._tag != 1 else None,
            "predictor": self._predictor if self._predictor != 1 else None,
            "metadata": kept,
            "extratags": _extra_tags(source, output),
        }
        if kind == "shaped" and narrow:
            # With metadata of its own tifffile would drop the last axis.
            shape = json.dumps({"shape": output.shape})
            arguments |= {"metadata": None, "description": shape}
        if self._tile:
            arguments["tile"] = self._tile
        else:
            arguments["rowsperstrip"] = self._rows
        if source:
            arguments |= _resolution(source.page)
            text = source.page.description
            if kind == "shaped" and text and not (source.page.is_shaped or source.page.is_ome):
                arguments["description"] = None if source.page.is_imagej else text.encode()
        return writer, arguments

    def _run(self, arguments: dict[str, Any]) -> None:
        try:
            with self._writer:
                self._writer.write(self._encoded(), **arguments)
            self._file.flush()
        except BaseException as error:  # raised again where windows are written
            self._error = error
            while self._next() is not None:
                pass

    def _encoded(self) -> Iterator[bytes]:
        while (chunks := self._next()) is not None:
            yield from _in_threads(self._encode, chunks, self._threads)

    def _next(self) -> list[Image] | None:
        """The strips or tiles of the next window; None from the end on."""
        if not self._ended:
            chunks = self._chunks.get()
            self._ended = chunks is None
        return None if self._ended else chunks

    def write(self, window: Window, image: Image) -> None:
        self._raise()
        # A copy, as the caller may use the array again.
        image = np.array(image, self._output.dtype.newbyteorder("="), order="C")
        self._chunks.put(list(self._cut(image)))

    def _cut(self, image: Image) -> Iterator[Image]:
        """The strips or tiles of a window, in the order of the file."""
        height, width = self.block[-2:]
        if not self._tile and self._tag == 1:
            height = image.shape[-2]
        for index in np.ndindex(image.shape[:-2]):
            plane = image[index]
            for row, column in itertools.product(
                range(0, plane.shape[0], height), range(0, plane.shape[1], width)
            ):
                yield plane[row : row + height, column : column + width]

    def _encode(self, chunk: Image) -> bytes:
        if self._tile:
            missing = [(0, full - n) for full, n in zip(self._tile, chunk.shape, strict=True)]
            chunk = np.pad(chunk, missing, mode="edge")
        if chunk.dtype.kind == "b":
            chunk = np.packbits(chunk, axis=-1)
        if self._predictor != 1:
            chunk = tifffile.TIFF.PREDICTORS[self._predictor](chunk[..., None], axis=-2)
        if self._tag != 1:
            return tifffile.TIFF.COMPRESSORS[self._tag](np.ascontiguousarray(chunk))
        return bytes(as_bytes(chunk))

    def finish(self) -> None:
        self._chunks.put(None)
        self._thread.join()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        if self._thread.is_alive():
            with suppress(queue.Empty):
                self._chunks.get_nowait()
            self._chunks.put(None)
            self._thread.join()
        with suppress(OSError):
            self._file.close()


def check_tiff(path: Path, output: Output) -> None:
    """Raise ValueError if a TIFF cannot be written as asked for."""
    choose_codec(output, None)
    if _is_ome(path) and len(output.shape) > 5:
        raise ValueError(
            f"cannot write shape {output.shape} to {path}: OME-TIFF holds at most 5 dimensions"
        )


def _is_ome(path: Path) -> bool:
    return path.name.lower().endswith((".ome.tif", ".ome.tiff"))


def choose_codec(output: Output, page: Any) -> tuple[int, int]:
    """Compression and predictor of a file: those of its source where they fit, and can be had."""
    if output.compression is not None:
        tag = _COMPRESSIONS[output.compression]
    elif page is None:
        return 1, 1
    else:
        tag = 8 if page.compression == 32946 else int(page.compression)  # Adobe's deflate
    if not _encodes(tag):
        if output.compression is not None:
            raise ValueError(
                f"compression {output.compression} of TIFF needs imagecodecs: pip install "
                "imagecodecs"
            )
        tag = 8
    predictor = page.predictor if page is not None and tag != 1 else 1
    if output.dtype.kind == "b" or (predictor == 3 and output.dtype.kind != "f"):
        predictor = 1 if output.dtype.kind == "b" else 2
    try:
        if predictor != 1:
            tifffile.TIFF.PREDICTORS[predictor](np.ones((1, 2, 1), output.dtype), axis=-2)
    except (ValueError, KeyError, NotImplementedError, ImportError):
        predictor = 1
    return tag, int(predictor)


def _encodes(tag: int) -> bool:
    if tag == 1:
        return True
    if tag not in (*_COMPRESSIONS.values(), 34925):  # lossy ones would change the levels
        return False
    try:
        tifffile.TIFF.COMPRESSORS[tag](np.ones(9, np.uint8))
    except (ValueError, KeyError, NotImplementedError, ImportError):
        return False
    return True


def _resolution(page: Any) -> dict[str, Any]:
    tags = page.tags
    if 282 not in tags or 283 not in tags:
        return {}
    unit = tags[296].value if 296 in tags else 2  # TIFF's default: the inch
    return {"resolution": (tags[282].value, tags[283].value), "resolutionunit": unit}


def _metadata(source: TiffReader | None, name: Path, output: Output) -> tuple[str, dict[str, Any]]:
    """The kind of file to write, and what it says of the image."""
    axes = _axes(source)
    if _is_ome(name):
        axes = axes or "TZCYX"[-len(output.shape) :]
        kept = _ome_metadata(source) if source else {}
        return "ome", {**kept, "axes": axes}
    if source and source.file.is_imagej and output.dtype.name in ("uint8", "uint16", "float32"):
        known = source.file.imagej_metadata or {}
        names = ("spacing", "unit", "finterval", "fps", "loop", "Info", "Labels")
        kept = {name: known[name] for name in names if name in known}
        return "imagej", {**kept, "axes": axes} if axes else kept
    return "shaped", {}


def _axes(source: TiffReader | None) -> str:
    """The axes' letters, if OME and ImageJ know them."""
    if source is None or len(source.series) > 1:
        return ""
    axes = source.series[0].axes
    return axes if set(axes) <= set("TZCYX") else ""


def _ome_metadata(source: TiffReader) -> dict[str, Any]:
    """Sizes of pixels and names of channels, in the words of tifffile."""
    if not source.file.is_ome:
        return {}
    image = tifffile.xml2dict(source.file.ome_metadata or "")["OME"]["Image"]
    pixels = (image[0] if isinstance(image, list) else image)["Pixels"]
    kept = {
        key: value
        for key, value in pixels.items()
        if key.startswith(("PhysicalSize", "TimeIncrement"))
    }
    channels = pixels.get("Channel", [])
    channels = channels if isinstance(channels, list) else [channels]
    names = [channel["Name"] for channel in channels if "Name" in channel]
    if names and len(names) == len(channels):
        kept["Channel"] = {"Name": names}
    return kept


def _extra_tags(source: TiffReader | None, output: Output) -> list[tuple[Any, ...]]:
    tags = []
    if source:
        codes = PLACE_TAGS if output.labels else (*PLACE_TAGS, GDAL_METADATA)
        found = [source.page.tags[code] for code in codes if code in source.page.tags]
        tags = [(tag.code, tag.dtype, tag.count, tag.value, True) for tag in found]
    if output.nodata is not None:
        whole = isinstance(output.nodata, int)
        text = str(output.nodata) if whole else f"{output.nodata:.17g}"
        tags.append((GDAL_NODATA, "s", 0, text, True))
    return tags
