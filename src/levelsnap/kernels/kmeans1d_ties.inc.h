/* Template: least costs in integers of type COST, which are compared as SIGNED. */

static COST NAME(price)(const ls_ties *t)
{
    COST price;
    memcpy(&price, t->price, sizeof price);
    return price;
}

/* A group that ends at position j and begins at one after another, downwards. */
typedef struct {
    ptrdiff_t i, j;
    int64_t s1; /* of how far its values are below the last one */
    COST s2;    /* of the squares */
} NAME(growing);

/* The least cost of a path whose last group is one value longer, but for its price. */
static inline COST NAME(grow)(const ls_ties *t, NAME(growing) * group)
{
    const int64_t d = t->x[group->j - 1] - t->x[--group->i];
    group->s1 += d;
    group->s2 += (COST)d * (COST)d;
    const COST square = (COST)group->s1 * (COST)group->s1;
    return ((const COST *)t->least)[group->i] + (COST)t->parts[1] * group->s2
         - (COST)t->parts[group->j - group->i] * square;
}

static int NAME(run)(ls_ties *t, ptrdiff_t first, ptrdiff_t last)
{
    const int64_t apart = farthest_apart(t);
    const COST price = NAME(price)(t);
    COST *least = t->least;
    if (first == 0) {
        least[0] = 0;
        t->previous[0] = t->fewest[0] = t->most[0] = 0;
        first = 1;
    }
    ptrdiff_t lowest = t->previous[first - 1];
    for (ptrdiff_t j = first; j < last; j++) {
        /* Where the last group of the lowest best path begins never decreases with j, as the cost is
         * Monge. */
        while (t->x[j - 1] - t->x[lowest] > apart)
            lowest++;
        if (j - lowest > t->longest)
            return 0;
        NAME(growing) group = {j - 1, j, 0, 0};
        COST best = least[j - 1];
        int32_t fewest = t->fewest[j - 1], most = t->most[j - 1];
        ptrdiff_t from = j - 1;
        while (group.i > lowest) {
            const COST other = NAME(grow)(t, &group);
            const SIGNED more = (SIGNED)(other - best);
            if (more <= 0) {
                const int32_t its_fewest = t->fewest[group.i], its_most = t->most[group.i];
                fewest = more == 0 && fewest < its_fewest ? fewest : its_fewest;
                most = more == 0 && most > its_most ? most : its_most;
                best = other;
                from = group.i;
            }
        }
        least[j] = best + price;
        t->previous[j] = (int32_t)(lowest = from);
        t->fewest[j] = fewest + 1;
        t->most[j] = most + 1;
    }
    if (last > t->n)
        memcpy(t->total, least + t->n, sizeof(COST));
    return 1;
}

static void NAME(path)(const ls_ties *t, ptrdiff_t k, int64_t *edges)
{
    const COST price = NAME(price)(t), *least = t->least;
    ptrdiff_t j = t->n;
    for (edges[k] = j; k > 0; edges[--k] = j) {
        NAME(growing) group = {j, j, 0, 0};
        ptrdiff_t lowest = j;
        while (group.i > t->previous[j])
            if (NAME(grow)(t, &group) + price == least[j] && t->fewest[group.i] < k
                && t->most[group.i] >= k - 1)
                lowest = group.i;
        j = lowest;
    }
}
