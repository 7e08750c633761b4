/* Template: a grid whose cells hold their thresholds in brief, one access for most elements.
 *
 * A monotone map takes x to a position, which is a cell and a fraction of it. The entry of a cell:
 * the label at its begin (upper 16 bits) and, of up to two thresholds in it, marks of 8 bits. A
 * fraction is an even number of 8 bits; a mark is the threshold's fraction, and is odd where the
 * next larger element has a larger position: then the positions tell whether the threshold is
 * below. Where they do not, and in cells of more thresholds, labels found so far are too low, and
 * the thresholds from there on are searched. Such elements are few unless the image is made of
 * them, for tables.py takes this way only with few thresholds in such cells.
 *
 * Cells are loaded one by one: no slower than by the instructions that gather on the CPUs that
 * have quick ones, and much quicker on the others.
 *
 * Of the instruction set and lane size: VEC, LANES, LOADV, SPREAD, MASK, NO_NAN, NAN_OR,
 * ANY_NAN, of unsigned lanes MAXU, MINU, SUB, SHIFT_LEFT, SHIFT_RIGHT, PUT_POSITIONS (as 32 bits),
 * and what found.inc.h defines. Of the type: NAME, ELEMENT, IS_NAN, ORDERED (as ls_float32_key and
 * its like), LINEAR (positions, for floats; NaN's is within bounds).
 */

#ifndef LINEAR /* integers */
#define LINEAR(v, low, scale, last) (v)
#endif

/* Positions of CHUNK elements. Returns nonzero for a NaN. */
static INLINE int NAME_(positions)(const ls_grid *grid, const ELEMENT *x, uint32_t *at)
{
    const ELEMENT low = (ELEMENT)grid->low, last = (ELEMENT)grid->last;
    const ELEMENT scale = (ELEMENT)grid->scale;
    const VEC low_key = SPREAD(grid->low_key), last_key = SPREAD(grid->last);
    const __m128i left = _mm_cvtsi32_si128(grid->left), right = _mm_cvtsi32_si128(grid->shift);
    MASK nan = NO_NAN;
    (void)low, (void)last;
    for (int i = 0; i < CHUNK; i += LANES) {
        const VEC v = LOADV(x + i);
        nan = NAN_OR(nan, IS_NAN(v));
        if (scale > 0)
            PUT_POSITIONS(at + i, LINEAR(v, low, scale, last));
        else {
            const VEC above = MINU(SUB(MAXU(ORDERED(v), low_key), low_key), last_key);
            PUT_POSITIONS(at + i, SHIFT_RIGHT(SHIFT_LEFT(above, left), right));
        }
    }
    return ANY_NAN(nan);
}

static int NAME_(packed)(const ls_table *table, const void *x_, ptrdiff_t n, void *labels_,
                         void *values)
{
    const ls_grid *grid = &table->grid;
    const ELEMENT *thresholds = table->thresholds, *x = x_;
    char *labels = labels_;
    const int size = table->label_size;
    int nan = 0;
    (void)values;
    for (ptrdiff_t count; n > 0; n -= count) {
        uint16_t label[RUN], undecided[RUN];
        int some = 0;
        /* Up to the alignment that streaming needs, few. */
        count = table->stream ? ls_to_line(labels, (size_t)size) : 0;
        count = count ? count : RUN;
        count = count < n ? count : n;
        for (int i = 0; i < count; i += CHUNK) {
            ELEMENT padded[CHUNK];
            const ELEMENT *chunk = x + i;
            uint32_t at[CHUNK], cell[CHUNK];
            if (count - i < CHUNK) {
                memset(padded, 0, sizeof padded);
                chunk = memcpy(padded, chunk, (size_t)(count - i) * sizeof(ELEMENT));
            }
            ls_prefetch(x + i, CHUNK * sizeof *x, x + n, table->gap);
            nan |= NAME_(positions)(grid, chunk, at);
            fetch_cells(grid->packed, at, cell);
            some = packed_labels(at, cell, i, label, undecided, some);
        }
        int more = 0; /* of which the next threshold is below, too */
        for (int j = 0; j < some && undecided[j] < count; j++) {
            const uint16_t i = undecided[more] = undecided[j];
            more += thresholds[label[i] - table->first] < x[i];
        }
        for (int j = 0; j < more; j++) {
            const uint16_t i = undecided[j];
            uint32_t found = label[i] - table->first;
            for (uint32_t h = grid->half; h; h >>= 1)
                found += thresholds[found + h - 1] < x[i] ? h : 0;
            label[i] = (uint16_t)(table->first + found);
        }
        put_packed(labels, label, (int)count, size, table->stream && count == RUN);
        x += count;
        labels += count * size;
    }
    return nan;
}
