"""``import levelsnap.xarray`` gives DataArrays and Datasets an accessor ``.levelsnap``."""

from typing import Any

import xarray as xr

from . import KChoice, choose_k, fit, histogram, labels, labels_and_snap, snap
from .codebook import Codebook
from .histogram import Histogram


@xr.register_dataarray_accessor("levelsnap")
@xr.register_dataset_accessor("levelsnap")
class LevelsnapAccessor:
    """The functions of levelsnap as methods, with the same options.

    Of a Dataset, `fit`, `choose_k` and `histogram` take all variables together.

    Parameters
    ----------
    image : DataArray or Dataset
        Given by xarray.
    """

    def __init__(self, image: Any) -> None:
        self._image = image

    def fit(self, k: int, **options: Any) -> Codebook:
        """See `levelsnap.fit`."""
        return fit(self._image, k, **options)

    def choose_k(self, k_max: int = 32, **options: Any) -> KChoice:
        """See `levelsnap.choose_k`."""
        return choose_k(self._image, k_max, **options)

    def histogram(self, **options: Any) -> Histogram:
        """See `levelsnap.histogram`."""
        return histogram(self._image, **options)

    def labels(self, centers: Any, **options: Any) -> Any:
        """See `levelsnap.labels`."""
        return labels(self._image, centers, **options)

    def snap(self, centers: Any, **options: Any) -> Any:
        """See `levelsnap.snap`."""
        return snap(self._image, centers, **options)

    def labels_and_snap(self, centers: Any, **options: Any) -> tuple[Any, Any]:
        """See `levelsnap.labels_and_snap`."""
        return labels_and_snap(self._image, centers, **options)
