/* Template: grid.inc.h by gathers, for the macros of registers.inc.h and, of the lane size, KEYS (an
 * element's order-preserving unsigned image), MAX, MIN, SUBTRACT, SHIFT, SHIFTS, GATHER (lane-sized
 * entries), GATHER16, GATHER32; of floats CELLS(x, low, scale, last) and SPREAD_FLOAT.
 */
static INLINE void NAME_(label)(const ls_grid *grid, const char *thresholds, VEC first,
                                const ELEMENT *x, VEC *label, MASK *nan)
{
    VEC raw[VECTORS], cell[VECTORS];
    for (int u = 0; u < VECTORS; u++) {
        PREFETCH(x + u * LANES);
        raw[u] = LOADU(x + u * LANES);
        *nan = NAN_OR(*nan, IS_NAN(raw[u]));
    }
#ifdef CELLS
    if (grid->scale > 0)
        for (int u = 0; u < VECTORS; u++)
            cell[u] = CELLS(raw[u], grid->low, grid->scale, grid->last);
    else
#endif
        for (int u = 0; u < VECTORS; u++) {
            const VEC low = SPREAD(grid->low_key);
            cell[u] = SHIFT(SUBTRACT(MAX(KEYS(raw[u]), low), low), grid->shift);
            cell[u] = MIN(cell[u], SPREAD(grid->last));
        }
    if (grid->fine)
        for (int u = 0; u < VECTORS; u++) {
            const VEC fine = GATHER32(cell[u], grid->fine), low = GATHER(cell[u], grid->fine_low);
            const VEC bits = AND(SHIFT(fine, 6), SPREAD(31));
            const VEC last = SUBTRACT(SHIFTS_LEFT(SPREAD(1), bits), SPREAD(1));
            const VEC at = SHIFTS(SUBTRACT(MAX(KEYS(raw[u]), low), low), AND(fine, SPREAD(63)));
            cell[u] = ADD(SHIFT(fine, 11), MIN(at, last));
        }
    for (int u = 0; u < VECTORS; u++)
        label[u] = GATHER16(cell[u], grid->starts);
    for (uint32_t h = grid->half; h; h >>= 1)
        for (int u = 0; u < VECTORS; u++) {
            const VEC threshold = GATHER(label[u], thresholds + (h - 1) * sizeof(ELEMENT));
            label[u] = ADD_IF(BELOW(threshold, raw[u]), label[u], SPREAD(h));
        }
    for (int u = 0; u < VECTORS; u++)
        label[u] = ADD(label[u], first);
}

static int NAME_(grid)(const ls_table *table, const void *x_, ptrdiff_t n, void *labels_,
                       void *values)
{
    const VEC first = SPREAD(table->first);
    const ELEMENT *x = x_;
    const int size = table->label_size;
    char *labels = labels_;
    VEC label[VECTORS];
    MASK nan = NO_NAN;
    (void)values;
    for (; n >= GROUP; n -= GROUP) {
        NAME_(label)(&table->grid, table->thresholds, first, x, label, &nan);
        PUT_LABELS(labels, label, size, 0);
        x += GROUP;
        labels += GROUP * size;
    }
    if (n > 0) {
        ELEMENT some[GROUP] = {0};
        char some_labels[GROUP * 8];
        memcpy(some, x, (size_t)n * sizeof(ELEMENT));
        NAME_(label)(&table->grid, table->thresholds, first, some, label, &nan);
        PUT_LABELS(some_labels, label, size, 0);
        memcpy(labels, some_labels, (size_t)(n * size));
    }
    return ANY_NAN(nan);
}
