/* Template: a search tree whose nodes are vectors of thresholds.
 *
 * Level 0 of the nodes holds all thresholds, padded; each level above, the last threshold of each
 * node of the level below. A step counts the thresholds of one node that are below x, all at once,
 * and goes on to the node of that number: with 16 lanes, 4 bits of the label for one access. The
 * last threshold of a node is known not to be below x from the level above. Above the nodes, as
 * much of the tree as registers hold (registers.inc.h). Neither the number of steps nor what a step
 * does depends on the data.
 *
 * Source: Kim et al., FAST: fast architecture sensitive tree search on modern CPUs and GPUs,
 * SIGMOD 2010, section 5 (its blocks for vectors and cache lines).
 *
 * Of the instruction set: NODE_GROUP (elements of a call of put_found) and what found.inc.h defines.
 * Of the lane size: SPREAD_AT (one element to all lanes), PUT_NODES. Of the type: NAME, ELEMENT,
 * IS_NAN, KEY, TABLE_KEY, BELOW, BELOW_BITS. registers.inc.h comes before this file, unless there
 * is NO_TREE.
 */

/* Positions after the part of the tree that is in registers, as offsets of nodes. Returns nonzero
 * for a NaN. */
#ifdef NO_TREE
static INLINE int NAME_(to_nodes)(const ls_table *table, const ELEMENT *x, int n, uint32_t *node)
{
    int nan = 0;
    (void)table;
    for (int i = 0; i < n; i++) {
        nan |= IS_NAN(x[i]);
        node[i] = 0;
    }
    return nan;
}
#else
static INLINE int NAME_(to_nodes_at)(const ls_table *table, int depth, const ELEMENT *x, int n,
                                     uint32_t *node)
{
    VEC tree[TREE_SIZE(MAX_DEPTH)];
    MASK nan = NO_NAN;
    NAME_(load_tree)(table, depth, tree);
    for (int i = 0; i < n; i += GROUP) {
        VEC raw[VECTORS], position[VECTORS];
        ls_prefetch_on(x + i, GROUP * sizeof *x);
        nan = NAN_OR(nan, NAME_(descend)(tree, depth, x + i, raw, position));
        for (int u = 0; u < VECTORS; u++)
            PUT_NODES(node + i + u * LANES, position[u]);
    }
    return ANY_NAN(nan);
}

static int NAME_(to_nodes)(const ls_table *table, const ELEMENT *x, int n, uint32_t *node)
{
#define NODES(d) NAME_(to_nodes_at)(table, d, x, n, node)
    BY_DEPTH(NODES)
#undef NODES
}
#endif

static int NAME_(nodes)(const ls_table *table, const void *x_, ptrdiff_t n, void *labels_,
                        void *values)
{
    enum { TILE = 512 };
    _Alignas(64) uint32_t node[TILE];
    _Alignas(64) uint16_t below[TILE];
    const ELEMENT *x = x_;
    char *labels = labels_;
    const int size = table->label_size;
    int nan = 0;
    (void)values;
    for (ptrdiff_t count; n > 0; n -= count) {
        ELEMENT some[TILE];
        char some_labels[TILE * 8];
        const ELEMENT *tile = x;
        count = n < TILE ? n : TILE;
        const int whole = (int)(count + NODE_GROUP - 1) / NODE_GROUP * NODE_GROUP;
        if (count < whole) {
            memset(some, 0, sizeof some);
            tile = memcpy(some, x, (size_t)count * sizeof(ELEMENT));
        }
        nan |= NAME_(to_nodes)(table, tile, whole, node);
        for (int level = table->node_levels - 1; level >= 0; level--) {
            const char *nodes = table->nodes[level];
            for (int i = 0; i < whole; i++)
                below[i] = BELOW_BITS(TABLE_KEY(LOADV(nodes + node[i])), KEY(SPREAD_AT(tile + i)));
            if (level > 0)
                goto_nodes(node, below, whole, sizeof(ELEMENT));
        }
        char *to = count < whole ? some_labels : labels;
        for (int i = 0; i < whole; i += NODE_GROUP)
            put_found(to + i * size, node + i, below + i, sizeof(ELEMENT), table->first, size);
        if (count < whole)
            memcpy(labels, some_labels, (size_t)(count * size));
        x += count;
        labels += count * size;
    }
    return nan;
}
