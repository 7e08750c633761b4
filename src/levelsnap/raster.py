"""Image files for the command line: bit depth kept, outputs whole or not at all.

The suffix chooses the format. The packages that read and write it are imported when a file needs
them; `windows` says how a file is read and written.
"""

import errno
import importlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from .codebook import Codebook
from .dtypes import check_dtype
from .files import target_of, write_together
from .windows import (
    COMPRESSIONS,
    GREY_FIRST,
    ArrayReader,
    ArrayWriter,
    Image,
    NpyReader,
    NpyWriter,
    Output,
    Reader,
    Writer,
    whole_window,
)

EXACT_INSTEAD = "use .npy or .tif"
ZARR_MARKS = ("zarr.json", ".zarray", ".zgroup")


@dataclass(frozen=True)
class Format:
    """What a file format can hold, and how it is read and written."""

    name: str
    open: Callable[[Path, int], Reader]
    create: Callable[[Path, Path, Output], Writer]
    package: str | None  # that reads and writes it
    dtypes: tuple[str, ...]
    min_ndim: int = 0
    max_ndim: int = 64
    lossy: bool = False
    compressions: tuple[str, ...] = ()


def open_image(
    path: str | os.PathLike[str], *, nodata: float | None = None, threads: int = 1
) -> Reader:
    """Open a grey image to read it by windows.

    Parameters
    ----------
    path : path
        A file whose suffix names its format (one of `FORMATS`, in either case), a zarr array, or
        what GDAL reads.
    nodata : float, optional
        Pixels that stand for nothing, instead of those that the file names.
    threads : int
        At most so many decode.

    Returns
    -------
    Reader
        In the dtype that the file holds; ``.npy`` is mapped. Orientation tags are not applied. A
        TIFF of several pages is an array of that many dimensions.

    Raises
    ------
    OSError
        The file cannot be opened.
    ValueError
        An unknown suffix, a damaged file, or pixels that are not single real numbers.
    ImportError
        The package that reads the format is missing; the message says how to install it.
    """
    path = Path(path)
    form = _format_of_input(path)
    with readable(path, form.name):
        reader = form.open(path, threads)
        check_dtype(reader.dtype, "it")
        reader.take_nodata(nodata)
    return reader


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read an image, see `open_image`; a read-only memory map for ``.npy``."""
    with open_image(path) as reader, readable(Path(path), _format_of_input(Path(path)).name):
        return reader.read_all()


@contextmanager
def readable(path: Path, name: str = "an image") -> Iterator[None]:
    """Have what decoders raise name the file: a damaged one can raise anything in their depths."""
    try:
        yield
    except Exception as error:
        of_system = isinstance(error, OSError | ImportError | MemoryError)
        if of_system and type(error).__name__ != "RasterioIOError":
            raise
        raise ValueError(f"cannot read {path} as {name}: {error}") from error


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether the suffix is that of an image format, or an image is there."""
    path = Path(path)
    return path.suffix.lower() in FORMATS or _is_zarr(path)


def is_lossy(path: str | os.PathLike[str]) -> bool:
    """Whether the format changes pixels."""
    return _format(Path(path)).lossy


def check_image(
    path: str | os.PathLike[str], shape: tuple[int, ...], dtype: DTypeLike, *, exact: bool = False
) -> None:
    """Raise ValueError or ImportError if an image cannot be written to `path` as it is.

    `exact` refuses formats that change pixels.
    """
    check_output(path, Output(shape, np.dtype(dtype), labels=exact))


def check_output(path: str | os.PathLike[str], output: Output) -> None:
    """Raise ValueError or ImportError if an output cannot be written to `path` as it is."""
    shape, dtype, exact = output.shape, output.dtype, output.labels
    path = Path(path)
    form = _format(path)
    if exact and form.lossy:
        raise ValueError(f"cannot write labels to {path}: {form.name} is lossy; {EXACT_INSTEAD}")
    if dtype.name not in form.dtypes:
        accepted = ", ".join(form.dtypes)
        raise ValueError(
            f"cannot write {dtype} to {path}: {form.name} holds {accepted}; {EXACT_INSTEAD}"
        )
    if not form.min_ndim <= len(shape) <= form.max_ndim or (form.min_ndim and 0 in shape):
        dimensions = "2" if form.max_ndim == 2 else "2 or more"
        raise ValueError(
            f"cannot write shape {shape} to {path}: {form.name} holds images of at least one "
            f"pixel and {dimensions} dimensions; use .npy"
        )
    if output.compression is not None and output.compression not in form.compressions:
        accepted = ", ".join(form.compressions) or "none to choose"
        raise ValueError(f"compression {output.compression} for {path}: {form.name} has {accepted}")
    if form.package:
        _extra(form.package)
    if form is _TIFF:
        _check_tiff(path, output)
    elif output.overviews:
        raise ValueError(f"overviews for {path}: only GeoTIFF has them")


def create_image(path: Path, beside: Path, output: Output) -> Writer:
    """Open `beside` to write by windows what will be `path`."""
    return _format(path).create(beside, path, output)


def check_targets(*paths: Path) -> None:
    """Raise ValueError or OSError if one of the files cannot be created, or two are the same."""
    targets = [target_of(path) for path in paths]
    for path, target in zip(paths, targets, strict=True):
        if targets.count(target) > 1:
            raise ValueError(f"two outputs name the same file: {path}")
        if target.is_dir() and not _is_stored_array(target):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if target.exists() and not (target.is_file() or target.is_dir()):
            raise ValueError(f"{path} is not a regular file")
        if not target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "its folder does not exist", str(path))
        # Renaming needs the folder only; but who protects a file does not want it replaced.
        needed = [target.parent, target] if target.exists() else [target.parent]
        if not all(os.access(place, os.W_OK) for place in needed):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def write_images(contents: Mapping[Path, Image | Codebook]) -> None:
    """Write images by suffix, and codebooks as JSON: all of the files or none."""
    write_together(
        {
            path: content._write
            if isinstance(content, Codebook)
            else partial(_write_image, path, content)
            for path, content in contents.items()
        }
    )


def _write_image(path: Path, image: Image, beside: Path) -> None:
    writer = create_image(path, beside, Output(image.shape, image.dtype))
    try:
        writer.write(whole_window(image.shape), image)
        writer.finish()
    finally:
        writer.close()


def _format(path: Path) -> Format:
    if _is_zarr(path):
        return _ZARR
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise ValueError(
            f"{path}: suffix {path.suffix!r} is not an image format; accepted are "
            + ", ".join(FORMATS)
        ) from None


def _format_of_input(path: Path) -> Format:
    try:
        return _format(path)
    except ValueError as unknown:
        if not path.exists():
            raise
        try:
            _extra("rasterio")
        except ImportError as missing:
            raise ValueError(f"{unknown}; for others {missing}") from None
        return _GDAL


def _is_store(path: Path) -> bool:
    return any((path / mark).exists() for mark in ZARR_MARKS)


def _is_stored_array(path: Path) -> bool:
    """Whether a folder may be replaced by an array: a group holds other things, too."""
    if (path / ".zarray").exists():
        return True
    try:
        return json.loads((path / "zarr.json").read_bytes())["node_type"] == "array"
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is_zarr(path: Path) -> bool:
    return path.suffix.lower() == ".zarr" or _is_store(path)


def _extra(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        extra = _EXTRAS[package]
        raise ImportError(
            f"this image format needs {package} ({error}): pip install 'levelsnap[{extra}]'"
        ) from error


# zarr and GDAL


def _open_zarr(path: Path, threads: int) -> Reader:
    _extra("zarr")
    from .windows_zarr import ZarrReader

    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return ZarrReader(path, threads)


def _create_zarr(beside: Path, path: Path, output: Output) -> Writer:
    from .windows_zarr import ZarrWriter

    return ZarrWriter(beside, path, output)


def _open_gdal(path: Path, threads: int) -> Reader:
    from .windows_gdal import GdalReader

    return GdalReader(path, threads)


# TIFF


def _open_tiff(path: Path, threads: int) -> Reader:
    try:
        _extra("tifffile")
    except ImportError as missing:
        try:
            return ArrayReader(_decode_tiff(path))
        except ImportError:
            raise missing from None
    from .windows_tiff import Elsewhere, TiffReader

    by_gdal = _has("rasterio")
    try:
        return TiffReader(path, threads, geographic=not by_gdal)
    except Elsewhere:
        return _open_gdal(path, threads) if by_gdal else ArrayReader(_decode_tiff(path))


def _create_tiff(beside: Path, path: Path, output: Output) -> Writer:
    if _by_gdal(output):
        from .windows_gdal import GdalWriter

        return GdalWriter(beside, path, output)
    from .windows_tiff import TiffWriter

    return TiffWriter(beside, path, output)


def _check_tiff(path: str | os.PathLike[str], output: Output) -> None:
    if _by_gdal(output):
        if output.source.mixed_nodata and not output.labels:  # type: ignore[union-attr]
            raise ValueError(
                f"cannot write {path}: IN's bands differ in their nodata, and a GeoTIFF has one; "
                "give it by --nodata, or use .npy"
            )
        return
    from .windows_tiff import check_tiff

    if output.overviews:
        raise ValueError(f"overviews for {path}: only a GeoTIFF made of what GDAL reads has them")
    check_tiff(Path(path), output)


def _by_gdal(output: Output) -> bool:
    return type(output.source).__name__ == "GdalReader"


def _has(package: str) -> bool:
    with suppress(ImportError):
        return bool(importlib.import_module(package))
    return False


def _decode_tiff(path: Path) -> Image:
    """Read a TIFF through OpenCV: fewer dtypes, and pages of one shape only."""
    pages = _decode(path, "imdecodemulti")
    return pages[0] if len(pages) == 1 else np.stack(pages)


# OpenCV


def _open_cv2(path: Path, threads: int) -> Reader:
    return ArrayReader(_decode(path, "imdecode")[0])


def _create_cv2(suffix: str, beside: Path, path: Path, output: Output) -> Writer:
    return ArrayWriter(beside, output, partial(_write_cv2, suffix))


def _decode(path: Path, decoder: str) -> list[Image]:
    cv2 = _extra("cv2")
    content = path.read_bytes()
    if not content:
        raise ValueError("the file is empty")
    # The marker that ends a JPEG follows the last scan. libjpeg paints what is missing grey.
    if content.startswith(b"\xff\xd8") and content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
        raise ValueError("the file is truncated")
    data = np.frombuffer(content, np.uint8)
    try:
        with _quiet():
            decoded = getattr(cv2, decoder)(data, flags=cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if "MAX_IMAGE" in error.err:
            raise ValueError(
                "it has more pixels than OpenCV accepts (2^30); store it as .npy or .tif"
            ) from error
        raise ValueError(error.err or "the file is damaged") from error
    pages = decoded[1] if decoder == "imdecodemulti" else [decoded]
    if not len(pages) or pages[0] is None:
        raise ValueError("the file is damaged, or of another format")
    if pages[0].ndim != 2:
        raise ValueError(
            f"its pixels have {pages[0].shape[2]} channels (colour, palette or alpha); {GREY_FIRST}"
        )
    return list(pages)


def _write_cv2(suffix: str, file: BinaryIO, image: Image) -> None:
    cv2 = _extra("cv2")
    image = np.ascontiguousarray(image, image.dtype.newbyteorder("="))
    try:
        with _quiet():
            done, content = cv2.imencode(suffix, image)
    except cv2.error as error:
        raise ValueError(f"OpenCV cannot write {suffix}: {error.err}") from error
    if not done:
        raise ValueError(f"OpenCV cannot write shape {image.shape} as {suffix}; {EXACT_INSTEAD}")
    file.write(content)


@contextmanager
def _quiet() -> Iterator[None]:
    """Send file descriptor 2 nowhere: libpng and others print to it beside failing."""
    try:
        saved = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


_INTEGERS = tuple(f"{kind}{bits}" for kind in ("uint", "int") for bits in (8, 16, 32, 64))
_ALL = ("bool", *_INTEGERS, "float16", "float32", "float64")


def _cv2_format(name: str, suffix: str, *dtypes: str, lossy: bool = False) -> Format:
    create = partial(_create_cv2, suffix)
    return Format(name, _open_cv2, create, "cv2", dtypes, min_ndim=2, max_ndim=2, lossy=lossy)


_NPY = Format(
    "NPY", lambda path, _: NpyReader(path), lambda beside, _, output: NpyWriter(beside, output),
    None, _ALL,
)  # fmt: skip
_TIFF = Format(
    "TIFF", _open_tiff, _create_tiff, "tifffile", _ALL, min_ndim=2, compressions=COMPRESSIONS
)
_ZARR = Format(
    "zarr", _open_zarr, _create_zarr, "zarr", _ALL, compressions=("none", "deflate", "zstd")
)
_GDAL = Format("what GDAL reads", _open_gdal, _create_tiff, "rasterio", ())
_EXTRAS = {"cv2": "opencv", "tifffile": "cli", "rasterio": "raster", "zarr": "zarr"}
_JPEG = _cv2_format("JPEG", ".jpg", "uint8", lossy=True)
_PGM = _cv2_format("PGM", ".pgm", "uint8", "uint16")

FORMATS: dict[str, Format] = {
    ".npy": _NPY,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".png": _cv2_format("PNG", ".png", "uint8", "uint16"),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".bmp": _cv2_format("BMP", ".bmp", "uint8"),
    ".pgm": _PGM,
    ".pnm": _PGM,
}
