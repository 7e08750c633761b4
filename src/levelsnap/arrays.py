"""What was given, as a NumPy array over memory that is there and stays there."""

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_array(given: Any) -> NDArray[Any]:
    """As `np.asarray`, within the buffer that an ``__array_interface__`` may have, and holding it.

    NumPy believes such an object about shape, strides and offset, and lets its buffer be resized.
    An address that an object states without a buffer cannot be checked.
    """
    array = np.asarray(given)
    owner = array.base
    plain = isinstance(given, np.ndarray) or isinstance(owner, np.ndarray | memoryview | None)
    if plain or array.size == 0:
        return array
    try:
        whole = np.asarray(memoryview(owner).cast("B"))  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):  # it has no buffer
        return array
    again = np.asarray(given)  # until it was held, another thread may have resized it
    array = again if again.base is owner else array
    start = array.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    if whole.size:  # else NumPy takes it for large enough
        with suppress(TypeError, ValueError):
            return np.ndarray(array.shape, array.dtype, whole, start, array.strides)
    raise ValueError(
        f"{type(given).__name__} has an __array_interface__ of shape {array.shape}, strides "
        f"{array.strides} and dtype {array.dtype} beyond its buffer of {whole.size} bytes"
    )


def refuse_masked(given: Any, what: str) -> None:
    if np.ma.is_masked(given):
        raise ValueError(f"{what} hold masked elements; pass {what}.compressed()")
