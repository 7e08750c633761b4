/* The portable parts: look-ups by bit pattern and by label, bytes reversed, `where` obeyed. */
#include "kernels.h"
#include "elements.h"

#include <string.h>

#define TILE 1024

const int ls_element_size[LS_TYPES] = {1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8};

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

static ptrdiff_t put_nan(const ls_table *table, const void *x, ptrdiff_t n, void *labels,
                         void *values)
{
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        if (!is_nan(table->type, x, i))
            continue;
        count++;
        if (labels)
            put(labels, i, table->label_size, table->nan_label);
        if (values && table->keep_nan)
            memcpy((char *)values + i * table->value_size,
                   (const char *)x + i * table->element_size, (size_t)table->element_size);
        else if (values)
            put(values, i, table->value_size, table->nan_value);
    }
    return count;
}

static uint16_t swap16(uint16_t v)
{
    return (uint16_t)(v << 8 | v >> 8);
}

static uint32_t swap32(uint32_t v)
{
    return (uint32_t)swap16((uint16_t)v) << 16 | swap16((uint16_t)(v >> 16));
}

static uint64_t swap64(uint64_t v)
{
    return (uint64_t)swap32((uint32_t)v) << 32 | swap32((uint32_t)(v >> 32));
}

#define DEFINE_SWAP(BITS)                                                                         \
    static void reverse##BITS(char *to, const char *from, ptrdiff_t n)                            \
    {                                                                                             \
        for (ptrdiff_t i = 0; i < n; i++) {                                                       \
            uint##BITS##_t v;                                                                     \
            memcpy(&v, from + i * (BITS / 8), sizeof v);                                          \
            v = swap##BITS(v);                                                                    \
            memcpy(to + i * (BITS / 8), &v, sizeof v);                                            \
        }                                                                                         \
    }

DEFINE_SWAP(16)
DEFINE_SWAP(32)
DEFINE_SWAP(64)

void ls_reverse_bytes(void *to, const void *from, ptrdiff_t n, int size)
{
    BY_SIZE(size, memmove(to, from, (size_t)n), reverse16(to, from, n), reverse32(to, from, n),
            reverse64(to, from, n))
}

#define DEFINE_PUT(BITS)                                                                          \
    static void put##BITS(char *to, ptrdiff_t stride, const char *from, const uint8_t *index,     \
                          ptrdiff_t n)                                                            \
    {                                                                                             \
        for (ptrdiff_t i = 0; i < n; i++)                                                         \
            memcpy(to + index[i] * stride, from + index[i] * (BITS / 8), BITS / 8);               \
    }

DEFINE_PUT(8)
DEFINE_PUT(16)
DEFINE_PUT(32)
DEFINE_PUT(64)

/* Indices first: on random `where` a branch for each element would mostly be mispredicted. */
void ls_put_where_portable(void *to_, ptrdiff_t stride, const void *from_, const uint8_t *where,
                           ptrdiff_t n, int size)
{
    char *to = to_;
    const char *from = from_;
    for (ptrdiff_t count; n > 0; n -= count) {
        uint8_t index[256];
        ptrdiff_t asked = 0;
        count = n < 256 ? n : 256;
        for (ptrdiff_t i = 0; i < count; i++) {
            index[asked] = (uint8_t)i;
            asked += where[i] != 0;
        }
        BY_SIZE(size, put8(to, stride, from, index, asked), put16(to, stride, from, index, asked),
                put32(to, stride, from, index, asked), put64(to, stride, from, index, asked))
        to += count * stride;
        from += count * size;
        where += count;
    }
}

#define DEFINE_LOOKUP(INDEX, ENTRY)                                                               \
    static void lookup##INDEX##_##ENTRY(const void *table_, const void *index_, ptrdiff_t n,      \
                                        void *out_)                                               \
    {                                                                                             \
        const uint##ENTRY##_t *table = table_;                                                    \
        const uint##INDEX##_t *index = index_;                                                    \
        uint##ENTRY##_t *out = out_;                                                              \
        ptrdiff_t i = 0;                                                                          \
        for (; i + 4 <= n; i += 4) {                                                              \
            out[i] = table[index[i]];                                                             \
            out[i + 1] = table[index[i + 1]];                                                     \
            out[i + 2] = table[index[i + 2]];                                                     \
            out[i + 3] = table[index[i + 3]];                                                     \
        }                                                                                         \
        for (; i < n; i++)                                                                        \
            out[i] = table[index[i]];                                                             \
    }

#define DEFINE_LOOKUPS(INDEX)                                                                     \
    DEFINE_LOOKUP(INDEX, 8)                                                                       \
    DEFINE_LOOKUP(INDEX, 16)                                                                      \
    DEFINE_LOOKUP(INDEX, 32)                                                                      \
    DEFINE_LOOKUP(INDEX, 64)

DEFINE_LOOKUPS(8)
DEFINE_LOOKUPS(16)
DEFINE_LOOKUPS(32)
DEFINE_LOOKUPS(64)

typedef void lookup_function(const void *table, const void *index, ptrdiff_t n, void *out);

#define LOOKUPS(INDEX)                                                                            \
    {                                                                                             \
        lookup##INDEX##_8, lookup##INDEX##_16, lookup##INDEX##_32, lookup##INDEX##_64             \
    }

static int log2_size(int size)
{
    return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;
}

static void lookup(const void *table, const void *index, int index_size, ptrdiff_t n, void *out,
                   int entry_size)
{
    static lookup_function *const functions[4][4] = {LOOKUPS(8), LOOKUPS(16), LOOKUPS(32),
                                                     LOOKUPS(64)};
    functions[log2_size(index_size)][log2_size(entry_size)](table, index, n, out);
}

/* 8- and 16-bit types: what a search over all bit patterns found, by bit pattern. The values found
 * for NaN are NaN. */
int ls_by_pattern(const ls_table *table, const void *x_, ptrdiff_t n, void *labels_,
                  void *values_)
{
    const char *x = x_;
    char *labels = labels_, *values = values_;
    const int size = table->element_size;
    int nan = 0;
    for (ptrdiff_t count; n > 0; n -= count) {
        count = n < TILE ? n : TILE;
        if (table->type == LS_FLOAT16)
            nan |= ls_float16_any_nan((const uint16_t *)x, count);
        if (labels) {
            lookup(table->pattern_labels, x, size, count, labels, table->label_size);
            labels += count * table->label_size;
        }
        if (values) {
            lookup(table->values, x, size, count, values, table->value_size);
            values += count * table->value_size;
        }
        x += count * size;
    }
    return nan;
}

/* The values may be x itself: labels come first, of tiles that stay in the first-level cache. */
int ls_by_byte(const ls_table *table, const uint8_t *x, ptrdiff_t n, uint8_t *labels,
               uint8_t *values, ls_look_up *look_up)
{
    const ptrdiff_t tile = labels && values ? 1 << 14 : n;
    for (ptrdiff_t i = 0; i < n; i += tile) {
        const ptrdiff_t count = n - i < tile ? n - i : tile;
        const ptrdiff_t gap = i + count == n ? table->gap : 0;
        if (labels)
            look_up(table->pattern_labels, x + i, count, labels + i, table->stream, gap);
        if (values)
            look_up(table->values, x + i, count, values + i, table->stream, gap);
    }
    return 0;
}

/* Labels by the kernel, values by label, in tiles that stay in the first-level cache. */
static ptrdiff_t by_label(const ls_table *table, const char *x, ptrdiff_t n, char *labels,
                          char *values)
{
    uint64_t own_labels[TILE], saved[TILE];
    ptrdiff_t nans = 0;
    for (ptrdiff_t count; n > 0; n -= count) {
        count = n < TILE ? n : TILE;
        char *tile = labels ? labels : (char *)own_labels;
        const int nan = table->kernel(table, x, count, tile, NULL);
        if (nan) /* values may be x itself */
            memcpy(saved, x, (size_t)(count * table->element_size));
        lookup(table->values, tile, table->label_size, count, values, table->value_size);
        if (nan)
            nans += put_nan(table, saved, count, labels, values);
        x += count * table->element_size;
        if (labels)
            labels += count * table->label_size;
        values += count * table->value_size;
    }
    return nans;
}

static ptrdiff_t nearest(const ls_table *table, const void *x, ptrdiff_t n, void *labels,
                         void *values)
{
    if (!labels && !values)
        return ls_count_nan(table->type, x, NULL, n);
    if (values && !table->fused)
        return by_label(table, x, n, labels, values);
    if (!table->kernel(table, x, n, labels, values))
        return 0;
    /* Also where x has become the values: a NaN has stayed one. */
    return put_nan(table, x, n, labels, NULL);
}

ptrdiff_t ls_nearest(const ls_table *table, const void *x, ptrdiff_t n, void *labels, void *values)
{
    const uint64_t floats = ls_get_floats();
    const int other = ((floats ^ LS_FLOATS_DEFAULT) & ~(uint64_t)LS_FLOATS_FLAGS) != 0;
    if (other)
        ls_set_floats(LS_FLOATS_DEFAULT);
    const ptrdiff_t nans = nearest(table, x, n, labels, values);
    if (other)
        ls_set_floats(floats);
    return nans;
}
