/* Template: branchless binary search with the thresholds in vector registers.
 *
 * Level l of the search tree holds 2^l thresholds in search order, in one register or several; a
 * step fetches for each lane the threshold that its position asks for (a permutation, no memory
 * access), compares, and goes on to 2 * position + (threshold < x). The values of the levels are
 * fetched in the same way.
 *
 * Of the instruction set and lane size: VEC, MASK, LANES, LOG2_LANES, VECTORS, ZERO, SPREAD, LOADU,
 * STOREU, STREAM, PERMUTE, LOADV, PERMUTE2, BLEND, BIT_SET, STEP, ADD, NO_NAN, NAN_OR, ANY_NAN,
 * KEEP_NAN, PUT_LABELS. Of the type: NAME, ELEMENT, KEY (what BELOW compares), BELOW, IS_NAN.
 */

/* Registers before level l of the tree. */
#define LEVEL_AT(l) ((l) <= LOG2_LANES ? (l) : LOG2_LANES - 1 + (1 << ((l) - LOG2_LANES)))
#define GROUP (VECTORS * LANES)

/* What each position asks for in a table of 1, 2, 4 or 8 registers. */
static INLINE VEC NAME_(fetch)(const VEC *table, int registers, VEC position)
{
    if (registers == 1)
        return PERMUTE(table[0], position);
    VEC low = PERMUTE2(table[0], position, table[1]);
    if (registers == 2)
        return low;
    low = BLEND(BIT_SET(position, 2 * LANES), low, PERMUTE2(table[2], position, table[3]));
    if (registers == 4)
        return low;
    VEC high = BLEND(BIT_SET(position, 2 * LANES), PERMUTE2(table[4], position, table[5]),
                     PERMUTE2(table[6], position, table[7]));
    return BLEND(BIT_SET(position, 4 * LANES), low, high);
}

static INLINE void NAME_(step)(const VEC *tree, int level, const VEC *key, VEC *position)
{
    const int registers = 1 << level <= LANES ? 1 : (1 << level) / LANES;
    for (int u = 0; u < VECTORS; u++) {
        VEC threshold = NAME_(fetch)(tree + LEVEL_AT(level), registers, position[u]);
        position[u] = STEP(position[u], BELOW(threshold, key[u]));
    }
}

/* Loads GROUP elements and takes them down the tree. `deep` is a constant. */
static INLINE MASK NAME_(descend)(const VEC *tree, int depth, int deep, const ELEMENT *x, VEC *raw,
                                  VEC *position)
{
    VEC key[VECTORS];
    for (int u = 0; u < VECTORS; u++)
        PREFETCH(x + u * LANES);
    MASK nan = NO_NAN;
    for (int u = 0; u < VECTORS; u++) {
        raw[u] = LOADU(x + u * LANES);
        nan = NAN_OR(nan, IS_NAN(raw[u]));
        key[u] = KEY(raw[u]);
        position[u] = ZERO;
    }
    if (depth > 0)
        NAME_(step)(tree, 0, key, position);
    if (depth > 1)
        NAME_(step)(tree, 1, key, position);
    if (depth > 2)
        NAME_(step)(tree, 2, key, position);
    if (depth > 3)
        NAME_(step)(tree, 3, key, position);
    if (depth > 4)
        NAME_(step)(tree, 4, key, position);
    if (deep && depth > 5)
        NAME_(step)(tree, 5, key, position);
    if (deep && depth > 6)
        NAME_(step)(tree, 6, key, position);
    if (deep && depth > 7 && MAX_DEPTH > 7)
        NAME_(step)(tree, 7, key, position);
    return nan;
}

/* GROUP elements. `deep` and `registers` (of the palette) are constants. */
static INLINE MASK NAME_(group)(const ls_table *table, const VEC *tree, int deep,
                                const VEC *palette, int registers, const ELEMENT *x, VEC first,
                                char *labels, ELEMENT *values, int stream)
{
    VEC raw[VECTORS], position[VECTORS];
    const MASK nan = NAME_(descend)(tree, table->tree_depth, deep, x, raw, position);
    if (registers)
        for (int u = 0; u < VECTORS; u++) {
            VEC value = NAME_(fetch)(palette, registers, position[u]);
            value = KEEP_NAN(IS_NAN(raw[u]), raw[u], value);
            if (stream)
                STREAM(values + u * LANES, value);
            else
                STOREU(values + u * LANES, value);
        }
    if (labels) {
        for (int u = 0; u < VECTORS; u++)
            position[u] = ADD(position[u], first);
        PUT_LABELS(labels, position, table->label_size, stream && !registers);
    }
    return nan;
}

static INLINE int NAME_(run)(const ls_table *table, int deep, int registers, const ELEMENT *x,
                             ptrdiff_t n, char *labels, ELEMENT *values)
{
    const int label_size = table->label_size;
    VEC tree[LEVEL_AT(MAX_DEPTH)], palette[4];
    MASK nan = NO_NAN;
    for (int i = 0; i < LEVEL_AT(deep ? MAX_DEPTH : 5); i++)
        tree[i] = LOADV(table->tree + i * sizeof(VEC));
    for (int i = 0; i < registers; i++)
        palette[i] = LOADV(table->palette + i * sizeof(VEC));
    const VEC first = SPREAD(table->first);
    const int stream = table->stream;
    while (n > 0) {
        /* At the ends of the run, and up to the alignment that streaming needs, a copy. */
        ptrdiff_t count = !stream ? 0
                        : registers ? ls_to_alignment(values, sizeof(VEC), sizeof(ELEMENT))
                                    : ls_to_alignment(labels, sizeof(VEC), (size_t)label_size);
        if (n >= GROUP && count == 0) {
            count = GROUP;
            nan = NAN_OR(nan, NAME_(group)(table, tree, deep, palette, registers, x, first, labels,
                                           values, stream));
        } else {
            ELEMENT some[GROUP] = {0}, some_values[GROUP];
            char some_labels[GROUP * 8];
            count = count && count < GROUP ? count : GROUP;
            count = count < n ? count : n;
            memcpy(some, x, (size_t)count * sizeof(ELEMENT));
            nan = NAN_OR(nan, NAME_(group)(table, tree, deep, palette, registers, some, first,
                                           labels ? some_labels : NULL, some_values, 0));
            if (labels)
                memcpy(labels, some_labels, (size_t)(count * label_size));
            if (registers)
                memcpy(values, some_values, (size_t)count * sizeof(ELEMENT));
        }
        x += count;
        n -= count;
        if (labels)
            labels += count * label_size;
        if (registers)
            values += count;
    }
    return ANY_NAN(nan);
}

static int NAME_(search)(const ls_table *table, const void *x, ptrdiff_t n, void *labels,
                         void *values)
{
    const int deep = table->tree_depth > 5;
    if (!values)
        return deep ? NAME_(run)(table, 1, 0, x, n, labels, NULL)
                    : NAME_(run)(table, 0, 0, x, n, labels, NULL);
    return deep ? NAME_(run)(table, 1, 4, x, n, labels, values)
                : NAME_(run)(table, 0, 32 / LANES > 1 ? 32 / LANES : 1, x, n, labels, values);
}
