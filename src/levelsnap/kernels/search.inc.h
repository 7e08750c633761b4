/* Template: branchless binary search for one element type.
 *
 * NAME, ELEMENT, KEY (type compared), COUNTER (an integer as wide), LOAD(e) (element -> key,
 * order-preserving), IS_NAN(e).
 *
 * Invariant: before a step of size h, `found` counts thresholds known to be below the key, and the
 * answer lies in [found, found + 2h - 1]. The number of steps depends on the table only, so the
 * time does not depend on the data; LANES independent searches hide each other's latency.
 */
static INLINE int NAME_(lanes)(const KEY *thresholds, uint32_t half, uint32_t first,
                               const ELEMENT *x, int lanes, uint32_t *label)
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
        label[j] = first + found[j];
    return nan;
}

static int NAME_(search)(const ls_table *table, const void *x_, ptrdiff_t n, void *labels_,
                         void *values)
{
    const KEY *thresholds = table->thresholds;
    const ELEMENT *x = x_;
    char *labels = labels_;
    const uint32_t half = (uint32_t)(1u << table->depth >> 1), first = table->first;
    uint32_t tile[TILE];
    int nan = 0;
    (void)values;
    for (ptrdiff_t count; n > 0; n -= count) {
        count = n < TILE ? n : TILE;
        ptrdiff_t i = 0;
        for (; i + LANES <= count; i += LANES)
            nan |= NAME_(lanes)(thresholds, half, first, x + i, LANES, tile + i);
        for (; i < count; i++)
            nan |= NAME_(lanes)(thresholds, half, first, x + i, 1, tile + i);
        ls_narrow(tile, count, table->label_size, labels);
        labels += count * table->label_size;
        x += count;
    }
    return nan;
}

/* Few thresholds: count those below, four after four, for a tile of elements at a time; the
 * compiler makes vectors of it. The thresholds are padded to a multiple of four; their number must
 * fit COUNTER. */
static int NAME_(count)(const ls_table *table, const void *x_, ptrdiff_t n, void *labels_,
                        void *values)
{
    const KEY *thresholds = table->thresholds;
    const ELEMENT *x = x_;
    char *labels = labels_;
    const int thresholds_there = (int)(table->k - 1 - table->first);
    uint32_t tile[TILE];
    KEY key[TILE];
    COUNTER found[TILE];
    int nan = 0;
    (void)values;
    for (ptrdiff_t count; n > 0; n -= count) {
        count = n < TILE ? n : TILE;
        for (ptrdiff_t i = 0; i < count; i++) {
            key[i] = LOAD(x[i]);
            nan |= IS_NAN(x[i]);
            found[i] = (COUNTER)table->first;
        }
        for (int t = 0; t < thresholds_there; t += 4) {
            const KEY a = thresholds[t], b = thresholds[t + 1];
            const KEY c = thresholds[t + 2], d = thresholds[t + 3];
            for (ptrdiff_t i = 0; i < count; i++) {
                const COUNTER below = (COUNTER)(found[i] + (a < key[i]) + (b < key[i]));
                found[i] = (COUNTER)(below + (c < key[i]) + (d < key[i]));
            }
        }
        for (ptrdiff_t i = 0; i < count; i++)
            tile[i] = (uint32_t)found[i];
        ls_narrow(tile, count, table->label_size, labels);
        labels += count * table->label_size;
        x += count;
    }
    return nan;
}

#undef NAME
#undef ELEMENT
#undef KEY
#undef COUNTER
#undef LOAD
#undef IS_NAN
