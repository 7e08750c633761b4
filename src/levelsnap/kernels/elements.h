/* Facts about single elements. */
#ifndef LEVELSNAP_ELEMENTS_H
#define LEVELSNAP_ELEMENTS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline int ls_float16_is_nan(uint16_t bits)
{
    return (bits & 0x7fff) > 0x7c00;
}

static inline int ls_float16_any_nan(const uint16_t *bits, ptrdiff_t n)
{
    int nan = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        nan |= ls_float16_is_nan(bits[i]);
    return nan;
}

/* Order-preserving integer image of a float16. -0.0 maps to -1, just below 0.0, which is harmless
 * as long as no threshold is -0.0. */
static inline int16_t ls_float16_key(uint16_t bits)
{
    return (int16_t)(bits & 0x8000 ? bits ^ 0x7fff : bits);
}

/* Order-preserving unsigned images. The float ones put -0.0 just below 0.0, as above. */
static inline uint32_t ls_int32_key(int32_t x)
{
    return (uint32_t)x ^ 0x80000000u;
}

static inline uint64_t ls_int64_key(int64_t x)
{
    return (uint64_t)x ^ 0x8000000000000000u;
}

static inline uint32_t ls_float32_key(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static inline uint64_t ls_float64_key(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x8000000000000000u ? ~bits : bits | 0x8000000000000000u;
}

static inline int32_t ls_load32(const void *p)
{
    int32_t bits;
    memcpy(&bits, p, sizeof bits);
    return bits;
}

static inline int64_t ls_load64(const void *p)
{
    int64_t bits;
    memcpy(&bits, p, sizeof bits);
    return bits;
}

#endif
