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

typedef enum { LS_BASELINE, LS_AVX2, LS_AVX512, LS_ISAS } ls_isa;

/* How labels are found; tables.py chooses. */
typedef enum {
    LS_SEARCH, LS_PATTERNS, LS_REGISTERS, LS_NODES, LS_GRID, LS_COUNT, LS_PACKED
} ls_method;

typedef struct ls_table ls_table;

/* Labels and, if it is `fused`, snaps a run; `labels` or `values` may be NULL, and `values` may be
 * `x` itself. Returns nonzero if it met a NaN, to which it gives some label; a fused kernel leaves
 * it a NaN in `values`. */
typedef int ls_kernel(const ls_table *table, const void *x, ptrdiff_t n, void *labels,
                      void *values);

/* Copies elements with the bytes of each reversed; `to` may be `from`. */
typedef void ls_reverse(void *to, const void *from, ptrdiff_t n, int size);

/* Copies those of n contiguous elements that `where` names to places `stride` bytes apart. Nothing
 * else is written to, not even with what is there: it may be another thread's. */
typedef void ls_put_where(void *to, ptrdiff_t stride, const void *from, const uint8_t *where,
                          ptrdiff_t n, int size);

/* How elements map to cells, and how many thresholds lie below each cell; see grid.inc.h. For
 * LS_PACKED, to positions, the last 7 bits of which are within a cell; see packed.inc.h. */
typedef struct {
    double low, scale;     /* floats, scale > 0: cell = (x - low) * scale */
    uint64_t low_key;      /* else: cell = (key - low_key) >> shift */
    int left;              /* LS_PACKED: the difference is first shifted to the left */
    int shift;
    uint64_t last;         /* the last cell; LS_PACKED: position, or difference of keys */
    uint32_t half;         /* the first step of the search in a cell */
    const uint32_t *packed;
    const uint16_t *starts;
    const uint32_t *fine;  /* NULL, or for each cell how keys from fine_low on map to its own cells */
    const void *fine_low;
} ls_grid;

/* Levels of nodes: for any K whose nodes have 32-bit offsets. */
#define LS_MAX_NODE_LEVELS 16

struct ls_table {
    ls_type type;               /* of the image */
    int element_size;
    int label_size;
    int value_size;
    int depth;                  /* thresholds holds 2^depth entries and at least 4, padded with the */
    const void *thresholds;     /* type's largest value, which is below nothing (float16: ordered
                                   keys); LS_NODES: then those of the levels above; LS_GRID,
                                   LS_PACKED: enough for the steps of a cell */
    uint32_t k;
    uint32_t first;             /* label of an element that no threshold is below */
    const void *pattern_labels; /* label of each bit pattern (8- and 16-bit types) or NULL */
    const void *values;         /* by label; by bit pattern beside pattern_labels */
    uint64_t nan_label;
    uint64_t nan_value;         /* NaN of the values' type */
    int keep_nan;               /* values have the image's type: NaN keeps its payload */
    int stream;                 /* results are too many for the caches: write past them; who sets
                                   it ends with ls_end_streaming */
    ptrdiff_t gap;              /* of ls_prefetch, if runs are rows; else 0 */
    ls_kernel *kernel;
    ls_reverse *reverse;        /* the instruction set's */
    ls_put_where *put_where;
    int fused;                  /* the kernel writes values too; else they are looked up */
    int tree_depth;             /* levels of the tree that registers hold, for registers.inc.h */
    char tree[1280];            /* its thresholds, by plant() of choose.c */
    char palette[256];          /* values by position in it, too */
    int node_levels;            /* its levels below those, for nodes.inc.h; 0 is the lowest */
    const char *nodes[LS_MAX_NODE_LEVELS];
    ls_grid grid;               /* for LS_GRID and LS_PACKED */
};

/* Fills in `element_size`, the kernel and what it needs from the other fields. The instruction set
 * must have the method for the type and depth. */
void ls_table_choose(ls_table *table, ls_isa isa, ls_method method);

/* The deepest search tree that fits vector registers; 0: there is no such kernel. With 16-bit types
 * and AVX2, labels must be below 256. */
int ls_register_depth(ls_isa isa, ls_type type);

/* Bytes of a node of a tree of nodes; 0: there is no such kernel. */
int ls_node_size(ls_isa isa, ls_type type);

/* Whether there is a kernel for LS_PACKED. */
int ls_has_packed(ls_isa isa, ls_type type);

/* How many of the levels of a search tree become levels of nodes. */
int ls_node_levels(ls_isa isa, ls_type type, int depth);

/* Labels and snaps a run through the table's kernel; returns how many elements are NaN. They get
 * the table's NaN label and stay NaN in `values`. Without both it only counts them. */
ptrdiff_t ls_nearest(const ls_table *table, const void *x, ptrdiff_t n, void *labels,
                     void *values);

/* The best instruction set that this CPU has and the operating system enables. */
ls_isa ls_best_isa(void);

ptrdiff_t ls_count_nan(ls_type type, const void *x, const uint8_t *where, ptrdiff_t n);

#endif
