/* Kernels for AVX2. */
#include "kernels.h"
#include "elements.h"
#include "target.h"
#ifdef LS_X86
#include <string.h>
LS_TARGET_BEGIN("avx2,bmi,bmi2")
#include <immintrin.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME_(part) JOIN(part, NAME)

#define VEC __m256i
#define MASK __m256i
#define LANES 8
#define COUNT
#define LOG2_ENTRIES 3
#define MAX_DEPTH 7
#define VECTORS 8
#define ZERO _mm256_setzero_si256()
#define SPREAD(i) _mm256_set1_epi32((int)(i))
#define LOADV(p) _mm256_loadu_si256((const void *)(p))
#define LOADT LOADV
#define STOREU(p, v) _mm256_storeu_si256((void *)(p), v)
#define STREAM(p, v) _mm256_stream_si256((void *)(p), v)
#define PERMUTE(r, i) _mm256_permutevar8x32_epi32(r, i)
/* By the sign of each lane of m; the bit asked for, 8 to 32, becomes that. */
#define BLEND(m, no, yes) _mm256_castps_si256(_mm256_blendv_ps(PS(no), PS(yes), PS(m)))
#define BIT_SET(v, bit) _mm256_slli_epi32(v, (bit) == 8 ? 28 : (bit) == 16 ? 27 : 26)
#define PERMUTE2(r, i, s) BLEND(BIT_SET(i, LANES), PERMUTE(r, i), PERMUTE(s, i))
#define ADD(a, b) _mm256_add_epi32(a, b)
#define SUB(a, b) _mm256_sub_epi32(a, b)
#define TIMES(i, levels) ((levels) == 1 ? ADD(i, i) : _mm256_slli_epi32(i, levels))
#define NO_NAN ZERO
#define NAN_OR(a, b) _mm256_or_si256(a, b)
#define ANY_NAN(m) (_mm256_movemask_epi8(m) != 0)
#define KEEP_NAN(m, x, v) BLEND(m, v, x)
#define SAME(v) (v)
#define NEVER(v) ZERO
#define PS(v) _mm256_castsi256_ps(v)
#define PD(v) _mm256_castsi256_pd(v)

/* For shuffles: the lower byte of each 16-bit lane, twice. */
static const uint8_t low_bytes[32] = {0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14,
                                      0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14};

#include "put.inc.h"

/* Two registers of lanes as one of half as wide ones. */
static INLINE __m256i pack16(__m256i a, __m256i b)
{
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
}

static INLINE __m256i pack8(__m256i a, __m256i b)
{
    return _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8);
}

static INLINE void put_labels32(char *labels, const __m256i *position, uint32_t first, int size,
                                int stream)
{
    if (size == 1) {
        /* Packing leaves the halves of registers apart. */
        const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        const __m256i from = _mm256_set1_epi16((short)first);
        for (int u = 0; u < VECTORS; u += 4) {
            const __m256i low = _mm256_packs_epi32(position[u], position[u + 1]);
            const __m256i high = _mm256_packs_epi32(position[u + 2], position[u + 3]);
            const __m256i label = _mm256_packus_epi16(_mm256_sub_epi16(from, low),
                                                      _mm256_sub_epi16(from, high));
            put(labels + u * LANES, PERMUTE(label, order), stream);
        }
        return;
    }
    __m256i label[VECTORS];
    for (int u = 0; u < VECTORS; u++)
        label[u] = SUB(SPREAD(first), position[u]);
    if (size == 2)
        for (int u = 0; u < VECTORS; u += 2)
            put(labels + 16 * u, pack16(label[u], label[u + 1]), stream);
    else if (size == 4)
        for (int u = 0; u < VECTORS; u++)
            put(labels + 32 * u, label[u], stream);
    else
        for (int u = 0; u < VECTORS; u++) {
            const __m128i low = _mm256_castsi256_si128(label[u]);
            const __m128i high = _mm256_extracti128_si256(label[u], 1);
            put(labels + 64 * u, _mm256_cvtepu32_epi64(low), stream);
            put(labels + 64 * u + 32, _mm256_cvtepu32_epi64(high), stream);
        }
}
#define PUT_LABELS put_labels32

/* For nodes.inc.h: bits tell which thresholds of a node are below. */
#define NODE_GROUP (VECTORS * LANES)
#define BELOW_BITS(node, v) ((uint16_t)BITS(BELOW(node, v)))
#define BITS(m) _mm256_movemask_ps(PS(m))
#define SPREAD_AT(p) SPREAD(ls_load32(p))
#define PUT_NODES(to, position)                                                                   \
    _mm256_storeu_si256((void *)(to), _mm256_slli_epi32(SUB(ZERO, position), 5))

/* Positions one level below the nodes at these offsets. Bits are set from the lowest on, so that
 * one more than them is a power of two, and a float's exponent tells which. */
static INLINE __m256i found(const uint32_t *node, const uint16_t *below, size_t size)
{
    const __m256i bits = _mm256_cvtepu16_epi32(_mm_load_si128((const void *)below));
    const __m256 power = _mm256_cvtepi32_ps(ADD(bits, SPREAD(1)));
    const __m256i exponent = _mm256_srli_epi32(_mm256_castps_si256(power), 23);
    const __m256i start =
        _mm256_srli_epi32(_mm256_load_si256((const void *)node), size == 4 ? 2 : 3);
    return SUB(SUB(SPREAD(127), exponent), start);
}

/* For packed.inc.h */
#define PACKED_GROUP 16
#define MAXU(a, b) _mm256_max_epu32(a, b)
#define MINU(a, b) _mm256_min_epu32(a, b)
#define SHIFT_LEFT(v, count) _mm256_sll_epi32(v, count)
#define SHIFT_RIGHT(v, count) _mm256_srl_epi32(v, count)
#define PUT_POSITIONS STOREU

/* The lower 16 bits of each lane. */
static INLINE __m256i low_halves(const uint32_t *p)
{
    const __m256i mask = SPREAD(0xffff);
    return _mm256_packus_epi32(_mm256_and_si256(LOADV(p), mask),
                               _mm256_and_si256(LOADV(p + LANES), mask));
}

static INLINE uint64_t fractions_below(const uint32_t *at, const uint32_t *cell, uint16_t *label)
{
    const __m256i one = _mm256_set1_epi8(1), crowded = _mm256_set1_epi16((short)LS_CROWDED);
    const __m256i start = _mm256_packus_epi32(_mm256_srli_epi32(LOADV(cell), 16),
                                              _mm256_srli_epi32(LOADV(cell + LANES), 16));
    const __m256i mark = low_halves(cell);
    const __m256i even = _mm256_slli_epi16(low_halves(at), 1);
    const __m256i fraction = _mm256_shuffle_epi8(even, LOADV(low_bytes));
    const __m256i below = _mm256_min_epu8(_mm256_subs_epu8(fraction, mark), one);
    const __m256i undecided = _mm256_or_si256(_mm256_cmpeq_epi8(fraction, mark),
                                              _mm256_cmpeq_epi16(mark, crowded));
    const __m256i found = _mm256_add_epi16(start, _mm256_maddubs_epi16(below, one));
    const uint32_t bits =
        (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(undecided, 0xd8));
    STOREU(label, _mm256_permute4x64_epi64(found, 0xd8));
    return (bits | bits >> 1) & 0x55555555u;
}

#include "found.inc.h"

#define NAME float32
#define ELEMENT float
#define KEY SAME
#define BELOW(t, v) _mm256_castps_si256(_mm256_cmp_ps(PS(t), PS(v), _CMP_LT_OQ))
#define EITHER_NAN(v, w) _mm256_castps_si256(_mm256_cmp_ps(PS(v), PS(w), _CMP_UNORD_Q))
#define IS_NAN(v) EITHER_NAN(v, v)
#define ORDERED(v) _mm256_xor_si256(v, _mm256_or_si256(_mm256_srai_epi32(v, 31), SPREAD(1u << 31)))
/* NaN becomes 0. */
#define LINEAR(v, low, scale, last)                                                               \
    _mm256_cvttps_epi32(_mm256_min_ps(                                                            \
        _mm256_max_ps(_mm256_mul_ps(_mm256_sub_ps(PS(v), _mm256_set1_ps(low)),                    \
                                    _mm256_set1_ps(scale)),                                       \
                      _mm256_setzero_ps()),                                                       \
        _mm256_set1_ps(last)))
#include "registers.inc.h"
#include "nodes.inc.h"
#include "packed.inc.h"
#include "type_undef.h"

#define NAME int32
#define ELEMENT int32_t
#define KEY SAME
#define BELOW(t, v) _mm256_cmpgt_epi32(v, t)
#define IS_NAN NEVER
#define ORDERED(v) _mm256_xor_si256(v, SPREAD(1u << 31))
#include "registers.inc.h"
#include "nodes.inc.h"
#include "packed.inc.h"
#include "type_undef.h"

/* AVX2 compares signed integers only. */
#define FLIP(v) _mm256_xor_si256(v, SPREAD(0x80000000u))

#define NAME uint32
#define ELEMENT uint32_t
#define KEY FLIP
#define TABLE_KEY FLIP
#define BELOW(t, v) _mm256_cmpgt_epi32(v, t)
#define IS_NAN NEVER
#define ORDERED SAME
#include "registers.inc.h"
#include "nodes.inc.h"
#include "packed.inc.h"
#include "type_undef.h"

/* 64-bit elements: nodes alone, for no permutation of four lanes takes its order from a
 * register. */
#define NO_TREE
#undef SPREAD_AT
#define SPREAD_AT(p) _mm256_set1_epi64x(ls_load64(p))
#undef BITS
#define BITS(m) _mm256_movemask_pd(PD(m))
#define UNEQUAL(e) ((e) != (e))
#undef NEVER
#define NEVER(e) ((void)(e), 0)

#define NAME float64
#define ELEMENT double
#define KEY SAME
#define TABLE_KEY SAME
#define BELOW(t, v) _mm256_castpd_si256(_mm256_cmp_pd(PD(t), PD(v), _CMP_LT_OQ))
#define IS_NAN UNEQUAL
#include "nodes.inc.h"
#include "type_undef.h"

#define NAME int64
#define ELEMENT int64_t
#define KEY SAME
#define TABLE_KEY SAME
#define BELOW(t, v) _mm256_cmpgt_epi64(v, t)
#define IS_NAN NEVER
#include "nodes.inc.h"
#include "type_undef.h"

#undef FLIP
#define FLIP(v) _mm256_xor_si256(v, _mm256_set1_epi64x(INT64_MIN))

#define NAME uint64
#define ELEMENT uint64_t
#define KEY FLIP
#define TABLE_KEY FLIP
#define BELOW(t, v) _mm256_cmpgt_epi64(v, t)
#define IS_NAN NEVER
#include "nodes.inc.h"
#include "type_undef.h"

#undef NO_TREE
#undef NEVER
#define NEVER(v) ZERO
#undef LOADT
#include "lanes_undef.h"

/* 16-bit lanes. AVX2 permutes bytes, and those of each half of a register by themselves: tables are
 * of 8 entries, in both halves, and positions, above -128, fill both bytes of their lanes. A shuffle
 * looks at four bits and at the top one, which must be 0: positions that it takes are above -32, and
 * it adds 64 to twice each. */
#define LANES 16
#define LOG2_ENTRIES 3
#define MAX_DEPTH 7
#define MASK __m256i
#define SPREAD(i) _mm256_set1_epi8((char)(i))
#define LOADT(p) _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)(p)))
#define PERMUTE(r, i) _mm256_shuffle_epi8(r, ADD(ADD(i, i), _mm256_set1_epi16(0x4140)))
#define BLEND(m, no, yes) _mm256_blendv_epi8(no, yes, m)
#define BIT_SET(v, bit) _mm256_slli_epi16(v, (bit) == 8 ? 4 : 3)
#define PERMUTE2(r, i, s) BLEND(BIT_SET(i, ENTRIES), PERMUTE(r, i), PERMUTE(s, i))
#define ADD(a, b) _mm256_add_epi8(a, b)
#define TIMES(i, levels) times(i, levels)
#define KEEP_NAN(m, x, v) BLEND(m, v, x)

static INLINE __m256i times(__m256i i, int levels)
{
    for (; levels > 0; levels--)
        i = ADD(i, i);
    return i;
}

static INLINE void put_labels16(char *labels, const __m256i *position, uint32_t first, int size,
                                int stream)
{
    __m256i label[VECTORS];
    for (int u = 0; u < VECTORS; u++)
        label[u] = _mm256_and_si256(_mm256_sub_epi8(SPREAD(first), position[u]),
                                    _mm256_set1_epi16(0xff));
    if (size == 1)
        for (int u = 0; u < VECTORS; u += 2)
            put(labels + u * LANES, pack8(label[u], label[u + 1]), stream);
    else if (size == 2)
        for (int u = 0; u < VECTORS; u++)
            put(labels + u * sizeof(VEC), label[u], stream);
    else
        for (int i = 0; i < VECTORS * LANES; i += (int)sizeof(VEC) / size) {
            const char *some = (const char *)label + 2 * i;
            put(labels + i * size,
                size == 4 ? _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)some))
                          : _mm256_cvtepu16_epi64(_mm_loadl_epi64((const void *)some)),
                stream);
        }
}
#define PUT_LABELS put_labels16

#define NAME int16
#define ELEMENT int16_t
#define KEY SAME
#define BELOW(t, v) _mm256_cmpgt_epi16(v, t)
#define IS_NAN NEVER
#include "registers.inc.h"
#include "type_undef.h"

#undef FLIP
#define FLIP(v) _mm256_xor_si256(v, _mm256_set1_epi16(INT16_MIN))

#define NAME uint16
#define ELEMENT uint16_t
#define KEY FLIP
#define TABLE_KEY FLIP
#define BELOW(t, v) _mm256_cmpgt_epi16(v, t)
#define IS_NAN NEVER
#include "registers.inc.h"
#include "type_undef.h"

/* As ls_float16_key: flip the magnitude's bits of negative numbers. */
static INLINE __m256i float16_key(__m256i bits)
{
    return _mm256_xor_si256(
        bits, _mm256_and_si256(_mm256_srai_epi16(bits, 15), _mm256_set1_epi16(0x7fff)));
}

#define NAME float16
#define ELEMENT uint16_t
#define KEY float16_key
#define BELOW(t, v) _mm256_cmpgt_epi16(v, t)
#define IS_NAN(v)                                                                                 \
    _mm256_cmpgt_epi16(_mm256_and_si256(v, _mm256_set1_epi16(0x7fff)), _mm256_set1_epi16(0x7c00))
#include "registers.inc.h"
#include "type_undef.h"

#include "lanes_undef.h"

const ls_tree_kernels ls_trees_avx2[LS_TYPES] = {
    [LS_INT16] = {search_int16, 7, 8, 1, 32, NULL, 0, NULL},
    [LS_UINT16] = {search_uint16, 7, 8, 1, 32, NULL, 0, NULL},
    [LS_FLOAT16] = {search_float16, 7, 8, 1, 32, NULL, 0, NULL},
    [LS_INT32] = {search_int32, 7, 8, 1, 32, nodes_int32, 5, packed_int32},
    [LS_UINT32] = {search_uint32, 7, 8, 1, 32, nodes_uint32, 5, packed_uint32},
    [LS_FLOAT32] = {search_float32, 7, 8, 1, 32, nodes_float32, 5, packed_float32},
    [LS_INT64] = {NULL, 0, 0, 0, 0, nodes_int64, 0, NULL},
    [LS_UINT64] = {NULL, 0, 0, 0, 0, nodes_uint64, 0, NULL},
    [LS_FLOAT64] = {NULL, 0, 0, 0, 0, nodes_float64, 0, NULL},
};

/* Look-up in half a table of 256 bytes; 0 for bytes with the top bit set. A shuffle of each 16
 * entries looks at the lower four bits and gives 0 where the top bit is set. Entries are as the
 * shuffles add up: what differs from 16 before. */
static INLINE __m256i look_up_half(const __m128i *differences, __m256i x)
{
    __m256i found = ZERO;
    for (int i = 0; i < 8; i++) {
        const __m256i some = _mm256_broadcastsi128_si256(differences[i]);
        found = _mm256_xor_si256(found, _mm256_shuffle_epi8(some, x));
        x = _mm256_subs_epi8(x, _mm256_set1_epi8(16));
    }
    return found;
}

static void look_up(const void *entries, const uint8_t *x, ptrdiff_t n, uint8_t *out, int stream,
                    ptrdiff_t gap)
{
    __m128i table[16];
    memcpy(table, entries, sizeof table);
    for (int i = 15; i > 0; i--)
        if (i != 8)
            table[i] = _mm_xor_si128(table[i], table[i - 1]);
    ptrdiff_t i = 0;
    for (; stream && i < n && ls_to_line(out + i, 1); i++)
        out[i] = ((const uint8_t *)entries)[x[i]];
    const ptrdiff_t end = stream ? i + (n - i) / LS_LINE * LS_LINE : n;
    for (const ptrdiff_t start = i; i + 32 <= end; i += 32) {
        const __m256i some = LOADV(x + i);
        const __m256i others = _mm256_xor_si256(some, _mm256_set1_epi8(INT8_MIN));
        if ((i - start) % LS_LINE == 0)
            ls_prefetch(x + i, LS_LINE, x + n, gap);
        put(out + i,
            _mm256_xor_si256(look_up_half(table, some), look_up_half(table + 8, others)), stream);
    }
    for (; i < n; i++)
        out[i] = ((const uint8_t *)entries)[x[i]];
}

int ls_bytes_avx2(const ls_table *table, const void *x, ptrdiff_t n, void *labels, void *values)
{
    return ls_by_byte(table, x, n, labels, values, look_up);
}

void ls_reverse_bytes_avx2(void *to_, const void *from_, ptrdiff_t n, int size)
{
    uint8_t order[32];
    for (int i = 0; i < 32; i++) /* of each half of a register */
        order[i] = (uint8_t)((i ^ (size - 1)) % 16);
    const __m256i shuffle = LOADV(order);
    const ptrdiff_t bytes = n * size, whole = bytes / 32 * 32;
    char *to = to_;
    const char *from = from_;
    for (ptrdiff_t i = 0; i < whole; i += 32) {
        if (i % LS_LINE == 0)
            ls_prefetch_on(from + i, LS_LINE);
        _mm256_storeu_si256((void *)(to + i), _mm256_shuffle_epi8(LOADV(from + i), shuffle));
    }
    ls_reverse_bytes(to + whole, from + whole, (bytes - whole) / size, size);
}

/* 256 bits, 1 for what has been seen: a byte's low four bits choose one of 16 bytes, of one of two
 * tables by its top bit; the three bits between choose a bit of that. */
static INLINE __m256i bits_seen(__m256i low_table, __m256i high_table, __m256i x)
{
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    const __m256i powers = _mm256_set1_epi64x((long long)0x8040201008040201u);
    const __m256i low = _mm256_and_si256(x, nibble);
    const __m256i bit = _mm256_shuffle_epi8(
        powers, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble));
    const __m256i row = _mm256_blendv_epi8(_mm256_shuffle_epi8(low_table, low),
                                           _mm256_shuffle_epi8(high_table, low), x);
    return _mm256_cmpeq_epi8(_mm256_and_si256(row, bit), bit);
}

void ls_see_bytes_avx2(const uint8_t *x, ptrdiff_t n, uint8_t *seen)
{
    uint8_t table[2][16] = {{0}};
    for (int v = 0; v < 256; v++)
        table[v >> 7][v & 15] |= (uint8_t)(seen[v] << (v >> 4 & 7));
    __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table[0]));
    __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table[1]));
    ptrdiff_t i = 0;
    for (; i + 128 <= n; i += 128) {
        __m256i all = bits_seen(low, high, LOADV(x + i));
        ls_prefetch_on(x + i, 128);
        for (int u = 1; u < 4; u++)
            all = _mm256_and_si256(all, bits_seen(low, high, LOADV(x + i + 32 * u)));
        if (_mm256_movemask_epi8(all) == -1)
            continue;
        for (int j = 0; j < 128; j++) {
            const int v = x[i + j];
            seen[v] = 1;
            table[v >> 7][v & 15] |= (uint8_t)(1 << (v >> 4 & 7));
        }
        low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table[0]));
        high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table[1]));
    }
    for (; i < n; i++)
        seen[x[i]] = 1;
}

LS_TARGET_END
#endif
