"""A codebook in other programs' terms; `Codebook` has these as methods, described there."""

import math
import operator
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .dtypes import native

if TYPE_CHECKING:
    from .codebook import Codebook

_FLOAT64 = np.dtype(np.float64)

# What attributes (by CF, or by GDAL) say of values, and not of their labels.
OF_PACKING = {
    "_FillValue", "_Unsigned", "add_offset", "missing_value", "scale_factor", "valid_max",
    "valid_min", "valid_range",
}  # fmt: skip
OF_VALUES = OF_PACKING | {
    "actual_range", "calendar", "cell_methods", "flag_masks", "flag_meanings", "flag_values",
    "standard_name", "units", "units_metadata",
}  # fmt: skip


def evenly_spaced(lo: float, hi: float, k: SupportsIndex) -> list[Fraction]:
    k = operator.index(k)
    if k < 1:
        raise ValueError(f"k must be at least 1, given {k}")
    lo, hi = float(lo), float(hi)
    if not -math.inf < lo < hi < math.inf:
        raise ValueError(f"lo and hi must be finite, and lo < hi; given {lo!r} and {hi!r}")
    first, span = Fraction(lo), Fraction(hi) - Fraction(lo)
    if k == 1:
        return [first + span / 2]
    return [first + span * i / (k - 1) for i in range(k)]


def lookup_table(codebook: "Codebook", dtype: DTypeLike, encode: str) -> NDArray[Any]:
    check_encode(encode)
    dtype = native(np.dtype(dtype))
    if dtype.kind not in "iu" or dtype.itemsize > 2:
        raise TypeError(f"a table is for integers of 8 or 16 bits, given {dtype}")
    unsigned = np.dtype(f"u{dtype.itemsize}")
    values = np.arange(1 << 8 * dtype.itemsize).astype(unsigned).view(dtype)
    return codebook.snap(values) if encode == "values" else codebook.labels(values)


def gdal_mapping(
    codebook: "Codebook", encode: str, special: Mapping[float, float | str] | None
) -> str:
    check_encode(encode)
    cuts, entries = [], []
    for value, result in (special or {}).items():
        value = float(value) + 0.0
        if math.isnan(value):
            entries.append(f"NAN={result}")
        else:
            cuts.append(value)
            entries.append(f"[{value!r},{value!r}]={result}")
    cuts.sort()
    results = codebook.centers.tolist() if encode == "values" else range(codebook.k)
    ends = [-math.inf, *codebook.thresholds(_FLOAT64).tolist(), math.inf]
    for (low, high), result in zip(pairwise(ends), results, strict=True):
        entries += [f"{interval}={result}" for interval in _without(low, high, cuts)]
    return ";".join(entries)


def _without(low: float, high: float, cuts: list[float]) -> Iterator[str]:
    """(low, high], in GDAL's notation, without the ascending `cuts`; -inf belongs to the first."""
    bracket, first = ("[", low) if low == -math.inf else ("(", math.nextafter(low, math.inf))
    for cut in cuts:
        if first <= cut <= high:
            if first < cut:
                yield f"{bracket}{low!r},{cut!r})"
            bracket, low, first = "(", cut, math.nextafter(cut, math.inf)
            if cut == math.inf:
                return
    if first <= high:
        yield f"{bracket}{low!r},{high!r}]"


def cf_attrs(codebook: "Codebook", dtype: np.dtype) -> dict[str, Any]:
    words = [repr(center).removesuffix(".0") for center in codebook.centers.tolist()]
    return {
        "flag_values": np.arange(codebook.k).astype(native(dtype)),
        "flag_meanings": " ".join(words),
    }


def norm_and_colormap(codebook: "Codebook", cmap: Any) -> tuple[Any, Any]:
    try:
        import matplotlib
        from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap
    except ImportError as error:
        raise ImportError("to_norm needs matplotlib: pip install 'levelsnap[plot]'") from error
    if isinstance(cmap, str):
        cmap = matplotlib.colormaps[cmap]
    if isinstance(cmap, Colormap):
        cmap = cmap(np.linspace(0.0, 1.0, codebook.k))
    colors = list(cmap)
    if len(colors) != codebook.k:
        raise ValueError(f"{len(colors)} colors for {codebook.k} levels")
    listed = ListedColormap(colors).with_extremes(under=colors[0], over=colors[-1])
    return BoundaryNorm(_boundaries(codebook), codebook.k), listed


def _boundaries(codebook: "Codebook") -> list[float]:
    """Ascending float64 b with ``b[i] <= x < b[i+1]`` just if the label is i, between the ends."""
    levels = codebook.centers.tolist()
    inner = np.nextafter(codebook.thresholds(_FLOAT64), np.inf).tolist()
    if inner:
        below, above = levels[0] - (inner[0] - levels[0]), levels[-1] + (levels[-1] - inner[-1])
    else:
        reach = max(1.0, abs(levels[0]) / 2)
        below, above = levels[0] - reach, levels[0] + reach
    # matplotlib rounds the last boundary to the image's dtype, where it must stay above the rest.
    for dtype in map(np.dtype, ("f2", "f4", "f8")):
        for threshold in codebook.thresholds(dtype)[-1:]:
            with np.errstate(over="ignore"):
                next_ = float(np.nextafter(threshold, dtype.type(np.inf)))
            above = max(above, next_) if math.isfinite(next_) else above
    most = float(np.finfo(_FLOAT64).max)
    return [max(below, -most), *inner, min(above, most)]


def check_encode(encode: object) -> None:
    if not isinstance(encode, str) or encode not in ("labels", "values"):
        raise ValueError(f'encode must be "labels" or "values", given {encode!r}')
