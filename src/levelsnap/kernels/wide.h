/* Integers of 128 bits, where the compiler has them, and of 256. */
#ifndef LEVELSNAP_WIDE_H
#define LEVELSNAP_WIDE_H

#include <stdint.h>

#ifdef __SIZEOF_INT128__
#define LS_WIDE 1

typedef unsigned __int128 ls_wide __attribute__((aligned(8)));

/* Modulo 2**256; negative from 2**255 on. */
typedef struct {
    ls_wide low, high;
} ls_wider;

static inline ls_wider ls_wider_add(ls_wider a, ls_wider b)
{
    const ls_wide low = a.low + b.low;
    return (ls_wider){low, a.high + b.high + (low < a.low)};
}

static inline ls_wider ls_wider_sub(ls_wider a, ls_wider b)
{
    return (ls_wider){a.low - b.low, a.high - b.high - (a.low < b.low)};
}

static inline ls_wider ls_wider_times(ls_wider a, uint64_t times)
{
    const ls_wide first = (ls_wide)(uint64_t)a.low * times;
    const ls_wide second = (ls_wide)(uint64_t)(a.low >> 64) * times + (first >> 64);
    return (ls_wider){(second << 64) + (uint64_t)first, a.high * times + (second >> 64)};
}

static inline ls_wider ls_wide_square(ls_wide x)
{
    const uint64_t a = (uint64_t)x, b = (uint64_t)(x >> 64);
    const ls_wide middle = (ls_wide)a * b;
    return ls_wider_add((ls_wider){(ls_wide)a * a, (ls_wide)b * b},
                        (ls_wider){middle << 65, middle >> 63});
}

static inline int ls_wider_is_zero(ls_wider a)
{
    return (a.low | a.high) == 0;
}

static inline int ls_wider_is_negative(ls_wider a)
{
    return (int)(a.high >> 127);
}

/* How many bits the magnitude takes. */
static inline int ls_wider_bits(ls_wider a)
{
    if (ls_wider_is_negative(a))
        a = ls_wider_sub((ls_wider){0, 0}, a);
    for (int word = 3; word >= 0; word--) {
        const uint64_t bits = (uint64_t)((word > 1 ? a.high : a.low) >> (word % 2 * 64));
        if (bits)
            return 64 * (word + 1) - __builtin_clzll(bits);
    }
    return 0;
}
#else
#define LS_WIDE 0
#endif

#endif
