/* Optimal 1-D k-means: costs of groups, and the portable passes. */
#include "kmeans1d.h"
#include "target.h"

/* The exponent of the largest power of two that x is a multiple of, at most 4096. */
static int lowest_bit(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent == 0)
        return x == 0 ? 4096 : -4096; /* subnormal: less than is of use */
    const uint64_t mantissa = (bits & 0xfffffffffffff) | 0x10000000000000;
    const double lowest = (double)(int64_t)(mantissa & (0 - mantissa));
    memcpy(&bits, &lowest, sizeof bits);
    return (int)(bits >> 52) - 1023 + exponent - 1075;
}

int ls_lowest_bit(const double *deviation, const double *rest, ptrdiff_t n, int start, int floor)
{
    int lowest = start;
    for (ptrdiff_t i = 0; i < n && lowest >= floor; i++) {
        const int here = lowest_bit(rest && rest[i] != 0 ? rest[i] : deviation[i]);
        lowest = here < lowest ? here : lowest;
    }
    return lowest;
}

ls_estimate ls_group_cost(const ls_points *p, ptrdiff_t i, ptrdiff_t j)
{
    ls_estimate cost = {0, 0, 0};
    if (ls_is_single(p, i, j))
        return cost;
    const double reach = fmax(fabs(p->first[i]), fabs(p->last[j - 1]));
    const double weights = fabs(p->w_hi[i]) + fabs(p->w_hi[j]);
    cost.error = p->tiny
               + reach * (p->kappa * (fabs(p->s1_hi[i]) + fabs(p->s1_hi[j])) + p->tiny
                          + reach * (p->weight_kappa * weights + p->weight_tiny));
    const ls_pair s1 = ls_minus((ls_pair){p->s1_hi[j], p->s1_lo[j]},
                                (ls_pair){p->s1_hi[i], p->s1_lo[i]});
    const ls_pair s2 = ls_minus((ls_pair){p->s2_hi[j], p->s2_lo[j]},
                                (ls_pair){p->s2_hi[i], p->s2_lo[i]});
    const ls_pair weight = ls_minus((ls_pair){p->w_hi[j], p->w_lo[j]},
                                    (ls_pair){p->w_hi[i], p->w_lo[i]});
    if (weight.hi <= p->weight_floor + p->kappa * weights) {
        cost.hi = 0.5 * fabs(s2.hi);
        cost.error += cost.hi;
        return cost;
    }
    cost.error += 0x1p-99 * fabs(s2.hi);
    /* s1**2 / weight as quotient + rest: one division, corrected by its exact remainder. */
    const double inverse = 1 / weight.hi;
    ls_pair square = ls_two_product(s1.hi, s1.hi);
    square.lo += 2 * s1.hi * s1.lo;
    const double quotient = square.hi * inverse;
    const ls_pair back = ls_two_product(quotient, weight.hi);
    const double rest =
        ((square.hi - back.hi) - back.lo + square.lo - quotient * weight.lo) * inverse;
    ls_pair difference = ls_two_sum(s2.hi, -quotient);
    difference.lo += s2.lo - rest;
    cost.hi = difference.hi + difference.lo;
    cost.lo = difference.lo - (cost.hi - difference.hi);
    cost.error += p->tiny * inverse;
    if (cost.hi < 0)
        cost.hi = cost.lo = 0;
    return cost;
}

int ls_group_mean(const ls_points *p, ptrdiff_t i, ptrdiff_t j, int exponent, ls_pair median,
                  double *mean, double *distance)
{
    const ls_pair s1 = ls_minus((ls_pair){p->s1_hi[j], p->s1_lo[j]},
                                (ls_pair){p->s1_hi[i], p->s1_lo[i]});
    const ls_pair w = ls_minus((ls_pair){p->w_hi[j], p->w_lo[j]},
                               (ls_pair){p->w_hi[i], p->w_lo[i]});
    const double reach = fmax(fabs(p->first[i]), fabs(p->last[j - 1]));
    const double weights = fabs(p->w_hi[i]) + fabs(p->w_hi[j]);
    const double s1_error = p->kappa * (fabs(p->s1_hi[i]) + fabs(p->s1_hi[j])) + p->tiny
                          + p->weight_tiny * reach;
    const double w_error = p->weight_kappa * weights + p->weight_tiny;
    /* The quotient, corrected by its exact remainder. */
    const double quotient = s1.hi / w.hi;
    const ls_pair back = ls_two_product(quotient, w.hi);
    const double remainder = (s1.hi - back.hi) - back.lo + s1.lo - quotient * w.lo;
    const double rest = remainder / w.hi;
    const double off = (s1_error + w_error * fabs(quotient)) / w.hi + 0x1p-100 * fabs(quotient);

    const double local = ldexp(quotient, -exponent), local_rest = ldexp(rest, -exponent);
    const ls_pair sum = ls_two_sum(median.hi, local), low = ls_two_sum(median.lo, local_rest);
    const ls_pair tail = ls_two_sum(sum.lo, low.hi), whole = ls_two_sum(sum.hi, tail.hi);
    const ls_pair product = ls_two_product(rest, w.hi);
    double error = 2 * ldexp(off, -exponent)
                 + 0x1p-100 * (fabs(local) + fabs(median.hi)) + 0x1p-980;
    /* Often the mean lies halfway between two floats, and nothing has been rounded. */
    if (p->unit > 0 && s1.lo == 0 && w.lo == 0 && product.hi == remainder && product.lo == 0
        && low.lo == 0 && tail.lo == 0 && (rest == 0 || fabs(local_rest) > 0x1p-900)
        && fabs(local) > 0x1p-900)
        error = 0;
    const int reliable = w.hi > p->weight_floor + p->kappa * weights;
    *mean = whole.hi;
    *distance = reliable ? fabs(whole.lo) + error : INFINITY;
    return reliable && whole.hi + (whole.lo - error) == whole.hi
        && whole.hi + (whole.lo + error) == whole.hi;
}

#define VEC double
#define LANES 1
#define LOADV(p) (*(p))
#define STOREV(p, v) (*(p) = (v))
#define SPREAD(x) (x)
#define ADDV(a, b) ((a) + (b))
#define SUBV(a, b) ((a) - (b))
#define MULV(a, b) ((a) * (b))
#define DIVV(a, b) ((a) / (b))
#define MINV(a, b) ((a) < (b) ? (a) : (b))
#define MAXV(a, b) ((a) > (b) ? (a) : (b))
#define ABSV(a) fabs(a)
#define PICK(a, b, yes, no) ((a) < (b) ? (yes) : (no))
#define ANY(a, b) ((a) <= (b))
#define RUN ls_pass_run_portable
#define ADD_ALL ls_sums_add_all_portable
#include "kmeans1d.inc.h"

void ls_pass_run(ls_pass *pass, ptrdiff_t steps, int isa)
{
#ifdef LS_X86
    (isa == 2   ? ls_pass_run_avx512
     : isa == 1 ? ls_pass_run_avx2
                : ls_pass_run_portable)(pass, steps);
#else
    (void)isa;
    ls_pass_run_portable(pass, steps);
#endif
}

void ls_sums_add_all(ls_sums *sums, const double *deviation, const double *rest,
                     const double *weights, ptrdiff_t n, double sign, int isa)
{
#ifdef LS_X86
    (isa == 2   ? ls_sums_add_all_avx512
     : isa == 1 ? ls_sums_add_all_avx2
                : ls_sums_add_all_portable)(sums, deviation, rest, weights, n, sign);
#else
    (void)isa;
    ls_sums_add_all_portable(sums, deviation, rest, weights, n, sign);
#endif
}

/* Whether a path by the edge from i to j surely costs more than the best one by the edge from
 * `previous`, by more than the slack. As the cost is Monge, it then does for all positions on one
 * side of j, and a path by it costs more than the least of all by more than the slack: for those
 * before j, if i lies behind `previous`; for those after j, if before it. */
static int is_of_no_interest(const ls_bands *b, ptrdiff_t i, ptrdiff_t j)
{
    const ls_estimate cost = ls_group_cost(b->points, b->positions[i], b->positions[j]);
    return b->before[i] + fmax(cost.hi - cost.error, 0) + b->price
         > (b->upper[j] + b->slack) * (1 + 0x1p-48);
}

void ls_bands_up(const ls_bands *b, ptrdiff_t first, ptrdiff_t last)
{
    for (ptrdiff_t j = first; j < last; j++) {
        const ptrdiff_t previous = b->previous[j];
        b->upper[j] = j > 0 ? INFINITY : 0;
        if (previous >= 0) {
            const ls_estimate cost =
                ls_group_cost(b->points, b->positions[previous], b->positions[j]);
            b->upper[j] = (b->upper[previous] + cost.hi + cost.error + b->price) * (1 + 0x1p-50);
        }
        int32_t i = j > 0 ? b->farthest[j - 1] : 0;
        while (i < previous && is_of_no_interest(b, i, j))
            i++;
        b->farthest[j] = i;
    }
}

void ls_bands_down(const ls_bands *b, ptrdiff_t first, ptrdiff_t last)
{
    for (ptrdiff_t j = last - 1; j >= first; j--) {
        const int32_t before = (int32_t)j - 1;
        int32_t i = j + 1 < b->n && b->nearest[j + 1] < before ? b->nearest[j + 1] : before;
        while (b->previous[j] >= 0 && i > b->previous[j] && is_of_no_interest(b, i, j))
            i--;
        b->nearest[j] = i;
    }
}

/* Denominators above this count as unknown, which is 0. */
#define MOST_PARTS ((uint64_t)1 << 60)

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b > 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static uint64_t common_multiple(uint64_t a, uint64_t b)
{
    if (a == b || a == 0 || b == 0)
        return a == b ? a : 0;
    const uint64_t part = a / common_divisor(a, b);
    return part > MOST_PARTS / b ? 0 : part * b;
}

/* The parts of a path that has `parts` until it goes on from i to j. In units, a group costs
 * s2 - s1**2 / w, where all are whole numbers. */
static uint64_t parts_after(const ls_points *p, uint64_t parts, ptrdiff_t i, ptrdiff_t j)
{
    if (parts == 0 || ls_is_single(p, i, j))
        return parts;
    const uint64_t w = (uint64_t)((p->w_hi[j] - p->w_hi[i]) / p->weight_unit);
    if (parts % w == 0)
        return parts;
    const uint64_t multiple = common_multiple(parts, w);
    if (0 < multiple && multiple < 1 << 20)
        return multiple;
    const ls_pair s1 = ls_minus((ls_pair){p->s1_hi[j], p->s1_lo[j]},
                                (ls_pair){p->s1_hi[i], p->s1_lo[i]});
    const double sum = fabs(s1.hi) / p->unit / p->weight_unit;
    if (sum > 0x1p53 || w > UINT32_MAX)
        return multiple;
    const uint64_t rest = (uint64_t)sum % w;
    return common_multiple(parts, w / common_divisor(w, rest * rest % w));
}

/* x - y, whose error is at most the sum of the two's. */
static double difference(const ls_estimate *x, const ls_estimate *y)
{
    return (x->hi - y->hi) + (x->lo - y->lo);
}

/* Whether x is surely more than y. */
static int is_more(const ls_estimate *x, const ls_estimate *y)
{
    return difference(x, y) > x->error + y->error;
}

/* Looks at all edges to a position. Returns 0 if there is no room for them. */
static int consider_edges(ls_sweep *s, ptrdiff_t j)
{
    const ptrdiff_t start = s->starts[j], room = s->capacity - start;
    ptrdiff_t *sources = s->sources + start, n = 0, kept = 0;
    ls_estimate *totals = s->totals + start;
    for (ptrdiff_t i = s->nearest[j]; i >= s->farthest[j]; i--) {
        const ls_estimate cost = ls_group_cost(s->points, s->positions[i], s->positions[j]);
        /* No term is negative, so that the sum is rounded by little of it. */
        const double least = s->before[i] + fmax(cost.hi - cost.error, 0) + s->after[j];
        s->work++;
        /* A path by an earlier edge could go through i, for a price. */
        if (least > s->limit)
            break;
        if (least + s->pass_price > s->limit || s->most[i] < 0)
            continue;
        ls_estimate total = s->potential[i];
        ls_pair sum = ls_add((ls_pair){total.hi, total.lo}, (ls_pair){cost.hi, cost.lo});
        sum = ls_add(sum, (ls_pair){s->price.hi, s->price.lo});
        total = (ls_estimate){sum.hi, sum.lo,
                              total.error + cost.error + s->price.error + 0x1p-98 * sum.hi};
        if (n > 0 && is_more(&total, &totals[0]))
            continue;
        if (n > 0 && is_more(&totals[0], &total)) {
            sources[0] = i;
            totals[0] = total;
            continue;
        }
        if (n == room)
            return 0;
        sources[n] = i;
        totals[n++] = total;
        if (difference(&total, &totals[0]) + total.error < totals[0].error) {
            sources[n - 1] = sources[0];
            totals[n - 1] = totals[0];
            sources[0] = i;
            totals[0] = total;
        }
    }
    for (ptrdiff_t e = 0; e < n; e++)
        if (!is_more(&totals[e], &totals[0])) {
            sources[kept] = sources[e];
            totals[kept++] = totals[e];
        }
    s->starts[j + 1] = start + kept;
    return 1;
}

/* Whether all the edges to a position are surely equally good: costs that are multiples of one unit
 * are equal if they differ by less. */
static int is_tied(const ls_sweep *s, ptrdiff_t j)
{
    const ls_points *p = s->points;
    const ptrdiff_t best = s->starts[j], from = s->sources[best];
    const uint64_t best_parts =
        parts_after(p, s->parts[from], s->positions[from], s->positions[j]);
    for (ptrdiff_t e = best + 1; e < s->starts[j + 1]; e++) {
        const ls_estimate *x = &s->totals[best], *y = &s->totals[e];
        const ptrdiff_t i = s->sources[e];
        uint64_t parts = parts_after(p, s->parts[i], s->positions[i], s->positions[j]);
        parts = common_multiple(parts, best_parts);
        if (s->groups[i] != s->groups[from])
            parts = common_multiple(parts, s->price_parts);
        const double apart = fabs(difference(x, y)) + x->error + y->error + 0x1p-98 * x->hi;
        if (parts == 0 || apart * (double)parts > 0.5 * p->unit * p->unit * p->weight_unit)
            return 0;
    }
    return 1;
}

/* Takes all edges to a position as best ones. */
static void accept(ls_sweep *s, ptrdiff_t j)
{
    const ptrdiff_t start = s->starts[j];
    s->fewest[j] = INT32_MAX;
    s->most[j] = -1; /* no path comes here */
    if (start < s->starts[j + 1]) {
        const ptrdiff_t i = s->sources[start];
        s->potential[j] = s->totals[start];
        s->groups[j] = s->groups[i] + 1;
        s->parts[j] = parts_after(s->points, s->parts[i], s->positions[i], s->positions[j]);
    }
    for (ptrdiff_t e = start; e < s->starts[j + 1]; e++) {
        const ptrdiff_t i = s->sources[e];
        if (s->fewest[i] + 1 < s->fewest[j])
            s->fewest[j] = s->fewest[i] + 1;
        if (s->most[i] + 1 > s->most[j])
            s->most[j] = s->most[i] + 1;
    }
}

ls_sweep_end ls_sweep_run(ls_sweep *s, ptrdiff_t budget)
{
    const ptrdiff_t until = s->work + budget;
    if (s->done == 0) {
        s->potential[0] = (ls_estimate){0, 0, 0};
        s->fewest[0] = s->most[0] = s->groups[0] = 0;
        s->parts[0] = s->points->unit > 0;
        s->starts[0] = s->starts[1] = 0;
        s->done = 1;
    } else if (s->decided)
        accept(s, s->done++);
    for (; s->done < s->n; accept(s, s->done++)) {
        if (s->work > until)
            return LS_SWEEP_BUDGET;
        if (!consider_edges(s, s->done))
            return LS_SWEEP_FULL;
        if (s->starts[s->done + 1] - s->starts[s->done] > 1 && !is_tied(s, s->done))
            return LS_SWEEP_UNDECIDED;
    }
    return LS_SWEEP_DONE;
}
