"""Tables for the kernels: which way to find labels, and what it needs."""

import os
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._nearest import BEST_ISA, Table, has_packed, node_levels, node_size, register_depth
from ._nearest import nearest as run_kernel
from .dtypes import cast, element_type, nan_bits

if TYPE_CHECKING:
    from .codebook import Codebook


class Isa(IntEnum):
    """Instruction sets, as ls_isa of kernels/nearest.h."""

    BASELINE = 0
    AVX2 = 1
    AVX512 = 2


class Method(IntEnum):
    """Ways to find labels, as ls_method of kernels/nearest.h."""

    SEARCH = 0
    PATTERNS = 1
    REGISTERS = 2
    NODES = 3
    GRID = 4
    COUNT = 5
    PACKED = 6


def _chosen_isa() -> Isa:
    """The best instruction set here, or the one that LEVELSNAP_ISA asks for."""
    asked = os.environ.get("LEVELSNAP_ISA")
    if not asked:
        return Isa(BEST_ISA)
    names = [isa.name.lower() for isa in Isa]
    if asked not in names:
        raise ImportError(f"LEVELSNAP_ISA={asked!r}: accepted are {', '.join(names)}")
    if names.index(asked) > BEST_ISA:
        raise ImportError(
            f"LEVELSNAP_ISA={asked!r}: this machine has {', '.join(names[: BEST_ISA + 1])}"
        )
    return Isa(names.index(asked))


ISA = _chosen_isa()


def choose_method(dtype: np.dtype, k: int, size: int) -> Method:
    """How to find the labels of `size` elements among `k` levels.

    The crossovers are from benchmarks/bench_methods.py.
    """
    type = element_type(dtype)
    depth = (k - 1).bit_length()
    patterns = 1 << 8 * dtype.itemsize
    lanes = node_size(ISA, type) // dtype.itemsize
    if dtype.itemsize == 1 and size >= patterns:
        return Method.PATTERNS
    if (
        has_packed(ISA, type)
        and PACKED_ABOVE[lanes] < k <= 1 << 16
        and size >= max(PACKED_FROM, 64 * k)
    ):
        return Method.PACKED  # or nodes, if thresholds are crowded
    if 1 <= depth <= register_depth(ISA, type):
        return Method.REGISTERS
    if dtype.itemsize == 2 and size >= patterns:
        return Method.PATTERNS
    if size >= NODES_FROM and depth <= MAX_NODES_DEPTH and (lanes >= 8 or (lanes and 4 < k <= 64)):
        return Method.NODES
    if dtype.itemsize == 4 and k <= 16:
        return Method.COUNT
    if dtype.itemsize >= 4 and 16 < k <= 1 << 16 and size >= _grid_from(k):
        return Method.GRID
    return Method.SEARCH


# Above how many levels, by lanes of a register, and from what size of an image making a packed grid
# pays.
PACKED_ABOVE = {8: 64, 16: 256}
PACKED_FROM = 1 << 19


def label_cost(dtype: np.dtype, k: int) -> float:
    """About how many nanoseconds a thread takes to label an element.

    Those of AVX-512 (benchmarks/bench_methods.py): a slower set uses threads later than it could.
    """
    if dtype.itemsize == 1:
        return 0.05
    cost = 0.015 * dtype.itemsize * max((k - 1).bit_length(), 2)
    return min(cost, 0.35) if dtype.itemsize == 2 else cost


# The size of an image from which making a tree of nodes pays.
NODES_FROM = 1 << 10

# Nodes have 32-bit offsets.
MAX_NODES_DEPTH = 28


def _grid_from(k: int) -> int:
    """The size of an image from which making a grid pays."""
    return max(MIN_CELLS, 8 * k)


def make_table(
    codebook: "Codebook",
    method: Method,
    dtype: np.dtype,
    label_dtype: np.dtype,
    value_dtype: np.dtype | None,
) -> Table:
    """A kernel's table for native dtypes; `value_dtype` None: only labels are asked for."""
    thresholds = codebook._native_thresholds(dtype)
    k = len(codebook._centers)
    values = None if value_dtype is None else cast(codebook._centers, value_dtype)
    options = {"keep_nan": value_dtype == dtype}
    if value_dtype is not None:
        options["nan_value"] = nan_bits(value_dtype)
    search = search_table(
        thresholds,
        Method.SEARCH if method == Method.PATTERNS else method,
        k,
        label_dtype.itemsize,
        values,
        **options,
    )
    if method != Method.PATTERNS:
        return search
    patterns = np.arange(1 << 8 * dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype)
    labels = np.empty(patterns.shape, label_dtype)
    values = None if value_dtype is None else np.empty(patterns.shape, value_dtype)
    run_kernel(search, patterns, False, None, labels, False, values, False, 0, False, False, 1)
    return Table(
        ISA,
        method,
        element_type(dtype),
        np.empty(0, dtype),
        0,
        k,
        0,
        label_dtype.itemsize,
        values,
        pattern_labels=labels,
        **options,
    )


def search_table(
    thresholds: NDArray,
    method: Method,
    k: int,
    label_size: int,
    values: NDArray | None = None,
    **options: Any,
) -> Table:
    """A kernel's table of a search among native thresholds, for which there may be no method."""
    depth = len(thresholds).bit_length()
    first = k - 1 - len(thresholds)
    type = element_type(thresholds.dtype)
    grid = None
    if not depth:
        method = Method.SEARCH  # no midpoint lies within the dtype's range
    if method == Method.PACKED:
        grid, crowded = make_packed(thresholds, first)
        if crowded > MAX_CROWDED:
            grid, method = None, Method.NODES
    elif method == Method.GRID:
        grid = make_grid(thresholds)
    if method == Method.NODES:
        depth, thresholds = _nodes(thresholds, depth)
    elif grid is not None:
        # In a cell the search may look at this many thresholds beyond the first.
        thresholds = _padded(thresholds, len(thresholds) + 2 * grid.half)
    else:
        # One more than a search looks at: counting takes four at a time.
        thresholds = _padded(thresholds, max(1 << depth, 4))
    return Table(
        ISA, method, type, thresholds, depth, k, first, label_size, values, grid=grid, **options
    )


def _padded(thresholds: NDArray, length: int) -> NDArray:
    """Thresholds as the kernels search them, float16 as ordered keys (elements.h)."""
    if thresholds.dtype == np.float16:
        bits = thresholds.view(np.int16)
        thresholds = np.where(bits < 0, bits ^ 0x7FFF, bits).astype(np.int16)
    if thresholds.dtype == bool:
        thresholds = thresholds.view(np.uint8)
    largest = np.inf if thresholds.dtype.kind == "f" else np.iinfo(thresholds.dtype).max
    padded = np.full(length, largest, thresholds.dtype)
    padded[: len(thresholds)] = thresholds
    return padded


def _nodes(thresholds: NDArray, depth: int) -> tuple[int, NDArray]:
    """The depth and the levels of a tree of nodes, lowest first (kernels/nodes.inc.h)."""
    type = element_type(thresholds.dtype)
    size, levels = node_size(ISA, type), node_levels(ISA, type, depth)
    per_node = size // thresholds.itemsize
    depth = max(depth, (per_node.bit_length() - 1) * levels)
    parts = [_padded(thresholds, 1 << depth)]
    for _ in range(levels):
        parts.append(parts[-1][per_node - 1 :: per_node])
    tree = _aligned(sum(map(len, parts)), thresholds.dtype, size)
    np.concatenate(parts, out=tree)
    return depth, tree


def _aligned(length: int, dtype: np.dtype, alignment: int) -> NDArray:
    """An array at a multiple of `alignment` bytes."""
    size = length * dtype.itemsize
    memory = np.empty(size + alignment, np.uint8)
    return memory[-memory.ctypes.data % alignment :][:size].view(dtype)


class Grid(NamedTuple):
    """ls_grid of kernels/nearest.h."""

    low: float
    scale: float
    low_key: int
    left: int
    shift: int
    last: int
    half: int
    starts: NDArray[np.uint16] | None = None
    fine: NDArray[np.uint32] | None = None
    fine_low: NDArray | None = None
    packed: NDArray[np.uint32] | None = None


# Cells: few enough to stay in the first-level cache, or in the second-level one for many levels.
MIN_CELLS = 1 << 14
MAX_CELLS = 1 << 18

# What dividing the cells again costs, in steps of the search.
REFINING = 2


def make_grid(thresholds: NDArray) -> Grid:
    """The grid over ascending thresholds, at most 65,535 of them, with the fewest steps."""
    cells = min(max(MIN_CELLS, 1 << (4 * len(thresholds)).bit_length()), MAX_CELLS)
    keys = ordered_keys(thresholds)
    span = int(keys[-1]) - int(keys[0])
    shift = max(0, span.bit_length() - (cells.bit_length() - 1))
    keyed = ((keys - keys[0]) >> keys.dtype.type(shift)).astype(np.int64)
    maps = [(0.0, 0.0, shift, np.minimum(keyed, cells - 1))]
    if thresholds.dtype.kind == "f":
        with np.errstate(all="ignore"):
            low = thresholds[0]
            scale = thresholds.dtype.type(cells) / (thresholds[-1] - low)
            if np.isfinite(low) and np.isfinite(scale) and scale > 0:
                at = np.clip((thresholds - low) * scale, 0, thresholds.dtype.type(cells - 1))
                maps.append((float(low), float(scale), shift, at.astype(np.int64)))
    return min(
        (
            grid
            for low, scale, shift, cell in maps
            for grid in (
                _one_grid(low, scale, shift, keys, cell, cells),
                _refined_grid(low, scale, shift, keys, cell, cells),
            )
        ),
        key=lambda grid: grid.half.bit_length() + (0 if grid.fine is None else REFINING),
    )


def _one_grid(
    low: float, scale: float, shift: int, keys: NDArray, cell: NDArray, cells: int
) -> Grid:
    starts, half = _starts(cell, cells)
    return Grid(low, scale, int(keys[0]), 0, shift, cells - 1, half, starts)


def _refined_grid(
    low: float, scale: float, shift: int, keys: NDArray, cell: NDArray, cells: int
) -> Grid:
    """Each cell divided by the keys of its thresholds, into about four for each."""
    counts = np.bincount(cell, minlength=cells)
    begins = np.concatenate([[0], np.cumsum(counts)])
    several = np.flatnonzero(counts > 1)
    fine_low = np.zeros(cells, keys.dtype)
    bits = np.zeros(cells, np.int64)
    shifts = np.zeros(cells, np.int64)
    fine_low[several] = keys[begins[several]]
    span = keys[begins[several + 1] - 1] - fine_low[several]
    bits[several] = _bit_length(counts[several]) + 1
    shifts[several] = np.maximum(_bit_length(span) - bits[several], 0)
    firsts = np.concatenate([[0], np.cumsum(1 << bits)])
    at = (keys - fine_low[cell]) >> shifts[cell].astype(keys.dtype)
    lasts = ((1 << bits) - 1)[cell]
    fine_cell = firsts[cell] + np.where(counts[cell] > 1, np.minimum(at.astype(np.int64), lasts), 0)
    starts, half = _starts(fine_cell, int(firsts[-1]))
    fine = (firsts[:-1] << 11 | bits << 6 | shifts).astype(np.uint32)
    return Grid(low, scale, int(keys[0]), 0, shift, cells - 1, half, starts, fine, fine_low)


def _starts(cell: NDArray, cells: int) -> tuple[NDArray[np.uint16], int]:
    """How many thresholds lie below each cell, and the first step for the fullest cell."""
    counts = np.bincount(cell, minlength=cells)
    starts = np.zeros(cells, np.uint16)
    starts[1:] = np.cumsum(counts[:-1])
    return starts, 1 << (int(counts.max()).bit_length() - 1)


# Of kernels/kernels.h.
FRACTION_BITS = 7
CROWDED = 0xFEFF

# Cells: few enough to stay in the first-level cache, or in half of a second-level one of 1 MB.
MIN_PACKED = 1 << 11
MAX_PACKED = 1 << 17

# The share of thresholds in crowded cells from which nodes may be quicker.
MAX_CROWDED = 0.1


class Positions(NamedTuple):
    """A map to positions of a packed grid, without its cells."""

    grid: Grid
    cells: int
    at: NDArray[np.int64]  # the thresholds'
    above: NDArray[np.int64]  # of the next larger elements

    def counts(self) -> NDArray[np.intp]:
        """Thresholds in each cell."""
        return np.bincount(self.at >> FRACTION_BITS, minlength=self.cells)

    def crowded(self) -> float:
        """The share of thresholds in cells of more than two."""
        counts = self.counts()
        return counts[counts > 2].sum() / len(self.at)


def make_packed(thresholds: NDArray, first: int) -> tuple[Grid, float]:
    """The packed grid (kernels/packed.inc.h) with the fewest thresholds in crowded cells.

    And their share. For 32- and 64-bit types, and K of at most 65,536.
    """
    cells = min(max(MIN_PACKED, 1 << (4 * len(thresholds) - 1).bit_length()), MAX_PACKED)
    # One far threshold at an end would leave few cells to the others.
    ends = [(thresholds[i], thresholds[-1 - i]) for i in range(1 + (len(thresholds) > 2))]
    maps = [_keyed(thresholds, low, high, cells) for low, high in ends]
    if thresholds.dtype.kind == "f":
        maps += filter(None, (_linear(thresholds, low, high, cells) for low, high in ends))
    shares = [positions.crowded() for positions in maps]
    best = int(np.argmin(shares))
    return _packed(maps[best], first), shares[best]


def _keyed(thresholds: NDArray, low: Any, high: Any, cells: int) -> Positions:
    """Positions by differences of keys; those outside low ... high have cells of their own."""
    keys, low, high = (ordered_keys(np.atleast_1d(x)) for x in (thresholds, low, high))
    bits = cells.bit_length() - 1 + FRACTION_BITS
    size = (int(high[0]) - int(low[0]) + 1).bit_length()
    left, shift = max(bits - size, 0), max(size - bits, 0)
    cell = max(1 << FRACTION_BITS + shift >> left, 1)
    largest = np.iinfo(keys.dtype).max
    low_key = max(int(low[0]) - cell, 0)
    last = min(int(high[0]) + cell, largest) - low_key
    kind = keys.dtype.type
    at, above = (
        np.minimum(np.maximum(x, kind(low_key)) - kind(low_key), kind(last))
        << kind(left)
        >> kind(shift)
        for x in (keys, np.minimum(keys, largest - 1) + kind(1))
    )
    at, above = at.astype(np.int64), above.astype(np.int64)
    grid = Grid(0.0, 0.0, low_key, left, shift, last, 0)
    return Positions(grid, (last << left >> shift + FRACTION_BITS) + 1, at, above)


def _linear(thresholds: NDArray, low: Any, high: Any, cells: int) -> Positions | None:
    """Positions by differences of floats, if those are finite."""
    kind = thresholds.dtype.type
    last = kind(cells - 1 << FRACTION_BITS)
    with np.errstate(all="ignore"):
        scale = kind(cells - 3 << FRACTION_BITS) / (high - low)
        low = min(low - kind(1 << FRACTION_BITS) / scale, np.nextafter(low, -np.inf))
        if not (np.isfinite(low) and np.isfinite(scale) and scale > 0):
            return None
        at, above = (
            np.clip((x - low) * scale, 0, last).astype(np.int64)
            for x in (thresholds, np.nextafter(thresholds, kind(np.inf)))
        )
    return Positions(Grid(float(low), float(scale), 0, 0, 0, int(last), 0), cells, at, above)


def _packed(positions: Positions, first: int) -> Grid:
    """The grid with its cells."""
    counts, at = positions.counts(), positions.at
    begins = np.cumsum(counts) - counts
    fraction = at & (1 << FRACTION_BITS) - 1
    mark = fraction << 1 | (positions.above > at)
    one, two = (np.flatnonzero(counts == count) for count in (1, 2))
    marks = np.full(positions.cells, 0xFFFF)
    marks[one] = 0xFF00 | mark[begins[one]]
    marks[two] = mark[begins[two] + 1] << 8 | mark[begins[two]]
    marks[counts > 2] = CROWDED
    cells = (begins + first << 16 | marks).astype(np.uint32)
    half = 1 << (int(counts.max()).bit_length() - 1)
    return positions.grid._replace(half=half, packed=cells)


def ordered_keys(values: NDArray) -> NDArray:
    """Order-preserving unsigned images, as ls_float32_key and its like in elements.h."""
    unsigned = values.view(f"u{values.itemsize}")
    top = unsigned.dtype.type(1 << (8 * values.itemsize - 1))
    if values.dtype.kind == "u":
        return unsigned
    if values.dtype.kind == "i":
        return unsigned ^ top
    return np.where(unsigned & top, ~unsigned, unsigned | top)


def _bit_length(values: NDArray) -> NDArray[np.int64]:
    """int.bit_length of each element."""
    result = np.zeros(values.shape, np.int64)
    rest = values.astype(np.uint64)
    for step in (32, 16, 8, 4, 2, 1):
        large = rest >> np.uint64(step) > 0
        result[large] += step
        rest[large] >>= np.uint64(step)
    return result + (rest > 0)
