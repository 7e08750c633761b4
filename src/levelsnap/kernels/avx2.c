/* Kernels for AVX2. */
#include "kernels.h"
#include "elements.h"
#include "target.h"
#ifdef LS_X86
#include <string.h>
LS_TARGET_BEGIN("avx2,bmi2")
#include <immintrin.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME_(part) JOIN(part, NAME)

#define VEC __m256i
#define MASK __m256i
#define LANES 8
#define LOG2_LANES 3
#define MAX_DEPTH 7
#define VECTORS 4
#define ZERO _mm256_setzero_si256()
#define SPREAD(i) _mm256_set1_epi32((int)(i))
#define LOADV(p) _mm256_loadu_si256((const void *)(p))
#define PERMUTE(r, i) _mm256_permutevar8x32_epi32(r, i)
#define BLEND(m, no, yes) _mm256_blendv_epi8(no, yes, m)
#define BIT_SET(v, bit) _mm256_cmpgt_epi32(_mm256_and_si256(v, SPREAD(bit)), ZERO)
#define PERMUTE2(r, i, s) BLEND(BIT_SET(i, LANES), PERMUTE(r, i), PERMUTE(s, i))
#define ADD(a, b) _mm256_add_epi32(a, b)
#define STEP(i, m) _mm256_sub_epi32(ADD(i, i), m)
/* As an integer, for the address may lie beyond the array. */
#define PREFETCH(p) _mm_prefetch((const char *)((uintptr_t)(p) + AHEAD), _MM_HINT_T0)
#define NO_NAN ZERO
#define NAN_OR(a, b) _mm256_or_si256(a, b)
#define ANY_NAN(m) (_mm256_movemask_epi8(m) != 0)
#define KEEP_NAN(m, x, v) BLEND(m, v, x)
#define STREAM_END _mm_sfence()
#define SAME(v) (v)
#define NEVER(v) ZERO
#define PS(v) _mm256_castsi256_ps(v)

/* Two registers of 32-bit lanes as one of 16-bit lanes. */
static INLINE __m256i pack16(__m256i a, __m256i b)
{
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xd8);
}

static INLINE void put_labels(char *labels, const __m256i *position, int size, int stream)
{
    (void)stream;
    __m256i *to = (__m256i *)labels;
    if (size == 1) {
        __m256i low = pack16(position[0], position[1]), high = pack16(position[2], position[3]);
        _mm256_storeu_si256(to, _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xd8));
    } else if (size == 2) {
        _mm256_storeu_si256(to, pack16(position[0], position[1]));
        _mm256_storeu_si256(to + 1, pack16(position[2], position[3]));
    } else
        for (int u = 0; u < VECTORS; u++)
            if (size == 4)
                _mm256_storeu_si256(to + u, position[u]);
            else {
                __m128i low = _mm256_castsi256_si128(position[u]);
                __m128i high = _mm256_extracti128_si256(position[u], 1);
                _mm256_storeu_si256(to + 2 * u, _mm256_cvtepu32_epi64(low));
                _mm256_storeu_si256(to + 2 * u + 1, _mm256_cvtepu32_epi64(high));
            }
}
#define PUT_LABELS put_labels

#define LOADU(p) LOADV(p)
#define STOREU(p, v) _mm256_storeu_si256((void *)(p), v)
#define STREAM(p, v) _mm256_stream_si256((void *)(p), v)

#define NAME float32
#define ELEMENT float
#define KEY SAME
#define BELOW(t, v) _mm256_castps_si256(_mm256_cmp_ps(PS(t), PS(v), _CMP_LT_OQ))
#define IS_NAN(v) _mm256_castps_si256(_mm256_cmp_ps(PS(v), PS(v), _CMP_UNORD_Q))
#include "registers.inc.h"
#include "type_undef.h"

#define NAME int32
#define ELEMENT int32_t
#define KEY SAME
#define BELOW(t, v) _mm256_cmpgt_epi32(v, t)
#define IS_NAN NEVER
#include "registers.inc.h"
#include "type_undef.h"

/* AVX2 compares signed integers only. */
#define FLIP(v) _mm256_xor_si256(v, SPREAD(0x80000000u))

#define NAME uint32
#define ELEMENT uint32_t
#define KEY FLIP
#define BELOW(t, v) _mm256_cmpgt_epi32(v, FLIP(t))
#define IS_NAN NEVER
#include "registers.inc.h"
#include "type_undef.h"

#undef LOADU
#undef STOREU
#undef STREAM
/* 16-bit elements in 32-bit lanes; their values are looked up. */
#define STOREU(p, v) ((void)(p), (void)(v))
#define STREAM(p, v) ((void)(p), (void)(v))
#define LOAD8(p) _mm_loadu_si128((const void *)(p))

#define NAME uint16
#define ELEMENT uint16_t
#define LOADU(p) _mm256_cvtepu16_epi32(LOAD8(p))
#define KEY SAME
#define BELOW(t, v) _mm256_cmpgt_epi32(v, t)
#define IS_NAN NEVER
#include "registers.inc.h"
#include "type_undef.h"
#undef LOADU

#define NAME int16
#define ELEMENT int16_t
#define LOADU(p) _mm256_cvtepi16_epi32(LOAD8(p))
#define KEY SAME
#define BELOW(t, v) _mm256_cmpgt_epi32(v, t)
#define IS_NAN NEVER
#include "registers.inc.h"
#include "type_undef.h"

/* As ls_float16_key, on sign-extended bits. */
#define FLOAT16_KEY(v)                                                                            \
    _mm256_xor_si256(v, _mm256_and_si256(_mm256_srai_epi32(v, 31), SPREAD(0x7fff)))

#define NAME float16
#define ELEMENT uint16_t
#define KEY FLOAT16_KEY
#define BELOW(t, v) _mm256_cmpgt_epi32(v, t)
#define IS_NAN(v) _mm256_cmpgt_epi32(_mm256_and_si256(v, SPREAD(0x7fff)), SPREAD(0x7c00))
#include "registers.inc.h"
#include "type_undef.h"
#undef LOADU

const ls_register_kernel ls_registers_avx2[LS_TYPES] = {
    [LS_INT16] = {search_int16, 7, 0, 8, 4, 0},
    [LS_UINT16] = {search_uint16, 7, 0, 8, 4, 0},
    [LS_FLOAT16] = {search_float16, 7, 0, 8, 4, 0},
    [LS_INT32] = {search_int32, 7, 0, 8, 4, 32},
    [LS_UINT32] = {search_uint32, 7, 0, 8, 4, 32},
    [LS_FLOAT32] = {search_float32, 7, 0, 8, 4, 32},
};

/* Look-up in a table of 256 bytes: one shuffle for each high nibble, chosen bit by bit. */
static INLINE __m256i look_up(const __m128i *table, __m256i x)
{
    const __m256i low = _mm256_and_si256(x, _mm256_set1_epi8(0x0f));
    __m256i r[16];
    for (int high = 0; high < 16; high++)
        r[high] = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table[high]), low);
    for (int bit = 4; bit < 8; bit++) {
        /* blendv looks at the top bit of each byte. */
        const __m256i chosen = _mm256_slli_epi16(x, 7 - bit);
        for (int i = 0; i < 128 >> bit; i++)
            r[i] = _mm256_blendv_epi8(r[2 * i], r[2 * i + 1], chosen);
    }
    return r[0];
}

static INLINE void look_up_run(const void *table_, const uint8_t *x, ptrdiff_t n, uint8_t *out)
{
    __m128i table[16];
    memcpy(table, table_, sizeof table);
    ptrdiff_t i = 0;
    for (; i + 32 <= n; i += 32)
        _mm256_storeu_si256((void *)(out + i), look_up(table, LOADV(x + i)));
    for (; i < n; i++)
        out[i] = ((const uint8_t *)table_)[x[i]];
}

int ls_bytes_avx2(const ls_table *table, const void *x_, ptrdiff_t n, void *labels_, void *values_)
{
    const uint8_t *x = x_;
    uint8_t *labels = labels_, *values = values_;
    for (ptrdiff_t count; n > 0; n -= count) {
        count = n < 4096 ? n : 4096;
        if (labels) {
            look_up_run(table->pattern_labels, x, count, labels);
            labels += count;
        }
        if (values) {
            look_up_run(table->values, x, count, values);
            values += count;
        }
        x += count;
    }
    return 0;
}

LS_TARGET_END
#endif
