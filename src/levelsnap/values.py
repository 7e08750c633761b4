"""Distinct values of an array and how often each occurs: which way finds them."""

from collections.abc import Iterator
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from . import tables
from ._distinct import PAGE_BITS, TABLES, Deal, Image, by_bitmap, by_set, count_patterns
from ._distinct import sample as bits_at
from ._distinct import see_patterns
from .dtypes import element_type, is_swapped, native
from .tables import ordered_keys


class Way(Enum):
    """How distinct values of 32 or 64 bits are found."""

    SORT = "np.unique"
    SET = "a hash set"
    BITMAP = "a bitmap of all 32-bit patterns"
    DEAL = "elements dealt out to buckets, which are sorted"


# The largest image that np.unique gets.
SMALL = 1 << 16

# A hash set of so many values, times 16 bytes and up to 8, leaves the caches.
SET_LIMIT = 1 << 17

# Above so many values the threads' writes to one bitmap get into each other's way.
BITMAP_LIMIT = 1 << 22

# Pages of a bitmap that the processor finds without looking up their addresses.
NEAR_PAGES = 1 << 9

# The sample that chooses the way.
SAMPLE = 1 << 14

# Elements of a bucket, to be sorted in the second-level cache, and the most buckets: as many as
# elements are dealt out to without waiting for their memory.
BUCKET = 1 << 15
MAX_BUCKETS = 1 << 12

# Bytes of the keys that are dealt out at a time, of 32-bit images.
ROOM = 584_000_000


def find_values(
    array: NDArray,
    asked: NDArray[np.bool_] | None,
    threads: int,
    counted: bool,
    way: Way | None = None,
) -> tuple[NDArray, NDArray[np.uint64] | None]:
    """Ascending distinct values in native byte order, and their counts if they are asked for.

    NaN is skipped, -0.0 counts as 0.0. `way` forces a way.
    """
    image = Image(array, is_swapped(array.dtype), asked)
    dtype = native(array.dtype)
    if dtype.itemsize <= 2:
        return _by_patterns(image, dtype, threads, counted)
    if way is None:
        way, dense = _choose(image, dtype, counted)
    else:
        dense = True
    found = None
    if way is Way.SORT:
        return _by_sorting(array, asked, counted)
    if way is Way.BITMAP:
        bits = by_bitmap(image, element_type(dtype), tables.ISA, dense, threads)
        return bits.view(dtype), None
    if way is Way.SET:
        found = _by_set(image, dtype, threads, counted)
    return found or _by_dealing(image, dtype, threads, counted)


def _choose(image: Image, dtype: np.dtype, counted: bool) -> tuple[Way, bool]:
    """The way for an image of 32- or 64-bit elements, and if a bitmap's pages lie close together.

    The number of values is Chao's estimate, from those that occur once and twice in a sample.
    """
    if image.size <= SMALL:
        return Way.SORT, False
    bits, counts = np.unique(_sample(image, SAMPLE), return_counts=True)
    once, twice = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
    values = len(bits) + once**2 / (2 * (twice + 1))
    few = values <= _set_limit(image)
    if dtype.itemsize == 4 and not counted and values <= BITMAP_LIMIT:
        # Also of bits in place of keys, which only differ in the order.
        pages = len(np.unique(bits >> PAGE_BITS))
        huge_pages = len(np.unique(bits >> (PAGE_BITS + 9)))
        dense = pages > 64 * huge_pages
        touched = huge_pages << 21 if dense else pages << 12
        if touched <= 4 * image.size and (dense or pages <= NEAR_PAGES or not few):
            return Way.BITMAP, dense
    return (Way.SET if few else Way.DEAL), False


def _sample(image: Image, size: int) -> NDArray:
    """The bits of `size` elements, one at a scrambled place of each of as many equal parts."""
    i = np.arange(size, dtype=np.int64)
    step = max(image.size // size, 1)
    positions = i * step + i * 2_654_435_761 % step
    return bits_at(image, positions[positions < image.size])


def _by_patterns(
    image: Image, dtype: np.dtype, threads: int, counted: bool
) -> tuple[NDArray, NDArray[np.uint64]]:
    """8 and 16 bits: tables of all patterns."""
    patterns = 1 << 8 * dtype.itemsize
    if counted:
        counts = np.zeros(patterns, np.uint64)
        for start in range(0, image.size, 1 << 31):
            rows = np.zeros((threads, TABLES * patterns), np.uint32)
            count_patterns(image, start, min(start + (1 << 31), image.size), rows)
            counts += rows.reshape(-1, patterns).sum(axis=0, dtype=np.uint64)
    else:
        seen = np.zeros((threads, patterns), np.uint8)
        see_patterns(image, tables.ISA, seen)
        counts = seen.max(axis=0).astype(np.uint64)
    values = np.arange(patterns, dtype=f"u{dtype.itemsize}").view(dtype)
    if dtype.kind == "b":  # NumPy takes any nonzero byte for True
        values = np.array([False, True])
        counts = np.array([counts[0], counts[1:].sum()], np.uint64)
    if dtype.kind == "f":
        counts[np.isnan(values)] = 0
        minus_zero = patterns // 2
        counts[0] += counts[minus_zero]
        counts[minus_zero] = 0
    found = np.flatnonzero(counts)
    order = found[np.argsort(values[found], kind="stable")]
    return values[order], counts[order]


def _by_sorting(
    array: NDArray, asked: NDArray[np.bool_] | None, counted: bool
) -> tuple[NDArray, NDArray[np.uint64] | None]:
    data = array if asked is None else array[asked]
    if data.dtype.kind == "f":
        nan = np.isnan(data)
        if nan.any():
            data = data[~nan]
    data = data.astype(native(data.dtype), copy=False)
    if not counted:
        return fold_zero(np.unique(data)), None
    values, counts = np.unique(data, return_counts=True)
    return fold_zero(values), counts.astype(np.uint64)


def fold_zero(values: NDArray) -> NDArray:
    """Turn -0.0 into 0.0; np.unique keeps one of the two, whichever comes first."""
    return values + values.dtype.type(0) if values.dtype.kind == "f" else values


def _set_limit(image: Image) -> int:
    """Values that a thread's set may hold: its slots take at most twice the image's memory."""
    return min(SET_LIMIT, image.size // 128)


def _by_set(
    image: Image, dtype: np.dtype, threads: int, counted: bool
) -> tuple[NDArray, NDArray[np.uint64]] | None:
    """None if there are more values than the sets may hold."""
    found = by_set(image, _set_limit(image), counted, threads)
    if found is None:
        return None
    values = fold_zero(found[0].astype(f"u{dtype.itemsize}").view(dtype))
    counts = found[1][values == values]
    values = values[values == values]
    order = np.argsort(values, kind="stable")
    values, counts = values[order], counts[order]
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
    if counted and len(starts):
        counts = np.add.reduceat(counts, starts)
    return values[starts], counts


def _by_dealing(
    image: Image, dtype: np.dtype, threads: int, counted: bool
) -> tuple[NDArray, NDArray[np.uint64] | None]:
    """Sort the keys bucket by bucket, as many buckets at a time as there is room for."""
    thresholds, alone = _make_buckets(image, dtype)
    k = len(thresholds) + 1
    method = tables.choose_method(dtype, k, image.size)
    table = tables.search_table(thresholds, method, k, label_size=2)
    deal = Deal(image, table, element_type(dtype), k + 1, threads)
    sizes = deal.sizes()
    totals = sizes.sum(axis=0)[:k]
    rooms = np.where(alone, np.minimum(totals, 1), totals)
    values, counts = np.empty(0, dtype), np.empty(0, np.uint64)
    for first, last in _groups(rooms, ROOM // 4 if dtype.itemsize == 4 else image.size):
        group = slice(first, last)
        starts = np.concatenate([[0], np.cumsum(rooms[group])])
        keys = np.empty(starts[-1], dtype)
        lone = np.flatnonzero(alone[group] & (rooms[group] > 0))
        keys.view(f"u{dtype.itemsize}")[starts[lone]] = ordered_keys(thresholds[first + lone])
        places = np.full(sizes.shape, -1)
        places[:, group] = starts[:-1] + np.cumsum(sizes[:, group], axis=0) - sizes[:, group]
        places[:, first + lone] = -1
        deal.out(places, keys)
        found = deal.sort(keys, starts, not counted)
        ends = np.concatenate([[0], np.cumsum(found)])
        before = len(values)
        if counted:
            counts.resize(before + ends[-1], refcheck=False)
            here = counts[before:]
            deal.count(keys, starts, ends, here)
            here[ends[lone]] = totals[first + lone]
        _close_up(keys, starts, ends)
        if first == 0:
            values = keys
            values.resize(ends[-1], refcheck=False)
        else:
            values.resize(before + ends[-1], refcheck=False)
            values[before:] = keys[: ends[-1]]
    return values, counts if counted else None


def _make_buckets(image: Image, dtype: np.dtype) -> tuple[NDArray, NDArray[np.bool_]]:
    """Thresholds that part an image into buckets of about one size, and which hold one value only.

    They are quantiles of a sample; one that occurs several times gets a bucket of its own.
    """
    k = min(max(image.size // BUCKET, 1), MAX_BUCKETS)
    sample = fold_zero(_sample(image, 16 * k).view(dtype))
    sample = np.sort(sample[sample == sample])
    quantiles = sample[np.arange(1, k) * len(sample) // k] if len(sample) else sample
    often = quantiles[1:][quantiles[1:] == quantiles[:-1]]
    thresholds = np.unique(np.concatenate([quantiles, _below(often)]))
    before = np.concatenate([thresholds[:1], thresholds[:-1]])
    return thresholds, np.append(before == _below(thresholds), False)


def _below(values: NDArray) -> NDArray:
    """The next smaller values of the dtype; the smallest stays."""
    if values.dtype.kind == "f":
        return np.nextafter(values, values.dtype.type(-np.inf))
    return values - (values > np.iinfo(values.dtype).min).astype(values.dtype)


def _groups(rooms: NDArray[np.intp], room: int) -> Iterator[tuple[int, int]]:
    """Ranges of buckets that fit into a room, or of one that does not."""
    ends = np.cumsum(rooms)
    first = 0
    while first < len(rooms):
        start = ends[first] - rooms[first]
        last = max(first + 1, int(np.searchsorted(ends, start + room, side="right")))
        yield first, last
        first = last


def _close_up(values: NDArray, starts: NDArray[np.intp], ends: NDArray[np.intp]) -> None:
    """Move what each bucket has, from its start on, to the end of what those before have."""
    for start, first, last in zip(starts[:-1].tolist(), ends[:-1].tolist(), ends[1:].tolist()):
        if first < start:
            values[first:last] = values[start : start + last - first]
