/* Template: branchless binary search with the thresholds in vector registers.
 *
 * Level l of the search tree holds 2^l thresholds in search order, in one register or several; a
 * step fetches for each lane the threshold that its position asks for (a permutation, no memory
 * access), compares, and goes on to 2 * position + (threshold < x). Where permutations take their
 * entries from one register only, all levels of larger size are one step (COUNT_STEP): each of the
 * thresholds that a position leaves has a register, and those below x are counted. The values of
 * the levels are fetched in the same way.
 *
 * Of the instruction set and lane size: VEC, MASK, LANES, VECTORS, ZERO, SPREAD, LOADV, STOREU,
 * STREAM, LOADT (a register of 2^LOG2_ENTRIES entries), PERMUTE, PERMUTE2, BLEND, BIT_SET,
 * STEP, ADD, NO_NAN, NAN_OR, ANY_NAN, KEEP_NAN, PUT_LABELS, MAX_DEPTH, and COUNT_STEP or not. Of the
 * type: NAME, ELEMENT, KEY, TABLE_KEY if it is not SAME (what BELOW compares), BELOW, IS_NAN and, if
 * there is a quicker way than twice that, EITHER_NAN.
 */

#define ENTRIES (1 << LOG2_ENTRIES)
#define GROUP (VECTORS * LANES)
/* Registers of level l of the tree, and before it. */
#define LEVEL_SIZE(l) ((l) <= LOG2_ENTRIES ? 1 : 1 << ((l) - LOG2_ENTRIES))
#define LEVEL_AT(l) ((l) <= LOG2_ENTRIES ? (l) : LOG2_ENTRIES - 1 + LEVEL_SIZE(l))

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
    for (int i = 0; i < LEVEL_AT(depth); i++)
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

static INLINE void NAME_(step)(const VEC *tree, int level, const VEC *key, VEC *position)
{
    tree += LEVEL_AT(level);
    for (int u = 0; u < VECTORS; u++) {
        /* The root fills its register. */
        VEC threshold = level ? NAME_(fetch)(tree, LEVEL_SIZE(level), position[u]) : tree[0];
        position[u] = STEP(position[u], BELOW(threshold, key[u]));
    }
}

#ifdef COUNT_STEP
/* The last `levels` levels at once. */
static INLINE void NAME_(count)(const VEC *tables, int levels, const VEC *key, VEC *position)
{
    for (int u = 0; u < VECTORS; u++) {
        VEC count = BELOW(PERMUTE(tables[0], position[u]), key[u]);
        for (int i = 1; i < (1 << levels) - 1; i++)
            count = ADD(count, BELOW(PERMUTE(tables[i], position[u]), key[u]));
        position[u] = COUNT_STEP(position[u], levels, count);
    }
}
#endif

/* Loads GROUP elements and takes them down the tree. `deep` is a constant. */
static INLINE MASK NAME_(descend)(const VEC *tree, int depth, int deep, const ELEMENT *x,
                                  uintptr_t ahead, VEC *raw, VEC *position)
{
    VEC key[VECTORS];
    for (int u = 0; u < VECTORS; u++)
        LS_PREFETCH((uintptr_t)(x + u * LANES) + ahead);
    for (int u = 0; u < VECTORS; u++) {
        raw[u] = LOADV(x + u * LANES);
        key[u] = KEY(raw[u]);
        position[u] = ZERO;
    }
    MASK nan = EITHER_NAN(raw[0], raw[1]);
    for (int u = 2; u < VECTORS; u += 2)
        nan = NAN_OR(nan, EITHER_NAN(raw[u], raw[u + 1]));
    if (depth > 0)
        NAME_(step)(tree, 0, key, position);
    if (depth > 1)
        NAME_(step)(tree, 1, key, position);
    if (depth > 2)
        NAME_(step)(tree, 2, key, position);
#ifdef COUNT_STEP
    const VEC *counted = tree + LEVEL_AT(LOG2_ENTRIES);
    if (depth == 4)
        NAME_(count)(counted, 1, key, position);
    else if (depth == 5)
        NAME_(count)(counted, 2, key, position);
    else if (deep && depth == 6)
        NAME_(count)(counted, 3, key, position);
    else if (deep && depth == 7)
        NAME_(count)(counted, 4, key, position);
#else
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
#endif
    return nan;
}

/* GROUP elements. `deep` and `registers` (of the palette) are constants. */
static INLINE MASK NAME_(group)(const ls_table *table, const VEC *tree, int deep,
                                const VEC *palette, int registers, const ELEMENT *x,
                                uintptr_t ahead, VEC first, char *labels, ELEMENT *values,
                                int stream)
{
    VEC raw[VECTORS], position[VECTORS];
    const MASK nan = NAME_(descend)(tree, table->tree_depth, deep, x, ahead, raw, position);
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
        if (table->first)
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
    NAME_(load_tree)(table, deep ? MAX_DEPTH : 5, tree);
    for (int i = 0; i < registers; i++)
        palette[i] = NAME_(load_table)(table->palette, i);
    const VEC first = SPREAD(table->first);
    /* A group must fill lines. */
    const int stream = table->stream && (registers || GROUP * label_size >= LS_LINE);
    while (n > 0) {
        /* At the ends of the run, and up to the alignment that streaming needs, a copy. */
        ptrdiff_t count = !stream ? 0
                        : registers ? ls_to_line(values, sizeof(ELEMENT))
                                    : ls_to_line(labels, (size_t)label_size);
        if (n >= GROUP && count == 0) {
            count = GROUP;
            nan = NAN_OR(nan, NAME_(group)(table, tree, deep, palette, registers, x,
                                           ls_ahead(x, x + n, table->gap), first, labels, values,
                                           stream));
        } else {
            ELEMENT some[GROUP] = {0}, some_values[GROUP];
            _Alignas(LS_LINE) char some_labels[GROUP * 8];
            count = count && count < GROUP ? count : GROUP;
            count = count < n ? count : n;
            memcpy(some, x, (size_t)count * sizeof(ELEMENT));
            nan = NAN_OR(nan, NAME_(group)(table, tree, deep, palette, registers, some, AHEAD,
                                           first, labels ? some_labels : NULL, some_values, 0));
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
                : NAME_(run)(table, 0, 32 / ENTRIES > 1 ? 32 / ENTRIES : 1, x, n, labels, values);
}
