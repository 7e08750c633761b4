"""The loops that find distinct values: an image's elements, in parallel, by kernels/distinct.c.

values.py chooses the way and says what it needs; element types and instruction sets are the ls_type
and ls_isa of kernels/nearest.h.
"""
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cython.parallel cimport prange, threadid
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

import numpy as np

from levelsnap._nearest cimport (
    LS_IMAGE, LS_MASK, LS_WHERE, Operands, Table, ls_isa, ls_job, ls_plan, ls_table, ls_type,
    ls_visit, ls_visitor
)
from levelsnap._team cimport is_forked

cdef extern from "distinct.h" nogil:
    enum:
        LS_BYTE_TABLES
        LS_PAGE_BITS
        LS_PAGES
        LS_HUGE_PAGES
        LS_LEAST_HOME_BITS
        LS_GROUP_PAGES
        LS_SORT_SCRATCH
        LS_LINE
        LS_FULL
        LS_NO_MEMORY

    ctypedef struct ls_order:
        int size

    ctypedef struct ls_patterns:
        uint8_t *seen
        ls_isa isa

    ctypedef struct ls_bitmap:
        uint8_t *pages
        Py_ssize_t room

    ctypedef struct ls_set:
        pass

    ctypedef struct ls_deal:
        const ls_table *table
        int shift
        ls_order order
        Py_ssize_t *next
        const Py_ssize_t *first
        char *lines
        uint16_t *labels
        void *keys

    void ls_order_of(ls_order *order, ls_type type)
    ls_visitor ls_see_bytes, ls_see_pairs, ls_count_bytes, ls_count_pairs, ls_count_spread_pairs
    int ls_bitmap_start(ls_bitmap *bitmap, ls_type type, ls_isa isa, int dense)
    void ls_bitmap_free(ls_bitmap *bitmap)
    ls_visitor ls_bitmap_add, ls_bitmap_add_alone
    void ls_bitmap_merge(const ls_bitmap *to, const ls_bitmap *from_, size_t page)
    void ls_bitmap_close(ls_bitmap *bitmap)
    Py_ssize_t ls_bitmap_size(const ls_bitmap *bitmap, size_t page)
    void ls_bitmap_take(const ls_bitmap *bitmap, size_t page, uint32_t *elements)
    int ls_set_start(ls_set *set, int counted, Py_ssize_t limit, ls_isa isa, int home_bits)
    void ls_set_free(ls_set *set)
    ls_visitor ls_set_add32, ls_set_add64
    Py_ssize_t ls_set_size(const ls_set *set)
    Py_ssize_t ls_set_take(const ls_set *set, uint64_t *bits, uint64_t *counts)
    ls_visitor ls_deal_count, ls_deal_out
    void ls_deal_rest(const ls_deal *deal, Py_ssize_t buckets)
    ctypedef struct ls_tally:
        void *slots
        Py_ssize_t used

    int ls_tally_add(
        const ls_order *order, ls_tally *tally, const void *keys, Py_ssize_t n, Py_ssize_t most
    )
    void ls_tally_take(
        const ls_order *order, const ls_tally *tally, void *elements, uint64_t *counts,
        void *scratch
    )
    void ls_sort(const ls_order *order, void *keys, Py_ssize_t n, void *scratch)
    Py_ssize_t ls_unique(const ls_order *order, void *keys, Py_ssize_t n, uint64_t *counts)
    Py_ssize_t ls_unique_elements(
        const ls_order *order, void *elements, Py_ssize_t n, uint64_t *counts
    )
    Py_ssize_t ls_distinct(const ls_order *order, void *keys, Py_ssize_t n, void *scratch)
    Py_ssize_t ls_count_unique(const ls_order *order, const void *keys, Py_ssize_t n)

BYTE_TABLES = LS_BYTE_TABLES
PAGE_BITS = LS_PAGE_BITS
HUGE_PAGES = LS_HUGE_PAGES
LEAST_HOME_BITS = LS_LEAST_HOME_BITS

# What a thread does between two looks for Ctrl-C: elements, and buckets of some ten thousand. Fewer
# tables count between two looks at how large all have become.
cdef enum:
    CHUNK = 1 << 22
    BUCKETS = 1 << 7
    TALLIES = 1 << 4


cdef class Image:
    """The elements of an image that are not skipped, in a planned order.

    Parameters
    ----------
    image : array, any layout
    swapped : bool
        Whether it is not in this machine's byte order.
    where, mask : boolean arrays of the image's shape or None
        Elements that are False in `where` or True in `mask` are skipped.
    """

    cdef ls_job job
    cdef Operands operands
    cdef readonly Py_ssize_t size
    cdef readonly int itemsize

    def __cinit__(self, image, bint swapped, where, mask=None):
        memset(&self.job, 0, sizeof(self.job))
        self.operands = Operands()
        self.operands.add(&self.job, LS_IMAGE, image, swapped)
        self.operands.add(&self.job, LS_WHERE, where, False)
        self.operands.add(&self.job, LS_MASK, mask, False)
        ls_plan(&self.job)
        self.size = self.job.size
        self.itemsize = self.job.operand[<int>LS_IMAGE].size

    cdef int visit(
        self, Py_ssize_t start, Py_ssize_t stop, ls_visitor *visitor, char *states, size_t size,
        int threads,
    ) except -1:
        """Elements start to stop, in equal shares for the threads, each with its own state.

        The states lie `size` bytes apart. Returns what the visitors did, or-ed, once one does not
        return 0.
        """
        cdef Py_ssize_t share = (stop - start + threads - 1) // threads, done = 0
        cdef int t, stopped = 0
        with nogil:
            while done < share and not stopped:
                if threads == 1 or is_forked():
                    for t in range(threads):
                        stopped |= self.visit_share(
                            start + t * share + done, stop, share - done, visitor, states + t * size
                        )
                else:
                    for t in prange(threads, num_threads=threads, schedule="static"):
                        stopped |= self.visit_share(
                            start + t * share + done, stop, share - done, visitor, states + t * size
                        )
                done += CHUNK
                with gil:
                    PyErr_CheckSignals()
        return stopped

    cdef int visit_share(
        self, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t left, ls_visitor *visitor, char *state
    ) noexcept nogil:
        """The next elements of a share of which so many are left."""
        cdef Py_ssize_t n = min(left, min(<Py_ssize_t>CHUNK, stop - start))
        return ls_visit(&self.job, start, n, visitor, state)


cdef struct copier:
    char *to
    int size


cdef int copy_run(void *state, const void *x, Py_ssize_t n) noexcept nogil:
    cdef copier *here = <copier *>state
    memcpy(here.to, x, n * here.size)
    here.to += n * here.size
    return 0


def sample(Image image not None, const int64_t[::1] positions not None):
    """The bits of the elements at some positions, without those that are skipped."""
    bits = np.empty(len(positions), f"u{image.itemsize}")
    cdef const uint8_t[::1] memory = bits.view(np.uint8)
    cdef copier state
    cdef Py_ssize_t i
    if len(positions) == 0:
        return bits
    state.to = <char *>&memory[0]
    state.size = image.itemsize
    with nogil:
        for i in range(positions.shape[0]):
            ls_visit(&image.job, positions[i], 1, copy_run, &state)
    return bits[:(state.to - <char *>&memory[0]) // image.itemsize]


def see_patterns(Image image not None, int isa, uint8_t[:, ::1] seen not None):
    """Mark the bit patterns of an 8- or 16-bit image, in one row for each thread."""
    cdef int threads = <int>seen.shape[0], t
    cdef ls_patterns *states = <ls_patterns *>PyMem_Calloc(threads, sizeof(ls_patterns))
    if not states:
        raise MemoryError
    for t in range(threads):
        states[t].seen = &seen[t, 0]
        states[t].isa = <ls_isa>isa
    try:
        image.visit(
            0, image.size, ls_see_bytes if image.itemsize == 1 else ls_see_pairs,
            <char *>states, sizeof(ls_patterns), threads,
        )
    finally:
        PyMem_Free(states)


def count_patterns(
    Image image not None, Py_ssize_t start, Py_ssize_t stop, uint32_t[:, ::1] tables not None
):
    """Count the bit patterns of at most 2**32 - 1 elements of an 8- or 16-bit image.

    Each row of `tables` is a thread's, zero at first: one table, or BYTE_TABLES of bytes, one after
    the other; after that of a 16-bit image may be one of bytes, which is better where patterns
    spread. The counts are the sums of all tables.
    """
    cdef ls_visitor *visitor = ls_count_bytes
    if image.itemsize == 2:
        visitor = ls_count_pairs if tables.shape[1] == 1 << 16 else ls_count_spread_pairs
    image.visit(
        start, stop, visitor, <char *>&tables[0, 0], tables.strides[0], <int>tables.shape[0]
    )


cdef class Bitmap:
    """The distinct values of 32-bit images, as a bitmap of all bit patterns.

    Parameters
    ----------
    type, isa : int
    dense : bool
        Whether the values lie close together, so that large pages pay.
    """

    cdef ls_bitmap bitmap

    def __cinit__(self, int type, int isa, bint dense):
        if ls_bitmap_start(&self.bitmap, <ls_type>type, <ls_isa>isa, dense):
            raise MemoryError("no memory for a bitmap of 512 MB")

    def __dealloc__(self):
        ls_bitmap_free(&self.bitmap)

    def add(self, Image image not None, int threads):
        image.visit(0, image.size, ls_bitmap_add, <char *>&self.bitmap, 0, threads)

    def merge(self, Bitmap other not None, int threads):
        cdef Py_ssize_t groups = LS_PAGES // LS_GROUP_PAGES, i
        with nogil:
            if threads == 1 or is_forked():
                for i in range(groups):
                    ls_bitmap_merge(&self.bitmap, &other.bitmap, i * LS_GROUP_PAGES)
            else:
                for i in prange(groups, num_threads=threads, schedule="dynamic"):
                    ls_bitmap_merge(&self.bitmap, &other.bitmap, i * LS_GROUP_PAGES)

    def take(self, int threads):
        """The distinct values' bits, ascending by value. Nothing can be added any more."""
        cdef Py_ssize_t groups = LS_PAGES // LS_GROUP_PAGES, i
        starts = np.zeros(groups + 1, np.intp)
        cdef Py_ssize_t[::1] start = starts
        cdef uint32_t[::1] elements
        ls_bitmap_close(&self.bitmap)
        with nogil:
            if threads == 1 or is_forked():
                for i in range(groups):
                    start[i + 1] = ls_bitmap_size(&self.bitmap, i * LS_GROUP_PAGES)
            else:
                for i in prange(groups, num_threads=threads, schedule="dynamic"):
                    start[i + 1] = ls_bitmap_size(&self.bitmap, i * LS_GROUP_PAGES)
        np.cumsum(starts, out=starts)
        found = np.empty(starts[groups], np.uint32)
        elements = found
        with nogil:
            if threads == 1 or is_forked():
                for i in range(groups):
                    ls_bitmap_take(&self.bitmap, i * LS_GROUP_PAGES, &elements[start[i]])
            else:
                for i in prange(groups, num_threads=threads, schedule="dynamic"):
                    ls_bitmap_take(&self.bitmap, i * LS_GROUP_PAGES, &elements[start[i]])
        return found


def add_apart(Image image not None, bitmaps not None, Py_ssize_t room):
    """Add an image to dense bitmaps, one of each thread, while each takes at most `room` bytes.

    Whether all has been added.
    """
    cdef int threads = <int>len(bitmaps), t
    cdef ls_bitmap *states = <ls_bitmap *>PyMem_Calloc(threads, sizeof(ls_bitmap))
    if not states:
        raise MemoryError
    try:
        for t in range(threads):
            states[t] = (<Bitmap?>bitmaps[t]).bitmap
            states[t].room = room >> 21
        return not image.visit(
            0, image.size, ls_bitmap_add_alone, <char *>states, sizeof(ls_bitmap), threads
        )
    finally:
        PyMem_Free(states)


def by_set(
    Image image not None, int isa, Py_ssize_t limit, bint counted, int threads, int home_bits
):
    """The distinct bits of a 32- or 64-bit image, in no order, by a hash set for each thread.

    Returns (bits, counts), both uint64, which hold a value up to twice for each thread that met it,
    with parts of its count; or None as soon as a thread has met more than `limit` values beside
    those in cells. Without `counted` the counts are useless. Of 32-bit images, `home_bits` give the
    set cells, unless they are 0.
    """
    cdef ls_set *sets = <ls_set *>PyMem_Calloc(threads, sizeof(ls_set))
    cdef int t, stopped
    cdef Py_ssize_t size = 0, at = 0
    cdef uint64_t[::1] bits, counts
    if not sets:
        raise MemoryError
    try:
        for t in range(threads):
            if ls_set_start(&sets[t], counted, limit, <ls_isa>isa, home_bits):
                raise MemoryError("no memory for a hash set")
        stopped = image.visit(
            0, image.size, ls_set_add32 if image.itemsize == 4 else ls_set_add64, <char *>sets,
            sizeof(ls_set), threads,
        )
        if stopped & LS_NO_MEMORY:
            raise MemoryError("no memory for a larger hash set")
        if stopped:
            return None
        for t in range(threads):
            size += ls_set_size(&sets[t])
        found, numbers = np.empty(size, np.uint64), np.empty(size, np.uint64)
        bits, counts = found, numbers
        for t in range(threads):
            if at < size:
                at += ls_set_take(&sets[t], &bits[at], &counts[at])
        return found, numbers
    finally:
        for t in range(threads):
            ls_set_free(&sets[t])
        PyMem_Free(sets)


def unique(elements, int type, uint64_t[::1] counts):
    """Of ascending elements of 32 or 64 bits, NaN last, leave the distinct ones; their number.

    `counts` may be None, and is as long as these.
    """
    cdef uint8_t[::1] memory = elements.view(np.uint8)
    cdef Py_ssize_t n = len(elements)
    cdef ls_order order
    ls_order_of(&order, <ls_type>type)
    if n == 0:
        return 0
    with nogil:
        n = ls_unique_elements(&order, &memory[0], n, NULL if counts is None else &counts[0])
    return n


cdef class Tallies:
    """How often keys that were dealt out to buckets occur, in a hash table for each bucket.

    Parameters
    ----------
    type : int
        The image's element type.
    buckets, threads : int
    limit : int
        About the most distinct keys.
    """

    cdef ls_tally *tallies
    cdef ls_order order
    cdef Py_ssize_t buckets, limit
    cdef int threads

    def __cinit__(self, int type, Py_ssize_t buckets, int threads, Py_ssize_t limit):
        ls_order_of(&self.order, <ls_type>type)
        self.buckets = buckets
        self.limit = limit
        self.threads = threads
        self.tallies = <ls_tally *>PyMem_Calloc(buckets, sizeof(ls_tally))
        if not self.tallies:
            raise MemoryError

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.tallies:
            for i in range(self.buckets):
                free(self.tallies[i].slots)
        PyMem_Free(self.tallies)

    def add(self, keys, const Py_ssize_t[::1] starts not None):
        """Count the keys of each bucket, from starts[i] to starts[i + 1].

        False once more of them are distinct than the limit, as far as tables have grown.
        """
        cdef const uint8_t[::1] memory = keys.view(np.uint8)
        cdef Py_ssize_t first = 0, last, room, i
        cdef int failed = 0
        while first < self.buckets:
            last = min(self.buckets, first + max(TALLIES, self.threads))
            room = (self.limit - self.sizes().sum()) // (last - first)
            with nogil:
                if self.threads == 1 or is_forked():
                    for i in range(first, last):
                        failed |= self.add_bucket(i, &memory[0], &starts[i], room)
                else:
                    for i in prange(first, last, num_threads=self.threads, schedule="dynamic"):
                        failed |= self.add_bucket(i, &memory[0], &starts[i], room)
            if failed & LS_NO_MEMORY:
                raise MemoryError("no memory for a larger hash table")
            if failed:
                return False
            PyErr_CheckSignals()
            first = last
        return True

    cdef int add_bucket(
        self, Py_ssize_t i, const uint8_t *memory, const Py_ssize_t *start, Py_ssize_t room
    ) noexcept nogil:
        return ls_tally_add(
            &self.order, &self.tallies[i], memory + start[0] * self.order.size,
            start[1] - start[0], self.tallies[i].used + room,
        )

    def sizes(self):
        """How many distinct keys each bucket has."""
        cdef Py_ssize_t i
        found = np.empty(self.buckets, np.intp)
        cdef Py_ssize_t[::1] sizes = found
        for i in range(self.buckets):
            sizes[i] = self.tallies[i].used
        return found

    def take(self, elements, uint64_t[::1] counts not None, const Py_ssize_t[::1] places not None):
        """Put a bucket's distinct elements, ascending, and their counts from its place on."""
        cdef uint8_t[::1] memory = elements.view(np.uint8)
        cdef uint8_t[:, ::1] scratch = np.empty((self.threads, LS_SORT_SCRATCH), np.uint8)
        cdef Py_ssize_t i
        if counts.shape[0] == 0:
            return
        with nogil:
            if self.threads == 1 or is_forked():
                for i in range(self.buckets):
                    self.take_bucket(i, &memory[0], &counts[0], places[i], &scratch[0, 0])
            else:
                for i in prange(self.buckets, num_threads=self.threads, schedule="dynamic"):
                    self.take_bucket(
                        i, &memory[0], &counts[0], places[i], &scratch[threadid(), 0]
                    )

    cdef void take_bucket(
        self, Py_ssize_t i, uint8_t *memory, uint64_t *counts, Py_ssize_t place, void *scratch
    ) noexcept nogil:
        if self.tallies[i].used:
            ls_tally_take(
                &self.order, &self.tallies[i], memory + place * self.order.size, counts + place,
                scratch,
            )


cdef struct buckets:                    # what is done with each
    const ls_order *order
    uint8_t *keys
    const Py_ssize_t *starts
    const Py_ssize_t *places            # with counts: of each bucket's first
    uint64_t *counts                    # NULL: it is sorted first
    bint unique
    Py_ssize_t *distinct
    uint8_t *scratch                    # of each thread


cdef class Deal:
    """Deals an image's elements out to buckets, which are then sorted.

    Parameters
    ----------
    image : Image
        Of 32- or 64-bit elements.
    table : Table or None
        Gives the bucket of an element as its label, of 2 bytes; None: its key, shifted, does, where
        NaN lie among others, to be left out by `sort`, if `unique`.
    type : int
        The image's element type.
    buckets : int
        One for each label, and the last for NaN.
    threads : int
    kept : int
        The most elements whose buckets are kept between `sizes` and `out`.
    shift : int
    """

    cdef Image image
    cdef object labels
    cdef Table held  # what `table` points to
    cdef ls_table table
    cdef ls_order order
    cdef int shift, threads
    cdef readonly Py_ssize_t buckets

    def __cinit__(
        self, Image image not None, Table table, int type, Py_ssize_t buckets, int threads,
        Py_ssize_t kept=0, int shift=0,
    ):
        self.image = image
        self.labels = np.empty(kept + threads, np.uint16)
        self.held = table
        if table is not None:
            self.table = table.table
            self.table.nan_label = buckets - 1
        self.shift = shift
        self.buckets = buckets
        self.threads = threads
        ls_order_of(&self.order, <ls_type>type)

    def sizes(self, Py_ssize_t start, Py_ssize_t stop):
        """How many of the elements start to stop each thread has for each bucket.

        Of shape (threads, buckets).
        """
        sizes = np.zeros((self.threads, self.buckets), np.intp)
        self.run(start, stop, ls_deal_count, sizes, None, None, None)
        return sizes

    def out(self, Py_ssize_t start, Py_ssize_t stop, places, keys):
        """Put the keys of the same elements into an array, each bucket's from its place on.

        `places` is of the shape of `sizes`; a bucket whose place is negative is left out.
        """
        lines = np.empty((self.threads * self.buckets + 1) * LS_LINE, np.uint8)
        aligned = lines[-lines.ctypes.data % LS_LINE:]
        self.run(start, stop, ls_deal_out, places.copy(), places, aligned, keys)

    cdef run(
        self, Py_ssize_t start, Py_ssize_t stop, ls_visitor *visitor, Py_ssize_t[:, ::1] next,
        places, lines, keys,
    ):
        cdef const Py_ssize_t[:, ::1] first = places
        cdef uint8_t[::1] line = lines
        cdef uint8_t[::1] memory = None if keys is None else keys.view(np.uint8)
        cdef uint16_t[::1] labels = self.labels
        cdef bint few = stop - start <= labels.shape[0] - self.threads
        cdef Py_ssize_t share = (stop - start + self.threads - 1) // self.threads
        cdef ls_deal *states = <ls_deal *>PyMem_Calloc(self.threads, sizeof(ls_deal))
        cdef int t
        if not states:
            raise MemoryError
        try:
            for t in range(self.threads):
                states[t].table = NULL if self.held is None else &self.table
                states[t].shift = self.shift
                states[t].order = self.order
                states[t].next = &next[t, 0]
                if few:
                    states[t].labels = &labels[t * share]
                if keys is not None:
                    states[t].first = &first[t, 0]
                    states[t].lines = <char *>&line[t * self.buckets * LS_LINE]
                    states[t].keys = &memory[0]
            self.image.visit(
                start, stop, visitor, <char *>states, sizeof(ls_deal), self.threads
            )
            for t in range(self.threads):
                if keys is not None:
                    ls_deal_rest(&states[t], self.buckets)
        finally:
            PyMem_Free(states)

    def sort(self, keys, const Py_ssize_t[::1] starts not None, bint unique):
        """Sort each bucket, from starts[i] to starts[i + 1]; how many distinct keys each has.

        `unique`: leave the distinct elements of each, at its start, in place of its keys.
        """
        cdef uint8_t[::1] memory = keys.view(np.uint8)
        cdef uint8_t[:, ::1] scratch = np.empty((self.threads, LS_SORT_SCRATCH), np.uint8)
        found = np.zeros(starts.shape[0] - 1, np.intp)
        cdef Py_ssize_t[::1] distinct = found
        cdef buckets work
        memset(&work, 0, sizeof(work))
        work.keys = &memory[0]
        work.unique = unique
        work.scratch = &scratch[0, 0]
        work.distinct = &distinct[0]
        self.run_buckets(&work, starts)
        return found

    def count(
        self, keys, const Py_ssize_t[::1] starts not None, const Py_ssize_t[::1] places not None,
        uint64_t[::1] counts not None,
    ):
        """Do what `unique` would have, and put a bucket's counts at its place in `counts`."""
        cdef uint8_t[::1] memory = keys.view(np.uint8)
        cdef buckets work
        if counts.shape[0] == 0:
            return
        memset(&work, 0, sizeof(work))
        work.keys = &memory[0]
        work.places = &places[0]
        work.counts = &counts[0]
        self.run_buckets(&work, starts)

    cdef run_buckets(self, buckets *work, const Py_ssize_t[::1] starts):
        cdef Py_ssize_t n = starts.shape[0] - 1, first = 0, last, i
        cdef int threads = self.threads
        work.order = &self.order
        work.starts = &starts[0]
        with nogil:
            while first < n:
                last = min(n, first + BUCKETS * threads)
                if threads == 1 or is_forked():
                    for i in range(first, last):
                        run_bucket(work, i, 0)
                else:
                    for i in prange(first, last, num_threads=threads, schedule="dynamic"):
                        run_bucket(work, i, threadid())
                first = last
                with gil:
                    PyErr_CheckSignals()


cdef void run_bucket(const buckets *work, Py_ssize_t i, int thread) noexcept nogil:
    cdef Py_ssize_t size = work.starts[i + 1] - work.starts[i]
    cdef void *keys = work.keys + work.starts[i] * work.order.size
    cdef void *scratch = work.scratch + thread * LS_SORT_SCRATCH
    if work.counts:
        if size:
            ls_unique(work.order, keys, size, work.counts + work.places[i])
    elif work.unique:
        work.distinct[i] = ls_distinct(work.order, keys, size, scratch)
    else:
        ls_sort(work.order, keys, size, scratch)
        work.distinct[i] = ls_count_unique(work.order, keys, size)
