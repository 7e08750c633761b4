/* Nearest level of each element of a contiguous, aligned, native-order run.
 *
 * The contract as one inequality: with ascending thresholds t (made once per dtype in Python,
 * where all rounding happens),
 *
 *     label = first + number of i with t[i] < x
 *
 * so a kernel only compares, and is exact for every dtype.
 */
#ifndef LEVELSNAP_NEAREST_H
#define LEVELSNAP_NEAREST_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    LS_BOOL, LS_INT8, LS_UINT8, LS_INT16, LS_UINT16, LS_FLOAT16,
    LS_INT32, LS_UINT32, LS_FLOAT32, LS_INT64, LS_UINT64, LS_FLOAT64,
    LS_TYPES
} ls_type;

typedef struct ls_table ls_table;

/* Writes `labels` and `values` (either may be NULL; `values` may be `x` itself) and returns how
 * many elements are NaN. A NaN gets the table's NaN label and stays NaN in `values`. */
typedef ptrdiff_t ls_kernel(const ls_table *table, const void *x, ptrdiff_t n,
                            void *labels, void *values);

/* Writes for each element its label, or its bit pattern when labels come from a pattern table;
 * returns nonzero if there is a NaN among the elements. */
typedef int ls_index(const ls_table *table, const void *x, ptrdiff_t n, uint32_t *index);

struct ls_table {
    ls_kernel *kernel;
    ls_index *index;
    ls_type type;               /* of the image */
    int element_size;
    uint32_t first;             /* label of an element that no threshold is below */
    uint32_t half;              /* thresholds holds 2 * half - 1 entries; 0: none */
    const void *thresholds;     /* of the image's type (float16: its ordered keys), padded with
                                   the type's largest value, which is below nothing */
    const void *pattern_labels; /* label of each bit pattern (8- and 16-bit types) or NULL */
    const void *values;         /* by label; by bit pattern beside pattern_labels */
    int label_size;
    int value_size;
    uint64_t nan_label;
    uint64_t nan_value;         /* NaN of the values' type */
    int keep_nan;               /* values have the image's type: NaN keeps its payload */
};

/* Fills in `kernel`, `index` and `element_size` from the other fields. */
void ls_table_choose(ls_table *table);

ptrdiff_t ls_count_nan(ls_type type, const void *x, const uint8_t *where, ptrdiff_t n);

extern ls_index *const ls_search[LS_TYPES];
extern const int ls_element_size[LS_TYPES];

#endif
