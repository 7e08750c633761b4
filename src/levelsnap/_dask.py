"""dask's arrays: labels and levels lazily, block by block; distinct values by a tree of blocks."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.core import flatten
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from .arrays import as_array
from .codebook import Codebook
from .dtypes import check_dtype

# How many results of blocks a worker merges at a time.
SPLIT_EVERY = 4

# Of lazy arrays whose blocks are other objects, which dask only hands on.
_NO_ARRAY = np.empty(0, object)


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
    if any(given is not None for given in (out if both else (out,))):
        raise TypeError("out cannot be given for an image that is computed lazily")
    options = {"dtype": dtype, "nan": nan, "threads": threads}
    found = getattr(codebook, method)(_sample(image), **options)  # refuses wrong options now
    options["threads"] = 1 if threads is None else threads  # blocks are computed side by side
    keywords = {"codebook": _shared(codebook), "method": method, "options": options}
    if not both:
        return _map(_nearest_of_block, image, where, found, **keywords)
    pairs = _map(_nearest_of_block, image, where, _NO_ARRAY, **keywords)
    return tuple(
        pairs.map_blocks(operator.itemgetter(i), dtype=sample.dtype, meta=sample)
        for i, sample in enumerate(found)
    )


def decode(labels: Any, codebook: Codebook, dtype: Any) -> Any:
    sample = codebook.decode(_sample(labels), dtype)
    return _map(_decode_block, labels, True, sample, codebook=_shared(codebook), decoded=dtype)


def reduce(
    function: Callable[..., Any], merge: Callable[[list[Any]], Any], image: Any, where: Any
) -> Any:
    """Computed now, merged a few at a time where the blocks are."""
    _sample(image)
    (found,) = dask.optimize(_map(function, image, where, _NO_ARRAY))
    name = f"merge-{found.name}"
    keys: list[Any] = list(flatten(found.__dask_keys__()))
    tasks: dict[Any, Any] = {}
    while len(keys) > 1 or not tasks:
        groups = [keys[i : i + SPLIT_EVERY] for i in range(0, len(keys), SPLIT_EVERY)]
        keys = [(name, len(tasks) + i) for i in range(len(groups))]
        tasks |= {key: (merge, group) for key, group in zip(keys, groups, strict=True)}
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=[found])
    return Delayed(keys[0], graph, layer=name).compute()


def parts(image: Any, where: Any) -> Iterator[tuple[Any, Any]]:
    yield image, _asked(image, where)


def is_lazy(image: Any) -> bool:
    return True


def _nearest_of_block(
    image: NDArray, where: Any, *, codebook: Codebook, method: str, options: Any, block_id: Any
) -> Any:
    try:
        return getattr(codebook, method)(image, where=where, **options)
    except ValueError as error:
        error.add_note(f"in the dask array's block {block_id}")
        raise


def _decode_block(labels: NDArray, where: Any, *, codebook: Codebook, decoded: Any) -> Any:
    return codebook.decode(labels, decoded)


def _map(function: Callable[..., Any], image: Any, where: Any, meta: Any, **keywords: Any) -> Any:
    """The lazy array of what a function gives for each block and its where."""
    asked = _asked(image, where)
    return da.map_blocks(function, image, asked, dtype=meta.dtype, meta=meta, **keywords)


def _asked(image: Any, where: Any) -> Any:
    """`where` in blocks like the image's, or True."""
    if where is True:
        return True
    if not isinstance(where, da.Array):
        where = as_array(where)
    if where.dtype != bool:
        raise TypeError(f"where must be boolean, given dtype {where.dtype}")
    if np.isnan(image.shape).any():
        if isinstance(where, da.Array) and where.numblocks == image.numblocks:
            return where
        raise ValueError(
            "the image's blocks have unknown sizes: where must be a dask array of as many blocks, "
            "or call compute_chunk_sizes() first"
        )
    try:
        asked = da.broadcast_to(da.asarray(where), image.shape)
        return asked.rechunk(image.chunks) if image.size else True  # it keeps chunks of nothing
    except ValueError:
        raise ValueError(
            f"where of shape {where.shape} does not broadcast to the image's shape {image.shape}"
        ) from None


def _sample(image: Any) -> NDArray:
    """An empty array like the image's blocks; TypeError if these are not NumPy's."""
    if not isinstance(image._meta, np.ndarray | np.generic):
        raise TypeError(
            f"the dask array's blocks are {type(image._meta).__name__}; accepted are NumPy arrays"
        )
    check_dtype(image.dtype, "image")
    empty = np.empty((0,) * max(image.ndim, 1), image.dtype)
    return np.ma.MaskedArray(empty) if isinstance(image._meta, np.ma.MaskedArray) else empty


def _shared(codebook: Codebook) -> Any:
    """A task of its own, so that a worker gets the codebook, and makes its tables, once."""
    return dask.delayed(codebook, pure=True, traverse=False)
