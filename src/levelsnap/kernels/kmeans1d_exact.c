/* Optimal 1-D k-means: a choice among paths in integers, where doubles do not tell them apart. */
#include "kmeans1d.h"
#include "wide.h"

#if LS_WIDE
/* Different weights of groups that two paths differ by. */
#define MOST_TERMS 16

/* A sum of fractions: of each denominator the sum of the numerators. */
typedef struct {
    int n;
    uint64_t denominators[MOST_TERMS];
    ls_wider numerators[MOST_TERMS];
} fractions;

void ls_exact_fill(ls_exact *e, const double *values, const uint64_t *weights)
{
    ls_wide *s1 = e->s1;
    ls_wider *s2 = e->s2;
    memset(s1, 0, sizeof *s1);
    memset(s2, 0, sizeof *s2);
    e->weights[0] = 0;
    for (ptrdiff_t i = 0; i < e->n; i++) {
        const ls_wide x = (ls_wide)((__int128)values[i] - (__int128)values[0]);
        const uint64_t w = weights ? weights[i] : 1;
        e->weights[i + 1] = e->weights[i] + (int64_t)w;
        s1[i + 1] = s1[i] + x * w;
        s2[i + 1] = ls_wider_add(s2[i], ls_wider_times(ls_wide_square(x), w));
    }
}

/* Adds the cost of a group, or subtracts it. Returns 0 if there is no room, or if it may be too
 * large: else the sums of all numerators take at most 2 * 124 bits, as squares of weight times width
 * do that add up to the widest. */
static int put_cost(fractions *f, const ls_exact *e, int64_t i, int64_t j, int subtract)
{
    const ls_wide *s1 = e->s1;
    const ls_wider *s2 = e->s2;
    const uint64_t weight = (uint64_t)(e->weights[j] - e->weights[i]);
    if (weight > e->heaviest)
        return 0;
    /* The cost times the weight. */
    const ls_wider numerator = ls_wider_sub(ls_wider_times(ls_wider_sub(s2[j], s2[i]), weight),
                                            ls_wide_square(s1[j] - s1[i]));
    if (ls_wider_is_zero(numerator))
        return 1;
    int t = 0;
    while (t < f->n && f->denominators[t] != weight)
        t++;
    if (t == MOST_TERMS)
        return 0;
    if (t == f->n) {
        f->n++;
        f->denominators[t] = weight;
        f->numerators[t] = (ls_wider){0, 0};
    }
    f->numerators[t] = subtract ? ls_wider_sub(f->numerators[t], numerator)
                                : ls_wider_add(f->numerators[t], numerator);
    return 1;
}

/* The sign of the sum; 2 if its terms have no common denominator, or take more than 256 bits. */
static int sign_of(const fractions *f)
{
    uint64_t parts = 1;
    ls_wider sum = {0, 0};
    for (int t = 0; t < f->n; t++)
        if (!ls_wider_is_zero(f->numerators[t]))
            parts = ls_common_multiple(parts, f->denominators[t]);
    if (parts == 0)
        return 2;
    for (int t = 0; t < f->n; t++) {
        if (ls_wider_is_zero(f->numerators[t]))
            continue;
        const uint64_t times = parts / f->denominators[t];
        if (ls_wider_bits(f->numerators[t]) + ls_wider_bits((ls_wider){times, 0}) > 250)
            return 2;
        sum = ls_wider_add(sum, ls_wider_times(f->numerators[t], times));
    }
    return ls_wider_is_zero(sum) ? 0 : ls_wider_is_negative(sum) ? -1 : 1;
}

/* The sign of what a path to j by one edge costs more than one by another; 2 if that is unknown. */
static int compare_paths(ls_sweep *s, ptrdiff_t j, ptrdiff_t a, ptrdiff_t b)
{
    const ls_exact *e = s->exact;
    const int64_t *at = s->positions;
    fractions f = {.n = 0};
    ptrdiff_t ends[2] = {s->sources[a], s->sources[b]};
    int64_t more_groups = 0;
    if (!put_cost(&f, e, at[ends[0]], at[j], 0) || !put_cost(&f, e, at[ends[1]], at[j], 1))
        return 2;
    /* Back to where the two paths part; positions ascend along each. */
    while (ends[0] != ends[1]) {
        const int side = ends[1] > ends[0];
        const ptrdiff_t source = s->sources[s->starts[ends[side]]];
        if (!put_cost(&f, e, at[source], at[ends[side]], side))
            return 2;
        more_groups += side ? -1 : 1;
        s->walked++;
        ends[side] = source;
    }
    if (more_groups != 0) {
        ls_wider price;
        memcpy(&price, e->price, sizeof price);
        const uint64_t times = (uint64_t)(more_groups < 0 ? -more_groups : more_groups);
        if (e->price_parts == 0 || f.n == MOST_TERMS
            || ls_wider_bits(price) + ls_wider_bits((ls_wider){times, 0}) > 250)
            return 2;
        price = ls_wider_times(price, times);
        f.denominators[f.n] = e->price_parts;
        f.numerators[f.n++] = more_groups < 0 ? ls_wider_sub((ls_wider){0, 0}, price) : price;
    }
    return sign_of(&f);
}

int ls_exact_choose(ls_sweep *s, ptrdiff_t j)
{
    const ptrdiff_t start = s->starts[j], stop = s->starts[j + 1];
    ptrdiff_t kept = start + 1;
    int known = 1;
    for (ptrdiff_t edge = start + 1; edge < stop; edge++) {
        const int sign = known ? compare_paths(s, j, edge, start) : 2;
        known = sign != 2;
        if (sign == 1)
            continue; /* surely worse, whatever follows */
        if (sign == -1)
            kept = start;
        s->sources[kept] = s->sources[edge];
        s->totals[kept++] = s->totals[edge];
    }
    s->starts[j + 1] = kept;
    return known;
}
#else
void ls_exact_fill(ls_exact *e, const double *values, const uint64_t *weights)
{
    (void)e, (void)values, (void)weights;
}

int ls_exact_choose(ls_sweep *s, ptrdiff_t j)
{
    (void)s, (void)j;
    return 0;
}
#endif
