/* Kernels for AVX-512 (F, BW, DQ, VL; the byte table also for VBMI). */
#include "kernels.h"
#include "elements.h"
#include "target.h"
#ifdef LS_X86
LS_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi,bmi2,popcnt")
#include <immintrin.h>
#include <string.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME_(part) JOIN(part, NAME)

#define VEC __m512i
#define VECTORS 4
#define ZERO _mm512_setzero_si512()
#define LOADV(p) _mm512_loadu_si512(p)
#define LOADT LOADV
#define STOREU(p, v) _mm512_storeu_si512(p, v)
#define STREAM(p, v) _mm512_stream_si512((void *)(p), v)
#define NO_NAN 0
#define NAN_OR(a, b) ((MASK)((a) | (b)))
#define ANY_NAN(m) ((m) != 0)
#define SAME(v) (v)
#define NEVER(v) 0

#define PS(v) _mm512_castsi512_ps(v)
#define PD(v) _mm512_castsi512_pd(v)

/* 32-bit lanes */
#define LANES 16
#define LOG2_ENTRIES 4
#define MAX_DEPTH 8
#define MASK __mmask16
#define SPREAD(i) _mm512_set1_epi32((int)(i))
#define PERMUTE(r, i) _mm512_permutexvar_epi32(i, r)
#define PERMUTE2(r, i, s) _mm512_permutex2var_epi32(r, i, s)
#define BLEND(m, no, yes) _mm512_mask_blend_epi32(m, no, yes)
#define BIT_SET(v, bit) _mm512_test_epi32_mask(v, _mm512_set1_epi32(bit))
#define ADD(a, b) _mm512_add_epi32(a, b)
#define STEP(i, m) _mm512_mask_sub_epi32(ADD(i, i), m, ADD(i, i), _mm512_set1_epi32(-1))
#define KEEP_NAN(m, x, v) _mm512_mask_mov_epi32(v, m, x)
#define SPREAD_AT(p) SPREAD(ls_load32(p))
#define PUT_NODES(to, position) _mm512_storeu_si512(to, _mm512_slli_epi32(position, 6))

/* For permutations of 16-bit lanes: the lower ones of 32-bit lanes. */
static const uint16_t even_halves[32] = {0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20,
                                         22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 42,
                                         44, 46, 48, 50, 52, 54, 56, 58, 60, 62};

#include "put.inc.h"

static INLINE __m512i join2(__m256i low, __m256i high)
{
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

static INLINE __m512i join4(__m128i a, __m128i b, __m128i c, __m128i d)
{
    const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(c), d, 1);
    return join2(low, high);
}

/* By whole lines, in which they may be written past the caches. */
static INLINE void put_labels32(char *labels, const __m512i *position, uint32_t first, int size,
                                int stream)
{
    __m512i label[VECTORS];
    for (int u = 0; u < VECTORS; u++)
        label[u] = ADD(position[u], SPREAD(first));
    if (size == 1)
        put(labels,
            join4(_mm512_cvtepi32_epi8(label[0]), _mm512_cvtepi32_epi8(label[1]),
                  _mm512_cvtepi32_epi8(label[2]), _mm512_cvtepi32_epi8(label[3])),
            stream);
    else if (size == 2)
        for (int u = 0; u < VECTORS; u += 2)
            put(labels + 32 * u,
                join2(_mm512_cvtepi32_epi16(label[u]), _mm512_cvtepi32_epi16(label[u + 1])),
                stream);
    else if (size == 4)
        for (int u = 0; u < VECTORS; u++)
            put(labels + 64 * u, label[u], stream);
    else
        for (int u = 0; u < VECTORS; u++) {
            const __m256i low = _mm512_castsi512_si256(label[u]);
            const __m256i high = _mm512_extracti64x4_epi64(label[u], 1);
            put(labels + 128 * u, _mm512_cvtepu32_epi64(low), stream);
            put(labels + 128 * u + 64, _mm512_cvtepu32_epi64(high), stream);
        }
}
#define PUT_LABELS put_labels32

/* For nodes.inc.h: bits tell which thresholds of a node are below. */
#define BELOW_BITS BELOW
#define NODE_GROUP (4 * 16)

/* Positions one level below the nodes at these offsets. Bits are set from the lowest on, so that
 * one more than them is a power of two, and a float's exponent tells which. */
static INLINE __m512i found(const uint32_t *node, const uint16_t *below, size_t size)
{
    const __m512i bits = _mm512_cvtepu16_epi32(_mm256_load_si256((const void *)below));
    const __m512 power = _mm512_cvtepi32_ps(_mm512_add_epi32(bits, _mm512_set1_epi32(1)));
    const __m512i count = _mm512_sub_epi32(_mm512_srli_epi32(_mm512_castps_si512(power), 23),
                                           _mm512_set1_epi32(127));
    return _mm512_add_epi32(_mm512_srli_epi32(_mm512_load_si512(node), size == 4 ? 2 : 3), count);
}

/* For packed.inc.h */
#define PACKED_GROUP 32
#define MAXU(a, b) _mm512_max_epu32(a, b)
#define MINU(a, b) _mm512_min_epu32(a, b)
#define SUB(a, b) _mm512_sub_epi32(a, b)
#define SHIFT_LEFT(v, count) _mm512_sll_epi32(v, count)
#define SHIFT_RIGHT(v, count) _mm512_srl_epi32(v, count)
#define PUT_POSITIONS(to, position) _mm512_storeu_si512(to, position)

static INLINE uint64_t fractions_below(const uint32_t *at, const uint32_t *cell, uint16_t *label)
{
    const __m512i one = _mm512_set1_epi8(1), crowded = _mm512_set1_epi16((short)LS_CROWDED);
    const __m512i even = LOADV(even_halves), odd = _mm512_add_epi16(even, _mm512_set1_epi16(1));
    const __m512i cells[2] = {LOADV(cell), LOADV(cell + LANES)};
    const __m512i start = _mm512_permutex2var_epi16(cells[0], odd, cells[1]);
    const __m512i mark = _mm512_permutex2var_epi16(cells[0], even, cells[1]);
    const __m512i twice = _mm512_slli_epi16(
        _mm512_permutex2var_epi16(LOADV(at), even, LOADV(at + LANES)), 1);
    const __m512i fraction = _mm512_mask_mov_epi8(_mm512_slli_epi16(twice, 8),
                                                  0x5555555555555555u, twice);
    const __m512i below = _mm512_min_epu8(_mm512_subs_epu8(fraction, mark), one);
    const uint64_t equal = _mm512_cmpeq_epi8_mask(fraction, mark);
    const uint64_t some = _pdep_u64(_mm512_cmpeq_epi16_mask(mark, crowded), 0x5555555555555555u);
    STOREU(label, _mm512_add_epi16(start, _mm512_maddubs_epi16(below, one)));
    return ((equal | equal >> 1) & 0x5555555555555555u) | some;
}

#include "found.inc.h"

#define NAME float32
#define ELEMENT float
#define KEY SAME
#define BELOW(t, v) _mm512_cmp_ps_mask(PS(t), PS(v), _CMP_LT_OQ)
#define EITHER_NAN(v, w) _mm512_cmp_ps_mask(PS(v), PS(w), _CMP_UNORD_Q)
#define IS_NAN(v) EITHER_NAN(v, v)
#define ORDERED(v) _mm512_xor_si512(v, _mm512_or_si512(_mm512_srai_epi32(v, 31), SPREAD(1u << 31)))
/* NaN becomes 0. */
#define LINEAR(v, low, scale, last)                                                               \
    _mm512_cvttps_epi32(_mm512_min_ps(                                                            \
        _mm512_max_ps(_mm512_mul_ps(_mm512_sub_ps(PS(v), _mm512_set1_ps(low)),                    \
                                    _mm512_set1_ps(scale)),                                       \
                      _mm512_setzero_ps()),                                                       \
        _mm512_set1_ps(last)))
#include "registers.inc.h"
#include "nodes.inc.h"
#include "packed.inc.h"
#include "type_undef.h"

#define NAME int32
#define ELEMENT int32_t
#define KEY SAME
#define BELOW(t, v) _mm512_cmplt_epi32_mask(t, v)
#define IS_NAN NEVER
#define ORDERED(v) _mm512_xor_si512(v, SPREAD(1u << 31))
#include "registers.inc.h"
#include "nodes.inc.h"
#include "packed.inc.h"
#include "type_undef.h"

#define NAME uint32
#define ELEMENT uint32_t
#define KEY SAME
#define BELOW(t, v) _mm512_cmplt_epu32_mask(t, v)
#define IS_NAN NEVER
#define ORDERED SAME
#include "registers.inc.h"
#include "nodes.inc.h"
#include "packed.inc.h"
#include "type_undef.h"

#include "lanes_undef.h"

/* 64-bit lanes */
#define LANES 8
#define LOG2_ENTRIES 3
#define MAX_DEPTH 7
#define MASK __mmask8
#define SPREAD(i) _mm512_set1_epi64((long long)(i))
#define PERMUTE(r, i) _mm512_permutexvar_epi64(i, r)
#define PERMUTE2(r, i, s) _mm512_permutex2var_epi64(r, i, s)
#define BLEND(m, no, yes) _mm512_mask_blend_epi64(m, no, yes)
#define BIT_SET(v, bit) _mm512_test_epi64_mask(v, _mm512_set1_epi64(bit))
#define ADD(a, b) _mm512_add_epi64(a, b)
#define STEP(i, m) _mm512_mask_sub_epi64(ADD(i, i), m, ADD(i, i), _mm512_set1_epi64(-1))
#define KEEP_NAN(m, x, v) _mm512_mask_mov_epi64(v, m, x)
#define SPREAD_AT(p) SPREAD(ls_load64(p))
#define PUT_NODES(to, position)                                                                   \
    _mm256_storeu_si256((void *)(to), _mm512_cvtepi64_epi32(_mm512_slli_epi64(position, 6)))

/* For packed.inc.h */
#define MAXU(a, b) _mm512_max_epu64(a, b)
#define MINU(a, b) _mm512_min_epu64(a, b)
#define SUB(a, b) _mm512_sub_epi64(a, b)
#define SHIFT_LEFT(v, count) _mm512_sll_epi64(v, count)
#define SHIFT_RIGHT(v, count) _mm512_srl_epi64(v, count)
#define PUT_POSITIONS(to, position)                                                               \
    _mm256_storeu_si256((void *)(to), _mm512_cvtepi64_epi32(position))

static INLINE void put_labels64(char *labels, const __m512i *position, uint32_t first, int size,
                                int stream)
{
    __m512i label[VECTORS];
    for (int u = 0; u < VECTORS; u++)
        label[u] = ADD(position[u], SPREAD(first));
    if (size == 1) /* half a line */
        for (int u = 0; u < VECTORS; u++)
            _mm_storel_epi64((void *)(labels + 8 * u), _mm512_cvtepi64_epi8(label[u]));
    else if (size == 2)
        put(labels,
            join4(_mm512_cvtepi64_epi16(label[0]), _mm512_cvtepi64_epi16(label[1]),
                  _mm512_cvtepi64_epi16(label[2]), _mm512_cvtepi64_epi16(label[3])),
            stream);
    else if (size == 4)
        for (int u = 0; u < VECTORS; u += 2)
            put(labels + 32 * u,
                join2(_mm512_cvtepi64_epi32(label[u]), _mm512_cvtepi64_epi32(label[u + 1])),
                stream);
    else
        for (int u = 0; u < VECTORS; u++)
            put(labels + 64 * u, label[u], stream);
}
#define PUT_LABELS put_labels64

#define NAME float64
#define ELEMENT double
#define KEY SAME
#define BELOW(t, v) _mm512_cmp_pd_mask(PD(t), PD(v), _CMP_LT_OQ)
#define EITHER_NAN(v, w) _mm512_cmp_pd_mask(PD(v), PD(w), _CMP_UNORD_Q)
#define IS_NAN(v) EITHER_NAN(v, v)
#define ORDERED(v)                                                                                \
    _mm512_xor_si512(v, _mm512_or_si512(_mm512_srai_epi64(v, 63), SPREAD(1ull << 63)))
#define LINEAR(v, low, scale, last)                                                               \
    _mm512_cvttpd_epi64(_mm512_min_pd(                                                            \
        _mm512_max_pd(_mm512_mul_pd(_mm512_sub_pd(PD(v), _mm512_set1_pd(low)),                    \
                                    _mm512_set1_pd(scale)),                                       \
                      _mm512_setzero_pd()),                                                       \
        _mm512_set1_pd(last)))
#include "registers.inc.h"
#include "nodes.inc.h"
#include "packed.inc.h"
#include "type_undef.h"

#define NAME int64
#define ELEMENT int64_t
#define KEY SAME
#define BELOW(t, v) _mm512_cmplt_epi64_mask(t, v)
#define IS_NAN NEVER
#define ORDERED(v) _mm512_xor_si512(v, SPREAD(1ull << 63))
#include "registers.inc.h"
#include "nodes.inc.h"
#include "packed.inc.h"
#include "type_undef.h"

#define NAME uint64
#define ELEMENT uint64_t
#define KEY SAME
#define BELOW(t, v) _mm512_cmplt_epu64_mask(t, v)
#define IS_NAN NEVER
#define ORDERED SAME
#include "registers.inc.h"
#include "nodes.inc.h"
#include "packed.inc.h"
#include "type_undef.h"

#include "lanes_undef.h"

/* 16-bit lanes */
#define LANES 32
#define LOG2_ENTRIES 5
#define MAX_DEPTH 8
#define MASK __mmask32
#define SPREAD(i) _mm512_set1_epi16((short)(i))
#define PERMUTE(r, i) _mm512_permutexvar_epi16(i, r)
#define PERMUTE2(r, i, s) _mm512_permutex2var_epi16(r, i, s)
#define BLEND(m, no, yes) _mm512_mask_blend_epi16(m, no, yes)
#define BIT_SET(v, bit) _mm512_test_epi16_mask(v, _mm512_set1_epi16(bit))
#define ADD(a, b) _mm512_add_epi16(a, b)
#define STEP(i, m) _mm512_mask_sub_epi16(ADD(i, i), m, ADD(i, i), _mm512_set1_epi16(-1))
#define KEEP_NAN(m, x, v) _mm512_mask_mov_epi16(v, m, x)

static INLINE void put_labels16(char *labels, const __m512i *position, uint32_t first, int size,
                                int stream)
{
    __m512i label[VECTORS];
    for (int u = 0; u < VECTORS; u++)
        label[u] = ADD(position[u], SPREAD(first));
    if (size == 1)
        for (int u = 0; u < VECTORS; u++) {
            /* Two halves of a line, quicker than to join them. */
            __m256i *to = (void *)(labels + 32 * u);
            if (stream)
                _mm256_stream_si256(to, _mm512_cvtepi16_epi8(label[u]));
            else
                _mm256_storeu_si256(to, _mm512_cvtepi16_epi8(label[u]));
        }
    else if (size == 2)
        for (int u = 0; u < VECTORS; u++)
            put(labels + 64 * u, label[u], stream);
    else
        for (int u = 0; u < VECTORS; u++) {
            const __m256i half[2] = {_mm512_castsi512_si256(label[u]),
                                     _mm512_extracti64x4_epi64(label[u], 1)};
            for (int h = 0; h < 2; h++) {
                char *to = labels + (u * LANES + h * LANES / 2) * size;
                if (size == 4)
                    put(to, _mm512_cvtepu16_epi32(half[h]), stream);
                else {
                    const __m128i low = _mm256_castsi256_si128(half[h]);
                    const __m128i high = _mm256_extracti128_si256(half[h], 1);
                    put(to, _mm512_cvtepu16_epi64(low), stream);
                    put(to + 64, _mm512_cvtepu16_epi64(high), stream);
                }
            }
        }
}
#define PUT_LABELS put_labels16

#define NAME uint16
#define ELEMENT uint16_t
#define KEY SAME
#define BELOW(t, v) _mm512_cmplt_epu16_mask(t, v)
#define IS_NAN NEVER
#include "registers.inc.h"
#include "type_undef.h"

#define NAME int16
#define ELEMENT int16_t
#define KEY SAME
#define BELOW(t, v) _mm512_cmplt_epi16_mask(t, v)
#define IS_NAN NEVER
#include "registers.inc.h"
#include "type_undef.h"

/* As ls_float16_key: flip the magnitude's bits of negative numbers. */
static INLINE __m512i float16_key(__m512i bits)
{
    return _mm512_xor_si512(
        bits, _mm512_and_si512(_mm512_srai_epi16(bits, 15), _mm512_set1_epi16(0x7fff)));
}

#define NAME float16
#define ELEMENT uint16_t
#define KEY float16_key
#define BELOW(t, v) _mm512_cmplt_epi16_mask(t, v)
#define IS_NAN(v)                                                                                 \
    _mm512_cmpgt_epu16_mask(_mm512_and_si512(v, _mm512_set1_epi16(0x7fff)),                       \
                            _mm512_set1_epi16(0x7c00))
#include "registers.inc.h"
#include "type_undef.h"

#include "lanes_undef.h"

/* Of 64 bytes, those that are left. */
static INLINE __mmask64 rest_mask(ptrdiff_t rest)
{
    return rest < 64 ? (1ull << rest) - 1 : ~0ull;
}

void ls_put_where_avx512(void *to_, ptrdiff_t stride, const void *from_, const uint8_t *where,
                         ptrdiff_t n, int size)
{
    char *to = to_;
    const char *from = from_;
    if (stride != size) {
        ls_put_where_portable(to, stride, from, where, n, size);
        return;
    }
    for (ptrdiff_t i = 0; i < n; i += 64) {
        const __m512i some = _mm512_maskz_loadu_epi8(rest_mask(n - i), where + i);
        const __mmask64 asked = _mm512_test_epi8_mask(some, some);
        for (int u = 0; u < size; u++) {
            const ptrdiff_t at = i * size + 64 * u;
            const int shift = 64 / size * u;
            if (size == 1)
                _mm512_mask_storeu_epi8(to + at, asked,
                                        _mm512_maskz_loadu_epi8(asked, from + at));
            else if (size == 2)
                _mm512_mask_storeu_epi16(
                    to + at, (__mmask32)(asked >> shift),
                    _mm512_maskz_loadu_epi16((__mmask32)(asked >> shift), from + at));
            else if (size == 4)
                _mm512_mask_storeu_epi32(
                    to + at, (__mmask16)(asked >> shift),
                    _mm512_maskz_loadu_epi32((__mmask16)(asked >> shift), from + at));
            else
                _mm512_mask_storeu_epi64(
                    to + at, (__mmask8)(asked >> shift),
                    _mm512_maskz_loadu_epi64((__mmask8)(asked >> shift), from + at));
        }
    }
}

/* Looks at the bits of 16 keys, and sets one by one those that are new: soon there are few. */
void ls_bitmap_add_avx512(const ls_bitmap *bitmap, const uint32_t *x, ptrdiff_t n)
{
    const __m512i flip = _mm512_set1_epi32((int)bitmap->order.flip);
    const __m512i top = _mm512_set1_epi32((int)bitmap->order.top), one = _mm512_set1_epi32(1);
    __m512i before = ZERO;
    for (ptrdiff_t i = 0; i < n; i += 16) {
        const __mmask16 here = n - i < 16 ? (__mmask16)((1 << (n - i)) - 1) : 0xffff;
        const __m512i bits = _mm512_maskz_loadu_epi32(here, x + i);
        ls_prefetch_on(x + i, sizeof(VEC));
        if (i > 0 && !_mm512_mask_cmpneq_epi32_mask(here, bits, before))
            continue;
        before = bits;
        const __m512i flipped = _mm512_and_si512(_mm512_srai_epi32(bits, 31), flip);
        const __m512i key = _mm512_xor_si512(bits, _mm512_or_si512(flipped, top));
        const __m512i words = _mm512_mask_i32gather_epi32(ZERO, here, _mm512_srli_epi32(key, 5),
                                                          bitmap->words, 4);
        const __m512i bit = _mm512_rolv_epi32(one, key);
        unsigned unset = _mm512_mask_testn_epi32_mask(here, words, bit);
        if (!unset)
            continue;
        uint32_t keys[16];
        _mm512_storeu_si512(keys, key);
        for (int j = 0; unset; j++, unset >>= 1)
            if (unset & 1)
                ls_bitmap_put(bitmap, keys[j]);
    }
}

/* Compresses in a register: on some CPUs compressing to memory is slow. */
ptrdiff_t ls_set_others32_avx512(const ls_set *set, const uint32_t *x, ptrdiff_t n,
                                 uint32_t *others)
{
    const __m128i shift = _mm_cvtsi32_si128(32 - set->log2);
    const __m512i factor = _mm512_set1_epi32((int)LS_LOW), ones = _mm512_set1_epi32(-1);
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < n; i += 16) {
        const __mmask16 here = n - i < 16 ? (__mmask16)((1 << (n - i)) - 1) : 0xffff;
        const __m512i bits = _mm512_maskz_loadu_epi32(here, x + i);
        const __m512i home = _mm512_srl_epi32(_mm512_mullo_epi32(bits, factor), shift);
        const __m512i found = _mm512_i32gather_epi32(home, set->slots, 8);
        const __mmask16 other = _mm512_mask_cmpneq_epi32_mask(here, bits, found)
                                | _mm512_mask_cmpeq_epi32_mask(here, bits, ones);
        ls_prefetch_on(x + i, sizeof(VEC));
        _mm512_storeu_si512(others + count, _mm512_maskz_compress_epi32(other, bits));
        count += _mm_popcnt_u32(other);
    }
    return count;
}

ptrdiff_t ls_set_others64_avx512(const ls_set *set, const uint64_t *x, ptrdiff_t n,
                                 uint64_t *others)
{
    const __m128i shift = _mm_cvtsi32_si128(64 - set->log2);
    const __m512i factors = _mm512_set1_epi64((long long)((uint64_t)LS_HIGH << 32 | LS_LOW));
    const __m512i ones = _mm512_set1_epi64(-1);
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < n; i += 8) {
        const __mmask8 here = n - i < 8 ? (__mmask8)((1 << (n - i)) - 1) : 0xff;
        const __m512i bits = _mm512_maskz_loadu_epi64(here, x + i);
        const __m512i parts = _mm512_mullo_epi32(bits, factors);
        const __m512i sum = _mm512_add_epi32(parts, _mm512_slli_epi64(parts, 32));
        const __m512i home = _mm512_srl_epi64(sum, shift);
        const __m512i found = _mm512_i64gather_epi64(home, set->slots, 8);
        const __mmask8 other = _mm512_mask_cmpneq_epi64_mask(here, bits, found)
                               | _mm512_mask_cmpeq_epi64_mask(here, bits, ones);
        ls_prefetch_on(x + i, sizeof(VEC));
        _mm512_storeu_si512(others + count, _mm512_maskz_compress_epi64(other, bits));
        count += _mm_popcnt_u32(other);
    }
    return count;
}

ptrdiff_t ls_set_no_cell_avx512(const ls_set *set, const uint32_t *x, ptrdiff_t n,
                                uint32_t *others)
{
    const __m128i shift = _mm_cvtsi32_si128(32 - set->home_bits);
    const __m512i factor = _mm512_set1_epi32((int)LS_LOW), marks = _mm512_set1_epi16(INT16_MIN);
    const __m512i twice = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 1, 0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13, 12, 13));
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < n; i += 16) {
        const __mmask16 here = n - i < 16 ? (__mmask16)((1 << (n - i)) - 1) : 0xffff;
        const __m512i bits = _mm512_maskz_loadu_epi32(here, x + i);
        const __m512i hash = _mm512_mullo_epi32(bits, factor);
        const __m512i cells = _mm512_i32gather_epi32(_mm512_srl_epi32(hash, shift), set->cells, 4);
        const __m512i tags = _mm512_or_si512(_mm512_shuffle_epi8(hash, twice), marks);
        const __m512i differ = _mm512_xor_si512(cells, tags);
        const __m512i both = _mm512_min_epu16(differ, _mm512_rol_epi32(differ, 16));
        const __mmask16 other = _mm512_mask_test_epi32_mask(here, both, both);
        ls_prefetch_on(x + i, sizeof(VEC));
        _mm512_storeu_si512(others + count, _mm512_maskz_compress_epi32(other, bits));
        count += _mm_popcnt_u32(other);
    }
    return count;
}

ptrdiff_t ls_set_find_cells_avx512(const ls_set *set, const uint32_t *x, ptrdiff_t n,
                                   uint32_t *others, uint32_t *at)
{
    const __m128i shift = _mm_cvtsi32_si128(32 - set->home_bits);
    const __m512i factor = _mm512_set1_epi32((int)LS_LOW), one = _mm512_set1_epi32(1);
    const __m512i tag_bits = _mm512_set1_epi32((int)(UINT32_MAX >> set->home_bits));
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const uint64_t *pairs = set->cells;
    ptrdiff_t count = 0, found = 0;
    for (ptrdiff_t i = 0; i < n; i += 16) {
        const __mmask16 here = n - i < 16 ? (__mmask16)((1 << (n - i)) - 1) : 0xffff;
        const __m512i bits = _mm512_maskz_loadu_epi32(here, x + i);
        const __m512i hash = _mm512_mullo_epi32(bits, factor);
        const __m512i home = _mm512_srl_epi32(hash, shift), pair = _mm512_add_epi32(home, home);
        __m512i cell = _mm512_slli_epi32(home, 2);
        __mmask16 mine = 0;
        for (int j = 0; j < 2; j++) {
            const __m512i low = _mm512_i32gather_epi64(_mm512_castsi512_si256(pair), pairs + j, 8);
            const __m512i high =
                _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(pair, 1), pairs + j, 8);
            for (int k = 0; k < 2; k++) {
                const __m512i held =
                    _mm512_permutex2var_epi32(low, k ? _mm512_add_epi32(even, one) : even, high);
                mine |= _mm512_testn_epi32_mask(_mm512_xor_si512(held, hash), tag_bits);
                if (j + k < 2)
                    cell = _mm512_mask_add_epi32(cell, (__mmask16)~mine, cell, one);
            }
        }
        mine &= here;
        const __mmask16 other = here & (__mmask16)~mine;
        ls_prefetch_on(x + i, sizeof(VEC));
        _mm512_storeu_si512(at + found, _mm512_maskz_compress_epi32(mine, cell));
        _mm512_storeu_si512(others + count, _mm512_maskz_compress_epi32(other, bits));
        found += _mm_popcnt_u32(mine);
        count += _mm_popcnt_u32(other);
    }
    return count;
}

const ls_tree_kernels ls_trees_avx512[LS_TYPES] = {
    [LS_INT16] = {search_int16, 8, 32, 0, 128, NULL, 0, NULL},
    [LS_UINT16] = {search_uint16, 8, 32, 0, 128, NULL, 0, NULL},
    [LS_FLOAT16] = {search_float16, 8, 32, 0, 128, NULL, 0, NULL},
    [LS_INT32] = {search_int32, 8, 16, 0, 64, nodes_int32, 8, packed_int32},
    [LS_UINT32] = {search_uint32, 8, 16, 0, 64, nodes_uint32, 8, packed_uint32},
    [LS_FLOAT32] = {search_float32, 8, 16, 0, 64, nodes_float32, 8, packed_float32},
    [LS_INT64] = {search_int64, 7, 8, 0, 32, nodes_int64, 7, packed_int64},
    [LS_UINT64] = {search_uint64, 7, 8, 0, 32, nodes_uint64, 7, packed_uint64},
    [LS_FLOAT64] = {search_float64, 7, 8, 0, 32, nodes_float64, 7, packed_float64},
};

LS_TARGET_END

LS_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx2,bmi,bmi2,popcnt")

static INLINE __m512i look_up(const __m512i *table, __m512i x)
{
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x),
                                  _mm512_permutex2var_epi8(table[0], x, table[1]),
                                  _mm512_permutex2var_epi8(table[2], x, table[3]));
}

static INLINE void look_up_part(const __m512i *table, const uint8_t *x, ptrdiff_t n, uint8_t *out)
{
    const __mmask64 here = rest_mask(n);
    _mm512_mask_storeu_epi8(out, here, look_up(table, _mm512_maskz_loadu_epi8(here, x)));
}

static void look_up_all(const void *entries, const uint8_t *x, ptrdiff_t n, uint8_t *out,
                        int stream, ptrdiff_t gap)
{
    __m512i table[4];
    memcpy(table, entries, sizeof table);
    const ptrdiff_t before = stream ? ls_to_line(out, 1) : 0;
    ptrdiff_t i = before < n ? before : n;
    look_up_part(table, x, i, out);
    for (; i + 64 <= n; i += 64) {
        const __m512i found = look_up(table, LOADV(x + i));
        ls_prefetch(x + i, sizeof(VEC), x + n, gap);
        put(out + i, found, stream);
    }
    look_up_part(table, x + i, n - i, out + i);
}

int ls_bytes_vbmi(const ls_table *table, const void *x, ptrdiff_t n, void *labels, void *values)
{
    return ls_by_byte(table, x, n, labels, values, look_up_all);
}

void ls_see_bytes_vbmi(const uint8_t *x, ptrdiff_t n, uint8_t *seen)
{
    __m512i table[4];
    memcpy(table, seen, sizeof table);
    ptrdiff_t i = 0;
    for (; i + 256 <= n; i += 256) {
        __m512i all = look_up(table, LOADV(x + i)); /* each byte 1 if it has been seen */
        ls_prefetch_on(x + i, 256);
        for (int u = 1; u < 4; u++)
            all = _mm512_and_si512(all, look_up(table, LOADV(x + i + 64 * u)));
        if (_mm512_test_epi8_mask(all, all) == ~0ull)
            continue;
        for (int j = 0; j < 256; j++)
            seen[x[i + j]] = 1;
        memcpy(table, seen, sizeof table);
    }
    for (; i < n; i++)
        seen[x[i]] = 1;
}

LS_TARGET_END
#endif
