/* Template: least costs in integers of type COST, which are compared as SIGNED.
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

/* The least cost of a path whose last group is between two positions, but for its price and for the
 * sum of squares up to the last. */
static inline COST NAME(through)(const ls_ties *t, ptrdiff_t i, ptrdiff_t j)
{
    const uint64_t sum = t->sums[j] - t->sums[i];
    return ((const NAME(costs) *)t->costs)[i].rest - (COST)sum * (COST)sum * (COST)(uint64_t)t->parts[j - i];
}

static int NAME(run)(ls_ties *t, ptrdiff_t first, ptrdiff_t last)
{
    const int64_t apart = farthest_apart(t);
    const COST price = NAME(price)(t);
    NAME(costs) *costs = t->costs;
    if (first == 0) {
        costs[0].least = costs[0].rest = 0;
        t->sums[0] = 0;
        t->previous[0] = t->fewest[0] = t->most[0] = 0;
        first = 1;
    }
    ptrdiff_t lowest = t->previous[first - 1];
    COST squares = costs[first - 1].least - costs[first - 1].rest;
    for (ptrdiff_t j = first; j < last; j++) {
        const uint64_t x = (uint64_t)t->x[j - 1];
        /* Where the last group of the lowest best path begins never decreases with j, as the cost is
         * Monge. */
        while (t->x[j - 1] - t->x[lowest] > apart)
            lowest++;
        if (j - lowest > t->longest)
            return 0;
        t->sums[j] = t->sums[j - 1] + x;
        squares += (COST)x * (COST)x * (COST)(uint64_t)t->parts[1];
        COST best = NAME(through)(t, lowest, j);
        int32_t fewest = t->fewest[lowest], most = t->most[lowest];
        ptrdiff_t from = lowest;
        /* Until candidates cost more without the last group, as all behind do. */
        for (ptrdiff_t i = lowest + 1; i < j && (SIGNED)(costs[i].least - (best + squares)) <= 0; i++) {
            const COST other = NAME(through)(t, i, j);
            const SIGNED more = (SIGNED)(other - best);
            if (more <= 0) {
                const int32_t its_fewest = t->fewest[i], its_most = t->most[i];
                fewest = more == 0 && fewest < its_fewest ? fewest : its_fewest;
                most = more == 0 && most > its_most ? most : its_most;
                from = more == 0 ? from : i;
                best = other;
            }
        }
        costs[j].rest = best + price;
        costs[j].least = costs[j].rest + squares;
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
        while (NAME(through)(t, i, j) + price != costs[j].rest || t->fewest[i] >= k
               || t->most[i] < k - 1)
            i++;
        j = i;
    }
}
