/* Template: branchless binary search with the thresholds in vector registers.
 *
 * Level l of the search tree holds 2^l thresholds in search order, in one register or several; a
 * step fetches for each lane the threshold that its position asks for (a permutation, no memory
 * access), compares, and goes on to 2 * position + (threshold < x). The values of the levels are
 * fetched in the same way.
 *
 * Where a comparison gives -1 for true, and permutations take their entries from one register only,
 * the instruction set defines COUNT: several levels are one step, which compares x with each of the
 * thresholds that a position leaves, of a register each, and adds up. The steps are the first two
 * levels, the third, and the rest. Positions are negative, so that nothing has to be negated;
 * permutations look at their last bits.
 *
 * Of the instruction set and lane size: VEC, MASK, LANES, VECTORS, SPREAD, LOADV, put.inc.h,
 * LOADT (a register of 2^LOG2_ENTRIES entries), PERMUTE, PERMUTE2, BLEND, BIT_SET, ADD, NO_NAN,
 * NAN_OR, ANY_NAN, KEEP_NAN, PUT_LABELS (from positions), MAX_DEPTH; COUNT and TIMES (a position
 * by 2^levels), or ZERO and STEP. Of the type: NAME, ELEMENT, KEY, TABLE_KEY if it is not SAME (what
 * BELOW compares), BELOW, IS_NAN and, if there is a quicker way than twice that, EITHER_NAN.
 */

#define ENTRIES (1 << LOG2_ENTRIES)
#define GROUP (VECTORS * LANES)
#ifdef COUNT
/* Registers of a tree of `depth` levels: 3, 1, and what is left of 2^levels - 1. */
#define TREE_SIZE(depth) ((depth) < 3 ? 3 : 3 + (1 << ((depth) - 3)))
#else
/* Registers of level l of the tree, and before it. */
#define LEVEL_SIZE(l) ((l) <= LOG2_ENTRIES ? 1 : 1 << ((l) - LOG2_ENTRIES))
#define TREE_SIZE(l) ((l) <= LOG2_ENTRIES ? (l) : LOG2_ENTRIES - 1 + LEVEL_SIZE(l))
#endif

#ifndef TABLE_KEY
#define TABLE_KEY SAME
#endif
#ifndef EITHER_NAN
#define EITHER_NAN(a, b) NAN_OR(IS_NAN(a), IS_NAN(b))
#endif

static INLINE VEC NAME_(load_table)(const char *from, int i)
{
    return LOADT(from + (size_t)i * ENTRIES * sizeof(ELEMENT));
}

static INLINE void NAME_(load_tree)(const ls_table *table, int depth, VEC *tree)
{
    for (int i = 0; i < TREE_SIZE(depth); i++)
        tree[i] = TABLE_KEY(NAME_(load_table)(table->tree, i));
}

/* What each position asks for in a table of 1, 2, 4 or 8 registers. */
static INLINE VEC NAME_(fetch)(const VEC *table, int registers, VEC position)
{
    if (registers == 1)
        return PERMUTE(table[0], position);
    VEC low = PERMUTE2(table[0], position, table[1]);
    if (registers == 2)
        return low;
    low = BLEND(BIT_SET(position, 2 * ENTRIES), low, PERMUTE2(table[2], position, table[3]));
    if (registers == 4)
        return low;
    VEC high = BLEND(BIT_SET(position, 2 * ENTRIES), PERMUTE2(table[4], position, table[5]),
                     PERMUTE2(table[6], position, table[7]));
    return BLEND(BIT_SET(position, 4 * ENTRIES), low, high);
}

#ifdef COUNT
/* `levels` more levels at once. */
static INLINE VEC NAME_(count)(const VEC *tables, int levels, VEC key, VEC position)
{
    VEC below = BELOW(PERMUTE(tables[0], position), key);
    for (int i = 1; i < (1 << levels) - 1; i++)
        below = ADD(below, BELOW(PERMUTE(tables[i], position), key));
    return ADD(TIMES(position, levels), below);
}

static INLINE VEC NAME_(position)(const VEC *tree, int depth, VEC key)
{
    VEC position = ADD(ADD(BELOW(tree[0], key), BELOW(tree[1], key)), BELOW(tree[2], key));
    if (depth > 2)
        position = NAME_(count)(tree + 3, 1, key, position);
    if (depth > 3)
        position = NAME_(count)(tree + 4, depth - 3, key, position);
    return position;
}
#else
static INLINE VEC NAME_(position)(const VEC *tree, int depth, VEC key)
{
    VEC position = ZERO;
    for (int level = 0; level < depth; level++) {
        /* The root fills its register. */
        VEC threshold = level ? NAME_(fetch)(tree + TREE_SIZE(level), LEVEL_SIZE(level), position)
                              : tree[0];
        position = STEP(position, BELOW(threshold, key));
    }
    return position;
}
#endif

/* Loads GROUP elements and takes them down the tree. `depth` is a constant. */
static INLINE MASK NAME_(descend)(const VEC *tree, int depth, const ELEMENT *x, VEC *raw,
                                  VEC *position)
{
    for (int u = 0; u < VECTORS; u++)
        raw[u] = LOADV(x + u * LANES);
    MASK nan = EITHER_NAN(raw[0], raw[1]);
    for (int u = 2; u < VECTORS; u += 2)
        nan = NAN_OR(nan, EITHER_NAN(raw[u], raw[u + 1]));
    for (int u = 0; u < VECTORS; u++)
        position[u] = NAME_(position)(tree, depth, KEY(raw[u]));
    return nan;
}

/* Whole groups; without `labels` or `values`, those are not written. `depth` and `registers` (of the
 * palette) are constants. */
static INLINE int NAME_(groups)(const ls_table *table, int depth, int registers, const ELEMENT *x,
                                ptrdiff_t n, ptrdiff_t gap, char *labels, ELEMENT *values,
                                int stream)
{
    const ELEMENT *end = x + n;
    const int label_size = table->label_size;
    VEC tree[TREE_SIZE(MAX_DEPTH)], palette[4];
    MASK nan = NO_NAN;
    NAME_(load_tree)(table, depth, tree);
    for (int i = 0; i < registers; i++)
        palette[i] = NAME_(load_table)(table->palette, i);
    for (; x < end; x += GROUP) {
        VEC raw[VECTORS], position[VECTORS];
        ls_prefetch(x, GROUP * sizeof *x, end, gap);
        nan = NAN_OR(nan, NAME_(descend)(tree, depth, x, raw, position));
        if (registers) {
            for (int u = 0; u < VECTORS; u++) {
                VEC value = NAME_(fetch)(palette, registers, position[u]);
                value = KEEP_NAN(IS_NAN(raw[u]), raw[u], value);
                put(values + u * LANES, value, stream);
            }
            values += GROUP;
        }
        if (labels) {
            PUT_LABELS(labels, position, table->first, label_size, stream && !registers);
            labels += GROUP * label_size;
        }
    }
    return ANY_NAN(nan);
}

/* Returns CALL for the depth of the table's tree, there a constant; for COUNT it is 2 at least. */
#undef SHALLOW
#undef DEEPEST
#ifdef COUNT
#define SHALLOW(CALL)
#else
#define SHALLOW(CALL)                                                                             \
    case 0: return CALL(0);                                                                       \
    case 1: return CALL(1);
#endif
#if MAX_DEPTH > 7
#define DEEPEST(CALL) case 8: return CALL(8);
#else
#define DEEPEST(CALL)
#endif
#define BY_DEPTH(CALL)                                                                            \
    switch (table->tree_depth) {                                                                  \
    SHALLOW(CALL)                                                                                 \
    case 2: return CALL(2);                                                                       \
    case 3: return CALL(3);                                                                       \
    case 4: return CALL(4);                                                                       \
    case 5: return CALL(5);                                                                       \
    case 6: return CALL(6);                                                                       \
    DEEPEST(CALL)                                                                                 \
    default: return CALL(7);                                                                      \
    }

/* Registers of the palette at a depth; 0: it is of no use there. */
#define PALETTE_SIZE(d)                                                                           \
    ((d) <= LOG2_ENTRIES ? 1 : (d) > LOG2_ENTRIES + 2 ? 0 : 1 << ((d) - LOG2_ENTRIES))

static int NAME_(by_depth)(const ls_table *table, const ELEMENT *x, ptrdiff_t n, ptrdiff_t gap,
                           char *labels, ELEMENT *values, int stream)
{
#define VALUES(d) NAME_(groups)(table, d, PALETTE_SIZE(d), x, n, gap, labels, values, stream)
#define LABELS(d) NAME_(groups)(table, d, 0, x, n, gap, labels, NULL, stream)
#define EITHER(d) (PALETTE_SIZE(d) && values ? VALUES(d) : LABELS(d))
    BY_DEPTH(EITHER)
#undef VALUES
#undef LABELS
#undef EITHER
}

static int NAME_(search)(const ls_table *table, const void *x_, ptrdiff_t n, void *labels_,
                         void *values_)
{
    const int label_size = table->label_size;
    const ELEMENT *x = x_;
    ELEMENT *values = values_;
    char *labels = labels_;
    /* A group must fill lines. */
    const int stream = table->stream && (values || GROUP * label_size >= LS_LINE);
    /* Less than a group: up to the alignment that streaming needs. */
    ptrdiff_t ragged = !stream ? 0
                     : values ? ls_to_line(values, sizeof(ELEMENT))
                              : ls_to_line(labels, (size_t)label_size);
    int nan = 0;
    while (n > 0) {
        ptrdiff_t count = n / GROUP * GROUP;
        if (count && !ragged)
            nan |= NAME_(by_depth)(table, x, count, table->gap, labels, values, stream);
        else { /* a copy; -AHEAD asks for nothing beyond it */
            ELEMENT some[GROUP] = {0}, some_values[GROUP];
            char some_labels[GROUP * 8];
            count = ragged && ragged < n ? ragged : n;
            ragged = 0;
            memcpy(some, x, (size_t)count * sizeof(ELEMENT));
            nan |= NAME_(by_depth)(table, some, GROUP, -AHEAD, labels ? some_labels : NULL,
                                   values ? some_values : NULL, 0);
            if (labels)
                memcpy(labels, some_labels, (size_t)(count * label_size));
            if (values)
                memcpy(values, some_values, (size_t)count * sizeof(ELEMENT));
        }
        x += count;
        n -= count;
        if (labels)
            labels += count * label_size;
        if (values)
            values += count;
    }
    return nan;
}
