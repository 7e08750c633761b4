"""xarray's DataArray and Dataset: their arrays to the kernels, the results dressed as they were."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .codebook import Codebook
from .containers import is_lazy as is_lazy_array
from .interchange import OF_PACKING, OF_VALUES

# What an encoding says of values, and not of their labels.
_OF_ENCODED = OF_PACKING | {
    "calendar", "dtype", "filters", "least_significant_digit", "quantize_mode", "rasterio_dtype",
    "serializer", "significant_digits", "units",
}  # fmt: skip


def nearest(
    method: str,
    image: Any,
    codebook: Codebook,
    *,
    out: Any,
    dtype: Any,
    where: Any,
    nan: Any,
    threads: Any,
) -> Any:
    both = method == "labels_and_snap"
    outs = out if both else (out,)

    def one(image: xr.DataArray, where: Any) -> tuple[Any, ...]:
        function = partial(getattr(codebook, method), dtype=dtype, nan=nan)
        found = _apply(function, image, where, outs, threads)
        dressed = []
        for kind, array, given in zip(method.split("_and_"), found, outs, strict=True):
            if given is not None:
                dressed.append(array)
            elif kind == "labels":
                dressed.append(_dress_labels(image, array, codebook, nan))
            else:
                dressed.append(_dress(image, array, image.attrs, image.encoding))
        return tuple(dressed)

    found = _each(one, image, where, outs)
    return found if both else found[0]


def decode(labels: Any, codebook: Codebook, dtype: Any) -> Any:
    def one(labels: xr.DataArray, where: Any) -> tuple[Any, ...]:
        def function(array: NDArray, **unused: Any) -> NDArray:
            return codebook.decode(array, dtype)

        (found,) = _apply(function, labels, True, (None,), None)
        return (_dress(labels, found, _without(labels.attrs, OF_VALUES), _encoding(labels)),)

    return _each(one, labels, True, (None,))[0]


def reduce(
    function: Callable[..., Any], merge: Callable[[list[Any]], Any], image: Any, where: Any
) -> Any:
    found = [function(*part) for part in parts(image, where)]
    if not found:
        raise ValueError("the Dataset has no variables")
    return merge(found)


def is_lazy(image: Any) -> bool:
    return any(is_lazy_array(variable.data) for variable, _ in _variables(image, True).values())


def parts(image: Any, where: Any) -> Iterator[tuple[Any, Any]]:
    """The array of each variable, with its where."""
    for array, asked in _variables(image, where).values():
        asked = _align(array, asked)
        yield array.data, asked if asked is True else asked.data


def _variables(image: Any, where: Any) -> dict[Any, tuple[xr.DataArray, Any]]:
    if isinstance(image, xr.DataArray):
        return {image.name: (image, where)}
    of_each = isinstance(where, xr.Dataset)
    return {
        name: (variable, where[name] if of_each else where)
        for name, variable in image.data_vars.items()
    }


def _each(
    one: Callable[[xr.DataArray, Any], tuple[Any, ...]], image: Any, where: Any, out: Any
) -> tuple[Any, ...]:
    """What `one` gives for a DataArray, or for each variable of a Dataset."""
    if isinstance(image, xr.DataArray):
        return one(image, where)
    if any(given is not None for given in out):
        raise TypeError("out cannot be given for a Dataset")
    found = {}
    for name, (variable, asked) in _variables(image, where).items():
        try:
            found[name] = one(variable, asked)
        except (TypeError, ValueError) as error:
            error.add_note(f"in the Dataset's variable {name!r}")
            raise
    return tuple(
        image.assign({name: results[i].variable for name, results in found.items()})
        for i in range(len(out))
    )


def _apply(
    function: Callable[..., Any], image: xr.DataArray, where: Any, out: Any, threads: Any
) -> tuple[Any, ...]:
    """A function of codebook.py of the image's data; of its dask array, if that is lazy."""
    asked = _align(image, where)
    chunks = image.chunksizes or (asked is not True and asked.chunksizes)
    arrays = tuple(_out_array(given, image) for given in out)
    found = function(
        image.variable.chunk(chunks).data if chunks else image.values,
        where=asked if asked is True else asked.data,
        out=arrays if len(out) == 2 else arrays[0],
        threads=threads,
    )
    found = found if len(out) == 2 else (found,)
    pairs = zip(found, out, strict=True)
    return tuple(new if given is None else given for new, given in pairs)


def _align(image: xr.DataArray, where: Any) -> Any:
    """`where` as a Variable of the image's dimensions, or True."""
    if where is True:
        return True
    if isinstance(where, xr.Dataset):
        raise TypeError("where is a Dataset, but the image is a DataArray")
    if not isinstance(where, xr.DataArray):
        where = np.asarray(where)
        try:
            return xr.Variable(image.dims, np.broadcast_to(where, image.shape))
        except ValueError:
            raise ValueError(
                f"where of shape {where.shape} does not broadcast to the image's shape "
                f"{image.shape}"
            ) from None
    if not set(where.dims) <= set(image.dims):
        raise ValueError(f"where has dimensions {where.dims}; the image has {image.dims}")
    _, where = xr.align(image, where, join="exact", copy=False)
    return where.variable.set_dims(dict(image.sizes))


def _out_array(out: Any, image: xr.DataArray) -> Any:
    if not isinstance(out, xr.DataArray):
        return out
    if out.dims != image.dims:
        raise ValueError(f"out has dimensions {out.dims}; the image has {image.dims}")
    if out.chunks is not None:
        raise TypeError("out cannot be a DataArray that is computed lazily")
    return out.values


def _dress(
    image: xr.DataArray, data: Any, attrs: dict[Any, Any], encoding: dict[Any, Any]
) -> xr.DataArray:
    result = xr.DataArray(
        data, coords=image.coords, dims=image.dims, name=image.name, attrs=dict(attrs)
    )
    result.encoding = dict(encoding)
    return result


def _dress_labels(image: xr.DataArray, data: Any, codebook: Codebook, nan: Any) -> xr.DataArray:
    attrs = _without(image.attrs, OF_VALUES) | codebook.to_cf_attrs(data.dtype)
    encoding = _encoding(image)
    if not isinstance(nan, str) and not 0 <= nan < codebook.k:
        encoding["_FillValue"] = data.dtype.type(nan)
    return _dress(image, data, attrs, encoding)


def _encoding(image: xr.DataArray) -> dict[Any, Any]:
    return _without(image.encoding, _OF_ENCODED)


def _without(entries: dict[Any, Any], names: set[str]) -> dict[Any, Any]:
    return {
        name: entry
        for name, entry in entries.items()
        if name not in names and not str(name).startswith("STATISTICS_")
    }
