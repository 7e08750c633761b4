"""Arrays of other packages: which module handles them, found without importing anything."""

import importlib
from types import ModuleType
from typing import Any

import numpy as np

# By top-level package and class name. An adaptor calls what is given for arrays on each part of
# such an array, a block or a variable, and puts the results together:
#   nearest(method, image, codebook, **options)  an array like the image; the Codebook's method is
#                                                "labels", "snap" or "labels_and_snap" (then two)
#   decode(labels, codebook, dtype)              an array like the labels
#   reduce(function, merge, image, where)        merge([function(part, its where), ...])
#   parts(image, where)                          each array and its where, to be sliced
#   is_lazy(image)                               whether parts are computed later or elsewhere
_ADAPTORS = {
    ("dask", "Array"): "_dask",
    ("xarray", "DataArray"): "_xarray",
    ("xarray", "Dataset"): "_xarray",
}


def adaptor(image: Any) -> ModuleType | None:
    """The module that handles an array of another package; None for all that NumPy takes."""
    if type(image) is np.ndarray:
        return None
    for base in type(image).__mro__:
        name = _ADAPTORS.get((base.__module__.partition(".")[0], base.__name__))
        if name is not None:
            return importlib.import_module(f"{__package__}.{name}")
    return None


def is_lazy(data: Any) -> bool:
    """Whether data is computed block by block, elsewhere or later."""
    foreign = adaptor(data)
    return foreign is not None and foreign.is_lazy(data)
