/* Distinct values of images, and how often each occurs. What is called a visitor is for ls_visit
 * of blocks.h; `bits` are an element's, `keys` order-preserving unsigned images of them:
 *
 *     key = bits ^ ((sign of bits ? flip : 0) | top)
 *
 * Keys below `low` or above `high` are NaN; the key top - 1 of a float is -0.0, which counts as
 * 0.0, whose key is top. */
#ifndef LEVELSNAP_DISTINCT_H
#define LEVELSNAP_DISTINCT_H

#include "blocks.h"

typedef struct {
    int size; /* bytes of an element and a key: 4, 8 */
    int zeros; /* whether there is a -0.0 */
    uint64_t flip, top, low, high;
} ls_order;

void ls_order_of(ls_order *order, ls_type type);

/* What visitors return that cannot go on. */
enum { LS_FULL = 1, LS_NO_MEMORY };

/* 8 and 16 bits */

/* Which bit patterns have been seen. */
typedef struct {
    uint8_t *seen; /* one for each pattern, 0 at first */
    ls_isa isa;
    ptrdiff_t looked_at; /* elements, 0 at first */
} ls_patterns;

/* Stops when all have been. */
ls_visitor ls_see_bytes, ls_see_pairs;

/* Counts bit patterns; the state is a table of uint32_t. Bytes: so many tables, whose sums are the
 * counts, that neighbours which are equal need not wait for each other. Pairs that spread: a table
 * of bytes, which nearly fits the first-level cache, comes after it and carries to it. */
#define LS_BYTE_TABLES 8
ls_visitor ls_count_bytes, ls_count_pairs, ls_count_spread_pairs;

/* 32 bits */

#define LS_PAGE_BITS 15 /* keys of a page of the bitmap, as a power of two: a page of memory */
#define LS_PAGES (1 << (32 - LS_PAGE_BITS))
#define LS_HUGE_PAGES 512 /* of a huge page of memory */

/* The keys that occur, one bit each; threads may share it. */
typedef struct {
    uint64_t *words;  /* 2^32 bits, mapped */
    uint8_t *pages;   /* which pages of keys have any */
    ls_order order;
    ls_isa isa;
    ptrdiff_t room;   /* groups of LS_HUGE_PAGES that may yet be written to, unless it is shared */
} ls_bitmap;

/* Nonzero: no memory. */
int ls_bitmap_start(ls_bitmap *bitmap, ls_type type, ls_isa isa, int dense);
void ls_bitmap_free(ls_bitmap *bitmap);

/* The state is a bitmap; the second's is not shared: it is quicker for many values, and returns
 * LS_FULL where there is no more room. */
ls_visitor ls_bitmap_add, ls_bitmap_add_alone;

/* Adds to one bitmap LS_GROUP_PAGES pages of another, from this one on. */
void ls_bitmap_merge(const ls_bitmap *to, const ls_bitmap *from, size_t page);

/* Once all have been added: counts -0.0 as 0.0. */
void ls_bitmap_close(ls_bitmap *bitmap);

/* Leaves NaN out of LS_GROUP_PAGES pages from this one on, and returns how many values are left. */
#define LS_GROUP_PAGES 128
ptrdiff_t ls_bitmap_size(const ls_bitmap *bitmap, size_t page);

/* The elements of as many pages, ascending. */
void ls_bitmap_take(const ls_bitmap *bitmap, size_t page, uint32_t *elements);

/* 32 and 64 bits, few values */

/* A hash set of bits, with counts or without; of one thread. In front of the slots, 32-bit elements
 * may have cells: some for each home, which is the leading bits of what a multiplication that loses
 * nothing makes of them. A cell holds the other bits, its tag, or 0; what finds neither its own nor
 * an empty one goes to the slots.
 *
 * Without counts a home has two cells, of 16 bits, of which the first is set. With counts it has
 * four, of 32 bits, and their leading ones, as many as a home has, count; when these overflow, their
 * count goes to the slots. */
typedef struct {
    uint64_t *slots;  /* bits, followed by their count if there are counts */
    int log2;         /* of the number of slots */
    int counted;
    ls_isa isa;
    ptrdiff_t used, limit;
    uint64_t ones;    /* how often all 64 bits are ones, which is what marks an empty slot */
    void *cells;      /* mapped; uint16_t or, with counts, uint32_t */
    int home_bits;    /* 0: no cells */
} ls_set;

#define LS_LEAST_HOME_BITS 17 /* without counts */

/* Nonzero: no memory. */
int ls_set_start(ls_set *set, int counted, ptrdiff_t limit, ls_isa isa, int home_bits);
void ls_set_free(ls_set *set);
ls_visitor ls_set_add32, ls_set_add64;

/* The members, in no order, and their counts if there are any: a member may be there twice, with
 * two parts of its count. */
ptrdiff_t ls_set_size(const ls_set *set);
ptrdiff_t ls_set_take(const ls_set *set, uint64_t *bits, uint64_t *counts);

/* 32 and 64 bits, any number */

#define LS_LINE 64 /* bytes of a line of the cache */

/* Deals elements out to buckets: one for each label, and the last for NaN. */
typedef struct {
    const ls_table *table;  /* gives labels of 2 bytes; its nan_label is the NaNs' bucket; NULL: */
    int shift;              /* labels are keys, shifted; NaN lie among others */
    ls_order order;
    ptrdiff_t *next;        /* counting: how many elements each bucket has; dealing: where the next
                               key of each goes, or a negative number for nowhere */
    const ptrdiff_t *first; /* dealing: what `next` was at first */
    char *lines;            /* dealing: an aligned line for each bucket */
    uint16_t *labels;       /* where counting leaves labels for dealing; NULL: nowhere */
    void *keys;
} ls_deal;

ls_visitor ls_deal_count, ls_deal_out;

/* Ends dealing: writes what still waits in the lines. */
void ls_deal_rest(const ls_deal *deal, ptrdiff_t buckets);

/* Scratch that a bucket needs. */
#define LS_SORT_SCRATCH (1 << 20)

/* Sorts the keys of a bucket. */
void ls_sort(const ls_order *order, void *keys, ptrdiff_t n, void *scratch);

/* Turns sorted keys into their distinct elements, and counts them; returns their number. */
ptrdiff_t ls_unique(const ls_order *order, void *keys, ptrdiff_t n, uint64_t *counts);

/* Turns the keys of a bucket into their distinct elements, ascending, and returns their number. */
ptrdiff_t ls_distinct(const ls_order *order, void *keys, ptrdiff_t n, void *scratch);

/* How often each key of a bucket occurs, in a hash table that grows; zeros at first. */
typedef struct {
    void *slots; /* a key and its count, each of a key's size */
    int log2;    /* of the number of slots */
    ptrdiff_t used;
} ls_tally;

/* Adds keys. Returns LS_FULL where the table would have to grow for more than `most` distinct ones. */
int ls_tally_add(const ls_order *order, ls_tally *tally, const void *keys, ptrdiff_t n,
                 ptrdiff_t most);

/* The `used` distinct elements, ascending, and their counts. */
void ls_tally_take(const ls_order *order, const ls_tally *tally, void *elements, uint64_t *counts,
                   void *scratch);

/* Of ascending elements, all NaN behind them, leaves the distinct ones that are not NaN. */
ptrdiff_t ls_unique_elements(const ls_order *order, void *elements, ptrdiff_t n, uint64_t *counts);

/* The number of distinct keys among sorted ones. */
ptrdiff_t ls_count_unique(const ls_order *order, const void *keys, ptrdiff_t n);

#endif
