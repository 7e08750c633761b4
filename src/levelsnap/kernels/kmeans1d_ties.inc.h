/* Template: least costs in integers of type COST, of values of type VALUE, both modulo a power of two.
 * The includer also defines SIGNED, ADD, SUB, SQUARE_TIMES, IS_ZERO and IS_NEGATIVE.
 *
 * With S1 and S2 the sums of the values, and of their squares, up to each position, the cost of the
 * values between i and j is S2[j] - S2[i] - (S1[j] - S1[i])**2 / (j - i), and the first term is the
 * same for all i. */

typedef struct {
    COST least; /* up to a position */
    COST rest;  /* that, less the sum of squares */
} NAME(costs);

static COST NAME(price)(const ls_ties *t)
{
    COST price;
    memcpy(&price, t->price, sizeof price);
    return price;
}

static void NAME(fill)(ls_ties *t, const double *values)
{
    VALUE *x = t->x;
    for (ptrdiff_t i = 0; i < t->n; i++)
        x[i] = (VALUE)((SIGNED)values[i] - (SIGNED)values[0]);
}

/* The least cost of a path whose last group is between two positions, but for its price and for the
 * sum of squares up to the last. */
static inline COST NAME(through)(const ls_ties *t, ptrdiff_t i, ptrdiff_t j)
{
    const VALUE *sums = t->sums;
    return SUB(((const NAME(costs) *)t->costs)[i].rest,
               SQUARE_TIMES(sums[j] - sums[i], (uint64_t)t->parts[j - i]));
}

static int NAME(run)(ls_ties *t, ptrdiff_t first, ptrdiff_t last)
{
    const VALUE apart = (VALUE)farthest_apart(t) + 1, *x = t->x;
    const COST price = NAME(price)(t);
    NAME(costs) *costs = t->costs;
    VALUE *sums = t->sums;
    if (first == 0) {
        memset(costs, 0, sizeof *costs);
        sums[0] = 0;
        t->previous[0] = t->fewest[0] = t->most[0] = 0;
        first = 1;
    }
    ptrdiff_t lowest = t->previous[first - 1];
    COST squares = SUB(costs[first - 1].least, costs[first - 1].rest);
    for (ptrdiff_t j = first; j < last; j++) {
        /* Where the last group of the lowest best path begins never decreases with j, as the cost is
         * Monge. */
        while (x[j - 1] - x[lowest] > apart)
            lowest++;
        if (j - lowest > t->longest)
            return 0;
        sums[j] = sums[j - 1] + x[j - 1];
        squares = ADD(squares, SQUARE_TIMES(x[j - 1], (uint64_t)t->parts[1]));
        COST best = NAME(through)(t, lowest, j), whole = ADD(best, squares);
        int32_t fewest = t->fewest[lowest], most = t->most[lowest];
        ptrdiff_t from = lowest;
        /* Until candidates cost more without the last group, as all behind do. */
        for (ptrdiff_t i = lowest + 1; i < j && !IS_NEGATIVE(SUB(whole, costs[i].least)); i++) {
            const COST other = NAME(through)(t, i, j), less = SUB(best, other);
            if (!IS_NEGATIVE(less)) {
                const int32_t its_fewest = t->fewest[i], its_most = t->most[i];
                const int tied = IS_ZERO(less);
                fewest = tied && fewest < its_fewest ? fewest : its_fewest;
                most = tied && most > its_most ? most : its_most;
                from = tied ? from : i;
                best = other;
                whole = ADD(best, squares);
            }
        }
        costs[j].rest = ADD(best, price);
        costs[j].least = ADD(costs[j].rest, squares);
        t->previous[j] = (int32_t)(lowest = from);
        t->fewest[j] = fewest + 1;
        t->most[j] = most + 1;
    }
    if (last > t->n)
        memcpy(t->total, &costs[t->n].least, sizeof(COST));
    return 1;
}

static void NAME(path)(const ls_ties *t, ptrdiff_t k, int64_t *edges)
{
    const NAME(costs) *costs = t->costs;
    const COST price = NAME(price)(t);
    ptrdiff_t j = t->n;
    for (edges[k] = j; k > 0; edges[--k] = j) {
        ptrdiff_t i = t->previous[j];
        for (;; i++) {
            const COST more = SUB(ADD(NAME(through)(t, i, j), price), costs[j].rest);
            if (IS_ZERO(more) && t->fewest[i] < k && t->most[i] >= k - 1)
                break;
        }
        j = i;
    }
}
