"""Arrays of other packages: which module handles them, found without importing anything."""

import importlib
from types import ModuleType
from typing import Any

import numpy as np

# By top-level package and class name. The module has the functions `labels`, `snap`,
# `labels_and_snap` and `decode` (as in nearest.py and Codebook), `distinct`, `histogram`, and
# `parts`: the pairs (image, where) of simpler arrays that one is made of.
_ADAPTORS = {
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
