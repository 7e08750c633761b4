"""Images by windows: what readers and writers of any format offer, and those of arrays and .npy.

A window is a tuple of slices, one for each axis, without steps. Windows follow each other in C
order, and are made of whole blocks (tiles, strips, chunks) of all the files at hand.
"""

import io
import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .threads import control_groups

Image = NDArray[Any]
Window = tuple[slice, ...]

# Times a window: it and its mask, what finds its distinct values (three times at most), results,
# and what readers and writers hold back; the rest is for what allocators keep.
HELD = 16
LARGEST = 1 << 25  # bytes: for larger windows memory is asked of the system again and again

GREY_FIRST = (
    "convert it to grey first (ImageMagick: magick IN -colorspace Gray -alpha off OUT), "
    "or save one channel as .npy"
)


class Reader:
    """An image file that is open.

    Attributes
    ----------
    shape, dtype
        Of the image.
    block : tuple of int
        What is read at once, for each axis.
    nodata : float, optional
        The pixels that stand for nothing. `read` masks them, unless they are NaN.
    masked : bool
        Whether `read` may mask pixels.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    block: tuple[int, ...]
    nodata: float | None = None
    masked: bool = False

    def read(self, window: Window, *, keep: bool = False) -> Image:
        """The pixels of a window; a MaskedArray if some of them are nodata.

        `keep` saves decoding the same window again.
        """
        known = str(window)
        if known in self._kept:
            return self._kept[known]
        image = self._masked(window)
        if keep:
            self._kept[known] = image
        return image

    @cached_property
    def _kept(self) -> dict[str, Image]:
        return {}

    def _masked(self, window: Window) -> Image:
        image = self._read(window)
        if self.nodata is None or math.isnan(self.nodata) or isinstance(image, np.ma.MaskedArray):
            return image
        mask = image == self.nodata
        return np.ma.MaskedArray(image, mask) if mask.any() else image

    def read_all(self) -> Image:
        """All pixels, nodata among them."""
        return np.ma.getdata(self._read(whole_window(self.shape)))

    def _read(self, window: Window) -> Image:
        raise NotImplementedError

    def take_nodata(self, nodata: float | None) -> None:
        """Set `nodata`, rounded to the dtype; a value that no pixel can have stands for none."""
        if nodata is None:
            return
        if self.dtype.kind == "f":
            with np.errstate(over="ignore"):
                nodata = float(self.dtype.type(nodata))
        elif not _holds(self.dtype, nodata):
            return
        else:
            nodata = int(nodata)
        self.nodata, self.masked = nodata, True

    def close(self) -> None:
        """Let go of the file."""
        self._kept.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Writer(Protocol):
    """A file that is being written.

    Attributes
    ----------
    block : tuple of int
        What is written at once, for each axis.
    ordered : bool
        Whether blocks must come in C order.
    """

    block: tuple[int, ...]
    ordered: bool

    def write(self, window: Window, image: Image) -> None:
        """Write a window; each comes once, in C order."""

    def finish(self) -> None:
        """Complete the file."""

    def close(self) -> None:
        """Let go of the file, complete or not."""


@dataclass(frozen=True)
class Output:
    """What is to be written, and the image that it is made of, whose metadata it keeps."""

    shape: tuple[int, ...]
    dtype: np.dtype
    source: Reader | None = None
    labels: bool = False  # no longer in the source's units
    nodata: float | None = None
    compression: str | None = None  # of `COMPRESSIONS`; None: the source's
    overviews: bool = False
    threads: int = 1


COMPRESSIONS = ("none", "deflate", "lzw", "zstd")


def whole_window(shape: tuple[int, ...]) -> Window:
    return tuple(slice(0, n) for n in shape)


def cut(
    shape: tuple[int, ...],
    limit: int,
    *blocks: tuple[int, ...],
    ordered: Sequence[tuple[int, ...]] = (),
) -> Iterator[Window]:
    """Windows of at most `limit` elements, or of one block, that make up an array.

    Each is made of whole blocks of every kind, but at the ends. Where the `ordered` ones would then
    not follow each other in C order from window to window, of whole ones of these only.
    """
    steps = _steps(shape, limit, *blocks, *ordered)
    if not all(_follow(steps, shape, block) for block in ordered):
        steps = _steps(shape, limit, *ordered)
    ranges = (range(0, max(size, 1), max(step, 1)) for size, step in zip(shape, steps, strict=True))
    for starts in itertools.product(*ranges):
        yield tuple(
            slice(start, min(start + step, size))
            for start, step, size in zip(starts, steps, shape, strict=True)
        )


def _steps(shape: tuple[int, ...], limit: int, *blocks: tuple[int, ...]) -> list[int]:
    """The shape of windows."""
    steps = list(shape)
    for axis, size in enumerate(shape):
        if math.prod(steps) <= limit:
            break
        block = min(math.lcm(*(block[axis] for block in blocks)), size)
        fitting = limit // (math.prod(steps) // size) // block * block
        steps[axis] = min(max(fitting, block), size)
    return steps


def _follow(steps: list[int], shape: tuple[int, ...], block: tuple[int, ...]) -> bool:
    """Whether the blocks of windows, one window after the other, are in C order."""
    for axis, (step, length) in enumerate(zip(steps, block, strict=True)):
        if step > length:
            return tuple(steps[axis + 1 :]) == shape[axis + 1 :]
    return True


def elements_for(memory: int, dtype: np.dtype) -> int:
    """How many elements a window may have so that all that is held keeps within `memory` bytes."""
    return max(min(memory // HELD, LARGEST) // dtype.itemsize, 1)


def as_number(text: str) -> float:
    """A number; an integer of up to 64 bits stays one, as floats do not hold all of these."""
    try:
        number = int(text)
    except ValueError:
        return float(text)
    return number if abs(number) < 2**64 else float(text)


def _holds(dtype: np.dtype, value: float) -> bool:
    if dtype.kind == "b":
        return value in (0, 1)
    info = np.iinfo(dtype)
    return math.isfinite(value) and value == int(value) and info.min <= value <= info.max


class WholeFile(io.BufferedWriter):
    """A new file in which every error of writing is raised.

    Given a descriptor, ndarray.tofile (used by NumPy and tifffile) writes past Python, and a full
    disk that shows when its C buffer is flushed is lost: the file is short and nobody knows.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "x"))

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


# In memory


class ArrayReader(Reader):
    """An image that is decoded as a whole."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.shape, self.dtype = image.shape, image.dtype
        self.block = (1,) * image.ndim

    def _read(self, window: Window) -> Image:
        return self.image[window or ...]


@dataclass
class ArrayWriter:
    """Collects an image that is encoded as a whole."""

    path: Path
    output: Output
    encode: Callable[[BinaryIO, Image], None]
    block: tuple[int, ...] = field(init=False)
    ordered: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.block = (1,) * len(self.output.shape)
        self.image = np.empty(self.output.shape, self.output.dtype)

    def write(self, window: Window, image: Image) -> None:
        self.image[window] = image

    def finish(self) -> None:
        with WholeFile(self.path) as file:
            self.encode(file, self.image)

    def close(self) -> None:
        pass


# NumPy


class NpyReader(Reader):
    """A .npy file, mapped anew for each window: pages of a map that stays count as memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        image = self._map()
        self.shape, self.dtype = image.shape, image.dtype
        self.block = (1,) * image.ndim

    def _read(self, window: Window) -> Image:
        return self._map()[window or ...]

    def _map(self) -> Image:
        with np.errstate(over="ignore"):  # a size that lies
            return np.lib.format.open_memmap(self._path, mode="r")


class NpyWriter:
    """A .npy file in C order; not mapped, as a full disk would kill the process."""

    ordered = False

    def __init__(self, path: Path, output: Output) -> None:
        self._shape, self._dtype = output.shape, output.dtype
        self.block = (1,) * len(output.shape)
        self._file = WholeFile(path)
        header = {
            "descr": np.lib.format.dtype_to_descr(output.dtype),
            "fortran_order": False,
            "shape": output.shape,
        }
        np.lib.format.write_array_header_1_0(self._file, header)
        self._start = self._file.tell()

    def write(self, window: Window, image: Image) -> None:
        image = np.asarray(image, self._dtype)
        axis = _first_of_run(window, self._shape)
        for index in np.ndindex(image.shape[:axis]):
            self._file.seek(self._start + self._offset(window, index))
            self._file.write(as_bytes(image[index]))

    def _offset(self, window: Window, index: tuple[int, ...]) -> int:
        """In bytes, of the element at an index of a window, zero for the axes that it lacks."""
        missing = (0,) * (len(window) - len(index))
        offset = 0
        for part, i, size in zip(window, index + missing, self._shape, strict=True):
            offset = offset * size + part.start + i
        return offset * self._dtype.itemsize

    def finish(self) -> None:
        self._file.flush()

    def close(self) -> None:
        with suppress(OSError):  # of what `finish` could not write either
            self._file.close()


def _first_of_run(window: Window, shape: tuple[int, ...]) -> int:
    """The first axis from which on a window is one run of a C-ordered array."""
    for axis in range(len(shape) - 1, 0, -1):
        if window[axis] != slice(0, shape[axis]):
            return axis
    return 0


def as_bytes(image: Image) -> memoryview:
    return np.ascontiguousarray(image).reshape(-1).view(np.uint8).data


# How much there is


def default_memory() -> int:
    """A quarter of the memory that this process may use, in bytes."""
    limits = [_physical_memory()]
    for group in control_groups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):  # of version 2 or 1
            with suppress(OSError, ValueError):  # ValueError: "max"
                limits.append(int(Path(group, name).read_text()))
    return min(limits) // 4


def _physical_memory() -> int:
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    import ctypes  # Windows

    class Status(ctypes.Structure):
        # MEMORYSTATUSEX: two DWORDs and seven DWORDLONGs, the first of which is the total.
        _fields_ = (
            *((name, ctypes.c_ulong) for name in ("length", "load")),
            *((name, ctypes.c_ulonglong) for name in "abcdefg"),
        )

    status = Status(length=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined]
    return status.a
