/* Facts about single elements. */
#ifndef LEVELSNAP_ELEMENTS_H
#define LEVELSNAP_ELEMENTS_H

#include <stdint.h>

static inline int ls_float16_is_nan(uint16_t bits)
{
    return (bits & 0x7fff) > 0x7c00;
}

/* Order-preserving integer image of a float16. -0.0 maps to -1, just below 0.0, which is harmless
 * as long as no threshold is -0.0. */
static inline int16_t ls_float16_key(uint16_t bits)
{
    return (int16_t)(bits & 0x8000 ? bits ^ 0x7fff : bits);
}

#endif
