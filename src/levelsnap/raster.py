"""Image files <-> arrays for the command line: bit depth kept, outputs whole or not at all.

The suffix chooses the format. OpenCV and tifffile are imported when a file needs them.
"""

import errno
import importlib
import io
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .codebook import Codebook
from .dtypes import check_dtype
from .files import target_of, write_together

Image = NDArray[Any]

GREY_FIRST = (
    "convert it to grey first (ImageMagick: magick IN -colorspace Gray -alpha off OUT), "
    "or save one channel as .npy"
)
EXACT_INSTEAD = "use .npy or .tif"
REDUCED_OR_MASK = 0b101  # bits of TIFF's NewSubfileType


@dataclass(frozen=True)
class Format:
    """What a file format can hold, and how it is read and written."""

    name: str
    read: Callable[[Path], Image]
    write: Callable[[BinaryIO, Image], None]
    package: str | None  # that reads and writes it
    dtypes: tuple[str, ...]
    min_ndim: int = 0
    max_ndim: int = 64
    lossy: bool = False


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read a grey image.

    Parameters
    ----------
    path : path
        A file whose suffix names its format (one of `FORMATS`, in either case).

    Returns
    -------
    ndarray
        In the dtype that the file holds; a read-only memory map for ``.npy``. Orientation tags
        are not applied. A TIFF of several pages is an array of that many dimensions.

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
    form = _format(path)
    try:
        image = form.read(path)
        check_dtype(image.dtype, "it")
    except (OSError, ImportError, MemoryError):
        raise
    except Exception as error:  # a damaged file can raise anything in the depths of a decoder
        raise ValueError(f"cannot read {path} as {form.name}: {error}") from error
    return image


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether the suffix is that of an image format."""
    return Path(path).suffix.lower() in FORMATS


def is_lossy(path: str | os.PathLike[str]) -> bool:
    """Whether the format changes pixels."""
    return _format(Path(path)).lossy


def check_image(
    path: str | os.PathLike[str], shape: tuple[int, ...], dtype: DTypeLike, *, exact: bool = False
) -> None:
    """Raise ValueError or ImportError if an image cannot be written to `path` as it is.

    `exact` refuses formats that change pixels.
    """
    path = Path(path)
    form = _format(path)
    dtype = np.dtype(dtype)
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
    if form.package:
        _extra(form.package)


def check_targets(*paths: Path) -> None:
    """Raise ValueError or OSError if one of the files cannot be created, or two are the same."""
    targets = [target_of(path) for path in paths]
    for path, target in zip(paths, targets, strict=True):
        if targets.count(target) > 1:
            raise ValueError(f"two outputs name the same file: {path}")
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if target.exists() and not target.is_file():
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
    with _WholeWriter(io.FileIO(beside, "x")) as file:
        _format(path).write(file, image)


class _WholeWriter(io.BufferedWriter):
    """A file in which every error of writing is raised.

    Given a descriptor, ndarray.tofile (used by NumPy and tifffile) writes past Python, and a full
    disk that shows when its C buffer is flushed is lost: the file is short and nobody knows.
    """

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


def _format(path: Path) -> Format:
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise ValueError(
            f"{path}: suffix {path.suffix!r} is not an image format; accepted are "
            + ", ".join(FORMATS)
        ) from None


def _extra(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        extra = "opencv" if package == "cv2" else "cli"
        raise ImportError(
            f"this image format needs {package} ({error}): pip install 'levelsnap[{extra}]'"
        ) from error


# NumPy


def _read_npy(path: Path) -> Image:
    with np.errstate(over="ignore"):  # a size that lies
        return np.lib.format.open_memmap(path, mode="r")


def _write_npy(file: BinaryIO, image: Image) -> None:
    np.save(file, image, allow_pickle=False)


# TIFF


def _read_tiff(path: Path) -> Image:
    try:
        tifffile = _extra("tifffile")
    except ImportError as missing:
        try:
            return _decode_tiff(path)
        except ImportError:
            raise missing from None
    # What it logs about a damaged file is followed by an exception, which is enough.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    with tifffile.TiffFile(path) as file:
        if not file.series:
            raise ValueError("it holds no image")
        # Overviews and masks are left alone.
        images = [
            series for series in file.series if not series.keyframe.subfiletype & REDUCED_OR_MASK
        ] or file.series[:1]
        page = images[0].keyframe
        if page.dtype is None:
            raise ValueError(
                f"pixels of {page.bitspersample} bits in sample format {page.sampleformat} are not "
                "supported"
            )
        if page.samplesperpixel > 1 or page.photometric in (
            tifffile.PHOTOMETRIC.RGB,
            tifffile.PHOTOMETRIC.PALETTE,
        ):
            raise ValueError(f"its pixels have colour or several channels; {GREY_FIRST}")
        # Without the tag tifffile says MINISWHITE too.
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and 262 in page.tags:
            raise ValueError("it stores white as 0 (MinIsWhite); convert it to MinIsBlack first")
        if len({(series.shape, series.dtype) for series in images}) > 1:
            raise ValueError("it holds images of several shapes or dtypes; save one of them alone")
        try:
            pages = [series.asarray() for series in images]
            return pages[0] if len(pages) == 1 else np.stack(pages)
        except ValueError as error:
            # LZW and other compressions want one more package; OpenCV knows the usual ones.
            if "imagecodecs" not in str(error):
                raise
    return _decode_tiff(path)


def _decode_tiff(path: Path) -> Image:
    """Read a TIFF through OpenCV: fewer dtypes, and pages of one shape only."""
    pages = _decode(path, "imdecodemulti")
    return pages[0] if len(pages) == 1 else np.stack(pages)


def _write_tiff(file: BinaryIO, image: Image) -> None:
    # Without the photometric, a last axis of 3 or 4 would be written as colour.
    _extra("tifffile").imwrite(file, image, photometric="minisblack")


# OpenCV


def _read_cv2(path: Path) -> Image:
    return _decode(path, "imdecode")[0]


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
    write = partial(_write_cv2, suffix)
    return Format(name, _read_cv2, write, "cv2", dtypes, min_ndim=2, max_ndim=2, lossy=lossy)


_NPY = Format("NPY", _read_npy, _write_npy, None, _ALL)
_TIFF = Format("TIFF", _read_tiff, _write_tiff, "tifffile", _ALL, min_ndim=2)
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
