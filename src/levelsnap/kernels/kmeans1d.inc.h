/* Template: sums, and least costs with a price, by online divide and conquer. The includer defines
 * the names ADD_ALL, RUN, IS_ONLY, CLIMB, ASCEND, CHOOSE_NEAR and LAYERS.
 *
 *     F(j) = min over i < j of F(i) + price + cost(i, j),  F(0) = 0
 *
 * for steps 0..n from one end. The cost is Monge, so whatever F is, the best i never decreases with
 * j (Aggarwal et al. 1987), and halving finds it.
 *
 * Steps are taken in blocks, each with a chart: prefix sums about a point of its own in plain
 * doubles, whose rounding is small beside the cost of the groups nearby. Of
 *
 *     cost = (s2[j] - s2[i]) - (s1[j] - s1[i])**2 / (w[j] - w[i])
 *
 * a lower bound is had by moving each difference by its error to the side that lowers it; what the
 * operations round is chart.error. So by induction every F is a lower bound of the true one. A
 * candidate i is dropped only if its lower bound exceeds another's upper bound.
 *
 * The includer defines the vectors: VEC of LANES doubles, LOADV, STOREV, SPREAD, ADDV, SUBV, MULV,
 * DIVV, MINV, MAXV, ABSV; PICK(a, b, yes, no), by whether a < b; ANY(a, b), whether any of a <= b.
 */

enum { VECTORS = LS_LEAF / LANES };

/* Sums by step from `start` on. */
typedef struct {
    double *s1, *s2, *w;
    double *f;     /* F + price, from an origin of the chart's own */
    double *arg;   /* the best candidate */
    double *bound; /* scratch */
    double s1_error, w_error; /* of a difference */
    double error, price;
} chart;

/* What is known of the best candidate of a step. `best` is a lower bound plus chart.error. */
typedef struct {
    double best, ceiling;
    ptrdiff_t low, high, arg; /* the best one lies in low..high; low < 0: there is none */
} place;

static const place nowhere = {INFINITY, INFINITY, -1, -1, 0};

/* A lower bound of a cost, but for chart.error. A weight that may be 0 or less leaves nothing. */
static INLINE VEC lower_cost(VEC s1, VEC s2, VEC w, VEC s1_error)
{
    const VEC sum = ADDV(ABSV(s1), s1_error), weight = MAXV(w, SPREAD(1e-290));
    return MAXV(SUBV(s2, DIVV(MULV(sum, sum), weight)), SPREAD(0));
}

/* An upper bound, plus chart.error, of what candidate i costs j. */
static double ceiling_of(const chart *c, ptrdiff_t i, ptrdiff_t j)
{
    double sum = fabs(c->s1[j] - c->s1[i]) - c->s1_error;
    sum = sum > 0 ? sum : 0;
    const double cost = (c->s2[j] - c->s2[i]) - sum * sum / ((c->w[j] - c->w[i]) + c->w_error);
    return c->f[i] + (cost > 0 ? cost : 0) + 2 * c->error;
}

/* The first of the bounds that is within a limit; there is one. */
static ptrdiff_t first_within(const double *bound, double limit)
{
    ptrdiff_t i = 0;
    while (!ANY(LOADV(bound + i), SPREAD(limit)))
        i += LANES;
    while (!(bound[i] <= limit))
        i++;
    return i;
}

static ptrdiff_t last_within(const double *bound, ptrdiff_t n, double limit)
{
    ptrdiff_t i = (n - 1) / LANES * LANES;
    while (!ANY(LOADV(bound + i), SPREAD(limit)))
        i -= LANES;
    for (i += LANES - 1; !(bound[i] <= limit);)
        i--;
    return i;
}

/* Lets j consider the candidates first..last. */
static void scan(const chart *c, ptrdiff_t j, ptrdiff_t first, ptrdiff_t last, place *p)
{
    const double *f = c->f + first, *s1 = c->s1 + first, *s2 = c->s2 + first, *w = c->w + first;
    const VEC s1_j = SPREAD(c->s1[j]), s2_j = SPREAD(c->s2[j]);
    const VEC w_j = SPREAD(c->w[j] - c->w_error), s1_error = SPREAD(c->s1_error);
    const ptrdiff_t n = last - first + 1;
    double *bound = c->bound, lane[LANES];
    if (n <= 0)
        return;
    VEC least = SPREAD(INFINITY);
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        const VEC cost = lower_cost(SUBV(s1_j, LOADV(s1 + i)), SUBV(s2_j, LOADV(s2 + i)),
                                    SUBV(w_j, LOADV(w + i)), s1_error);
        const VEC whole = ADDV(LOADV(f + i), cost);
        STOREV(bound + i, whole);
        if (i + LANES <= n)
            least = MINV(whole, least);
    }
    for (ptrdiff_t i = n; i % LANES; i++)
        bound[i] = INFINITY;
    least = MINV(LOADV(bound + (n - 1) / LANES * LANES), least);
    STOREV(lane, least);
    double best = lane[0];
    for (int t = 1; t < LANES; t++)
        best = lane[t] < best ? lane[t] : best;
    if (!(best <= p->ceiling))
        return;
    if (best < p->best) {
        const ptrdiff_t arg = first + first_within(bound, best);
        const double ceiling = ceiling_of(c, arg, j);
        p->ceiling = ceiling < p->ceiling ? ceiling : p->ceiling;
        if (p->best > p->ceiling)
            p->low = -1;
        p->best = best;
        p->arg = arg;
    }
    if (p->low < 0)
        p->low = first + first_within(bound, p->ceiling);
    p->high = first + last_within(bound, n, p->ceiling);
}

/* Lets j consider the candidates first+1..last, unless they are no good as they cost more without
 * their group already: the cost of `first` is a lower bound of theirs, as least costs never
 * decrease. */
static void scan_behind(const chart *c, ptrdiff_t j, ptrdiff_t first, ptrdiff_t last, place *p)
{
    if (!(c->f[first] > p->ceiling))
        scan(c, j, first + 1, last, p);
}

/* LS_LEAF steps that consider one candidate after another. */
typedef struct {
    VEC s1[VECTORS], s2[VECTORS], w[VECTORS], best[VECTORS], arg[VECTORS];
} lanes;

static INLINE void start_lanes(lanes *x, const chart *c, ptrdiff_t first)
{
    for (int v = 0; v < VECTORS; v++) {
        x->s1[v] = LOADV(c->s1 + first + v * LANES);
        x->s2[v] = LOADV(c->s2 + first + v * LANES);
        x->w[v] = SUBV(LOADV(c->w + first + v * LANES), SPREAD(c->w_error));
        x->best[v] = SPREAD(INFINITY);
        x->arg[v] = SPREAD(0);
    }
}

/* `bar` is added to what each step would have. */
static INLINE void consider(lanes *x, const chart *c, ptrdiff_t i, const double *bar)
{
    for (int v = 0; v < VECTORS; v++) {
        const VEC cost = lower_cost(SUBV(x->s1[v], SPREAD(c->s1[i])),
                                    SUBV(x->s2[v], SPREAD(c->s2[i])),
                                    SUBV(x->w[v], SPREAD(c->w[i])), SPREAD(c->s1_error));
        VEC whole = ADDV(cost, SPREAD(c->f[i]));
        if (bar)
            whole = ADDV(whole, LOADV(bar + v * LANES));
        x->arg[v] = PICK(whole, x->best[v], SPREAD((double)i), x->arg[v]);
        x->best[v] = MINV(whole, x->best[v]);
    }
}

static INLINE void store_lanes(const lanes *x, double *best, double *arg)
{
    for (int v = 0; v < VECTORS; v++) {
        STOREV(best + v * LANES, x->best[v]);
        STOREV(arg + v * LANES, x->arg[v]);
    }
}

/* Makes what a step has found final. */
static INLINE void finish(const chart *c, ptrdiff_t j, double best, double arg)
{
    c->f[j] = best - c->error + c->price;
    c->arg[j] = arg;
}

/* Bars those steps of a leaf that are not after a candidate of its own. */
static const double bars[2 * LS_LEAF] = {INFINITY, INFINITY, INFINITY, INFINITY,
                                         INFINITY, INFINITY, INFINITY, INFINITY};

/* As settle, for at most LS_LEAF steps. Those that cost no more than l do with a group more have no
 * better candidate behind it, or none that the lower bound need know of. */
static void leaf(const chart *c, ptrdiff_t l, ptrdiff_t r, ptrdiff_t first, place *at_r)
{
    double best[LS_LEAF], arg[LS_LEAF];
    lanes x;
    start_lanes(&x, c, l + 1);
    for (ptrdiff_t i = first; i <= at_r->high; i++)
        consider(&x, c, i, NULL);
    store_lanes(&x, best, arg);
    int apart = 1;
    for (int own = 1; own < r - l; own++)
        apart &= best[own - 1] <= c->f[l];
    for (int own = 1; own < r - l; own++) {
        finish(c, l + own, best[own - 1], arg[own - 1]);
        if (!apart) {
            consider(&x, c, l + own, bars + LS_LEAF - own);
            store_lanes(&x, best, arg);
        }
    }
    scan_behind(c, r, l, r - 1, at_r);
}

/* Finds F of the steps l+1..r-1, where that of l is final, and all about r.
 *
 * first: no step after l has its best candidate before this
 * at_r: r has considered the candidates up to l
 */
static void settle(const chart *c, ptrdiff_t l, ptrdiff_t r, ptrdiff_t first, place *at_r)
{
    while (r - l > LS_LEAF) {
        const ptrdiff_t middle = l + (r - l) / 2;
        place at_middle = nowhere;
        scan(c, middle, first, at_r->high, &at_middle);
        settle(c, l, middle, first, &at_middle);
        finish(c, middle, at_middle.best, (double)at_middle.arg);
        scan_behind(c, r, l, middle, at_r);
        first = at_middle.low;
        l = middle;
    }
    leaf(c, l, r, first, at_r);
}

/* Finds F of the steps first..last whose best candidate lies in low..high, before them all. */
static void settle_apart(const chart *c, ptrdiff_t first, ptrdiff_t last, ptrdiff_t low,
                         ptrdiff_t high)
{
    while (last - first >= LS_LEAF) {
        const ptrdiff_t middle = first + (last - first) / 2;
        place at_middle = nowhere;
        scan(c, middle, low, high, &at_middle);
        finish(c, middle, at_middle.best, (double)at_middle.arg);
        settle_apart(c, first, middle - 1, low, at_middle.high);
        first = middle + 1;
        low = at_middle.low;
    }
    double best[LS_LEAF], arg[LS_LEAF];
    lanes x;
    start_lanes(&x, c, first);
    for (ptrdiff_t i = low; i <= high; i++)
        consider(&x, c, i, NULL);
    store_lanes(&x, best, arg);
    for (ptrdiff_t j = first; j <= last; j++)
        finish(c, j, best[j - first], arg[j - first]);
}

/* The deviations of the point between a step and the next: of its value that is nearest to the
 * step, and of the farthest. */
static double near_after(const ls_pass *pass, ptrdiff_t step)
{
    const ls_points *p = pass->points;
    return pass->backward ? p->last[p->n - 1 - step] : p->first[step];
}

static double far_after(const ls_pass *pass, ptrdiff_t step)
{
    const ls_points *p = pass->points;
    return pass->backward ? p->first[p->n - 1 - step] : p->last[step];
}

static double weight_between(const ls_pass *pass, ptrdiff_t i, ptrdiff_t j)
{
    const double *w = pass->points->w_hi;
    return fabs(w[ls_position(pass, j)] - w[ls_position(pass, i)]);
}

/* How far the values of a chart about `origin` that spans the steps start..end reach. */
static double spread(const ls_pass *pass, ptrdiff_t start, ptrdiff_t origin, ptrdiff_t end)
{
    const double centre = near_after(pass, origin);
    const double below = fabs(near_after(pass, start) - centre);
    const double above = fabs(far_after(pass, end - 1) - centre);
    return below > above ? below : above;
}

/* Charts whose rounding may reach 2**-30 of the price are not extended. */
#define ROUGH (double)(1 << 17)

/* A long block costs, as one group, at most so many prices: a few of the best groups. */
#define FAR 4

/* Steps that are drawn at a time where no more are needed. */
enum { PORTION = 1 << 12 };

static int is_fine(const ls_pass *pass, ptrdiff_t start, ptrdiff_t origin, ptrdiff_t end)
{
    const double reach = spread(pass, start, origin, end);
    return weight_between(pass, start, end) * reach * reach <= ROUGH * pass->price;
}

/* The last step of the block after `done`. */
static ptrdiff_t block_end(const ls_pass *pass)
{
    const ptrdiff_t done = pass->done, window = 2 * (done - pass->first);
    const ptrdiff_t most = done + (window > 512 ? window : 512), n = pass->points->n;
    ptrdiff_t fine = done + 1, limit = most < n ? most : n;
    while (fine < limit) {
        const ptrdiff_t middle = fine + (limit - fine + 1) / 2;
        if (is_fine(pass, pass->first, done, middle)
            && (middle - done <= 512
                || ls_cost_between(pass, done, middle).hi <= FAR * pass->price))
            fine = middle;
        else
            limit = middle - 1;
    }
    return fine;
}

/* The last step, if it is far away, up to which no step needs a candidate after `done`: the least
 * cost of such a candidate is at least F(done), as least costs never decrease, and what is found by
 * way of pass->first is no more than by that, so that it is a lower bound all the same. A chart that
 * is fine as far as there is fine up to done + 1 too, so that block_start keeps pass->first. */
static ptrdiff_t apart_end(const ls_pass *pass)
{
    const ptrdiff_t done = pass->done, window = done - pass->first, n = pass->points->n;
    const double most = pass->least[ls_position(pass, done)];
    const double before = pass->least[ls_position(pass, pass->first)];
    ptrdiff_t good = done, limit = n;
    for (ptrdiff_t j = done + 4 * window + LS_LEAF; good < limit && j <= n;
         j = good + (limit - good + 1) / 2) {
        const ls_estimate cost = ls_cost_between(pass, pass->first, j);
        const double upper = (before + cost.hi + cost.error) * (1 + 0x1p-48);
        if (upper <= most && is_fine(pass, pass->first, done, j))
            good = j;
        else if (good == done)
            break;
        else
            limit = j - 1;
    }
    return good;
}

/* No candidate before this step is any good for those after `done`. Worth finding out only where a
 * gap in the values would spoil the chart. */
static ptrdiff_t block_start(const ls_pass *pass)
{
    ptrdiff_t start = pass->first, good = pass->done;
    if (is_fine(pass, start, pass->done, pass->done + 1))
        return start;
    while (start < good) {
        const ptrdiff_t middle = start + (good - start) / 2;
        if (ls_is_hopeless(pass, middle, pass->done + 1))
            start = middle + 1;
        else
            good = middle;
    }
    return start;
}

/* Draws the steps start..end from the global sums; `step` is 1 or -1, known to the compiler. */
static INLINE void draw_steps(const ls_pass *pass, ptrdiff_t start, ptrdiff_t end, ptrdiff_t step,
                              double *restrict s1, double *restrict s2, double *restrict w)
{
    const ls_points *p = pass->points;
    const ptrdiff_t origin = ls_position(pass, pass->done), from = ls_position(pass, start);
    const ptrdiff_t size = end - start + 1;
    const double centre = near_after(pass, pass->done), sign = (double)step;
    const ls_pair s1_0 = {-p->s1_hi[origin], -p->s1_lo[origin]};
    const ls_pair s2_0 = {-p->s2_hi[origin], -p->s2_lo[origin]};
    const ls_pair w_0 = {-p->w_hi[origin], -p->w_lo[origin]};
    for (ptrdiff_t x = 0; x < size; x++) {
        const ptrdiff_t at = from + x * step;
        const ls_pair weight = ls_add((ls_pair){p->w_hi[at], p->w_lo[at]}, w_0);
        const ls_pair first = ls_add((ls_pair){p->s1_hi[at], p->s1_lo[at]}, s1_0);
        const ls_pair second = ls_add((ls_pair){p->s2_hi[at], p->s2_lo[at]}, s2_0);
        ls_pair moment = ls_two_product(centre, weight.hi);
        moment.lo += centre * weight.lo;
        const ls_pair about = ls_minus(first, moment), both = ls_add(first, about);
        ls_pair square = ls_two_product(centre, both.hi);
        square.lo += centre * both.lo;
        w[x] = sign * weight.hi;
        s1[x] = sign * about.hi;
        s2[x] = sign * ls_minus(second, square).hi;
    }
    for (ptrdiff_t x = size; x < size + LS_LEAF; x++) { /* read by a leaf, and not used */
        w[x] = w[size - 1];
        s1[x] = s1[size - 1];
        s2[x] = s2[size - 1];
    }
}

/* Draws the steps start..end at `from` in a chart about pass->done. */
static void draw(const ls_pass *pass, ptrdiff_t start, ptrdiff_t end, const chart *c,
                 ptrdiff_t from)
{
    if (pass->backward)
        draw_steps(pass, start, end, -1, c->s1 + from, c->s2 + from, c->w + from);
    else
        draw_steps(pass, start, end, 1, c->s1 + from, c->s2 + from, c->w + from);
}

/* Bounds of the errors of a chart of the steps start..end, the last of which is c's `last`; see the
 * errors of a group's cost in _kmeans1d.pyx. */
static void bound_errors(const ls_pass *pass, ptrdiff_t start, ptrdiff_t end, ptrdiff_t last,
                         chart *c)
{
    const double ulp = 0x1p-52, tail = 0x1p-97;
    const ls_points *p = pass->points;
    const ptrdiff_t ends[3] = {ls_position(pass, start), ls_position(pass, pass->done),
                               ls_position(pass, end)};
    double reach = ls_larger(fabs(near_after(pass, start)), fabs(far_after(pass, end - 1)));
    double first = 0, weight = 0;
    for (int t = 0; t < 3; t++) {
        first = ls_larger(first, 2 * fabs(p->s1_hi[ends[t]]));
        weight = ls_larger(weight, 2 * fabs(p->w_hi[ends[t]]));
    }
    const double w_error = p->weight_kappa * weight + p->weight_tiny;
    const double s1_error = (p->kappa + tail) * first + p->tiny + reach * (w_error + tail * weight);
    const double s2_error = (p->kappa + tail) * first * reach + p->tiny
                          + reach * (4 * s1_error + reach * (w_error + tail * weight));

    const double near = spread(pass, start, pass->done, end);
    const double local = ls_larger(fabs(c->s1[0]), fabs(c->s1[last]));
    const double between = ls_larger(fabs(c->w[0]), fabs(c->w[last]));
    c->s1_error = 2 * s1_error + 2 * ulp * local;
    c->w_error = 2 * w_error + (p->weight_tiny > 0 || between >= 0x1p53 ? 4 * ulp * between : 0);
    c->error = 2 * s2_error + 32 * ulp * (local * near + c->price) + 4 * ulp * fabs(c->f[0])
             + 4 * ulp * fabs(c->f[pass->done - start]);
}

/* A chart with the candidates start..done in it. */
static chart begin(const ls_pass *pass, ptrdiff_t start)
{
    double *rows[LS_PASS_ROWS];
    for (int row = 0; row < LS_PASS_ROWS; row++)
        rows[row] = pass->scratch + row * pass->stride;
    const chart c = {rows[0], rows[1], rows[2], rows[3], rows[4], rows[5], 0, 0, 0, pass->price};
    const double origin = pass->least[ls_position(pass, pass->done)];
    draw(pass, start, pass->done, &c, 0);
    for (ptrdiff_t x = 0; x <= pass->done - start; x++)
        c.f[x] = (pass->least[ls_position(pass, start + x)] - origin) + pass->price;
    return c;
}

/* Writes the steps first..last, which are at `from` in the chart. */
static void put(ls_pass *pass, const chart *c, ptrdiff_t start, ptrdiff_t first, ptrdiff_t last,
                ptrdiff_t from)
{
    const double origin = pass->least[ls_position(pass, pass->done)];
    for (ptrdiff_t j = first; j <= last; j++) {
        const ptrdiff_t x = from + (j - first), at = ls_position(pass, j);
        const double least = (origin + (c->f[x] - c->price)) * (1 - 0x1p-51);
        pass->least[at] = least > 0 ? least : 0;
        if (pass->previous)
            pass->previous[at] = (uint32_t)ls_position(pass, start + (ptrdiff_t)c->arg[x]);
    }
}

/* The steps after `done` whose best candidates are all before it, as far as `end`: by portions that
 * stay in the caches, each drawn behind the candidates. */
static void run_apart(ls_pass *pass, ptrdiff_t start, ptrdiff_t end)
{
    chart c = begin(pass, start);
    const ptrdiff_t l = pass->done - start;
    ptrdiff_t low = 0;
    for (ptrdiff_t first = pass->done + 1, last; first <= end; first = last + 1) {
        last = end - first < PORTION ? end : first + PORTION - 1;
        const ptrdiff_t r = l + 1 + (last - first);
        draw(pass, first, last, &c, l + 1);
        bound_errors(pass, start, last, r, &c);
        place at_last = nowhere;
        scan(&c, r, low, l, &at_last);
        settle_apart(&c, l + 1, r - 1, low, at_last.high);
        finish(&c, r, at_last.best, (double)at_last.arg);
        put(pass, &c, start, first, last, l + 1);
        low = at_last.low;
    }
    pass->first = start + low;
    pass->done = end;
}

static void run_block(ls_pass *pass, ptrdiff_t start, ptrdiff_t end)
{
    chart c = begin(pass, start);
    const ptrdiff_t l = pass->done - start, r = end - start;
    draw(pass, pass->done + 1, end, &c, l + 1);
    bound_errors(pass, start, end, r, &c);
    place at_end = nowhere;
    scan(&c, r, 0, l, &at_end);
    settle(&c, l, r, 0, &at_end);
    finish(&c, r, at_end.best, (double)at_end.arg);
    put(pass, &c, start, pass->done + 1, end, l + 1);
    pass->first = start + at_end.low;
    pass->done = end;
}

void RUN(ls_pass *pass, ptrdiff_t steps)
{
    const ptrdiff_t n = pass->points->n, until = n - pass->done > steps ? pass->done + steps : n;
    if (pass->done == 0)
        pass->least[ls_position(pass, 0)] = 0;
    while (pass->done < until) {
        const ptrdiff_t start = block_start(pass), apart = apart_end(pass);
        if (apart > pass->done)
            run_apart(pass, start, apart < until ? apart : until);
        else
            run_block(pass, start, block_end(pass));
    }
}

/* An edge to the step j of a path comes from p, and the one to p from q. Candidates before q need no
 * look: they are no better than q for p, if p's edge is the only one, hence not for j either, as the
 * cost is Monge. */
int IS_ONLY(const ls_pass *pass, const int64_t *edges, ptrdiff_t n, double behind, double limit)
{
    const ptrdiff_t direction = pass->backward ? -1 : 1;
    for (; n > 0; n--, edges -= direction) {
        const ptrdiff_t j = ls_position(pass, edges[0]), p = ls_position(pass, edges[-direction]);
        const ptrdiff_t q = n > 1 ? ls_position(pass, edges[-2 * direction]) : 0;
        ls_pass here = *pass;
        here.done = j - 1;
        chart c = begin(&here, q);
        draw(&here, j, j, &c, j - q);
        bound_errors(&here, q, j, j - q, &c);
        place at = nowhere;
        scan(&c, j - q, 0, j - 1 - q, &at);
        const double origin = pass->least[ls_position(pass, j - 1)];
        const double most = limit - behind - origin + c.error;
        c.bound[p - q] = INFINITY;
        for (ptrdiff_t i = 0; i < j - q; i += LANES)
            if (ANY(LOADV(c.bound + i), SPREAD(most)))
                return 0;
        const ls_estimate cost = ls_cost_between(pass, p, j);
        behind = (behind + ls_larger(cost.hi - cost.error, 0) + pass->price) * (1 - 0x1p-51);
    }
    return 1;
}

/* Costs of the groups that end at each of the steps b + 1 .. b + LS_LEAF, in columns, by their
 * number of values up to `longest` in rows. */
static INLINE void fill_costs(const ls_ladder *p, ptrdiff_t b, ptrdiff_t longest,
                              const double *more)
{
    const VEC zero = SPREAD(0);
    for (int v = 0; v < VECTORS; v++) {
        const double *x = p->x + b + v * LANES;
        const double *weights = p->weights ? p->weights + b + v * LANES : NULL;
        double *costs = p->costs + v * LANES;
        const VEC last = LOADV(x);
        VEC s1 = zero, s2 = zero, w = weights ? LOADV(weights) : zero;
        STOREV(costs + LS_LEAF, zero);
        for (ptrdiff_t t = 2; t <= longest; t++) {
            const VEC d = SUBV(last, LOADV(x - (t - 1)));
            VEC first = d;
            if (weights) {
                const VEC weight = LOADV(weights - (t - 1));
                first = MULV(d, weight);
                w = ADDV(w, weight);
            }
            s1 = ADDV(s1, first);
            s2 = ADDV(s2, MULV(first, d));
            const VEC square = MULV(s1, s1);
            const VEC cost = SUBV(s2, weights ? DIVV(square, w) : MULV(square, SPREAD(more[t])));
            STOREV(costs + t * LS_LEAF, cost);
        }
    }
}

/* Moves the last `size` rows to the front, and to an origin near the first of them. A difference is
 * exact, as origins are multiples of the quantum and of a row's last place. */
static void move_rows(const ls_ladder *p, ptrdiff_t start, ptrdiff_t size, double quantum)
{
    for (int v = 0; v < VECTORS; v++) {
        double *row = p->rows + v * LANES, *origin = row + LS_LADDER_ROWS * LS_LEAF;
        const VEC ulps = SPREAD(0x1.8p52 * quantum);
        const VEC base = SUBV(ADDV(LOADV(row + start * LS_LEAF), ulps), ulps);
        STOREV(origin, ADDV(LOADV(origin), base));
        for (ptrdiff_t i = 0; i < size; i++)
            STOREV(row + i * LS_LEAF, SUBV(LOADV(row + (start + i) * LS_LEAF), base));
    }
}

/* With fewer candidates, to look at them twice takes longer than it spares. */
enum { LAST = LS_LEAF - 1, NARROW_BLOCK = 24 };

/* Lets the steps first .. last - 1 of a block, which are constants, consider a candidate. */
static INLINE void consider_row(const double *least, const double *costs, VEC *best, ptrdiff_t i,
                                int first, int last)
{
    const VEC before = LOADV(least + i * LS_LEAF);
    for (int l = first; l < last; l++)
        best[l] = MINV(ADDV(before, SPREAD(costs[(l + 1 - i) * LS_LEAF + l])), best[l]);
}

/* Whether a candidate for the last step of a block costs no more than a limit, at any price. */
static INLINE int is_within(const double *least, const double *costs, ptrdiff_t i, VEC limit)
{
    const VEC cost = SPREAD(costs[(LS_LEAF - i) * LS_LEAF + LAST]);
    return ANY(ADDV(LOADV(least + i * LS_LEAF), cost), limit);
}

/* Settles the row of a block's step `own`, and lets those behind it consider it. That is a constant:
 * a loop would keep what is best in memory. */
static INLINE void settle_own(const double *costs, VEC *best, VEC lower, double *settled, int own)
{
    const VEC before = ADDV(best[own], lower);
    STOREV(settled + own * LS_LEAF, before);
    for (int l = own + 1; l < LS_LEAF; l++)
        best[l] = MINV(ADDV(before, SPREAD(costs[(l - own) * LS_LEAF + l])), best[l]);
}

/* Settles the rows b + 1 .. b + LS_LEAF at LANES of the prices, of which `lowered` are lower bounds;
 * candidates start at `low`. Returns where those for later rows start. */
static INLINE ptrdiff_t climb_block(const ls_ladder *p, const double *lowered, ptrdiff_t b,
                                    ptrdiff_t low, int v)
{
    const double *costs = p->costs + b * LS_LEAF;
    double *least = p->rows + v * LANES;
    const VEC price = LOADV(p->prices + v * LANES), tiny = MULV(price, SPREAD(0x1p-15));
    const VEC slack = MULV(price, SPREAD(LS_LADDER_SLACK));
    const VEC lower = LOADV(lowered + v * LANES);
    VEC best[LS_LEAF];
    ptrdiff_t i = low;
    for (int l = 0; l < LS_LEAF; l++)
        best[l] = SPREAD(INFINITY);
    /* Candidates that already cost more without their group are no good, nor are all behind, as
     * least costs never decrease. */
    if (b - low < NARROW_BLOCK)
        for (; i <= b && ANY(LOADV(least + i * LS_LEAF), ADDV(best[LAST], tiny)); i++)
            consider_row(least, costs, best, i, 0, LS_LEAF);
    else {
        for (; i <= b && ANY(LOADV(least + i * LS_LEAF), ADDV(best[LAST], tiny)); i++)
            consider_row(least, costs, best, i, LAST, LS_LEAF);
        /* What is worse for the last step than a candidate before it is for the other steps, too. */
        const VEC limit = ADDV(best[LAST], slack);
        ptrdiff_t high = i - 1;
        while (high > low && !is_within(least, costs, high, limit))
            high--;
        for (ptrdiff_t c = low; c <= high; c++)
            consider_row(least, costs, best, c, 0, LAST);
    }
    double *settled = least + (b + 1) * LS_LEAF;
    if (i > b) {
        settle_own(p->costs, best, lower, settled, 0);
        settle_own(p->costs, best, lower, settled, 1);
        settle_own(p->costs, best, lower, settled, 2);
        settle_own(p->costs, best, lower, settled, 3);
        settle_own(p->costs, best, lower, settled, 4);
        settle_own(p->costs, best, lower, settled, 5);
        settle_own(p->costs, best, lower, settled, 6);
        settle_own(p->costs, best, lower, settled, 7);
    } else
        for (int l = 0; l < LS_LEAF; l++)
            STOREV(settled + l * LS_LEAF, ADDV(best[l], lower));
    /* What is worse than the best candidate for the last step is for all behind. */
    const VEC most = ADDV(best[LAST], slack);
    while (low < b && !is_within(least, costs, low, most))
        low++;
    return low;
}

ptrdiff_t CLIMB(const ls_ladder *p)
{
    double more[LS_LONGEST + 1], lowered[LS_LEAF], *origins = p->rows + LS_LADDER_ROWS * LS_LEAF;
    const double quantum = ls_ladder_quantum(p);
    ptrdiff_t low = 0, base = 0; /* the step of the first row */
    ls_fill_more(more);
    for (int t = 0; t < LS_LEAF; t++) {
        p->rows[t] = origins[t] = 0;
        lowered[t] = p->prices[t] - quantum * LS_LADDER_ROUNDING;
    }
    p->least[0] = p->origins[0] = 0;
    for (ptrdiff_t b = 0; b < p->n; b += LS_LEAF) {
        const ptrdiff_t longest = b + LS_LEAF - low;
        ptrdiff_t next = b;
        if (longest > LS_LONGEST)
            return -1;
        if (p->weights)
            fill_costs(p, b, longest, more);
        else {
            ls_ladder unweighted = *p;
            unweighted.weights = NULL;
            fill_costs(&unweighted, b, longest, more);
        }
        if (b + LS_LEAF - base >= LS_LADDER_ROWS) {
            const ptrdiff_t start = b - LS_LADDER_KEPT;
            move_rows(p, start - base, b + 1 - start, quantum);
            base = start;
        }
        p->first[b / LS_LEAF] = (int32_t)low;
        p->origins[b / LS_LEAF + 1] = origins[p->which];
        for (int v = 0; v < VECTORS; v++) {
            const ptrdiff_t here = base + climb_block(p, lowered, b - base, low - base, v);
            next = here < next ? here : next;
        }
        low = next;
        for (ptrdiff_t j = b + 1; j <= b + LS_LEAF; j++)
            p->least[j] = p->rows[(j - base) * LS_LEAF + p->which];
    }
    return base;
}

/* Sums of the values base..end-1 and of their squares, about x[b]. A gap that is wider than `far` is
 * taken to be as wide as that. Returns a bound of what is rounded of the cost of some of them.
 *
 * Let m values reach as far as r, the sums of their distances be A and of the squares B, u = 2**-53.
 * A distance is rounded by 3 u r, sums of them by (m / 8 + 10) u A + 3 u m r, and of squares by
 * (m / 8 + 11) u B + 6 u r A, as they are of parts. Costs are differences of the latter, less a
 * square of the former's over a number, whose root is at most r times that; what these operations
 * round is at most 10 u B. */
static double sum_values(const double *x, ptrdiff_t base, ptrdiff_t b, ptrdiff_t end, double far,
                         double *s1, double *s2)
{
    const ptrdiff_t m = end - base, middle = b - base;
    const double *from = x + base;
    double *d = s1 + 1, first = 0, second = 0;
    if (from[m - 1] - from[0] <= far)
        for (ptrdiff_t i = 0; i < m; i++)
            d[i] = from[i] - x[b];
    else {
        ptrdiff_t anchor = middle;
        d[middle] = 0;
        for (ptrdiff_t i = middle + 1; i < m; i++) {
            if (from[i] - from[i - 1] > far) {
                anchor = i;
                d[i] = d[i - 1] + far;
            } else
                d[i] = d[anchor] + (from[i] - from[anchor]);
        }
        anchor = middle;
        for (ptrdiff_t i = middle - 1; i >= 0; i--) {
            if (from[i + 1] - from[i] > far) {
                anchor = i;
                d[i] = d[i + 1] - far;
            } else
                d[i] = d[anchor] - (from[anchor] - from[i]);
        }
    }
    const double reach = ls_larger(fabs(d[0]), fabs(d[m - 1]));
    s1[0] = s2[0] = 0;
    for (ptrdiff_t start = 0; start < m; start += LS_LEAF) {
        const ptrdiff_t stop = m - start < LS_LEAF ? m : start + LS_LEAF;
        double s = 0, squares = 0;
        for (ptrdiff_t i = start; i < stop; i++) {
            const double here = d[i];
            s += here;
            squares += here * here;
            s1[i + 1] = first + s;
            s2[i + 1] = second + squares;
        }
        first = s1[stop];
        second = s2[stop];
    }
    for (ptrdiff_t i = m + 1; i <= m + LS_LEAF; i++) { /* read, and not used */
        s1[i] = first;
        s2[i] = second;
    }
    const double distances = (s1[m] - s1[middle]) - s1[middle];
    const double parts = (double)m * 0.125 + 20;
    return 0x1p-53 * (2 * parts * second + reach * (4 * parts * distances + 16 * (double)m * reach));
}

/* Sums of an ascent from the step `base` on, and numbers of values. */
typedef struct {
    double *s1, *s2;
    double *inverse;  /* of 0 .. LS_FARTHEST, and of less, which are 0 */
    double *reversed; /* the same, backwards */
    double *bound;    /* scratch */
    ptrdiff_t base;
} terrain;

/* Of the candidates low..last, where `high` is: first..high are the good ones for the step j. All
 * behind are no good, unless `open`. */
typedef struct {
    ptrdiff_t first, high;
    int open;
} outlook;

/* How many of LANES bounds are outside a limit, one after another, before one is within; without
 * branches, which would often be mispredicted. */
static INLINE int outside(const double *bound, int direction, double limit)
{
    int count = 0, all = 1;
    for (int t = 0; t < LANES; t++) {
        all &= bound[t * direction] > limit;
        count += all;
    }
    return count;
}

/* Lets j consider the candidates low..last. Those whose cost is infinite may follow. */
static INLINE outlook look_ahead(const terrain *c, const double *least, ptrdiff_t j, ptrdiff_t low,
                                 ptrdiff_t last, double price)
{
    const double *f = least + low, *s1 = c->s1 + (low - c->base), *s2 = c->s2 + (low - c->base);
    const double *parts = c->reversed + LS_FARTHEST - (j - low);
    const VEC s1_j = SPREAD(s1[j - low]), s2_j = SPREAD(s2[j - low]);
    const VEC tiny = SPREAD(LS_MOST_LOST * price);
    const ptrdiff_t n = last - low + 1;
    double *bound = c->bound, lane[LANES];
    VEC lowest = SPREAD(INFINITY);
    ptrdiff_t i = 0, first = 0;
    /* Candidates that already cost more without their group are no good, nor are all behind, as
     * least costs hardly decrease. */
    for (; i < n && ANY(SPREAD(f[i]), ADDV(lowest, tiny)); i += LANES) {
        const VEC sum = SUBV(s1_j, LOADV(s1 + i));
        const VEC square = MULV(MULV(sum, sum), LOADV(parts + i));
        const VEC whole = ADDV(LOADV(f + i), SUBV(SUBV(s2_j, LOADV(s2 + i)), square));
        STOREV(bound + i, whole);
        lowest = MINV(whole, lowest);
    }
    STOREV(lane, lowest);
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int t = 0; t < width; t++)
            lane[t] = lane[t] < lane[t + width] ? lane[t] : lane[t + width];
    const double limit = lane[0] + LS_ASCENT_SLACK * price;
    const int open = i >= n && f[n - 1] <= lane[0] + LS_MOST_LOST * price;
    while (!ANY(LOADV(bound + first), SPREAD(limit)))
        first += LANES;
    do
        i -= LANES;
    while (!ANY(LOADV(bound + i), SPREAD(limit)));
    first += outside(bound + first, 1, limit);
    i += LANES - 1;
    i -= outside(bound + i, -1, limit);
    return (outlook){low + first, low + i, open};
}

/* Lets steps consider a candidate: its cost so far, sums up to it, 1 / the numbers of values. */
static INLINE void weigh_up(lanes *x, double f, double s1, double s2, const double *inverse,
                            double arg, const double *bar)
{
    for (int v = 0; v < VECTORS; v++) {
        const VEC sum = SUBV(x->s1[v], SPREAD(s1));
        const VEC square = MULV(MULV(sum, sum), LOADV(inverse + v * LANES));
        VEC whole = ADDV(SPREAD(f), SUBV(SUBV(x->s2[v], SPREAD(s2)), square));
        if (bar)
            whole = ADDV(whole, LOADV(bar + v * LANES));
        x->arg[v] = PICK(whole, x->best[v], SPREAD(arg), x->arg[v]);
        x->best[v] = MINV(whole, x->best[v]);
    }
}

enum { NEARBY = 4 * LS_LEAF, OUTLOOK = 8 * LS_LEAF, LONG_OUTLOOK = 32 * LS_LEAF };

/* Settles the steps b + 1 .. b + LS_LEAF, whose candidates are low.. and few, by costs of groups that
 * are summed up from their last value: these are lower bounds. Returns where candidates for later
 * steps start. */
static ptrdiff_t settle_nearby(const ls_ascent *p, const double *more, ptrdiff_t b, ptrdiff_t low,
                               double fixed)
{
    const ptrdiff_t longest = b + LS_LEAF - low;
    /* By numbers of values, of groups that end at each step, and of paths by these. */
    double costs[(NEARBY + 1) * LS_LEAF], wholes[(NEARBY + 1) * LS_LEAF];
    double best[LS_LEAF], arg[LS_LEAF], *last = wholes + LS_LEAF - 1;
    for (int v = 0; v < VECTORS; v++) {
        const double *x = p->x + b + v * LANES, *least = p->least + b + v * LANES;
        const VEC end = LOADV(x), zero = SPREAD(0);
        VEC s1 = zero, s2 = zero, lowest = LOADV(least), size = SPREAD(1);
        STOREV(costs + LS_LEAF + v * LANES, zero);
        for (ptrdiff_t t = 2; t <= longest; t++) {
            const VEC d = SUBV(end, LOADV(x - (t - 1)));
            s1 = ADDV(s1, d);
            s2 = ADDV(s2, MULV(d, d));
            const VEC cost = SUBV(s2, MULV(MULV(s1, s1), SPREAD(more[t])));
            const VEC whole = ADDV(LOADV(least - (t - 1)), cost);
            STOREV(costs + t * LS_LEAF + v * LANES, cost);
            STOREV(wholes + t * LS_LEAF + v * LANES, whole);
            size = PICK(whole, lowest, SPREAD((double)t), size);
            lowest = MINV(whole, lowest);
        }
        STOREV(best + v * LANES, lowest);
        STOREV(arg + v * LANES, size);
    }
    double *least = p->least + b + 1, limit = 0;
    for (int l = 0; l < LS_LEAF; l++) {
        for (int t = 1; t <= l; t++) {
            const double whole = least[l - t] + costs[t * LS_LEAF + l];
            arg[l] = whole < best[l] ? t : arg[l];
            best[l] = whole < best[l] ? whole : best[l];
            last[t * LS_LEAF] = whole;
        }
        limit = best[l];
        least[l] = best[l] + fixed;
        p->previous[b + 1 + l] = (int32_t)(b + 1 + l - (ptrdiff_t)arg[l]);
    }
    limit += LS_ASCENT_SLACK * p->price;
    ptrdiff_t t = longest;
    while (t > 1 && last[t * LS_LEAF] > limit)
        t--;
    return b + LS_LEAF - t;
}

/* Each LS_LEAF steps b + 1 .. b + LS_LEAF have sums about a value nearby. The last of them considers
 * all candidates first. Those before its good ones are dropped, and those behind them no good for
 * the others, as the cost is Monge whatever the least costs are. Of many candidates, a step that is
 * farther away has done so before.
 * No step costs more than the last one before and a price. A group of t values of a best path costs
 * at most t / 2 prices, as it would gain at least 2 / t of its cost if it were divided at its mean. */
int ASCEND(const ls_ascent *p)
{
    const double price = p->price, far = 4 * sqrt(price);
    double *least = p->least, *at = p->scratch + LS_LEAF;
    terrain c = {.inverse = at, .base = 0};
    c.reversed = c.inverse + LS_FARTHEST + 2 * LS_LEAF;
    c.bound = c.reversed + LS_FARTHEST + 2 * LS_LEAF;
    c.s1 = c.bound + LS_FARTHEST + 2 * LS_LEAF;
    c.s2 = c.s1 + 2 * LS_FARTHEST + 4 * LS_LEAF;
    double fixed = 0, lost = 0, more[NEARBY + 1];
    ptrdiff_t low = 0, end = 0, filled = 0, ahead = 0, high = 0;
    for (int t = 1; t <= NEARBY; t++)
        more[t] = ls_more(t, t);
    for (int t = 0; t < LS_LEAF; t++) {
        c.inverse[-t] = c.reversed[LS_FARTHEST + t] = 0;
        least[-t - 1] = INFINITY;
    }
    least[0] = 0;
    p->previous[0] = 0;
    for (ptrdiff_t b = 0; b < p->n; b += LS_LEAF) {
        const ptrdiff_t last = b + LS_LEAF;
        if (last - low > LS_FARTHEST - OUTLOOK)
            return 0;
        for (int v = 0; v < VECTORS; v++)
            STOREV(least + b + 1 + v * LANES, SPREAD(INFINITY));
        p->first[b / LS_LEAF] = (int32_t)low;
        if (last - low <= NEARBY) {
            const double error = (least[b] + (LS_LEAF + 2) * price) * 0x1p-50;
            lost += LS_LEAF * (2 * error + 0x1p-30 * price);
            low = settle_nearby(p, more, b, low, price - error);
            continue;
        }
        if (last > end) {
            const ptrdiff_t most = b + LS_LEAF + (b - low) / LS_LEAF * LS_LEAF;
            c.base = low;
            end = most < p->n ? most : p->n;
            const double steps = (double)(end - b);
            const double error = sum_values(p->x, low, b, end, far, c.s1, c.s2)
                               + (least[b] + (steps + 2) * price) * 0x1p-50;
            /* At most so much less than the least cost is found, as of one more group each step. */
            lost += 2 * error * steps;
            /* And what is dropped must not hang on one error. */
            if (!(lost <= LS_MOST_LOST * price && error <= LS_ASCENT_SLACK / 16 * price))
                return 0;
            fixed = price - error;
            for (; filled < LS_FARTHEST && filled < end - low; filled++) {
                c.inverse[filled + 1] = 1 / (double)(filled + 1);
                c.reversed[LS_FARTHEST - (filled + 1)] = c.inverse[filled + 1];
            }
        }
        if (b >= ahead && last - low > LONG_OUTLOOK) {
            ahead = b + OUTLOOK < end ? b + OUTLOOK : end;
            const outlook o = look_ahead(&c, least, ahead, low, b, price);
            high = o.open ? ahead : o.high;
        }
        const int closed = last <= ahead && high < b;
        const outlook o = look_ahead(&c, least, last, low, closed ? high : b, price);
        const int own = o.open && !closed;

        /* Candidates and sums from `low` on. */
        const double *f = least + low, *s1 = c.s1 + (low - c.base), *s2 = c.s2 + (low - c.base);
        const ptrdiff_t n = b + 1 - low;
        double best[LS_LEAF], arg[LS_LEAF];
        lanes x;
        for (int v = 0; v < VECTORS; v++) {
            x.s1[v] = LOADV(s1 + n + v * LANES);
            x.s2[v] = LOADV(s2 + n + v * LANES);
            x.best[v] = SPREAD(INFINITY);
            x.arg[v] = SPREAD(0);
        }
        double candidate = (double)low;
        for (ptrdiff_t i = 0; i <= o.high - low; i++, candidate++)
            weigh_up(&x, f[i], s1[i], s2[i], c.inverse + (n - i), candidate, NULL);
        if (own)
            for (int l = 0; l + 1 < LS_LEAF; l++) {
                store_lanes(&x, best, arg);
                weigh_up(&x, best[l] + fixed, s1[n + l], s2[n + l], c.inverse - l,
                         (double)(b + 1 + l), bars + LS_LEAF - (l + 1));
            }
        store_lanes(&x, best, arg);
        for (int l = 0; l < LS_LEAF; l++) {
            least[b + 1 + l] = best[l] + fixed;
            p->previous[b + 1 + l] = (int32_t)arg[l];
        }
        low = o.first;
    }
    return lost <= LS_MOST_LOST * price;
}

/* ls_pair and its functions, for as many lanes. */
typedef struct {
    VEC hi, lo;
} pairs;

static INLINE pairs two_sums(VEC a, VEC b)
{
    const VEC hi = ADDV(a, b), part = SUBV(hi, a);
    return (pairs){hi, ADDV(SUBV(a, SUBV(hi, part)), SUBV(b, part))};
}

static INLINE pairs two_products(VEC a, VEC b)
{
    const VEC splitter = SPREAD(134217729.0);
    const VEC scaled_a = MULV(splitter, a), scaled_b = MULV(splitter, b);
    const VEC a_hi = SUBV(scaled_a, SUBV(scaled_a, a)), b_hi = SUBV(scaled_b, SUBV(scaled_b, b));
    const VEC a_lo = SUBV(a, a_hi), b_lo = SUBV(b, b_hi), hi = MULV(a, b);
    const VEC rest = ADDV(ADDV(SUBV(MULV(a_hi, b_hi), hi), MULV(a_hi, b_lo)), MULV(a_lo, b_hi));
    return (pairs){hi, ADDV(rest, MULV(a_lo, b_lo))};
}

static INLINE pairs add_pairs(pairs a, pairs b)
{
    const pairs sum = two_sums(a.hi, b.hi);
    const VEC lo = ADDV(sum.lo, ADDV(a.lo, b.lo)), hi = ADDV(sum.hi, lo);
    return (pairs){hi, SUBV(lo, SUBV(hi, sum.hi))};
}

/* Adds the sums of the lanes. */
static ls_pair join(ls_pair sum, pairs lanes, double sign)
{
    double hi[LANES], lo[LANES];
    STOREV(hi, lanes.hi);
    STOREV(lo, lanes.lo);
    for (int t = 0; t < LANES; t++)
        sum = ls_add(sum, (ls_pair){sign * hi[t], sign * lo[t]});
    return sum;
}

void ADD_ALL(ls_sums *sums, const double *deviation, const double *rest, const double *weights,
             ptrdiff_t n, double sign)
{
    ptrdiff_t i = 0;
    if (LANES > 1 && n >= 4 * LANES) {
        const VEC zero = SPREAD(0), one = SPREAD(1);
        pairs s1 = {zero, zero}, s2 = s1, w = s1;
        for (; i + LANES <= n; i += LANES) {
            const VEC d = LOADV(deviation + i), r = LOADV(rest + i);
            pairs first = {d, r}, second = two_products(d, d);
            second.lo = ADDV(second.lo, MULV(ADDV(d, d), r));
            if (weights) {
                const VEC weight = LOADV(weights + i);
                const pairs square = second;
                first = two_products(d, weight);
                first.lo = ADDV(first.lo, MULV(r, weight));
                second = two_products(square.hi, weight);
                second.lo = ADDV(second.lo, MULV(square.lo, weight));
                w = add_pairs(w, (pairs){weight, zero});
            } else
                w.hi = ADDV(w.hi, one);
            s1 = add_pairs(s1, first);
            s2 = add_pairs(s2, second);
        }
        sums->s1 = join(sums->s1, s1, sign);
        sums->s2 = join(sums->s2, s2, sign);
        sums->w = join(sums->w, w, sign);
    }
    for (; i < n; i++)
        ls_sums_add(sums, deviation[i], rest[i], weights ? weights + i : NULL, sign);
}

ptrdiff_t CHOOSE_NEAR(const ls_candidates *from, ptrdiff_t n, double s1, double s2, double w,
                      double extra, double *costs, int32_t *chosen)
{
    double lane[LANES];
    ptrdiff_t count = 0;
    VEC least = SPREAD(INFINITY);
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        const VEC cost = from->table ? LOADV(from->table + i)
                                     : lower_cost(SUBV(SPREAD(s1), LOADV(from->s1 + i)),
                                                  SUBV(SPREAD(s2), LOADV(from->s2 + i)),
                                                  SUBV(SPREAD(w), LOADV(from->w + i)), SPREAD(0));
        const VEC whole = ADDV(LOADV(from->f + i), cost);
        STOREV(costs + i, whole);
        if (i + LANES <= n)
            least = MINV(whole, least);
    }
    for (ptrdiff_t i = n; i % LANES; i++)
        costs[i] = INFINITY;
    STOREV(lane, MINV(LOADV(costs + (n - 1) / LANES * LANES), least));
    double best = lane[0];
    for (int t = 1; t < LANES; t++)
        best = lane[t] < best ? lane[t] : best;
    const double limit = best + 0x1p-48 * (best + extra);
    for (ptrdiff_t i = 0; i < n; i += LANES)
        if (ANY(LOADV(costs + i), SPREAD(limit)))
            for (ptrdiff_t t = i; t < i + LANES; t++)
                if (costs[t] <= limit)
                    chosen[count++] = (int32_t)t;
    return count;
}

/* Least costs of a group more than c->f has, for the steps first..last, whose best candidates lie
 * in low..high. */
static void settle_layer(const chart *c, double *out, ptrdiff_t first, ptrdiff_t last,
                         ptrdiff_t low, ptrdiff_t high)
{
    while (last - first >= LS_LEAF) {
        const ptrdiff_t middle = first + (last - first) / 2;
        place at = nowhere;
        scan(c, middle, low, high < middle ? high : middle - 1, &at);
        out[middle] = at.best - c->error;
        settle_layer(c, out, first, middle - 1, low, at.high);
        first = middle + 1;
        low = at.low;
    }
    double best[LS_LEAF], arg[LS_LEAF];
    lanes x;
    start_lanes(&x, c, first);
    for (ptrdiff_t i = low; i <= high && i < last; i++)
        consider(&x, c, i, i < first ? NULL : bars + LS_LEAF - (i - first + 1));
    store_lanes(&x, best, arg);
    for (ptrdiff_t j = first; j <= last; j++)
        out[j] = best[j - first] - c->error;
}

/* Of the candidates first..j-1 for j: the best one. */
static ptrdiff_t best_candidate(const chart *c, ptrdiff_t first, ptrdiff_t j)
{
    place at = nowhere;
    scan(c, j, first, j - 1, &at);
    return at.arg;
}

int LAYERS(const ls_points *points, ptrdiff_t k, double *scratch, ptrdiff_t stride, int64_t *edges)
{
    const ptrdiff_t n = points->n;
    const ls_pass pass = {.points = points, .done = n / 2};
    double *least = scratch + 4 * stride; /* of one group; behind it, of two, and so on */
    chart c = {scratch, scratch + stride, scratch + 2 * stride, least, NULL,
               scratch + 3 * stride, 0, 0, 0, 0};
    draw(&pass, 0, n, &c, 0);
    c.f[0] = c.f[n / 2] = 0;
    bound_errors(&pass, 0, n, n, &c);
    /* That is of sums, which costs do not exceed by much, and of a few costs. */
    c.error *= 2;
    for (ptrdiff_t j = 0; j <= n; j += LANES) {
        const VEC cost = lower_cost(SUBV(LOADV(c.s1 + j), SPREAD(c.s1[0])),
                                    SUBV(LOADV(c.s2 + j), SPREAD(c.s2[0])),
                                    SUBV(LOADV(c.w + j), SPREAD(c.w[0] + c.w_error)),
                                    SPREAD(c.s1_error));
        STOREV(c.f + j, SUBV(cost, SPREAD(c.error)));
    }
    for (ptrdiff_t groups = 2; groups < k; groups++) {
        c.f = least + (groups - 2) * stride;
        settle_layer(&c, c.f + stride, groups, n, groups - 1, n - 1);
    }
    edges[0] = 0;
    edges[k] = n;
    double total = 0, behind = 0;
    for (ptrdiff_t g = k; g > 0; g--) {
        c.f = least + (g - 2) * stride;
        if (g > 1)
            edges[g - 1] = best_candidate(&c, g - 1, edges[g]);
        const ls_estimate cost = ls_group_cost(points, edges[g - 1], edges[g]);
        total += cost.hi + cost.error;
    }
    total *= 1 + 0x1p-40;
    /* No other cuts may cost as little. */
    for (ptrdiff_t g = k; g > 1; g--) {
        c.f = least + (g - 2) * stride;
        best_candidate(&c, g - 1, edges[g]);
        const double limit = total - behind + c.error;
        for (ptrdiff_t i = g - 1; i < edges[g]; i++)
            if (c.bound[i - (g - 1)] <= limit && i != edges[g - 1])
                return 0;
        const ls_estimate cost = ls_group_cost(points, edges[g - 1], edges[g]);
        behind += ls_larger(cost.hi - cost.error, 0) * (1 - 0x1p-50);
    }
    return 1;
}
