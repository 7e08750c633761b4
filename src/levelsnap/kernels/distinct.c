/* The portable parts of distinct.h, and which vector kernels stand in for them. */
#include "distinct.h"
#include "kernels.h"
#include "memory.h"
#include "target.h"

#include <stdlib.h>
#include <string.h>
#ifdef LS_X86
#include <immintrin.h>
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define LOAD_WORD(p) (*(volatile const uint64_t *)(p))
#define OR_WORD(p, bits) ((void)_InterlockedOr64((volatile long long *)(p), (long long)(bits)))
#define MARK(p) (*(volatile uint8_t *)(p) = 1)
#else
#define LOAD_WORD(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define OR_WORD(p, bits) ((void)__atomic_fetch_or(p, bits, __ATOMIC_RELAXED))
#define MARK(p) __atomic_store_n(p, 1, __ATOMIC_RELAXED)
#endif

#define TOP_BIT ((uint64_t)1 << 63)
#define EMPTY (~(uint64_t)0) /* a slot of a set */
#define BATCH 256            /* elements that a set takes at a time */
#define PAIRS 32             /* elements of a block of 16-bit ones */
#define DIGITS 11            /* bits of a digit of the sort, at most */
#define LINE LS_LINE
#define TILE 1024            /* elements that are dealt out at a time */
#define MIX 0x9E3779B97F4A7C15u /* leading bits of a product with it are a hash */
#define FIRST_BITS 11
#define FIRST_KEYS (1 << FIRST_BITS) /* of a bucket, that tell whether many occur twice */
#define TALLY_BITS 10        /* of the number of slots that counting starts with */
#define FETCHED 64           /* keys whose words are asked for before they are read */

static ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

static int bit_length(uint64_t x)
{
    int length = 0;
    for (int step = 32; step > 0; step /= 2)
        if (x >> step) {
            x >>= step;
            length += step;
        }
    return length + (x > 0);
}

static uint32_t lowest_bit(uint64_t x)
{
#if defined(__GNUC__)
    return (uint32_t)__builtin_ctzll(x);
#else
    return (uint32_t)bit_length(x & (0 - x)) - 1;
#endif
}

static uint32_t count_bits(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    return (uint32_t)(((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56);
}

void ls_order_of(ls_order *order, ls_type type)
{
    const int bits = 8 * ls_element_size[type];
    const uint64_t all = ~(uint64_t)0 >> (64 - bits), top = (uint64_t)1 << (bits - 1);
    const int is_float = type == LS_FLOAT32 || type == LS_FLOAT64;
    const int is_signed = type == LS_INT32 || type == LS_INT64;
    const uint64_t infinity = bits == 32 ? 0x7f800000u : 0x7ff0000000000000u;
    order->size = bits / 8;
    order->zeros = is_float;
    order->flip = is_float ? all : 0;
    order->top = is_float || is_signed ? top : 0;
    order->low = is_float ? all - (top + infinity) : 0;
    order->high = is_float ? top + infinity : all;
}

/* 8 and 16 bits */

static void see_bytes(const uint8_t *x, ptrdiff_t n, uint8_t *seen)
{
    for (ptrdiff_t i = 0; i < n; i++)
        seen[x[i]] = 1;
}

int ls_see_bytes(void *patterns_, const void *x_, ptrdiff_t n)
{
    const ls_patterns *patterns = patterns_;
    const uint8_t *x = x_;
    for (ptrdiff_t count; n > 0; n -= count, x += count) {
        if (!memchr(patterns->seen, 0, 256))
            return 1;
        count = smaller(n, 1 << 14);
#ifdef LS_X86
        if (patterns->isa == LS_AVX512 && ls_has_vbmi())
            ls_see_bytes_vbmi(x, count, patterns->seen);
        else if (patterns->isa >= LS_AVX2)
            ls_see_bytes_avx2(x, count, patterns->seen);
        else
#endif
            see_bytes(x, count, patterns->seen);
    }
    return 0;
}

/* Whether a block of pixels has what the block before has. */
static INLINE int repeats(const uint16_t *x)
{
    uint32_t differ = 0;
    for (int j = 0; j < PAIRS; j++)
        differ |= (uint32_t)(x[j] ^ x[j - PAIRS]);
    return !differ;
}

int ls_see_pairs(void *patterns_, const void *x_, ptrdiff_t n)
{
    ls_patterns *patterns = patterns_;
    uint8_t *seen = patterns->seen;
    const uint16_t *x = x_;
    ptrdiff_t i = 0;
    for (; i + PAIRS <= n; i += PAIRS) {
        unsigned all = 1;
        if (i > 0 && repeats(x + i))
            continue;
        for (int j = 0; j < PAIRS; j += 4) {
            uint64_t some;
            memcpy(&some, x + i + j, 8);
            for (int k = 0; k < 4; k++)
                all &= seen[(uint16_t)(some >> 16 * k)];
        }
        for (int j = 0; !all && j < PAIRS; j++)
            seen[x[i + j]] = 1;
    }
    for (; i < n; i++)
        seen[x[i]] = 1;
    patterns->looked_at += n;
    if (patterns->looked_at < 1 << 16)
        return 0;
    patterns->looked_at = 0;
    return !memchr(seen, 0, 1 << 16);
}

int ls_count_bytes(void *tables_, const void *x_, ptrdiff_t n)
{
    uint32_t *tables = tables_;
    const uint8_t *x = x_;
    ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t some;
        memcpy(&some, x + i, 8);
        for (int j = 0; j < 8; j++)
            tables[j % LS_BYTE_TABLES * 256 + (uint8_t)(some >> 8 * j)]++;
    }
    for (; i < n; i++)
        tables[x[i]]++;
    return 0;
}

/* At most 8. */
static INLINE void count_some(uint32_t *table, const uint16_t *x, int n, const int spread)
{
    uint8_t *few = (uint8_t *)(table + (1 << 16));
    uint32_t some[8]; /* read at once: for the compiler, bytes that are written might be x */
    for (int i = 0; i < n; i++)
        some[i] = x[i];
    for (int i = 0; i < n; i++)
        if (!spread)
            table[some[i]]++;
        else if (!++few[some[i]])
            table[some[i]] += 256;
}

#define DEFINE_COUNT_PAIRS(NAME, SPREAD)                                                          \
    int NAME(void *table, const void *x_, ptrdiff_t n)                                            \
    {                                                                                             \
        const uint16_t *x = x_;                                                                   \
        for (; n >= 8; n -= 8, x += 8)                                                            \
            count_some(table, x, 8, SPREAD);                                                      \
        for (; n > 0; n--, x++)                                                                   \
            count_some(table, x, 1, SPREAD);                                                      \
        return 0;                                                                                 \
    }

DEFINE_COUNT_PAIRS(ls_count_pairs, 0)
DEFINE_COUNT_PAIRS(ls_count_spread_pairs, 1)

/* The set */

static INLINE size_t home(const ls_set *set, uint64_t bits)
{
    return (uint32_t)((uint32_t)bits * LS_LOW + (uint32_t)(bits >> 32) * LS_HIGH)
           >> (32 - set->log2);
}

static int make_slots(ls_set *set, int log2)
{
    const size_t size = sizeof *set->slots << (log2 + set->counted);
    set->log2 = log2;
    set->slots = malloc(size);
    if (set->slots)
        memset(set->slots, 0xff, size);
    return !set->slots;
}

static size_t cells_size(const ls_set *set)
{
    return sizeof(uint32_t) << (set->home_bits + 2 * set->counted);
}

/* The bits of which a cell that is not empty holds the tag. */
static INLINE uint32_t cell_bits(const ls_set *set, size_t at, uint32_t cell)
{
    const uint32_t one = (uint32_t)1 << (32 - set->home_bits);
    return ((uint32_t)(at >> (1 + set->counted)) * one + (cell & (one - 1))) * LS_LOW_INVERSE;
}

static INLINE uint32_t cell_at(const ls_set *set, size_t at)
{
    return set->counted ? ((const uint32_t *)set->cells)[at] : ((const uint16_t *)set->cells)[at];
}

int ls_set_start(ls_set *set, int counted, ptrdiff_t limit, ls_isa isa, int home_bits)
{
    set->counted = counted;
    set->isa = isa;
    set->limit = limit;
    set->used = 0;
    set->ones = 0;
    set->home_bits = home_bits;
    set->cells = home_bits ? ls_map(cells_size(set), 1) : NULL;
    return make_slots(set, 12) || (home_bits && !set->cells);
}

void ls_set_free(ls_set *set)
{
    free(set->slots);
    ls_unmap(set->cells, cells_size(set));
}

static int grow(ls_set *set)
{
    const ls_set old = *set;
    if (make_slots(set, old.log2 + 2)) {
        *set = old;
        return LS_NO_MEMORY;
    }
    const size_t last = ((size_t)1 << set->log2) - 1;
    for (size_t i = 0; i < (size_t)1 << old.log2; i++) {
        const uint64_t *slot = old.slots + (i << old.counted);
        size_t at = home(set, *slot);
        if (*slot == EMPTY)
            continue;
        while (set->slots[at << set->counted] != EMPTY)
            at = (at + 1) & last;
        memcpy(set->slots + (at << set->counted), slot, sizeof *slot << set->counted);
    }
    free(old.slots);
    return 0;
}

/* For a batch. */
static int make_room(ls_set *set)
{
    if (set->used > set->limit)
        return LS_FULL;
    return set->used + BATCH > (ptrdiff_t)1 << (set->log2 - 3) ? grow(set) : 0;
}

static size_t cells_of(const ls_set *set)
{
    return set->cells ? (size_t)2 << (set->home_bits + set->counted) : 0;
}

ptrdiff_t ls_set_size(const ls_set *set)
{
    ptrdiff_t size = set->used + (set->ones > 0);
    for (size_t at = 0; at < cells_of(set); at++)
        size += cell_at(set, at) > 0;
    return size;
}

ptrdiff_t ls_set_take(const ls_set *set, uint64_t *bits, uint64_t *counts)
{
    const uint64_t *start = bits;
    for (size_t at = 0; at < cells_of(set); at++) {
        const uint32_t cell = cell_at(set, at);
        if (!cell)
            continue;
        *bits++ = cell_bits(set, at, cell);
        if (set->counted)
            *counts++ = cell >> (32 - set->home_bits);
    }
    for (size_t i = 0; i < (size_t)1 << set->log2; i++) {
        const uint64_t *slot = set->slots + (i << set->counted);
        if (*slot == EMPTY)
            continue;
        *bits++ = slot[0];
        if (set->counted)
            *counts++ = slot[1];
    }
    if (set->ones && set->counted)
        *counts = set->ones;
    if (set->ones)
        *bits++ = EMPTY;
    return bits - start;
}

static INLINE void write_line(void *to, const void *line)
{
#ifdef LS_X86 /* past the caches: it is read much later */
    for (int i = 0; i < LINE / 16; i++)
        _mm_stream_si128((__m128i *)to + i, _mm_load_si128((const __m128i *)line + i));
#else
    memcpy(to, line, LINE);
#endif
}

#define BITS 32
#include "distinct.inc.h"
#define BITS 64
#include "distinct.inc.h"

/* Dealing out */

static void find_buckets(const ls_deal *deal, const void *x, ptrdiff_t n, uint16_t *label)
{
    if (deal->table)
        ls_nearest(deal->table, x, n, label, NULL);
    else if (deal->order.size == 4)
        shift32(deal, x, n, label);
    else
        shift64(deal, x, n, label);
}

int ls_deal_count(void *deal_, const void *x_, ptrdiff_t n)
{
    ls_deal *deal = deal_;
    const char *x = x_;
    uint16_t scratch[TILE];
    for (ptrdiff_t count; n > 0; n -= count, x += count * deal->order.size) {
        uint16_t *label = deal->labels ? deal->labels : scratch;
        count = smaller(n, TILE);
        find_buckets(deal, x, count, label);
        for (ptrdiff_t i = 0; i < count; i++)
            deal->next[label[i]]++;
        if (deal->labels)
            deal->labels += count;
    }
    return 0;
}

int ls_deal_out(void *deal_, const void *x_, ptrdiff_t n)
{
    ls_deal *deal = deal_;
    const char *x = x_;
    uint16_t scratch[TILE];
    for (ptrdiff_t count; n > 0; n -= count, x += count * deal->order.size) {
        const uint16_t *label = deal->labels ? deal->labels : scratch;
        count = smaller(n, TILE);
        if (deal->labels)
            deal->labels += count;
        else
            find_buckets(deal, x, count, scratch);
        if (deal->order.size == 4)
            deal32(deal, (const uint32_t *)(const void *)x, label, count);
        else
            deal64(deal, (const uint64_t *)(const void *)x, label, count);
    }
    return 0;
}

void ls_deal_rest(const ls_deal *deal, ptrdiff_t buckets)
{
    if (deal->order.size == 4)
        deal_rest32(deal, buckets);
    else
        deal_rest64(deal, buckets);
    ls_end_streaming();
}

void ls_sort(const ls_order *order, void *keys, ptrdiff_t n, void *scratch)
{
    if (order->size == 4)
        sort32(keys, n, scratch);
    else
        sort64(keys, n, scratch);
}

ptrdiff_t ls_unique(const ls_order *order, void *keys, ptrdiff_t n, uint64_t *counts)
{
    return order->size == 4 ? unique32(order, keys, n, counts)
                            : unique64(order, keys, n, counts);
}

ptrdiff_t ls_unique_elements(const ls_order *order, void *elements, ptrdiff_t n, uint64_t *counts)
{
    return order->size == 4 ? unique_elements32(order, elements, n, counts)
                            : unique_elements64(order, elements, n, counts);
}

ptrdiff_t ls_distinct(const ls_order *order, void *keys, ptrdiff_t n, void *scratch)
{
    return order->size == 4 ? distinct32(order, keys, n, scratch)
                            : distinct64(order, keys, n, scratch);
}

ptrdiff_t ls_count_unique(const ls_order *order, const void *keys, ptrdiff_t n)
{
    return order->size == 4 ? count_unique32(keys, n) : count_unique64(keys, n);
}

int ls_tally_add(const ls_order *order, ls_tally *tally, const void *keys, ptrdiff_t n,
                 ptrdiff_t most)
{
    return order->size == 4 ? tally32(tally, keys, n, most) : tally64(tally, keys, n, most);
}

void ls_tally_take(const ls_order *order, const ls_tally *tally, void *elements, uint64_t *counts,
                   void *scratch)
{
    if (order->size == 4)
        tally_take32(order, tally, elements, counts, scratch);
    else
        tally_take64(order, tally, elements, counts, scratch);
}

/* The bitmap of 32-bit keys */

#define BITMAP_SIZE ((size_t)1 << 29)
#define PAGE_WORDS (1 << (LS_PAGE_BITS - 6))

int ls_bitmap_start(ls_bitmap *bitmap, ls_type type, ls_isa isa, int dense)
{
    ls_order_of(&bitmap->order, type);
    bitmap->isa = isa;
    bitmap->words = ls_map(BITMAP_SIZE, dense);
    bitmap->pages = calloc(LS_PAGES, 1);
    return !bitmap->words || !bitmap->pages;
}

void ls_bitmap_free(ls_bitmap *bitmap)
{
    ls_unmap(bitmap->words, BITMAP_SIZE);
    free(bitmap->pages);
}

void ls_bitmap_put(const ls_bitmap *bitmap, uint32_t key)
{
    OR_WORD(bitmap->words + (key >> 6), (uint64_t)1 << (key & 63));
    MARK(bitmap->pages + (key >> LS_PAGE_BITS));
}

static void bitmap_add(const ls_bitmap *bitmap, const uint32_t *x, ptrdiff_t n)
{
    const ls_order order = bitmap->order;
    const uint64_t *words = bitmap->words;
    for (ptrdiff_t i = 0, count; i < n; i += count) {
        uint32_t key[8];
        uint64_t unset = 0;
        count = smaller(n - i, 8);
        for (ptrdiff_t j = 0; j < count; j++) {
            key[j] = ls_key32(&order, x[i + j]);
            unset |= ~LOAD_WORD(words + (key[j] >> 6)) >> (key[j] & 63);
        }
        for (ptrdiff_t j = 0; unset & 1 && j < count; j++)
            if (~LOAD_WORD(words + (key[j] >> 6)) >> (key[j] & 63) & 1)
                ls_bitmap_put(bitmap, key[j]);
    }
}

int ls_bitmap_add(void *bitmap_, const void *x, ptrdiff_t n)
{
    const ls_bitmap *bitmap = bitmap_;
#ifdef LS_X86
    if (bitmap->isa == LS_AVX512) {
        ls_bitmap_add_avx512(bitmap, x, n);
        return 0;
    }
#endif
    bitmap_add(bitmap, x, n);
    return 0;
}

/* Marks the page of a key; whether there is no room for it. */
static int open_page(ls_bitmap *bitmap, uint32_t key)
{
    const size_t page = key >> LS_PAGE_BITS;
    if (!bitmap->pages[page]) {
        const uint8_t *group = bitmap->pages + page / LS_HUGE_PAGES * LS_HUGE_PAGES;
        bitmap->room -= !memchr(group, 1, LS_HUGE_PAGES);
        bitmap->pages[page] = 1;
    }
    return bitmap->room < 0;
}

/* Without a look at the bit: as long as many are new, branches cost more than writing. */
int ls_bitmap_add_alone(void *bitmap_, const void *x_, ptrdiff_t n)
{
    ls_bitmap *bitmap = bitmap_;
    const ls_order order = bitmap->order;
    const uint32_t *x = x_;
    uint64_t *words = bitmap->words;
    for (ptrdiff_t count; n > 0; n -= count, x += count) {
        uint32_t key[FETCHED];
        count = smaller(n, FETCHED);
        for (ptrdiff_t i = 0; i < count; i++)
            key[i] = ls_key32(&order, x[i]);
        for (ptrdiff_t i = 0; i < count; i++)
            LS_PREFETCH(words + (key[i] >> 6));
        for (ptrdiff_t i = 0; i < count; i++) {
            const uint64_t word = words[key[i] >> 6];
            if (!word && open_page(bitmap, key[i]))
                return LS_FULL;
            words[key[i] >> 6] = word | (uint64_t)1 << (key[i] & 63);
        }
    }
    return 0;
}

/* The bits from the first key of a word to its last that are not NaN. */
static uint64_t not_nan(const ls_order *order, uint64_t first)
{
    uint64_t bits = ~(uint64_t)0;
    if (first + 63 < order->low || first > order->high)
        return 0;
    if (first < order->low)
        bits &= ~(uint64_t)0 << (order->low - first);
    if (first + 63 > order->high)
        bits &= ~(uint64_t)0 >> (first + 63 - order->high);
    return bits;
}

#define FOR_WORDS(bitmap, w, first, last)                                                         \
    for (size_t page_ = first; page_ < last; page_++)                                             \
        for (size_t w = page_ * PAGE_WORDS;                                                       \
             (bitmap)->pages[page_] && w < (page_ + 1) * PAGE_WORDS; w++)

void ls_bitmap_merge(const ls_bitmap *to, const ls_bitmap *from, size_t page)
{
    FOR_WORDS(from, w, page, page + LS_GROUP_PAGES)
        to->words[w] |= from->words[w];
    for (size_t p = page; p < page + LS_GROUP_PAGES; p++)
        to->pages[p] |= from->pages[p];
}

void ls_bitmap_close(ls_bitmap *bitmap)
{
    const uint32_t zero = (uint32_t)bitmap->order.top, minus = zero - 1;
    if (bitmap->order.zeros && bitmap->words[minus >> 6] >> (minus & 63) & 1) {
        ls_bitmap_put(bitmap, zero);
        bitmap->words[minus >> 6] &= ~((uint64_t)1 << (minus & 63));
    }
}

ptrdiff_t ls_bitmap_size(const ls_bitmap *bitmap, size_t page)
{
    ptrdiff_t found = 0;
    FOR_WORDS(bitmap, w, page, page + LS_GROUP_PAGES)
        if (bitmap->words[w]) {
            bitmap->words[w] &= not_nan(&bitmap->order, (uint64_t)w << 6);
            found += (ptrdiff_t)count_bits(bitmap->words[w]);
        }
    return found;
}

void ls_bitmap_take(const ls_bitmap *bitmap, size_t page, uint32_t *elements)
{
    FOR_WORDS(bitmap, w, page, page + LS_GROUP_PAGES)
        for (uint64_t bits = bitmap->words[w]; bits; bits &= bits - 1)
            *elements++ = element32(&bitmap->order, (uint32_t)(w << 6) + lowest_bit(bits));
}
