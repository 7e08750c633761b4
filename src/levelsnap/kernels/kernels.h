/* What the kernels share. */
#ifndef LEVELSNAP_KERNELS_H
#define LEVELSNAP_KERNELS_H

#include "distinct.h"
#include "target.h"

extern const int ls_element_size[LS_TYPES];

/* 8- and 16-bit types: what a search over all bit patterns found, by bit pattern. */
ls_kernel ls_by_pattern;

/* Portable: branchless binary search. */
extern ls_kernel *const ls_search[LS_TYPES];

/* Portable: counting the thresholds below. */
extern ls_kernel *const ls_count[LS_TYPES];

/* Portable, 32- and 64-bit types: a grid over the thresholds, then a short search. */
extern ls_kernel *const ls_grid_search[LS_TYPES];

/* Of ls_grid.packed: bits of a position within its cell; marks of a cell of too many thresholds. */
#define LS_FRACTION_BITS 7
#define LS_CROWDED 0xfeffu

/* An entry of ls_grid.fine. */
#define LS_FINE_FIRST(fine) ((fine) >> 11)
#define LS_FINE_LAST(fine) ((1u << ((fine) >> 6 & 31)) - 1)
#define LS_FINE_SHIFT(fine) ((fine) & 63)

/* Search trees with thresholds in vector registers, for each type; kernels that are not there are
 * NULL. */
typedef struct {
    ls_kernel *search; /* all in registers */
    int depth;         /* of the deepest such tree */
    int lanes;         /* entries of a register */
    int counts;        /* whether COUNT of registers.inc.h is how trees are laid out */
    int values;        /* how many values it can fetch from registers */
    ls_kernel *nodes;  /* nodes.inc.h */
    int nodes_depth;   /* how many levels of it are in registers */
    ls_kernel *packed; /* packed.inc.h */
} ls_tree_kernels;

extern const ls_tree_kernels ls_trees_avx2[LS_TYPES], ls_trees_avx512[LS_TYPES];

/* 8-bit patterns to 8-bit entries, by a look-up in 256 of them; `stream`: past the caches. */
ls_kernel ls_bytes_avx2, ls_bytes_vbmi;
typedef void ls_look_up(const void *entries, const uint8_t *x, ptrdiff_t n, uint8_t *out,
                        int stream, ptrdiff_t gap);
int ls_by_byte(const ls_table *table, const uint8_t *x, ptrdiff_t n, uint8_t *labels,
               uint8_t *values, ls_look_up *look_up);
int ls_has_vbmi(void);

ls_reverse ls_reverse_bytes, ls_reverse_bytes_avx2;
ls_put_where ls_put_where_portable, ls_put_where_avx512;

/* Sets those of 256 bytes to 1 that occur. */
void ls_see_bytes_avx2(const uint8_t *x, ptrdiff_t n, uint8_t *seen);
void ls_see_bytes_vbmi(const uint8_t *x, ptrdiff_t n, uint8_t *seen);

void ls_bitmap_put(const ls_bitmap *bitmap, uint32_t key);
void ls_bitmap_add_avx512(const ls_bitmap *bitmap, const uint32_t *x, ptrdiff_t n);

/* The home of bits in a set: the leading log2 bits of 32, of low * LS_LOW + high * LS_HIGH. */
#define LS_LOW 0x9E3779B1u
#define LS_LOW_INVERSE 0x0E8B2F51u /* modulo 2^32 */
#define LS_HIGH 0x85EBCA77u

/* Copies those of n elements that are not at their homes in a set without counts, and all whose
 * bits are ones; returns their number. `others` has room for n and LS_SPARE. */
#define LS_SPARE 16
ptrdiff_t ls_set_others32_avx512(const ls_set *set, const uint32_t *x, ptrdiff_t n,
                                 uint32_t *others);
ptrdiff_t ls_set_others64_avx512(const ls_set *set, const uint64_t *x, ptrdiff_t n,
                                 uint64_t *others);

/* Of n elements of a set with cells copies those that find no cell, and returns their number. With
 * counts, `at` gets the cells of the rest, in no order. Both have room for n and LS_SPARE. */
ptrdiff_t ls_set_no_cell_avx512(const ls_set *set, const uint32_t *x, ptrdiff_t n,
                                uint32_t *others);
ptrdiff_t ls_set_find_cells_avx512(const ls_set *set, const uint32_t *x, ptrdiff_t n,
                                   uint32_t *others, uint32_t *at);

/* Orders what was written past the caches before what this thread writes from now on. */
void ls_end_streaming(void);

/* The call for elements of 1, 2, 4 or 8 bytes. */
#define BY_SIZE(size, call8, call16, call32, call64)                                              \
    switch (size) {                                                                               \
    case 1: call8; break;                                                                         \
    case 2: call16; break;                                                                        \
    case 4: call32; break;                                                                        \
    default: call64;                                                                              \
    }

/* A key of distinct.h. */
#define DEFINE_KEY(BITS)                                                                          \
    static inline uint##BITS##_t ls_key##BITS(const ls_order *order, uint##BITS##_t bits)         \
    {                                                                                             \
        const uint##BITS##_t negative = 0 - (bits >> (BITS - 1));                                 \
        return bits ^ ((negative & (uint##BITS##_t)order->flip) | (uint##BITS##_t)order->top);    \
    }

DEFINE_KEY(32)
DEFINE_KEY(64)

/* Labels from uint32 to their own size. */
void ls_narrow(const uint32_t *label, ptrdiff_t n, int size, void *labels);

/* Bytes that a kernel asks for ahead of its reads: from the memory to the second cache, since the
 * first waits for few lines at a time, and from there to the first. The CPU's own prefetching starts
 * anew on each page of 4096 bytes. */
#define AHEAD 8192
#define CLOSELY_AHEAD 512

/* For `bytes` bytes of a run with so much left. At its end `gap` is added: of rows longer than AHEAD,
 * from the end of one to the next; of others, so that the same place in the next one is asked for. */
static inline void ls_prefetch_in(const void *p, size_t bytes, ptrdiff_t left, ptrdiff_t gap)
{
    const uintptr_t later = (uintptr_t)p + AHEAD + (left > AHEAD ? 0 : (uintptr_t)gap);
    const uintptr_t soon = (uintptr_t)p + (left > CLOSELY_AHEAD ? CLOSELY_AHEAD : 0);
    for (size_t i = 0; i < bytes; i += LS_LINE) {
        LS_PREFETCH_L2(later + i);
        LS_PREFETCH(soon + i);
    }
}

static inline void ls_prefetch(const void *p, size_t bytes, const void *end, ptrdiff_t gap)
{
    ls_prefetch_in(p, bytes, (const char *)end - (const char *)p, gap);
}

/* Within a run that nothing follows. */
static inline void ls_prefetch_on(const void *p, size_t bytes)
{
    ls_prefetch_in(p, bytes, AHEAD + 1, 0);
}

/* Elements before the next line: what is written past the caches is written by whole lines, as each
 * part of one takes as long. */
static inline ptrdiff_t ls_to_line(const void *p, size_t size)
{
    return (ptrdiff_t)((0 - (uintptr_t)p) % LS_LINE / size);
}

#endif
