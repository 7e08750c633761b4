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

/* s2 - s1**2 / weight; the error is what that rounds. */
static ls_estimate cost_of_sums(ls_pair s1, ls_pair s2, ls_pair weight, double tiny)
{
    /* quotient + rest: one division, corrected by its exact remainder. */
    const double inverse = 1 / weight.hi;
    ls_pair square = ls_two_product(s1.hi, s1.hi);
    square.lo += 2 * s1.hi * s1.lo;
    const double quotient = square.hi * inverse;
    const ls_pair back = ls_two_product(quotient, weight.hi);
    const double rest =
        ((square.hi - back.hi) - back.lo + square.lo - quotient * weight.lo) * inverse;
    ls_pair difference = ls_two_sum(s2.hi, -quotient);
    difference.lo += s2.lo - rest;
    ls_estimate cost = {difference.hi + difference.lo, 0, 0x1p-99 * fabs(s2.hi) + tiny * inverse};
    cost.lo = difference.lo - (cost.hi - difference.hi);
    if (cost.hi < 0)
        cost.hi = cost.lo = 0;
    return cost;
}

/* Of a few values with exact weights, by their distances from the first. */
static ls_estimate near_cost(const ls_points *p, ptrdiff_t i, ptrdiff_t j, ls_pair weight)
{
    const int weighted = weight.hi != (double)(j - i); /* whole weights, or each is 1 */
    ls_sums sums = {{0, 0}, {0, 0}, {0, 0}};
    for (ptrdiff_t t = i + 1; t < j; t++) {
        const ls_pair d = ls_two_sum(p->x[t], -p->x[i]);
        const double w = (p->w_hi[t + 1] - p->w_hi[t]) + (p->w_lo[t + 1] - p->w_lo[t]);
        ls_sums_add(&sums, d.hi * p->scale, d.lo * p->scale, weighted ? &w : NULL, 1);
    }
    ls_estimate cost = cost_of_sums(sums.s1, sums.s2, weight, p->tiny);
    /* Terms and sums of one sign are each rounded by a few parts in 2**104. */
    cost.error += (double)(j - i + 8) * (0x1p-101 * sums.s2.hi + p->tiny);
    return cost;
}

/* Values of a group that is worth to be looked at one by one. */
#define NEAR_VALUES 32

ls_estimate ls_group_cost(const ls_points *p, ptrdiff_t i, ptrdiff_t j)
{
    ls_estimate cost = {0, 0, 0};
    if (ls_is_single(p, i, j))
        return cost;
    const double reach = ls_larger(fabs(p->first[i]), fabs(p->last[j - 1]));
    const double weights = fabs(p->w_hi[i]) + fabs(p->w_hi[j]);
    const double error = p->tiny
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
        cost.error = error + cost.hi;
        return cost;
    }
    cost = cost_of_sums(s1, s2, weight, p->tiny);
    cost.error += error;
    if (p->x && j - i <= NEAR_VALUES && cost.error > 0x1p-60 * cost.hi) {
        const ls_estimate near = near_cost(p, i, j, weight);
        if (near.error < cost.error)
            return near;
    }
    return cost;
}

int ls_is_hopeless(const ls_pass *pass, ptrdiff_t i, ptrdiff_t j)
{
    if (j - i < 2)
        return 0;
    const ptrdiff_t cuts[3] = {i + 1, i + (j - i) / 2, j - 1};
    const ls_estimate whole = ls_cost_between(pass, i, j);
    for (int t = 0; t < 3; t++) {
        const ls_estimate a = ls_cost_between(pass, i, cuts[t]);
        const ls_estimate b = ls_cost_between(pass, cuts[t], j);
        const double less = whole.error + a.error + b.error + pass->price;
        const double more = 1e-12 * (whole.hi + pass->price);
        if (whole.hi - a.hi - b.hi > less + more)
            return 1;
    }
    return 0;
}

int ls_group_mean(const ls_points *p, ptrdiff_t i, ptrdiff_t j, int exponent, ls_pair median,
                  double *mean, double *distance)
{
    const ls_pair s1 = ls_minus((ls_pair){p->s1_hi[j], p->s1_lo[j]},
                                (ls_pair){p->s1_hi[i], p->s1_lo[i]});
    const ls_pair w = ls_minus((ls_pair){p->w_hi[j], p->w_lo[j]},
                               (ls_pair){p->w_hi[i], p->w_lo[i]});
    const double reach = ls_larger(fabs(p->first[i]), fabs(p->last[j - 1]));
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
    *mean = whole.hi + 0.0; /* not -0.0 */
    *distance = reliable ? fabs(whole.lo) + error : INFINITY;
    return reliable && whole.hi + (whole.lo - error) == whole.hi
        && whole.hi + (whole.lo + error) == whole.hi;
}

/* Adds b to a where nothing is rounded, or returns 0. */
static int add_exactly(ls_pair *a, ls_pair b)
{
    const ls_pair hi = ls_two_sum(a->hi, b.hi), lo = ls_two_sum(a->lo, b.lo);
    const ls_pair rest = ls_two_sum(hi.lo, lo.hi);
    *a = ls_two_sum(hi.hi, rest.hi);
    return lo.lo == 0 && rest.lo == 0;
}

/* As the sign of a - b. */
static double minus_double(ls_pair a, double b)
{
    return ls_minus(a, (ls_pair){b, 0}).hi;
}

int ls_round_mean(const double *values, const double *weights, ptrdiff_t n, double *mean)
{
    for (int tries = 0; tries < 3; tries++) {
        const double middle = *mean;
        const double above = nextafter(middle, INFINITY), below = nextafter(middle, -INFINITY);
        ls_pair sum = {0, 0}, weight = {(double)n, 0}; /* of w (x - middle), and of w */
        if (!(fabs(middle) > 0x1p-800))
            return 0;
        if (weights)
            weight.hi = 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            ls_pair term = ls_two_sum(values[i], -middle);
            if (weights) {
                const ls_pair product = ls_two_product(term.hi, weights[i]);
                if (term.lo != 0 || (term.hi != 0 && !(fabs(product.hi) > 0x1p-900)))
                    return 0;
                term = product;
                add_exactly(&weight, (ls_pair){weights[i], 0});
            }
            if (!add_exactly(&sum, term))
                return 0;
        }
        if (weight.lo != 0 || !(weight.hi > 0x1p-100))
            return 0;
        /* Halfway to the next doubles, times the weight: but for powers of two, that of `middle`. */
        const double over = minus_double(sum, weight.hi * (0.5 * (above - middle)));
        const double under = minus_double(sum, weight.hi * (0.5 * (below - middle)));
        uint64_t bits;
        memcpy(&bits, &middle, sizeof bits);
        const int odd = (int)(bits & 1);
        if (over > 0 || (odd && over == 0))
            *mean = above;
        else if (under < 0 || (odd && under == 0))
            *mean = below;
        else
            return 1;
    }
    return 0;
}

int ls_lone_mean(const double *values, ptrdiff_t n, double *mean)
{
    const double first = values[0];
    if (n <= 2) {
        const double twice = first + values[n - 1];
        *mean = n == 1 ? first + 0.0 : 0.5 * twice; /* not -0.0 */
        if (n == 1 || (fabs(twice) > 0x1p-1000 && fabs(twice) < 0x1p1000))
            return 1;
    }
    ls_pair sum = {0, 0};
    for (ptrdiff_t i = 1; i < n; i++)
        sum = ls_add(sum, ls_two_sum(values[i], -first));
    const double size = (double)n, quotient = sum.hi / size;
    const ls_pair back = ls_two_product(quotient, size);
    const double rest = (((sum.hi - back.hi) - back.lo) + sum.lo) / size;
    const ls_pair whole = ls_two_sum(first, quotient);
    const double tail = whole.lo + rest;
    const double error = (4 * size + 32) * 0x1p-105 * quotient + 0x1p-52 * fabs(tail) + 0x1p-980;
    *mean = whole.hi + tail + 0.0;
    if (quotient > 0x1p-900 && whole.hi + (tail - error) == whole.hi + (tail + error))
        return 1;
    return ls_round_mean(values, NULL, n, mean);
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
#define IS_ONLY ls_is_only_portable
#define CLIMB ls_climb_portable
#define ASCEND ls_ascend_portable
#define ADD_ALL ls_sums_add_all_portable
#define CHOOSE_NEAR ls_choose_near_portable
#define LAYERS ls_layers_portable
#include "kmeans1d.inc.h"

/* A kernel of an instruction set. */
#ifdef LS_X86
#define OF_ISA(isa, name)                                                                         \
    ((isa) == 2 ? name##_avx512 : (isa) == 1 ? name##_avx2 : name##_portable)
#else
#define OF_ISA(isa, name) ((void)(isa), name##_portable)
#endif

void ls_pass_run(ls_pass *pass, ptrdiff_t steps, int isa)
{
    OF_ISA(isa, ls_pass_run)(pass, steps);
}

void ls_sums_add_all(ls_sums *sums, const double *deviation, const double *rest,
                     const double *weights, ptrdiff_t n, double sign, int isa)
{
    OF_ISA(isa, ls_sums_add_all)(sums, deviation, rest, weights, n, sign);
}

ls_only *ls_is_only_of(int isa)
{
    return OF_ISA(isa, ls_is_only);
}

ls_climb *ls_climb_of(int isa)
{
    return OF_ISA(isa, ls_climb);
}

ls_ascend *ls_ascend_of(int isa)
{
    return OF_ISA(isa, ls_ascend);
}

ls_choose_near *ls_choose_near_of(int isa)
{
    return OF_ISA(isa, ls_choose_near);
}

ls_layers *ls_layers_of(int isa)
{
    return OF_ISA(isa, ls_layers);
}

/* The last group of the best path to a position: its size, that path's cost and the least of the
 * others'. */
typedef struct {
    ptrdiff_t size;
    double best, second;
} arrival;

static arrival two_best(const double *least, const double *costs, ptrdiff_t most)
{
    arrival found = {1, least[-1] + costs[1], INFINITY};
    for (ptrdiff_t t = 2; t <= most; t++) {
        const double whole = least[-t] + costs[t];
        const double worse = whole < found.best ? found.best : whole;
        found.second = worse < found.second ? worse : found.second;
        found.size = whole < found.best ? t : found.size;
        found.best = whole < found.best ? whole : found.best;
    }
    return found;
}

ptrdiff_t ls_ladder_back(const ls_ladder *p, ptrdiff_t step, int64_t *path, double *gaps,
                         double *error)
{
    const double rounding = 4 * ls_ladder_quantum(p) * LS_LADDER_ROUNDING;
    double more[LS_LONGEST + 1], costs[LS_LONGEST + 1], squares[LS_LONGEST + 1];
    double moved[LS_LONGEST] = {0};
    ptrdiff_t groups = 0;
    ls_fill_more(more);
    costs[1] = squares[1] = 0;
    *error = rounding;
    path[0] = step;
    while (step > 0) {
        const ptrdiff_t most = step - p->first[(step - 1) / LS_LEAF];
        const double *last = p->x + (step - 1), *least = p->least + step;
        const double *origin = p->origins + (step + LS_LEAF - 1) / LS_LEAF;
        double s1 = 0, s2 = 0;
        for (ptrdiff_t t = 2; t <= most; t++) {
            const double d = last[0] - last[1 - t];
            s1 += d;
            s2 += d * d;
            costs[t] = s2 - s1 * s1 * more[t];
            squares[t] = s2;
        }
        if (p->origins[(step - most + LS_LEAF - 1) / LS_LEAF] != *origin) {
            for (ptrdiff_t t = 1; t <= most; t++)
                moved[LS_LONGEST - t] =
                    least[-t] + (p->origins[(step - t + LS_LEAF - 1) / LS_LEAF] - *origin);
            least = moved + LS_LONGEST;
        }
        const arrival found = two_best(least, costs, most);
        const double size = (double)found.size;
        gaps[groups++] = found.second - found.best;
        *error += squares[found.size] * (5 * size * size + 25 * size + 40) * 0x1p-53 + rounding;
        step -= found.size;
        path[groups] = step;
    }
    return groups;
}

ptrdiff_t ls_descend(const ls_ascent *p, ptrdiff_t step, double behind, int64_t *path, double *low)
{
    const double price = p->price;
    double *more = p->scratch, *costs = more + LS_FARTHEST + 1;
    ptrdiff_t groups = 0;
    int filled = 0;
    const int part = 32; /* of what is summed up at a time */
    costs[1] = 0;
    *low = INFINITY;
    path[0] = step;
    while (step > 0) {
        const ptrdiff_t most = step - p->first[(step - 1) / LS_LEAF];
        const double *last = p->x + (step - 1), *least = p->least + step;
        double s1 = 0, s2 = 0;
        for (; filled < most; filled++)
            more[filled + 1] = ls_more(filled + 1, filled / part + part + 2);
        for (ptrdiff_t t = 2; t <= most;) {
            const ptrdiff_t stop = most - t < part ? most + 1 : t + part;
            double first = 0, squares = 0;
            for (; t < stop; t++) {
                const double d = last[0] - last[1 - t];
                first += d;
                squares += d * d;
                costs[t] = (s2 + squares) - (s1 + first) * (s1 + first) * more[t];
            }
            s1 += first;
            s2 += squares;
        }
        const arrival found = two_best(least, costs, most);
        const double other = behind + found.second + price;
        *low = other < *low ? other : *low;
        behind = (behind + ls_larger(costs[found.size], 0) + price) * (1 - 0x1p-51);
        step -= found.size;
        path[++groups] = step;
    }
    return groups;
}

/* Whether a path by the edge from i to j surely costs more than the best one by the edge from
 * `previous`, by more than the slack. As the cost is Monge, it then does for all positions on one
 * side of j, and a path by it costs more than the least of all by more than the slack: for those
 * before j, if i lies behind `previous`; for those after j, if before it. */
static int is_of_no_interest(const ls_bands *b, ptrdiff_t i, ptrdiff_t j)
{
    const ls_estimate cost = ls_group_cost(b->points, b->positions[i], b->positions[j]);
    return b->before[i] + ls_larger(cost.hi - cost.error, 0) + b->price
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

/* The parts of a path that has `parts` until it goes on from i to j. In units, a group costs
 * s2 - s1**2 / w, where all are whole numbers. */
static uint64_t parts_after(const ls_points *p, uint64_t parts, ptrdiff_t i, ptrdiff_t j)
{
    if (parts == 0 || ls_is_single(p, i, j))
        return parts;
    const uint64_t w = (uint64_t)((p->w_hi[j] - p->w_hi[i]) / p->weight_unit);
    if (parts % w == 0)
        return parts;
    const uint64_t multiple = ls_common_multiple(parts, w);
    if (0 < multiple && multiple < 1 << 20)
        return multiple;
    const ls_pair s1 = ls_minus((ls_pair){p->s1_hi[j], p->s1_lo[j]},
                                (ls_pair){p->s1_hi[i], p->s1_lo[i]});
    const double sum = fabs(s1.hi) / p->unit / p->weight_unit;
    if (sum > 0x1p53 || w > UINT32_MAX)
        return multiple;
    const uint64_t rest = (uint64_t)sum % w;
    return ls_common_multiple(parts, w / ls_common_divisor(w, rest * rest % w));
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

/* The edges to a position that are kept: the best one first, and those that cannot be told from it,
 * but for a few that later ones have surpassed. */
typedef struct {
    ptrdiff_t n, room;
    ptrdiff_t *sources;
    ls_estimate *totals;
    int32_t (*groups)[2]; /* or NULL: 1 */
} kept_edges;

static kept_edges none_kept(ls_sweep *s, ptrdiff_t j)
{
    const ptrdiff_t start = s->starts[j];
    return (kept_edges){0, s->capacity - start, s->sources + start, s->totals + start,
                        s->near ? s->near->groups + start : NULL};
}

static void put_edge(kept_edges *k, ptrdiff_t e, ptrdiff_t i, ls_estimate total, int32_t fewest,
                     int32_t most)
{
    k->sources[e] = i;
    k->totals[e] = total;
    if (k->groups) {
        k->groups[e][0] = fewest;
        k->groups[e][1] = most;
    }
}

static void copy_edge(kept_edges *k, ptrdiff_t to, ptrdiff_t from)
{
    put_edge(k, to, k->sources[from], k->totals[from], k->groups ? k->groups[from][0] : 1,
             k->groups ? k->groups[from][1] : 1);
}

/* Keeps an edge unless it is surely worse. Returns 0 if there is no room. */
static int keep(kept_edges *k, ptrdiff_t i, ls_estimate total, int32_t fewest, int32_t most)
{
    if (k->n > 0 && is_more(&total, &k->totals[0]))
        return 1;
    if (k->n > 0 && is_more(&k->totals[0], &total)) {
        put_edge(k, 0, i, total, fewest, most);
        return 1;
    }
    if (k->n == k->room)
        return 0;
    const ptrdiff_t last = k->n++;
    if (last > 0 && difference(&total, &k->totals[0]) + total.error < k->totals[0].error) {
        copy_edge(k, last, 0);
        put_edge(k, 0, i, total, fewest, most);
    } else
        put_edge(k, last, i, total, fewest, most);
    return 1;
}

/* Drops what has been surpassed, and says where the edges to the next position start. */
static void close_edges(ls_sweep *s, ptrdiff_t j, kept_edges *k)
{
    ptrdiff_t kept = k->n > 0;
    for (ptrdiff_t e = 1; e < k->n; e++)
        if (!is_more(&k->totals[e], &k->totals[0]))
            copy_edge(k, kept++, e);
    s->starts[j + 1] = s->starts[j] + kept;
}

/* The cost of a path to i and `groups` more that cost so much. */
static ls_estimate total_after(const ls_sweep *s, ptrdiff_t i, ls_estimate cost, int32_t groups)
{
    const ls_estimate *before = &s->potential[i];
    ls_pair price = {s->price.hi, s->price.lo};
    if (groups > 1) {
        price = ls_two_product(s->price.hi, groups);
        price.lo += s->price.lo * groups;
    }
    ls_pair sum = ls_add((ls_pair){before->hi, before->lo}, (ls_pair){cost.hi, cost.lo});
    sum = ls_add(sum, price);
    return (ls_estimate){sum.hi, sum.lo,
                         before->error + cost.error + s->price.error * groups + 0x1p-98 * sum.hi};
}

/* Looks at all edges to a position. Returns 0 if there is no room for them. */
static int consider_edges(ls_sweep *s, ptrdiff_t j)
{
    kept_edges kept = none_kept(s, j);
    for (ptrdiff_t i = s->nearest[j]; i >= s->farthest[j]; i--) {
        const ls_estimate cost = ls_group_cost(s->points, s->positions[i], s->positions[j]);
        /* No term is negative, so that the sum is rounded by little of it. */
        const double least = s->before[i] + ls_larger(cost.hi - cost.error, 0) + s->after[j];
        s->work++;
        /* A path by an earlier edge could go through i, for a price. */
        if (least > s->limit)
            break;
        if (least + s->pass_price > s->limit || s->most[i] < 0)
            continue;
        const ls_estimate total = total_after(s, i, cost, 1);
        if (!keep(&kept, i, total, 1, 1))
            return 0;
        /* With no limit, all edges are there, and none of the earlier ones costs less than this one
         * does without a price. */
        if (s->limit == INFINITY
            && difference(&total, &kept.totals[0]) - s->price.hi
                   > total.error + kept.totals[0].error + 0x1p-50 * s->price.hi)
            break;
    }
    close_edges(s, j, &kept);
    return 1;
}

/* Twice the least cost of n evenly spaced points in m groups, in squares of the spacing: no two
 * sizes differ by more than 1, and a group of q points costs (q**3 - q) / 12. */
static int64_t even_cost(int64_t n, int64_t m)
{
    const int64_t q = n / m, larger = n - q * m;
    return (larger * (q + 2) + (m - larger) * (q - 1)) * q * (q + 1) / 6;
}

int ls_is_lower(int64_t n, int64_t m, int64_t other_n, int64_t other_m)
{
    const int64_t q = n / m, other_q = other_n / other_m;
    /* From the end: so many larger groups, then so many smaller ones. */
    const int64_t counts[2] = {n - q * m, m - (n - q * m)};
    const int64_t others[2] = {other_n - other_q * other_m,
                               other_m - (other_n - other_q * other_m)};
    int64_t a = counts[0] == 0, b = others[0] == 0, used_a = 0, used_b = 0;
    while (a < 2 && b < 2) {
        if (q - a != other_q - b)
            return q - a > other_q - b;
        const int64_t left_a = counts[a] - used_a, left_b = others[b] - used_b;
        const int64_t step = left_a < left_b ? left_a : left_b;
        used_a = step < left_a ? used_a + step : 0;
        used_b = step < left_b ? used_b + step : 0;
        a += step == left_a;
        b += step == left_b;
    }
    return a == 2;
}

/* Compares what one group more than m of n points saves with the price: its sign; 2 if it cannot be
 * told. */
static int compare_saving(const ls_sweep *s, double square, int64_t n, int64_t m)
{
    const ls_points *p = s->points;
    const double twice = (double)(even_cost(n, m) - even_cost(n, m + 1));
    const ls_pair saving = ls_two_product(0.5 * twice, square);
    const double more = (saving.hi - s->price.hi) + (saving.lo - s->price.lo), apart = fabs(more);
    const double unit = p->unit * p->unit * p->weight_unit;
    /* The costs are exact as doubles but for a few large groups. */
    if (apart > 2 * s->price.error + (twice > 0x1p53 ? 0x1p-50 : 0x1p-98) * saving.hi)
        return more > 0 ? 1 : -1;
    if (twice > 0x1p53)
        return 2;
    /* Both are multiples of half a part of the unit. */
    if (s->price_parts > 0 && (apart + s->price.error) * (double)s->price_parts < 0.25 * unit)
        return 0;
    return 2;
}

/* Fills the table of jumps to j and to the positions after it that are entered alike: the number of
 * groups, the least of the best ones, and what they cost. Returns 0 if that cannot be told. */
static int fill_table(ls_sweep *s, ptrdiff_t j)
{
    ls_near *near = s->near;
    const ptrdiff_t low = s->farthest[j], high = s->nearest[j];
    const double square = near->square[j];
    ptrdiff_t last = j;
    while (last + 1 < s->n && near->square[last + 1] > 0 && s->farthest[last + 1] == low)
        last++;
    near->longest = s->positions[last] - s->positions[low];
    const int64_t shortest = s->positions[j] - s->positions[high];
    int64_t m = 1, most = shortest;
    for (int64_t n = shortest; n <= near->longest; n++) {
        int sign = -1;
        /* By halving for the first, then by steps. */
        while (m < most) {
            const int64_t middle = n == shortest ? m + (most - m) / 2 : m;
            sign = compare_saving(s, square, n, middle);
            if (sign == 2)
                return 0;
            if (sign > 0)
                m = middle + 1;
            else if (n == shortest)
                most = middle;
            else
                break;
        }
        most = n + 1;
        const double twice = (double)even_cost(n, m);
        if (twice > 0x1p52)
            return 0;
        near->table[near->longest - n] = 0.5 * twice * square + (double)(m - 1) * s->price.hi;
        near->counts[near->longest - n] = (int32_t)m;
    }
    return 1;
}

/* How many groups a jump over n points may have, of which `fewest` is the least; 0: cannot tell. */
static int32_t most_groups(const ls_sweep *s, double square, int64_t n, int32_t fewest)
{
    if (fewest == n)
        return fewest;
    const int sign = compare_saving(s, square, n, fewest);
    if (sign != 0)
        return sign == 2 ? 0 : fewest;
    /* All groups of two sizes, if a group more always saves as much. */
    const int64_t most = n / (n / (fewest + 1));
    return compare_saving(s, square, n, most - 1) == 0 ? (int32_t)most : fewest + 1;
}

/* Looks at all edges to a position, first in doubles. */
static ls_sweep_end consider_near(ls_sweep *s, ptrdiff_t j)
{
    ls_near *near = s->near;
    const double square = near->square[j];
    kept_edges kept = none_kept(s, j);
    if (j == 1 || s->farthest[j] != s->farthest[j - 1]
        || (square > 0) != (near->square[j - 1] > 0)) {
        near->first = s->farthest[j];
        if (square > 0 && !fill_table(s, j))
            return LS_SWEEP_LOST;
    }
    const ptrdiff_t first = near->first, n = s->nearest[j] + 1 - first;
    const int64_t *at = s->positions + first;
    const ptrdiff_t entry = square > 0 ? near->longest - (s->positions[j] - at[0]) : 0;
    const ls_candidates from = {near->f + first, near->s1 + first, near->s2 + first,
                                near->w + first, square > 0 ? near->table + entry : NULL};
    /* The differences of sums are exact. */
    const double spread = square > 0 ? 0 : near->s2[j] - near->s2[first];
    const ptrdiff_t chosen = near->choose(&from, n, near->s1[j], near->s2[j], near->w[j],
                                          spread + s->price.hi, near->costs, near->chosen);
    s->work += n / 8 + chosen;
    for (ptrdiff_t c = 0; c < chosen; c++) {
        const ptrdiff_t x = near->chosen[c];
        ls_estimate cost;
        int32_t fewest = 1, most = 1;
        if (square > 0) {
            const int64_t size = s->positions[j] - at[x];
            fewest = near->counts[entry + x];
            most = most_groups(s, square, size, fewest);
            if (most == 0)
                return LS_SWEEP_LOST;
            const ls_pair exact = ls_two_product(0.5 * (double)even_cost(size, fewest), square);
            cost = (ls_estimate){exact.hi, exact.lo, 0};
        } else
            cost = ls_group_cost(s->points, at[x], s->positions[j]);
        if (!keep(&kept, first + x, total_after(s, first + x, cost, fewest), fewest, most))
            return LS_SWEEP_FULL;
    }
    close_edges(s, j, &kept);
    return LS_SWEEP_DONE;
}

/* As sweep.parts and sweep.groups, of a path by an edge to j. */
static uint64_t edge_parts(const ls_sweep *s, ptrdiff_t edge, ptrdiff_t j)
{
    const ptrdiff_t i = s->sources[edge];
    if (s->near && s->near->square[j] > 0)
        return ls_common_multiple(s->parts[i], 2);
    return parts_after(s->points, s->parts[i], s->positions[i], s->positions[j]);
}

static int32_t edge_groups(const ls_sweep *s, ptrdiff_t edge)
{
    return s->groups[s->sources[edge]] + (s->near ? s->near->groups[edge][0] : 1);
}

/* Whether all the edges to a position are surely equally good: costs that are multiples of one unit
 * are equal if they differ by less. */
static int is_tied(const ls_sweep *s, ptrdiff_t j)
{
    const ls_points *p = s->points;
    const ptrdiff_t best = s->starts[j];
    const uint64_t best_parts = edge_parts(s, best, j);
    for (ptrdiff_t e = best + 1; e < s->starts[j + 1]; e++) {
        const ls_estimate *x = &s->totals[best], *y = &s->totals[e];
        uint64_t parts = ls_common_multiple(edge_parts(s, e, j), best_parts);
        if (edge_groups(s, e) != edge_groups(s, best))
            parts = ls_common_multiple(parts, s->price_parts);
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
        s->potential[j] = s->totals[start];
        s->groups[j] = edge_groups(s, start);
        s->parts[j] = edge_parts(s, start, j);
    }
    for (ptrdiff_t e = start; e < s->starts[j + 1]; e++) {
        const ptrdiff_t i = s->sources[e];
        const int32_t fewest = s->fewest[i] + (s->near ? s->near->groups[e][0] : 1);
        const int32_t most = s->most[i] + (s->near ? s->near->groups[e][1] : 1);
        s->fewest[j] = fewest < s->fewest[j] ? fewest : s->fewest[j];
        s->most[j] = most > s->most[j] ? most : s->most[j];
        /* It never decreases with j, as the cost is Monge, which that of jumps is not. */
        if (s->near && s->near->square[j] == 0 && (e == start || i < s->near->first))
            s->near->first = i;
    }
    if (s->near)
        s->near->f[j] = s->potential[j].hi + s->price.hi;
}

ls_sweep_end ls_sweep_run(ls_sweep *s, ptrdiff_t budget)
{
    const ptrdiff_t until = s->work + budget, walked = s->walked + budget;
    if (s->done == 0) {
        s->potential[0] = (ls_estimate){0, 0, 0};
        s->fewest[0] = s->most[0] = s->groups[0] = 0;
        s->parts[0] = s->points->unit > 0;
        s->starts[0] = s->starts[1] = 0;
        if (s->near)
            s->near->f[0] = s->price.hi;
        s->done = 1;
    } else if (s->decided)
        accept(s, s->done++);
    for (; s->done < s->n; accept(s, s->done++)) {
        if (s->work > until || s->walked > walked)
            return LS_SWEEP_BUDGET;
        const ls_sweep_end end = s->near                       ? consider_near(s, s->done)
                                 : consider_edges(s, s->done) ? LS_SWEEP_DONE
                                                              : LS_SWEEP_FULL;
        if (end != LS_SWEEP_DONE)
            return end;
        if (s->starts[s->done + 1] - s->starts[s->done] > 1 && !is_tied(s, s->done)
            && !(s->exact && ls_exact_choose(s, s->done)))
            return LS_SWEEP_UNDECIDED;
    }
    return LS_SWEEP_DONE;
}
