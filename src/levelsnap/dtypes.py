"""The dtypes that levelsnap accepts, and the one rule by which values change dtype."""

import numpy as np
from numpy.typing import NDArray

# In the order of kernels/nearest.h's ls_type.
ELEMENT_TYPES = {
    np.dtype(name): code
    for code, name in enumerate(
        [
            "bool", "int8", "uint8", "int16", "uint16", "float16",
            "int32", "uint32", "float32", "int64", "uint64", "float64",
        ]
    )
}  # fmt: skip

_NAN_BITS = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}


def native(dtype: np.dtype) -> np.dtype:
    """`dtype` in this machine's byte order."""
    return dtype.newbyteorder("=")


def is_swapped(dtype: np.dtype) -> bool:
    return not dtype.isnative


def element_type(dtype: np.dtype) -> int:
    """The kernels' code of a dtype of either byte order.

    `numpy.longdouble` is refused also where it has 8 bytes.
    """
    return ELEMENT_TYPES[native(dtype)]


def check_dtype(dtype: np.dtype, what: str) -> None:
    """Refuse dtypes other than bool, integers and floats of up to 64 bits."""
    if dtype.char == "g" or native(dtype) not in ELEMENT_TYPES:
        raise TypeError(
            f"{what} has dtype {dtype}; accepted are bool, signed and unsigned integers of 8 to "
            "64 bits, float16, float32 and float64"
        )


def integer_range(dtype: np.dtype) -> tuple[int, int]:
    """Smallest and largest value of bool (0 and 1) or of an integer dtype."""
    if dtype.kind == "b":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def nan_bits(dtype: np.dtype) -> int:
    """The bits of a quiet NaN of a float dtype; 0 for other dtypes."""
    return _NAN_BITS[dtype.itemsize] if dtype.kind == "f" else 0


def cast(values: NDArray, dtype: np.dtype) -> NDArray:
    """Real values in another dtype.

    Integers: rounded half to even and clipped to the range, NaN becomes 0. Floats: rounded to
    nearest, +-inf beyond the range.
    """
    if dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):  # as of a signalling NaN
            return values.astype(dtype)
    low, high = integer_range(dtype)
    if values.dtype.kind != "f":
        own_low, own_high = integer_range(values.dtype)
        wide = values.astype(np.uint8) if values.dtype.kind == "b" else values
        return np.clip(wide, max(low, own_low), min(high, own_high)).astype(dtype)
    rounded = np.rint(values.astype(np.float64))
    result = np.zeros(values.shape, dtype)
    # float(high) is the power of two above it for 64-bit dtypes: what is below can be cast.
    inside = (rounded > low) & (rounded < float(high))
    result[inside] = rounded[inside].astype(dtype)
    result[rounded <= low] = low
    result[rounded >= float(high)] = high
    return result


def split(values: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values as high + low, two float64 each, without error for 64-bit integers too."""
    high = values.astype(np.float64)
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8:
        return high, np.zeros_like(high)
    # The largest values round up to a power of two that the dtype does not hold.
    beyond = float(integer_range(values.dtype)[1])
    high = np.minimum(high, np.nextafter(beyond, 0.0))
    rest = values.astype(np.uint64) - high.astype(values.dtype).astype(np.uint64)  # modulo 2**64
    return high, rest.view(np.int64).astype(np.float64)
