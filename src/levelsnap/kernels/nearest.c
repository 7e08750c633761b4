/* The portable kernel: index each element (search, or its bit pattern), then look labels and
 * snapped values up. Works in tiles that stay in the first-level cache. */
#include "nearest.h"
#include "elements.h"

#include <string.h>

#define TILE 256

const int ls_element_size[LS_TYPES] = {1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8};

static int pattern8(const ls_table *table, const void *x_, ptrdiff_t n, uint32_t *index)
{
    const uint8_t *x = x_;
    (void)table;
    for (ptrdiff_t i = 0; i < n; i++)
        index[i] = x[i];
    return 0;
}

static int pattern16(const ls_table *table, const void *x_, ptrdiff_t n, uint32_t *index)
{
    const uint16_t *x = x_;
    int nan = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        index[i] = x[i];
        nan |= ls_float16_is_nan(x[i]);
    }
    return nan && table->type == LS_FLOAT16;
}

#define DEFINE_LOOKUP(BITS)                                                                       \
    static void lookup##BITS(const void *table_, const uint32_t *index, ptrdiff_t n, void *out_)  \
    {                                                                                             \
        const uint##BITS##_t *table = table_;                                                     \
        uint##BITS##_t *out = out_;                                                               \
        for (ptrdiff_t i = 0; i < n; i++)                                                         \
            out[i] = table[index[i]];                                                             \
    }

DEFINE_LOOKUP(8)
DEFINE_LOOKUP(16)
DEFINE_LOOKUP(32)
DEFINE_LOOKUP(64)

static void lookup(const void *table, const uint32_t *index, ptrdiff_t n, int size, void *out)
{
    switch (size) {
    case 1: lookup8(table, index, n, out); break;
    case 2: lookup16(table, index, n, out); break;
    case 4: lookup32(table, index, n, out); break;
    default: lookup64(table, index, n, out);
    }
}

#define DEFINE_NARROW(BITS)                                                                       \
    static void narrow##BITS(const uint32_t *index, ptrdiff_t n, void *out_)                      \
    {                                                                                             \
        uint##BITS##_t *out = out_;                                                               \
        for (ptrdiff_t i = 0; i < n; i++)                                                         \
            out[i] = (uint##BITS##_t)index[i];                                                    \
    }

DEFINE_NARROW(8)
DEFINE_NARROW(16)
DEFINE_NARROW(64)

static void narrow(const uint32_t *index, ptrdiff_t n, int size, void *out)
{
    switch (size) {
    case 1: narrow8(index, n, out); break;
    case 2: narrow16(index, n, out); break;
    case 4: memcpy(out, index, (size_t)n * 4); break;
    default: narrow64(index, n, out);
    }
}

static int is_nan(ls_type type, const void *x, ptrdiff_t i)
{
    switch (type) {
    case LS_FLOAT16: return ls_float16_is_nan(((const uint16_t *)x)[i]);
    case LS_FLOAT32: return ((const float *)x)[i] != ((const float *)x)[i];
    case LS_FLOAT64: return ((const double *)x)[i] != ((const double *)x)[i];
    default: return 0;
    }
}

ptrdiff_t ls_count_nan(ls_type type, const void *x, const uint8_t *where, ptrdiff_t n)
{
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        count += is_nan(type, x, i) && (!where || where[i]);
    return count;
}

static void put(void *out, ptrdiff_t i, int size, uint64_t bits)
{
    switch (size) {
    case 1: ((uint8_t *)out)[i] = (uint8_t)bits; break;
    case 2: ((uint16_t *)out)[i] = (uint16_t)bits; break;
    case 4: ((uint32_t *)out)[i] = (uint32_t)bits; break;
    default: ((uint64_t *)out)[i] = bits;
    }
}

static ptrdiff_t put_nan(const ls_table *table, const char *x, ptrdiff_t n,
                         char *labels, char *values)
{
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        if (!is_nan(table->type, x, i))
            continue;
        count++;
        if (labels)
            put(labels, i, table->label_size, table->nan_label);
        if (values && table->keep_nan)
            memcpy(values + i * table->value_size, x + i * table->element_size,
                   (size_t)table->element_size);
        else if (values)
            put(values, i, table->value_size, table->nan_value);
    }
    return count;
}

static ptrdiff_t nearest(const ls_table *table, const void *x_, ptrdiff_t n,
                         void *labels_, void *values_)
{
    const char *x = x_;
    char *labels = labels_, *values = values_;
    uint32_t index[TILE];
    uint64_t saved[TILE];
    ptrdiff_t nans = 0;
    while (n > 0) {
        ptrdiff_t count = n < TILE ? n : TILE;
        int nan = table->index(table, x, count, index);
        if (nan) /* values may be x itself */
            memcpy(saved, x, (size_t)(count * table->element_size));
        if (labels && table->pattern_labels)
            lookup(table->pattern_labels, index, count, table->label_size, labels);
        else if (labels)
            narrow(index, count, table->label_size, labels);
        if (values)
            lookup(table->values, index, count, table->value_size, values);
        if (nan)
            nans += put_nan(table, (const char *)saved, count, labels, values);
        x += count * table->element_size;
        if (labels)
            labels += count * table->label_size;
        if (values)
            values += count * table->value_size;
        n -= count;
    }
    return nans;
}

void ls_table_choose(ls_table *table)
{
    table->element_size = ls_element_size[table->type];
    table->kernel = nearest;
    if (!table->pattern_labels)
        table->index = ls_search[table->type];
    else
        table->index = table->element_size == 1 ? pattern8 : pattern16;
}
