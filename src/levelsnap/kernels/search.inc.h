/* Template: branchless binary search for one element type.
 *
 * NAME, ELEMENT, KEY (type compared), LOAD(e) (element -> key, order-preserving), IS_NAN(e).
 *
 * Invariant: before a step of size h, found counts thresholds known to be below the key, and the
 * answer lies in [found, found + 2h - 1]. The number of steps depends on the table only, so the
 * time does not depend on the data; LANES independent searches hide each other's latency.
 */
static inline int NAME_(lanes)(const KEY *thresholds, uint32_t half, uint32_t first,
                               const ELEMENT *x, int lanes, uint32_t *index)
{
    KEY key[LANES];
    uint32_t found[LANES] = {0};
    int nan = 0;
    for (int j = 0; j < lanes; j++) {
        key[j] = LOAD(x[j]);
        nan |= IS_NAN(x[j]);
    }
    for (uint32_t h = half; h; h >>= 1)
        for (int j = 0; j < lanes; j++)
            found[j] += thresholds[found[j] + h - 1] < key[j] ? h : 0;
    for (int j = 0; j < lanes; j++)
        index[j] = first + found[j];
    return nan;
}

static int NAME_(search)(const ls_table *table, const void *x_, ptrdiff_t n, uint32_t *index)
{
    const ELEMENT *x = x_;
    const KEY *thresholds = table->thresholds;
    int nan = 0;
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES)
        nan |= NAME_(lanes)(thresholds, table->half, table->first, x + i, LANES, index + i);
    for (; i < n; i++)
        nan |= NAME_(lanes)(thresholds, table->half, table->first, x + i, 1, index + i);
    return nan;
}

#undef NAME
#undef ELEMENT
#undef KEY
#undef LOAD
#undef IS_NAN
