/* Optimal 1-D k-means: the cost of a group in double-double arithmetic, and least costs with a
 * price for each group. _kmeans1d.pyx tells how the errors are bounded. */
#ifndef LEVELSNAP_KMEANS1D_H
#define LEVELSNAP_KMEANS1D_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* hi + lo, with |lo| <= 2**-53 |hi|. */
typedef struct {
    double hi, lo;
} ls_pair;

/* A real number x with |x - (hi + lo)| <= error. */
typedef struct {
    double hi, lo, error;
} ls_estimate;

/* n ascending points, each one value or several that stay together, and their prefix sums, n + 1 of
 * each, as pairs. */
typedef struct {
    ptrdiff_t n;
    /* Deviations of each point's values from the median; equal for single values only. */
    const double *first, *last;
    const double *s1_hi, *s1_lo, *s2_hi, *s2_lo, *w_hi, *w_lo;
    double kappa, tiny; /* relative and absolute errors of the sums S1 and S2 */
    double weight_kappa, weight_tiny; /* of the sums W; 0 if they are exact */
    double weight_floor; /* a weight up to this counts as cancelled */
    /* Deviations and weights are whole multiples of these, and all sums are exact; or 0. */
    double unit, weight_unit;
    /* The values, which times `scale` differ as the deviations do, where each is a point and weights
     * are exact; or NULL. */
    const double *x;
    double scale;
} ls_points;

/* As fmax, which is a call of the library. */
static inline double ls_larger(double a, double b)
{
    return a > b ? a : b;
}

/* The sum of any a and b, exactly (Knuth). */
static inline ls_pair ls_two_sum(double a, double b)
{
    const double hi = a + b, part = hi - a;
    return (ls_pair){hi, (a - (hi - part)) + (b - part)};
}

/* The product of a and b, exactly unless it underflows (Dekker, Veltkamp). */
static inline ls_pair ls_two_product(double a, double b)
{
    const double splitter = 134217729.0; /* 2**27 + 1 */
    const double scaled_a = splitter * a, scaled_b = splitter * b;
    const double a_hi = scaled_a - (scaled_a - a), b_hi = scaled_b - (scaled_b - b);
    const double a_lo = a - a_hi, b_lo = b - b_hi, hi = a * b;
    return (ls_pair){hi, ((a_hi * b_hi - hi) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo};
}

static inline ls_pair ls_add(ls_pair a, ls_pair b)
{
    const ls_pair sum = ls_two_sum(a.hi, b.hi);
    const double lo = sum.lo + (a.lo + b.lo), hi = sum.hi + lo;
    return (ls_pair){hi, lo - (hi - sum.hi)};
}

static inline ls_pair ls_minus(ls_pair a, ls_pair b)
{
    return ls_add(a, (ls_pair){-b.hi, -b.lo});
}

/* Sums of w d, w d**2 and w. */
typedef struct {
    ls_pair s1, s2, w;
} ls_sums;

/* Adds a value, times `sign`. Its deviation is deviation + rest, with |rest| at most half a unit in
 * the last place; weight: NULL where it is 1. */
static inline void ls_sums_add(ls_sums *sums, double deviation, double rest, const double *weight,
                               double sign)
{
    ls_pair first = {deviation, rest}, second = ls_two_product(deviation, deviation);
    second.lo += 2 * deviation * rest;
    if (weight) {
        const ls_pair square = second;
        first = ls_two_product(deviation, *weight);
        first.lo += rest * *weight;
        second = ls_two_product(square.hi, *weight);
        second.lo += square.lo * *weight;
    }
    sums->s1 = ls_add(sums->s1, (ls_pair){sign * first.hi, sign * first.lo});
    sums->s2 = ls_add(sums->s2, (ls_pair){sign * second.hi, sign * second.lo});
    if (weight)
        sums->w = ls_add(sums->w, (ls_pair){sign * *weight, 0});
    else
        sums->w.hi += sign;
}

static inline ls_sums ls_sums_plus(const ls_sums *a, const ls_sums *b)
{
    return (ls_sums){ls_add(a->s1, b->s1), ls_add(a->s2, b->s2), ls_add(a->w, b->w)};
}

/* Adds n values; weights: NULL where each is 1. */
void ls_sums_add_all(ls_sums *sums, const double *deviation, const double *rest,
                     const double *weights, ptrdiff_t n, double sign, int isa);
void ls_sums_add_all_portable(ls_sums *sums, const double *deviation, const double *rest,
                              const double *weights, ptrdiff_t n, double sign);
void ls_sums_add_all_avx2(ls_sums *sums, const double *deviation, const double *rest,
                          const double *weights, ptrdiff_t n, double sign);
void ls_sums_add_all_avx512(ls_sums *sums, const double *deviation, const double *rest,
                            const double *weights, ptrdiff_t n, double sign);

/* The exponent of the largest power of two that a start value and all n values of deviation + rest
 * are multiples of; once it is below `floor`, just that. Of rest NULL, of `deviation` alone. */
int ls_lowest_bit(const double *deviation, const double *rest, ptrdiff_t n, int start, int floor);

/* Whether the points i..j-1 are a single value. */
static inline int ls_is_single(const ls_points *points, ptrdiff_t i, ptrdiff_t j)
{
    return j - i == 1 && points->first[i] == points->last[i];
}

/* The weighted sum of squared distances of points i..j-1 to their mean. */
ls_estimate ls_group_cost(const ls_points *points, ptrdiff_t i, ptrdiff_t j);

/* A group's mean as a double, and a bound of its distance from the true mean, infinite where the
 * weights cancel. Nonzero: it is surely the true mean correctly rounded. The values are
 * median + deviation * 2**-exponent. */
int ls_group_mean(const ls_points *points, ptrdiff_t i, ptrdiff_t j, int exponent, ls_pair median,
                  double *mean, double *distance);

/* Rounds the mean of n values correctly, from a double nearby; weights: NULL where each is 1. Zero if
 * that takes sums which are not exact as pairs. */
int ls_round_mean(const double *values, const double *weights, ptrdiff_t n, double *mean);

/* The mean of n ascending values, correctly rounded. Zero if it may not be. */
int ls_lone_mean(const double *values, ptrdiff_t n, double *mean);

/* The least cost of reaching each position from one end, where each group costs its sum of squares
 * and `price`. */
typedef struct {
    const ls_points *points;
    int backward; /* from the last position down instead of from 0 up */
    double price;
    double *least;      /* OUT, n + 1: a lower bound */
    uint32_t *previous; /* OUT, n + 1: the position before on a path of nearly that cost; or NULL */
    double *scratch;    /* LS_PASS_ROWS rows */
    ptrdiff_t stride;   /* of the rows, at least n + 1 + LS_LEAF */
    ptrdiff_t done;     /* IN, OUT: positions, counted from the end it starts at; 0 at first */
    ptrdiff_t first;    /* IN, OUT: no best position before any that follows lies before this */
} ls_pass;

#define LS_PASS_ROWS 6
#define LS_LEAF 8 /* steps that are settled together */

static inline ptrdiff_t ls_position(const ls_pass *pass, ptrdiff_t step)
{
    return pass->backward ? pass->points->n - step : step;
}

/* Of the points between two steps. */
static inline ls_estimate ls_cost_between(const ls_pass *pass, ptrdiff_t i, ptrdiff_t j)
{
    return pass->backward
             ? ls_group_cost(pass->points, ls_position(pass, j), ls_position(pass, i))
             : ls_group_cost(pass->points, i, j);
}

/* Whether no best path has the group i..j or a larger one, for it gains more than the price if it
 * is divided. The gain only grows with the group. */
int ls_is_hopeless(const ls_pass *pass, ptrdiff_t i, ptrdiff_t j);

/* Continues a pass until it is done or about `steps` more positions are. */
void ls_pass_run(ls_pass *pass, ptrdiff_t steps, int isa);
void ls_pass_run_portable(ls_pass *pass, ptrdiff_t steps);
void ls_pass_run_avx2(ls_pass *pass, ptrdiff_t steps);
void ls_pass_run_avx512(ls_pass *pass, ptrdiff_t steps);

/* Whether a path is surely the only one up to the last of its edges, counted from the end where the
 * pass starts, that costs no more than a limit. The least costs of this pass up to there are known.
 *
 * edges: that last one; the others are before it in memory, of a backward pass behind it
 * n: the number of groups up to there
 * behind: at least what the rest of a path costs
 */
typedef int ls_only(const ls_pass *pass, const int64_t *edges, ptrdiff_t n, double behind,
                    double limit);
ls_only ls_is_only_portable, ls_is_only_avx2, ls_is_only_avx512;
ls_only *ls_is_only_of(int isa);

/* Least costs from one end at LS_LEAF prices at once, where groups hold few values. */
typedef struct {
    ptrdiff_t n;           /* steps, a multiple of LS_LEAF */
    const double *x;       /* n values ascending; LS_LEAF before and behind are read, and not used */
    const double *weights; /* as many; NULL: 1 */
    const double *prices;  /* multiples of LS_LADDER_GRID quanta, see below */
    double *rows;  /* OUT, (LS_LADDER_ROWS + 1) * LS_LEAF: lower bounds, if there are no weights, for
                      the last steps; and in the last row what to add to them */
    int which;     /* the price for which all are kept: */
    double *least; /* OUT, n + 1, but for: */
    double *origins; /* OUT, n / LS_LEAF + 1: what to add, for step 0 and then by LS_LEAF steps */
    int32_t *first; /* OUT, by LS_LEAF steps: where candidates for them start, see below */
    double *costs; /* scratch, (LS_LONGEST + 1) * LS_LEAF */
} ls_ladder;

#define LS_LONGEST 512 /* values of a group */
/* As many steps back as LS_LADDER_KEPT are kept: candidates, and where two ladders overlap. */
#define LS_LADDER_ROWS (2 * LS_LONGEST)
#define LS_LADDER_KEPT (LS_LONGEST + 4 * LS_LEAF)

/* Rows are held from an origin not far away, so that little is rounded: all origins are multiples of
 * this, and less than LS_LADDER_ROWS of it away, as each value alone costs a price at most. */
static inline double ls_ladder_quantum(const ls_ladder *ladder)
{
    double most = 0;
    for (int v = 0; v < LS_LEAF; v++)
        most = ls_larger(most, ladder->prices[v]);
    int exponent;
    frexp(most, &exponent);
    return ldexp(1, exponent);
}

/* At least what two additions to a row round, in quanta. */
#define LS_LADDER_ROUNDING (LS_LADDER_ROWS * 0x1p-52)

/* To add multiples of this, in quanta, to a row rounds nothing. What would be rounded alike each time
 * would soon add up to more than there is between prices. */
#define LS_LADDER_GRID (LS_LADDER_ROWS * 0x1p-53)

/* By which part of a price edges from before `first` surely cost more than the best. */
#define LS_LADDER_SLACK 0x1p-10

/* What to multiply the squared sum of t values' distances from the last with, to get a lower bound of
 * their cost by subtracting it from the sum of squares, if no distance is in more than m sums. With
 * u = 2**-53, the latter is rounded by at most (m + 3) u, and the squared sum / t by (2 m + 5) u of
 * itself, which is no more than the sum of squares, but no less than one part of t of it. */
static inline double ls_more(int t, int m)
{
    return 1.0 / t + (4 * m + 16) * 0x1p-53;
}

static inline void ls_fill_more(double *more)
{
    for (int t = 1; t <= LS_LONGEST; t++)
        more[t] = ls_more(t, t);
}

/* Returns the step that the first of the rows is for; -1 if there is a longer group. */
typedef ptrdiff_t ls_climb(const ls_ladder *ladder);
ls_climb ls_climb_portable, ls_climb_avx2, ls_climb_avx512;
ls_climb *ls_climb_of(int isa);

/* Goes back on a path of about the least cost at the price `which` from a step to 0.
 *
 * path: OUT, the steps, backwards
 * gaps: OUT, for each, about how much more the bound of a path costs that has another edge to it, but
 *     for edges from before `first`
 * error: OUT, how far the bound of any step of the path is from what the path costs, and `gaps` from
 *     differences of bounds, at most
 *
 * Returns the number of groups.
 */
ptrdiff_t ls_ladder_back(const ls_ladder *ladder, ptrdiff_t step, int64_t *path, double *gaps,
                         double *error);

/* Least costs from one end at one price, where values have no weights. */
typedef struct {
    ptrdiff_t n;     /* steps, a multiple of LS_LEAF */
    const double *x; /* as for a ladder */
    double price;
    double *least;     /* OUT, n + 1, and LS_LEAF before: lower bounds */
    int32_t *previous; /* OUT, n + 1: the step before on a path of about that cost */
    int32_t *first;    /* OUT, by LS_LEAF steps: candidates for them before this are dropped */
    double *scratch;   /* LS_ASCENT_SCRATCH */
} ls_ascent;

#define LS_FARTHEST 4096 /* values of a group, and of a few more */
/* By which part of a price candidates that are dropped surely cost more than the best; and how much
 * less than the least cost may be found. */
#define LS_ASCENT_SLACK 0x1p-14
#define LS_MOST_LOST 0x1p-10
#define LS_ASCENT_SCRATCH (8 * (LS_FARTHEST + 4 * LS_LEAF))

/* Returns 0 if groups may be too long, or values too uneven to tell their costs. */
typedef int ls_ascend(const ls_ascent *ascent);
ls_ascend ls_ascend_portable, ls_ascend_avx2, ls_ascend_avx512;
ls_ascend *ls_ascend_of(int isa);

/* Goes back on a path of about the least cost from a step to 0.
 *
 * behind: at least what the rest of a path costs
 * path: OUT, the steps, backwards
 * low: OUT, at least what a path with another edge to one of the steps costs, but for edges that
 *     are dropped
 *
 * Returns the number of groups.
 */
ptrdiff_t ls_descend(const ls_ascent *ascent, ptrdiff_t step, double behind, int64_t *path,
                     double *low);

/* Least costs from position 0 in integers, at one price, where groups hold few values. */
typedef struct {
    ptrdiff_t n;
    int longest; /* values that a group may hold */
    int bits;    /* of costs: 64, 128 or 256, each number the low words first */
    /* Costs and the price count in parts of 1, as many as a common multiple of 1, .. longest:
     * divided by each of these; the first is not used. */
    const int64_t *parts;
    uint64_t price[4]; /* 2**5 * longest * (price + parts[1]) < 2**(bits - 2) */
    /* n and OUT, n + 1: values, ascending, from 0 to less than 2**64 / longest, beside costs of 256
     * bits 2**128 / longest, in as many bits; and the sums of those before each position. */
    void *x, *sums;
    void *costs;       /* OUT, 2 (n + 1): modulo 2**bits; those compared differ by far less */
    uint64_t total[4]; /* OUT: the last least cost */
    int32_t *previous; /* OUT, n + 1: the lowest position that a best path comes from */
    int32_t *fewest, *most; /* OUT, n + 1: groups of the best paths */
} ls_ties;

/* Sets `x` to n ascending whole numbers less the first. */
void ls_ties_fill(ls_ties *ties, const double *values);

/* Finds them for the positions first..last-1, after those before. Returns 0 if groups may hold more
 * values. */
int ls_ties_run(ls_ties *ties, ptrdiff_t first, ptrdiff_t last);

/* The edges of the lowest of the best paths of k groups, no fewer than the fewest and no more than
 * the most. edges: OUT, k + 1 */
void ls_ties_path(const ls_ties *ties, ptrdiff_t k, int64_t *edges);

/* The best cuts into k groups, k >= 2, by least costs of 1, 2, .. groups up to every position.
 * Returns 0 unless these cuts are proved to be the only ones that good. No price is to be found, but
 * the time grows with k.
 *
 * scratch: LS_PASS_ROWS - 2 + k rows, `stride` apart, of n + 1 + LS_LEAF
 * edges: OUT, k + 1
 */
typedef int ls_layers(const ls_points *points, ptrdiff_t k, double *scratch, ptrdiff_t stride,
                      int64_t *edges);
ls_layers ls_layers_portable, ls_layers_avx2, ls_layers_avx512;
ls_layers *ls_layers_of(int isa);

/* Which edges between n chosen positions may belong to a path within a limit. Those to a position
 * come from between two others, which never decrease with it, as the cost is Monge: they are found
 * by walking along, with a look at few edges that are not of interest. */
typedef struct {
    const ls_points *points;
    ptrdiff_t n;
    const int64_t *positions;
    const double *before;    /* lower bounds of the least cost, from a pass forward at this: */
    double price;
    double slack;            /* at least how much more than the least a path of interest may cost */
    const int32_t *previous; /* the index of the position before on a good path; -1: unknown */
    double *upper;           /* scratch, n: upper bounds of the least cost */
    int32_t *farthest, *nearest; /* OUT, n: indices of the first and last position of interest */
} ls_bands;

/* Finds `farthest` for the positions first..last-1, after those before. */
void ls_bands_up(const ls_bands *bands, ptrdiff_t first, ptrdiff_t last);

/* Finds `nearest` for the positions last-1..first, after those behind and all `farthest`. */
void ls_bands_down(const ls_bands *bands, ptrdiff_t first, ptrdiff_t last);

/* Candidates for the last position before another: f, and the cost of a group from there. */
typedef struct {
    const double *f;
    const double *s1, *s2, *w; /* sums up to there */
    const double *table;       /* the costs, if not NULL */
} ls_candidates;

/* Looks at n candidates in doubles: chooses those that cost no more than the least and 2**-48 of it
 * and of `extra`, and says how many. A vector may be read, and `costs` written, after the last. */
typedef ptrdiff_t ls_choose_near(const ls_candidates *from, ptrdiff_t n, double s1, double s2,
                                 double w, double extra, double *costs, int32_t *chosen);
ls_choose_near ls_choose_near_portable, ls_choose_near_avx2, ls_choose_near_avx512;
ls_choose_near *ls_choose_near_of(int isa);

/* Where edges are not limited by bands: all candidates of a position are looked at in doubles, for
 * which its points have exact sums that are doubles. Some positions are entered by jumps: from i to
 * j in groups of evenly spaced points, as many as are best. */
typedef struct {
    ls_choose_near *choose;
    const double *s1, *s2, *w; /* sums at the positions, and LS_LEAF more */
    const double *square;      /* n: of the spacing of the points jumped over; 0: no jump */
    double *f;                 /* scratch, n + LS_LEAF: the least costs and a price */
    double *costs, *table;     /* scratch, n + LS_LEAF */
    int32_t *counts, *chosen;  /* scratch, n: numbers of groups, as in `table`; candidates */
    ptrdiff_t longest;         /* the jump that is first in the table */
    ptrdiff_t first;           /* no best edge to a later position comes from before this */
    int32_t (*groups)[2];      /* OUT, by edge: the least and largest number of groups */
} ls_near;

/* Prefix sums as integers, n + 1 of each, and a price in the same units. */
typedef struct {
    ptrdiff_t n;
    int64_t *weights; /* OUT: of the values before each position, and so: */
    void *s1, *s2;    /* OUT: of w x in 128 bits, of w x**2 in 256, where x counts from the first */
    uint64_t heaviest; /* a group; times how far values spread it is less than 2**124 */
    uint64_t price[4];    /* in parts of 1, low words first */
    uint64_t price_parts; /* how many; 0: unknown */
} ls_exact;

/* values: n ascending whole numbers; weights: NULL where each is 1 */
void ls_exact_fill(ls_exact *exact, const double *values, const uint64_t *weights);

static inline uint64_t ls_common_divisor(uint64_t a, uint64_t b)
{
    while (b > 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Denominators above this count as unknown, which is 0. */
#define LS_MOST_PARTS ((uint64_t)1 << 60)

static inline uint64_t ls_common_multiple(uint64_t a, uint64_t b)
{
    if (a == b || a == 0 || b == 0)
        return a == b ? a : 0;
    const uint64_t part = a / ls_common_divisor(a, b);
    return part > LS_MOST_PARTS / b ? 0 : part * b;
}

/* Best paths through n chosen positions only, the first and the last of all among them. */
typedef struct {
    const ls_points *points;
    ptrdiff_t n;
    const int64_t *positions;
    ls_near *near; /* NULL: `before` to `limit` are known, and bands */
    const double *before, *after; /* lower bounds from passes forward and backward, at this: */
    double pass_price;
    double limit;                 /* a path that costs more at that price is of no interest */
    const int32_t *farthest, *nearest; /* bands, or between which positions edges come from */
    ls_estimate price;
    const ls_exact *exact;  /* to choose by among edges that cannot be told apart; or NULL */
    uint64_t price_parts;   /* what the price is a multiple of: one of so many parts, see below */
    ls_estimate *potential; /* OUT, n: the least cost */
    int32_t *fewest, *most; /* OUT, n: groups of the best paths to a position */
    /* OUT, n: of one of these paths, the number of groups, and into how many parts to divide
     * unit**2 * weight_unit for its cost without prices to be a multiple of it; 0: too many. */
    int32_t *groups;
    uint64_t *parts;
    ptrdiff_t *starts;      /* OUT, n + 1: where the edges to a position start */
    /* OUT, by edge: where it comes from and what a path by it costs. Edges that cannot be told from
     * the best one to a position are kept, the best one first. */
    ptrdiff_t *sources;
    ls_estimate *totals;
    ptrdiff_t capacity;     /* of edges */
    int decided;            /* IN: whether the edges to position `done` have been chosen among */
    ptrdiff_t done, work;   /* IN, OUT: positions settled, groups looked at; 0 at first */
    ptrdiff_t walked;       /* and groups that paths were compared by */
} ls_sweep;

typedef enum {
    LS_SWEEP_DONE,
    LS_SWEEP_UNDECIDED, /* to choose among the edges to position `done` */
    LS_SWEEP_FULL,      /* no room for more edges */
    LS_SWEEP_BUDGET,
    LS_SWEEP_LOST, /* numbers of groups cannot be told apart */
} ls_sweep_end;

/* Keeps the best of the edges to a position. Returns 0 if integers do not tell which these are. */
int ls_exact_choose(ls_sweep *sweep, ptrdiff_t j);

/* Whether m groups of n evenly spaced points, the smaller ones first, have lower cuts than other_m
 * of other_n that end there too. The last cut that differs counts; if there is none, the groups
 * that begin at a cut of the others are lower, for what comes before them is. */
int ls_is_lower(int64_t n, int64_t m, int64_t other_n, int64_t other_m);

/* Continues a sweep until there is something to decide, or about `budget` groups of either kind. */
ls_sweep_end ls_sweep_run(ls_sweep *sweep, ptrdiff_t budget);

#endif
