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
        ls_prefetch(x, (size_t)count * sizeof *x, x + n, table->gap);
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

/* A count and how many of four thresholds are below. */
static INLINE COUNTER NAME_(below)(COUNTER count, const KEY *thresholds, KEY key)
{
    count = (COUNTER)(count + (thresholds[0] < key) + (thresholds[1] < key));
    return (COUNTER)(count + (thresholds[2] < key) + (thresholds[3] < key));
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
    COUNTER found[TILE];
    int nan = 0;
    (void)values;
    for (ptrdiff_t count; n > 0; n -= count) {
        count = n < TILE ? n : TILE;
        ls_prefetch(x, (size_t)count * sizeof *x, x + n, table->gap);
        for (ptrdiff_t i = 0; i < count; i++) {
            nan |= IS_NAN(x[i]);
            found[i] = NAME_(below)((COUNTER)table->first, thresholds, LOAD(x[i]));
        }
        for (int t = 4; t < thresholds_there; t += 4)
            for (ptrdiff_t i = 0; i < count; i++)
                found[i] = NAME_(below)(found[i], thresholds + t, LOAD(x[i]));
        PUT_LABELS(found, count, table->label_size, labels)
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
