"""Distinct values of an array and how often each occurs: which way finds them."""

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import tables
from ._distinct import (
    BYTE_TABLES,
    HUGE_PAGES,
    LEAST_HOME_BITS,
    PAGE_BITS,
    Bitmap,
    Deal,
    Image,
    Tallies,
    add_apart,
    by_set,
    count_patterns,
    see_patterns,
    unique,
)
from ._distinct import sample as bits_at
from .dtypes import element_type, is_swapped, native
from .tables import ordered_keys


class Way(Enum):
    """How distinct values of 32 or 64 bits are found."""

    SORT = "np.sort"
    SET = "a hash set"
    BITMAP = "a bitmap of all 32-bit patterns"
    TALLY = "elements dealt out to buckets, whose keys are counted in hash tables"
    DEAL = "elements dealt out to buckets, which are sorted"


class Plan(NamedTuple):
    way: Way
    dense: bool = False  # the pages of the bitmap lie close together
    apart: bool = False  # each thread has a bitmap of its own
    home_bits: int = 0  # of cells of a hash set of 32-bit values


# The largest image that np.sort gets.
SMALL = 1 << 16

# And the largest of 16-bit integers, which has a table of all patterns otherwise.
SMALL_SHORTS = 1 << 14

# The largest 16-bit image whose counts are not worth a look at how its patterns spread.
SPREAD = 1 << 20

# Values of a hash set, which has at least 8 slots of 16 bytes for each: more leave the caches.
SET_LIMIT = 255 << 9

# Values of the sets of all threads, which take up to 512 MB.
SETS_LIMIT = 1 << 22

# Values from which on a set of 32-bit ones has cells: those of 100,000 still fit the second-level
# cache, as slots or a bitmap would not.
CELLS_FROM = 1 << 13

# Values that a set with cells counts: the tables of buckets are quicker for more.
CELLS_LIMIT = 1 << 19

# Values that are counted in the hash tables of buckets, which have some 4 to 8 slots for each.
TALLY_LIMIT = 1 << 21

# Above so many values threads that share a bitmap get into each other's way.
BITMAP_LIMIT = 1 << 22

# Bytes of the bitmaps of all threads, if each has its own.
MAX_APART = 1 << 28

# Bytes of a bitmap that are worth touching: more is slower than sorting.
MAX_TOUCHED = 1 << 27

# What a 32-bit count holds.
MAX_COUNT = 1 << 31

# Pages of a bitmap that the processor finds without looking up their addresses.
NEAR_PAGES = 1 << 9

# Values that are looked at together for whether they ascend.
RUN = 1 << 14

# The sample that chooses the way.
SAMPLE = 1 << 14

# Elements of a bucket, to be sorted in the second-level cache, and the most buckets: as many as
# elements are dealt out to without waiting for their memory.
BUCKET = 1 << 15
MAX_BUCKETS = 1 << 12

# Buckets of as many keys each, 2**EVEN_BITS: bitmaps of 32-bit ones fit the second-level cache.
EVEN_BITS = 10
EVEN_BUCKETS = 1 << EVEN_BITS

# Elements that are dealt out at a time, and their buckets, to be counted in hash tables.
DEALT = 1 << 24
TALLIES = 1 << 9

# Bytes for the keys of 32-bit images that are dealt out at a time, and what of them each thread
# takes for its lines and for sorting.
ROOM = 598_000_000
THREAD_ROOM = 1_400_000


def find_values(
    array: NDArray,
    where: NDArray[np.bool_] | None,
    threads: int,
    counted: bool,
    plan: Plan | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> tuple[NDArray, NDArray[np.uint64] | None]:
    """Ascending distinct values in native byte order, and their counts if they are asked for.

    Elements that are NaN, False in `where` or True in `mask` are skipped; -0.0 counts as 0.0.
    `plan` forces a way.
    """
    dtype = native(array.dtype)
    image = Image(array, is_swapped(array.dtype), where, mask)
    if image.itemsize != dtype.itemsize:
        raise ValueError("the image has another dtype than when it was checked")
    if dtype.itemsize == 2 and dtype.kind in "iu" and image.size <= SMALL_SHORTS:
        wide = np.dtype(np.int32)
        values, counts = _by_sorting(array.astype(wide), wide, where, mask, counted)
        return values.astype(dtype), counts
    if dtype.itemsize <= 2:
        return _by_patterns(image, dtype, threads, counted)
    if plan is None:
        if where is None and mask is None and (values := _ascending(array, dtype)) is not None:
            return values, np.ones(len(values), np.uint64) if counted else None
        plan = _choose(image, dtype, threads, counted)
    if plan.way is Way.SORT:
        return _by_sorting(array, dtype, where, mask, counted)
    found = None
    if plan.way is Way.BITMAP and not counted:
        found = _filled_bitmap(image, dtype, threads, plan).take(threads).view(dtype), None
    elif plan.way is Way.SET:
        found = _by_set(image, dtype, threads, counted, plan.home_bits)
    elif plan.way is Way.TALLY:
        found = _by_tallies(image, dtype, threads)
    return found or _by_dealing(image, dtype, threads, counted)


def _ascending(array: NDArray, dtype: np.dtype) -> NDArray | None:
    """A copy of values that ascend already; None if they do not."""
    if array.ndim != 1 or len(array) < 2 or not (array[1:RUN] > array[:-1][: RUN - 1]).all():
        return None
    values = np.empty(len(array), dtype)
    for start in range(0, len(array), RUN):
        values[start : start + RUN] = array[start : start + RUN]
        some = values[max(start - 1, 0) : start + RUN]
        if not (some[1:] > some[:-1]).all():
            return None
    zero = np.searchsorted(values, 0)
    values[zero : zero + 1] = fold_zero(values[zero : zero + 1])
    return values


def value_cost(dtype: np.dtype, counted: bool) -> float:
    """About how many nanoseconds a thread takes for an element where values are few."""
    if dtype.itemsize == 1:
        return 0.3 if counted else 0.05
    return 0.5 if dtype.itemsize == 2 or not counted else 1.0


def _choose(image: Image, dtype: np.dtype, threads: int, counted: bool) -> Plan:
    """The plan for an image of 32- or 64-bit elements.

    The number of values is Chao's estimate, from those that occur once and twice in a sample.
    """
    if image.size <= SMALL:
        return Plan(Way.SORT)
    bits, counts = np.unique(_sample(image, SAMPLE), return_counts=True)
    once, twice = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
    values = len(bits) + once**2 / (2 * (twice + 1))
    few = values <= _set_limit(image, threads)
    if dtype.itemsize == 4 and values >= CELLS_FROM:
        if counted and values <= _cells_limit(image, threads):
            return Plan(Way.SET, home_bits=int(values / 2.2).bit_length())
        if few and not counted:
            return Plan(Way.SET, home_bits=max(int(1.5 * values).bit_length(), LEAST_HOME_BITS))
    if dtype.itemsize == 4 and not counted:
        # Of bits in place of keys, which lie in pages of the same number.
        page = bits >> PAGE_BITS
        pages, huge_pages = (
            1 + np.count_nonzero(np.diff(numbers)) for numbers in (page, page // HUGE_PAGES)
        )
        dense = pages > 64 * huge_pages
        touched = huge_pages << 21 if dense else pages << 12
        if touched <= min(4 * image.size, MAX_TOUCHED) and (dense or (few and pages <= NEAR_PAGES)):
            apart = values > BITMAP_LIMIT and threads * touched <= _apart_room(image)
            return Plan(Way.BITMAP, dense, apart)
    if few:
        return Plan(Way.SET)
    tally = (counted or dtype.itemsize == 8) and values <= _tally_limit(image)
    return Plan(Way.TALLY if tally else Way.DEAL)


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
        wide = patterns * (BYTE_TABLES if dtype.itemsize == 1 else 1)
        narrow = patterns // 4 if dtype.itemsize == 2 and _spreads(image) else 0
        for part in _parts(image.size, MAX_COUNT):
            rows = np.zeros((threads, wide + narrow), np.uint32)
            count_patterns(image, *part, rows)
            for tables_here in rows[:, :wide], rows[:, wide:].view(np.uint8):
                counts += tables_here.reshape(-1, patterns).sum(axis=0, dtype=np.uint64)
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


def _spreads(image: Image) -> bool:
    """Whether 32-bit counts of a 16-bit image's patterns leave the first-level cache.

    That is from some 10,000 patterns on, of which few of a sample agree.
    """
    return image.size > SPREAD and len(np.unique(_sample(image, 1024))) > 970


def _parts(stop: int, size: int, start: int = 0) -> Iterator[tuple[int, int]]:
    """Where parts of at most `size` elements start and stop."""
    for first in range(start, stop, size):
        yield first, min(first + size, stop)


def _by_sorting(
    array: NDArray,
    dtype: np.dtype,
    where: NDArray[np.bool_] | None,
    mask: NDArray[np.bool_] | None,
    counted: bool,
) -> tuple[NDArray, NDArray[np.uint64] | None]:
    """NumPy sorts with vectors, but hashes integers in `np.unique`, which takes far longer."""
    if mask is not None:
        where = ~mask if where is None else where & ~mask
    values = (array if where is None else array[where]).flatten().astype(dtype, copy=False)
    values.sort()
    counts = np.empty(len(values), np.uint64) if counted else None
    n = unique(values, element_type(dtype), counts)
    values.resize(n, refcheck=False)
    if counts is not None:
        counts.resize(n, refcheck=False)
    return values, counts


def fold_zero(values: NDArray) -> NDArray:
    """Turn -0.0 into 0.0. Not by adding 0, which warns of signalling NaN."""
    return np.where(values == 0, values.dtype.type(0), values)


def _set_limit(image: Image, threads: int) -> int:
    """Values that a thread's set may hold, few enough for its slots to be small by the image."""
    return min(SET_LIMIT, image.size // 128, SETS_LIMIT // threads)


def _cells_limit(image: Image, threads: int) -> int:
    """Values that a thread's set with cells may count; one by one they would be slow to find."""
    if tables.ISA < tables.Isa.AVX512:
        return 0
    return min(CELLS_LIMIT, image.size // (16 * threads), SETS_LIMIT // threads)


def _filled_bitmap(image: Image, dtype: np.dtype, threads: int, plan: Plan) -> Bitmap:
    """Set each element's bit."""
    if plan.apart:
        bitmaps = [Bitmap(element_type(dtype), tables.ISA, dense=True) for _ in range(threads)]
        if add_apart(image, bitmaps, _apart_room(image) // threads):
            for bitmap in bitmaps[1:]:
                bitmaps[0].merge(bitmap, threads)
            return bitmaps[0]
        del bitmaps
    bitmap = Bitmap(element_type(dtype), tables.ISA, plan.dense)
    bitmap.add(image, threads)
    return bitmap


def _apart_room(image: Image) -> int:
    return min(4 * image.size, MAX_APART)


def _by_set(
    image: Image, dtype: np.dtype, threads: int, counted: bool, home_bits: int
) -> tuple[NDArray, NDArray[np.uint64] | None] | None:
    """None if there are more values than the sets may hold."""
    limit = _set_limit(image, threads)
    found = by_set(image, tables.ISA, limit, counted, threads, home_bits)
    if found is None:
        return None
    values = fold_zero(found[0].astype(f"u{dtype.itemsize}").view(dtype))
    numbers = values == values
    if counted:
        return _summed(values[numbers], found[1][numbers])
    values = np.sort(values[numbers])
    return values[_firsts(values)], None


def _tally_limit(image: Image) -> int:
    """Values to be counted in tables: twice as many take no more memory than the image."""
    return min(TALLY_LIMIT, image.size // 32)


def _by_tallies(
    image: Image, dtype: np.dtype, threads: int
) -> tuple[NDArray, NDArray[np.uint64]] | None:
    """Count keys bucket by bucket. None if there are far more values than the sample told."""
    found = _tally(image, dtype, threads, 0)
    for start in range(MAX_COUNT, image.size, MAX_COUNT):
        more = found and _tally(image, dtype, threads, start)
        found = more and _summed(*map(np.concatenate, zip(found, more, strict=True)))
    return found


def _tally(
    image: Image, dtype: np.dtype, threads: int, start: int
) -> tuple[NDArray, NDArray[np.uint64]] | None:
    """As `_by_tallies`, of as many elements as 32 bits can count; part after part."""
    thresholds, alone = _make_buckets(image, dtype, TALLIES)
    size = min(DEALT, image.size // 4 + 1)
    deal = _make_deal(image, thresholds, threads, kept=size)
    tallies = Tallies(element_type(dtype), len(alone), threads, 2 * _tally_limit(image))
    keys, totals = np.empty(size, dtype), np.zeros(len(alone), np.intp)
    for part in _parts(min(image.size, start + MAX_COUNT), size, start):
        sizes = deal.sizes(*part)[:, :-1]
        here = sizes.sum(axis=0)
        totals += here
        starts = _starts(np.where(alone, 0, here))
        places = np.where(alone, -1, _places(sizes, starts))
        deal.out(*part, np.pad(places, ((0, 0), (0, 1)), constant_values=-1), keys)
        if not tallies.add(keys, starts):
            return None
    used, lone = tallies.sizes(), np.flatnonzero(alone & (totals > 0))
    used[lone] = 1
    places = _starts(used)
    values, counts = np.empty(places[-1], dtype), np.empty(places[-1], np.uint64)
    tallies.take(values, counts, places)
    values[places[lone]], counts[places[lone]] = thresholds[lone], totals[lone]
    return values, counts


def _summed(values: NDArray, counts: NDArray[np.uint64]) -> tuple[NDArray, NDArray[np.uint64]]:
    """The distinct ones among some values, ascending, and the sums of their counts."""
    if values.dtype.itemsize == 4 and counts.max(initial=0) < 1 << 32:
        # NumPy sorts numbers far more quickly than indices of them.
        counts = counts | ordered_keys(values).astype(np.uint64) << np.uint64(32)
        counts.sort()
        counts &= np.uint64(0xFFFFFFFF)
        values = np.sort(values)
    else:
        order = np.argsort(values)
        values, counts = values[order], counts[order]
    starts = _firsts(values)
    return values[starts], np.add.reduceat(counts, starts) if len(starts) else counts


def _firsts(values: NDArray) -> NDArray[np.intp]:
    """Where each of some ascending values occurs first."""
    return np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])


def _by_dealing(
    image: Image, dtype: np.dtype, threads: int, counted: bool
) -> tuple[NDArray, NDArray[np.uint64] | None]:
    """Sort the keys bucket by bucket, as many buckets at a time as there is room for."""
    deal = None if counted else _even_deal(image, dtype, threads)
    if deal:
        thresholds, alone = np.empty(0, dtype), np.zeros(EVEN_BUCKETS, bool)
    else:
        thresholds, alone = _make_buckets(image, dtype, MAX_BUCKETS)
        deal = _make_deal(image, thresholds, threads)
    whole = (0, image.size)
    sizes = deal.sizes(*whole)
    totals = sizes.sum(axis=0)[:-1]
    rooms = np.where(alone, np.minimum(totals, 1), totals)
    values, counts = np.empty(0, dtype), np.empty(0, np.uint64)
    room = max(ROOM - threads * THREAD_ROOM, ROOM // 2) // 4
    for first, last in _groups(rooms, room if dtype.itemsize == 4 else image.size):
        group = slice(first, last)
        starts = _starts(rooms[group])
        keys = np.empty(starts[-1], dtype)
        lone = np.flatnonzero(alone[group] & (rooms[group] > 0))
        keys.view(f"u{dtype.itemsize}")[starts[lone]] = ordered_keys(thresholds[first + lone])
        places = np.full(sizes.shape, -1)
        places[:, group] = _places(sizes[:, group], starts)
        places[:, first + lone] = -1
        deal.out(*whole, places, keys)
        found = deal.sort(keys, starts, not counted)
        ends = _starts(found)
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


def _starts(sizes: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where each of some runs starts, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes)])


def _places(sizes: NDArray[np.intp], starts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where each thread starts in each bucket."""
    return starts[:-1] + np.cumsum(sizes, axis=0) - sizes


def _make_deal(image: Image, thresholds: NDArray, threads: int, kept: int = 0) -> Deal:
    k = len(thresholds) + 1
    method = tables.choose_method(thresholds.dtype, k, image.size)
    if method == tables.Method.PACKED:  # slow for elements that are thresholds, as many are here
        method = tables.Method.NODES
    table = tables.search_table(thresholds, method, k, label_size=2)
    return Deal(image, table, element_type(thresholds.dtype), k + 1, threads, kept)


def _even_deal(image: Image, dtype: np.dtype, threads: int) -> Deal | None:
    """Buckets of as many keys each, if a sample of a 32-bit image spreads over them."""
    if dtype.itemsize != 4:
        return None
    shift = 32 - EVEN_BITS
    sample = np.bincount(ordered_keys(_sample(image, SAMPLE).view(dtype)) >> shift)
    if sample.max(initial=0) > SAMPLE // 32:
        return None
    return Deal(image, None, element_type(dtype), EVEN_BUCKETS + 1, threads, shift=shift)


def _make_buckets(image: Image, dtype: np.dtype, limit: int) -> tuple[NDArray, NDArray[np.bool_]]:
    """Thresholds that part an image into buckets of about one size, and which hold one value only.

    They are quantiles of a sample; one that occurs several times gets a bucket of its own.
    """
    k = min(max(image.size // BUCKET, 1), limit)
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
        with np.errstate(all="ignore"):
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
    for start, first, last in zip(
        starts[:-1].tolist(), ends[:-1].tolist(), ends[1:].tolist(), strict=True
    ):
        if first < start:
            values[first:last] = values[start : start + last - first]
