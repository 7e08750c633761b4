/* Template: a grid over the thresholds gives a first label, a short search the rest.
 *
 * NAME, ELEMENT, KEY (unsigned, as wide), ORDERED(e) (element -> key, order-preserving), FLOATING
 * (0 or 1), IS_NAN(e).
 *
 * Exact because neither map to cells ever decreases: a threshold in a lower cell is below x, one in
 * a higher cell is not, and those in x's own cell are searched. The most that any cell holds fix
 * the number of steps, so the time does not depend on the data.
 */
static void NAME_(cells)(const ls_grid *grid, const ELEMENT *x, ptrdiff_t n, uint32_t *cell)
{
#if FLOATING
    if (grid->scale > 0) {
        const ELEMENT low = (ELEMENT)grid->low, scale = (ELEMENT)grid->scale;
        const ELEMENT last = (ELEMENT)grid->last;
        for (ptrdiff_t i = 0; i < n; i++) {
            ELEMENT at = (x[i] - low) * scale;
            at = at > 0 ? at : 0; /* NaN too */
            at = at < last ? at : last;
            cell[i] = (uint32_t)(int32_t)at;
        }
        return;
    }
#endif
    const KEY low = (KEY)grid->low_key, last = (KEY)grid->last;
    for (ptrdiff_t i = 0; i < n; i++) {
        const KEY key = ORDERED(x[i]);
        const KEY at = (key > low ? key - low : 0) >> grid->shift;
        cell[i] = (uint32_t)(at < last ? at : last);
    }
}

/* Crowded cells are divided again, each in its own way. */
static void NAME_(refine)(const ls_grid *grid, const ELEMENT *x, ptrdiff_t n, uint32_t *cell)
{
    const KEY *lows = grid->fine_low;
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint32_t fine = grid->fine[cell[i]];
        const KEY key = ORDERED(x[i]), low = lows[cell[i]];
        const KEY at = (key > low ? key - low : 0) >> LS_FINE_SHIFT(fine);
        const KEY last = LS_FINE_LAST(fine);
        cell[i] = LS_FINE_FIRST(fine) + (uint32_t)(at < last ? at : last);
    }
}

static int NAME_(grid)(const ls_table *table, const void *x_, ptrdiff_t n, void *labels_,
                       void *values)
{
    const ls_grid *grid = &table->grid;
    const ELEMENT *x = x_, *thresholds = table->thresholds;
    char *labels = labels_;
    uint32_t cell[TILE], label[TILE];
    int nan = 0;
    (void)values;
    for (ptrdiff_t count; n > 0; n -= count) {
        count = n < TILE ? n : TILE;
        ls_prefetch(x, (size_t)count * sizeof *x, x + n, table->gap);
        for (ptrdiff_t i = 0; i < count; i++)
            nan |= IS_NAN(x[i]);
        NAME_(cells)(grid, x, count, cell);
        if (grid->fine)
            NAME_(refine)(grid, x, count, cell);
        for (ptrdiff_t i = 0; i < count; i++)
            label[i] = grid->starts[cell[i]];
        for (uint32_t h = grid->half; h; h >>= 1)
            for (ptrdiff_t i = 0; i < count; i++)
                label[i] += thresholds[label[i] + h - 1] < x[i] ? h : 0;
        for (ptrdiff_t i = 0; i < count; i++)
            label[i] += table->first;
        ls_narrow(label, count, table->label_size, labels);
        x += count;
        labels += count * table->label_size;
    }
    return nan;
}

#undef NAME
#undef ELEMENT
#undef KEY
#undef ORDERED
#undef FLOATING
#undef IS_NAN
