"""Optimal 1-D k-means: costs in double-double arithmetic with error bounds, and best paths.

A sum is held as an unevaluated pair hi + lo of doubles (Dekker 1971; Knuth, TAOCP 2, 4.2.2). With
u = 2**-53, adding two pairs of one sign costs at most 3 u**2 and multiplying two at most 7 u**2 of
the result (Joldes, Muller and Popescu 2017, ACM TOMS 44:15).

The error of a group's cost
---------------------------
`d` is the deviation from the median, `w` the weight. Row by row, `sums` holds pairs of the prefix
sums S1 of w d, S2 of w d**2 and W of w. They start at the median and run outward, so each is a sum
of terms of one sign: an extreme value spoils no sum but those that contain it. Of many values,
parts are summed by themselves and then added up. The relative error of S1, S2 and W is at most
e = 4 (m + 16) u**2, if no term goes through more than m additions.

A group's cost is c = (S2[j] - S2[i]) - m (S1[j] - S1[i]) with m = (S1[j] - S1[i]) / (W[j] - W[i]),
its mean. No |d| in the group, hence not |m| either, exceeds D = max(|first[i]|, |last[j-1]|). Let
A = |S1[i]| + |S1[j]| and V = |W[i]| + |W[j]|. As |S2[i]| + |S2[j]| <= A D,

    the sums S2 contribute at most          e A D,
    the sums S1                             2 e A D (1 + e A / (D (W[j] - W[i]))) <= 3 e A D,
    the sums W, unless they are exact       2 e V D**2,
    the operations on pairs                 40 u**2 A D <= e A D,

where the middle lines need 8 e V <= W[j] - W[i], as A <= V D. Otherwise the weights have cancelled,
and all that is used is 0 <= c <= S2[j] - S2[i]. The code takes kappa = 8 e for each e, which leaves
room for the rounding of the bound itself; `tiny` and `weight_tiny` bound what underflow can do. The
cost of a single value is exactly 0.

Of a few values this may be far more than the cost. Then they are summed by their distances from the
first one: with terms rounded by at most 12 u**2, S2 and S1 by (3 m + 12) u**2, and as S1**2 / W is
no more than S2, the cost is by three times that of S2, or less.

Where deviations are whole multiples of a unit, and weights of another, small enough for all sums
to be exact, e is 0 and what is left is the operations: at most 2**-99 (S2[j] - S2[i]). A cost is
then a whole multiple of unit**2 weight_unit / W, and two costs of paths that differ by less than
one part of their common denominator are equal.
"""
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from levelsnap._team cimport is_forked, meet

from enum import IntEnum

import numpy as np

cdef extern from "wide.h" nogil:
    enum:
        LS_WIDE

cdef extern from "kmeans1d.h" nogil:
    ctypedef struct ls_pair:
        double hi
        double lo

    ctypedef struct ls_estimate:
        double hi
        double lo
        double error

    ctypedef struct ls_sums:
        ls_pair s1
        ls_pair s2
        ls_pair w

    ctypedef struct ls_points:
        Py_ssize_t n
        const double *first
        const double *last
        const double *s1_hi
        const double *s1_lo
        const double *s2_hi
        const double *s2_lo
        const double *w_hi
        const double *w_lo
        double kappa
        double tiny
        double weight_kappa
        double weight_tiny
        double weight_floor
        double unit
        double weight_unit
        const double *x
        double scale

    ctypedef struct ls_pass:
        const ls_points *points
        bint backward
        double price
        double *least
        uint32_t *previous
        double *scratch
        Py_ssize_t stride
        Py_ssize_t done
        Py_ssize_t first

    ctypedef struct ls_ladder:
        Py_ssize_t n
        const double *x
        const double *weights
        const double *prices
        double *rows
        int which
        double *least
        double *origins
        int32_t *first
        double *costs

    ctypedef struct ls_ascent:
        Py_ssize_t n
        const double *x
        double price
        double *least
        int32_t *previous
        int32_t *first
        double *scratch

    ctypedef struct ls_ties:
        Py_ssize_t n
        int longest
        int bits
        const int64_t *parts
        uint64_t price[4]
        void *x
        void *sums
        void *costs
        uint64_t total[4]
        int32_t *previous
        int32_t *fewest
        int32_t *most

    ctypedef struct ls_bands:
        const ls_points *points
        Py_ssize_t n
        const int64_t *positions
        const double *before
        double price
        double slack
        const int32_t *previous
        double *upper
        int32_t *farthest
        int32_t *nearest

    ctypedef struct ls_choose_near:  # a function
        pass

    ctypedef struct ls_near:
        ls_choose_near *choose
        const double *s1
        const double *s2
        const double *w
        const double *square
        double *f
        double *costs
        double *table
        int32_t *counts
        int32_t *chosen
        Py_ssize_t longest
        Py_ssize_t first
        int32_t (*groups)[2]

    ctypedef struct ls_exact:
        Py_ssize_t n
        int64_t *weights
        void *s1
        void *s2
        uint64_t heaviest
        uint64_t price[4]
        uint64_t price_parts

    ctypedef struct ls_sweep:
        const ls_points *points
        Py_ssize_t n
        const int64_t *positions
        ls_near *near
        const double *before
        const double *after
        double pass_price
        double limit
        const int32_t *farthest
        const int32_t *nearest
        ls_estimate price
        const ls_exact *exact
        uint64_t price_parts
        ls_estimate *potential
        int32_t *fewest
        int32_t *most
        int32_t *groups
        uint64_t *parts
        Py_ssize_t *starts
        Py_ssize_t *sources
        ls_estimate *totals
        Py_ssize_t capacity
        bint decided
        Py_ssize_t done
        Py_ssize_t work
        Py_ssize_t walked

    ctypedef enum ls_sweep_end:
        LS_SWEEP_DONE
        LS_SWEEP_UNDECIDED
        LS_SWEEP_FULL
        LS_SWEEP_BUDGET
        LS_SWEEP_LOST

    enum:
        LS_PASS_ROWS
        LS_LEAF
        LS_LONGEST
        LS_LADDER_ROWS
        LS_FARTHEST
        LS_ASCENT_SCRATCH
    double LS_LADDER_GRID

    ls_pair ls_two_sum(double a, double b)
    void ls_sums_add(
        ls_sums *sums, double deviation, double rest, const double *weight, double sign
    )
    ls_sums ls_sums_plus(const ls_sums *a, const ls_sums *b)
    void ls_sums_add_all(
        ls_sums *sums, const double *deviation, const double *rest, const double *weights,
        Py_ssize_t n, double sign, int isa
    )
    int ls_lowest_bit(
        const double *deviation, const double *rest, Py_ssize_t n, int start, int floor
    )
    ls_estimate ls_group_cost(const ls_points *points, Py_ssize_t i, Py_ssize_t j)
    bint ls_group_mean(
        const ls_points *points, Py_ssize_t i, Py_ssize_t j, int exponent, ls_pair median,
        double *mean, double *distance
    )
    bint ls_round_mean(
        const double *values, const double *weights, Py_ssize_t n, double *mean
    )
    bint ls_lone_mean(const double *values, Py_ssize_t n, double *mean)
    ls_choose_near *ls_choose_near_of(int isa)
    Py_ssize_t (*ls_climb_of(int isa))(const ls_ladder *ladder)
    Py_ssize_t ls_ladder_back(
        const ls_ladder *ladder, Py_ssize_t step, int64_t *path, double *gaps, double *error
    )
    bint (*ls_ascend_of(int isa))(const ls_ascent *ascent)
    Py_ssize_t ls_descend(
        const ls_ascent *ascent, Py_ssize_t step, double behind, int64_t *path, double *low
    )
    void ls_exact_fill(ls_exact *exact, const double *values, const uint64_t *weights)
    void ls_ties_fill(ls_ties *ties, const double *values)
    bint ls_ties_run(ls_ties *ties, Py_ssize_t first, Py_ssize_t last)
    void ls_ties_path(const ls_ties *ties, Py_ssize_t k, int64_t *edges)
    bint (*ls_layers_of(int isa))(
        const ls_points *points, Py_ssize_t k, double *scratch, Py_ssize_t stride, int64_t *edges
    )
    bint ls_is_lower(int64_t n, int64_t m, int64_t other_n, int64_t other_m)
    void ls_pass_run(ls_pass *run, Py_ssize_t steps, int isa)
    bint ls_is_hopeless(const ls_pass *run, Py_ssize_t i, Py_ssize_t j)
    bint (*ls_is_only_of(int isa))(
        const ls_pass *run, const int64_t *edges, Py_ssize_t n, double behind, double limit
    )
    void ls_bands_up(const ls_bands *bands, Py_ssize_t first, Py_ssize_t last)
    void ls_bands_down(const ls_bands *bands, Py_ssize_t first, Py_ssize_t last)
    ls_sweep_end ls_sweep_run(ls_sweep *sweep, Py_ssize_t budget)

cdef enum:
    # Between two looks for Ctrl-C, at most about 0.1 s: positions of a pass and of bands, groups of
    # a sweep.
    PASS_STEPS = 1 << 19
    BAND_STEPS = 1 << 20
    SWEEP_GROUPS = 1 << 21

PASS_ROWS = LS_PASS_ROWS
PASS_LEAF = LS_LEAF
LADDER_LONGEST = LS_LONGEST
LADDER_ROWS = LS_LADDER_ROWS
ASCENT_SCRATCH = LS_ASCENT_SCRATCH
LADDER_GRID = LS_LADDER_GRID
# Of the integers that `Ties` can count with.
TIES_BITS = [64, 128, 256] if LS_WIDE else [64]


class SweepEnd(IntEnum):
    DONE = LS_SWEEP_DONE
    UNDECIDED = LS_SWEEP_UNDECIDED
    FULL = LS_SWEEP_FULL
    BUDGET = LS_SWEEP_BUDGET
    LOST = LS_SWEEP_LOST


cdef inline ls_pair as_pair(double hi, double lo) noexcept nogil:
    cdef ls_pair pair
    pair.hi = hi
    pair.lo = lo
    return pair


cdef inline void set_sums(ls_points *p, const double *sums, Py_ssize_t stride) noexcept nogil:
    p.s1_hi = sums
    p.s1_lo = sums + stride
    p.s2_hi = sums + 2 * stride
    p.s2_lo = sums + 3 * stride
    p.w_hi = sums + 4 * stride
    p.w_lo = sums + 5 * stride


cdef class Points:
    """Ascending points and their prefix sums.

    Parameters
    ----------
    first, last : (n,) arrays
        How far the first and the last value of each point, one or several that stay together, are
        from the median. They are equal for single values only.
    sums : (6, n + 1) array
        S1, S2 and W of the points before each position, in rows hi and lo; see above.
    bounds : tuple of float
        kappa, tiny, weight_kappa, weight_tiny, weight_floor, unit, weight_unit.
    values : (n,) array or None
        The points, where each is one value and weights are exact.
    scale : float
        What values are to be multiplied with to differ as the deviations do.
    """
    cdef ls_points points
    cdef object arrays  # whose memory `points` has

    def __init__(
        self,
        const double[::1] first not None,
        const double[::1] last not None,
        const double[:, ::1] sums not None,
        tuple bounds not None,
        const double[::1] values=None,
        double scale=1.0,
    ):
        cdef ls_points *p = &self.points
        self.arrays = first, last, sums, values
        p.n = first.shape[0]
        p.first = &first[0]
        p.last = &last[0]
        set_sums(p, &sums[0, 0], sums.shape[1])
        p.kappa, p.tiny, p.weight_kappa, p.weight_tiny, p.weight_floor = bounds[:5]
        p.unit, p.weight_unit = bounds[5:]
        p.x = NULL
        p.scale = scale
        if values is not None:
            p.x = &values[0]

    def __len__(self):
        return self.points.n


def subtract(double[::1] values not None, double subtrahend, double[::1] rest not None):
    """Subtract in place, leaving what that rounds in `rest`, of the same length."""
    cdef ls_pair difference
    cdef Py_ssize_t i
    with nogil:
        for i in range(values.shape[0]):
            difference = ls_two_sum(values[i], -subtrahend)
            values[i] = difference.hi
            rest[i] = difference.lo


def walk_sums(
    const double[::1] deviation not None,                   # IN
    const double[::1] rest not None,                        # IN
    const double[::1] weights,                              # IN, None: each value weighs 1
    double[::1] state not None,                             # IN, OUT
    Py_ssize_t start,
    Py_ssize_t part,
    int isa,
    const int64_t[::1] positions,                           # IN, None: all
    double[:, :] sums not None,                             # OUT
):
    """Go on with prefix sums, from a position up to the last value and down to the first.

    Parameters
    ----------
    deviation, rest : (m,) arrays
        value - median is exactly deviation + rest, and |rest| <= u |deviation|.
    weights : (m,) array or None
    state : (6,) array
        The sums S1, S2 and W at `start`, each as hi and lo, which are 0 at the median; then those
        at the other end, if `start` is one of the ends.
    start : int
        From 0, before the first value, to m, after the last.
    part : int
        How many values are summed by themselves, before their sums are added to those so far; 0:
        one by one.
    isa : Isa
    positions : (p,) int64 array, ascending, or None
        Which sums to keep, of those from 0 to m; None: all. The ones at `start` are not written,
        as another thread may read them.
    sums : (6, p) array
        Those.
    """
    cdef Py_ssize_t m = deviation.shape[0], p = sums.shape[1], here, column
    cdef ls_sums *now = <ls_sums *>&state[0]
    cdef ls_walker up = walker(now, part), down = up
    cdef ls_values values
    values.deviation = &deviation[0]
    values.rest = &rest[0]
    values.weights = NULL
    if weights is not None:
        values.weights = &weights[0]
    with nogil:
        if positions is None:
            walk_each(&up, &down, &values, start, m, sums)
        else:
            here = start
            for column in range(p):
                if positions[column] > start:
                    add_values(&up, &values, here, positions[column], 1, isa)
                    put_reached(&up, sums, column)
                    here = positions[column]
            add_values(&up, &values, here, m, 1, isa)
            here = start
            for column in range(p - 1, -1, -1):
                if positions[column] < start:
                    add_values(&down, &values, positions[column], here, -1, isa)
                    put_reached(&down, sums, column)
                    here = positions[column]
            add_values(&down, &values, 0, here, -1, isa)
        now[0] = reached(&up) if start < m else reached(&down)


cdef struct ls_values:
    const double *deviation
    const double *rest
    const double *weights


cdef struct ls_walker:
    ls_sums before
    ls_sums part
    Py_ssize_t size  # of parts; 0: there is one only
    Py_ssize_t left  # before the part is full


cdef inline ls_walker walker(const ls_sums *start, Py_ssize_t size) noexcept nogil:
    cdef ls_walker at
    at.size = at.left = size
    at.part = at.before = start[0]
    if size > 0:
        at.part.s1 = at.part.s2 = at.part.w = as_pair(0, 0)
    return at


cdef inline ls_sums reached(const ls_walker *at) noexcept nogil:
    return ls_sums_plus(&at.before, &at.part) if at.size > 0 else at.part


cdef inline void take(ls_walker *at, Py_ssize_t count) noexcept nogil:
    """So many more values are in the part."""
    cdef ls_sums now
    at.left -= count
    if at.left == 0:
        now = reached(at)
        at[0] = walker(&now, at.size)


cdef inline void put_reached(
    const ls_walker *at, double[:, :] sums, Py_ssize_t column
) noexcept nogil:
    cdef ls_sums now = reached(at)
    put_sums(&now, sums, column)


cdef inline void add_values(
    ls_walker *at, const ls_values *values, Py_ssize_t first, Py_ssize_t last, double sign, int isa
) noexcept nogil:
    cdef const double *weights = values.weights
    cdef Py_ssize_t count
    while first < last:
        count = min(last - first, at.left) if at.size > 0 else last - first
        ls_sums_add_all(
            &at.part, values.deviation + first, values.rest + first,
            weights + first if weights else weights, count, sign, isa,
        )
        take(at, count)
        first += count


cdef void walk_each(
    ls_walker *up, ls_walker *down, const ls_values *values, Py_ssize_t start, Py_ssize_t m,
    double[:, :] sums,
) noexcept nogil:
    """All sums but those at `start`; up and down side by side, as each waits for its own."""
    cdef Py_ssize_t count, i
    cdef const double *weights = values.weights
    for count in range(max(m - start, start)):
        i = start + count
        if i < m:
            ls_sums_add(
                &up.part, values.deviation[i], values.rest[i], weights + i if weights else weights,
                1,
            )
            put_reached(up, sums, i + 1)
            take(up, 1)
        i = start - 1 - count
        if i >= 0:
            ls_sums_add(
                &down.part, values.deviation[i], values.rest[i],
                weights + i if weights else weights, -1,
            )
            put_reached(down, sums, i)
            take(down, 1)


cdef inline void put_sums(
    const ls_sums *now, double[:, :] sums, Py_ssize_t column
) noexcept nogil:
    sums[0, column] = now.s1.hi
    sums[1, column] = now.s1.lo
    sums[2, column] = now.s2.hi
    sums[3, column] = now.s2.lo
    sums[4, column] = now.w.hi
    sums[5, column] = now.w.lo


def lowest_bit(
    const double[::1] values not None, const double[::1] rest, int start, int floor
):
    """The exponent of the largest power of two that all values + rest are multiples of.

    At most `start`. Once it is below `floor`, it is not looked for any more. A rest of None is 0.
    """
    cdef const double *low = NULL
    if rest is not None:
        low = &rest[0]
    with nogil:
        start = ls_lowest_bit(&values[0], low, values.shape[0], start, floor)
    return start


cdef void begin_pass(
    ls_pass *run, Points points, bint backward, double price, double[:, ::1] least,
    double[:, :, ::1] scratch
) noexcept:
    run.points = &points.points
    run.backward = backward
    run.price = price
    run.least = &least[backward, 0]
    run.previous = NULL
    run.scratch = &scratch[backward, 0, 0]
    run.stride = scratch.shape[2]
    run.done = run.first = 0


def run_passes(
    Points points not None,                                 # IN
    double price,
    double[:, ::1] least not None,                          # OUT
    uint32_t[:, ::1] previous not None,                     # OUT
    double[:, :, ::1] scratch not None,                     # scratch
    int64_t[:, ::1] state not None,                         # IN, OUT
    const int64_t[::1] until not None,                      # IN
    int threads,
    int isa,
    progress,
):
    """Least costs of reaching each position, where each group costs its own cost and a price.

    Parameters
    ----------
    points : Points
    price : float
    least : (2, n + 1) array
        Lower bounds, from position 0 in the first row, and from n in the second.
    previous : (2, n + 1) array
        The position before on a path, from position 0 and n, of about that cost.
    scratch : (2, PASS_ROWS, n + 1 + PASS_LEAF) array
    state : (2, 2) int64 array
        How many positions each has done, and where it is to go on from; 0 at first.
    until : (2,) int64 array
        How many positions are to be done, at least, counted from the end where a pass starts.
    threads : int
        One for each pass.
    isa : Isa
    progress : callable or None
        Called as ``progress(done)``, the number of positions that the passes have done on average.
    """
    cdef ls_pass runs[2]
    cdef Py_ssize_t steps[2]
    cdef long arrived
    cdef Py_ssize_t t
    for t in range(2):
        begin_pass(&runs[t], points, t, price, least, scratch)
        runs[t].previous = &previous[t, 0]
        runs[t].done, runs[t].first = state[t, 0], state[t, 1]
    with nogil:
        while True:
            for t in range(2):
                steps[t] = min(<Py_ssize_t>PASS_STEPS, until[t] - runs[t].done)
            if steps[0] <= 0 and steps[1] <= 0:
                break
            if threads == 1 or is_forked():
                for t in range(2):
                    ls_pass_run(&runs[t], steps[t], isa)
            else:
                arrived = 0
                for t in prange(2, num_threads=threads, schedule="static"):
                    ls_pass_run(&runs[t], steps[t], isa)
                    meet(&arrived, 2)
            with gil:
                PyErr_CheckSignals()
                if progress is not None:
                    progress((runs[0].done + runs[1].done) // 2)
    for t in range(2):
        state[t, 0], state[t, 1] = runs[t].done, runs[t].first


def is_cut_within(
    Points points not None,                                 # IN
    double price,
    double[:, ::1] least not None,
    double[:, :, ::1] scratch not None,
    Py_ssize_t first,
    Py_ssize_t last,
):
    """Whether every best path goes through one of the positions first..last."""
    cdef ls_pass run
    begin_pass(&run, points, False, price, least, scratch)
    return first == 0 or last == points.points.n or ls_is_hopeless(&run, first, last)


def is_only_path(
    Points points not None,                                 # IN
    double price,
    double[:, ::1] least not None,                          # IN
    double[:, :, ::1] scratch not None,                     # scratch
    const int64_t[::1] edges not None,                      # IN
    Py_ssize_t first,
    Py_ssize_t last,
    double limit,
    int threads,
    int isa,
):
    """Whether a path is surely the only one through some of its edges of at most such a cost.

    Parameters
    ----------
    points, price, least, scratch
        Of `run_passes`, which has done the forward pass up to `last` and the other to `first`.
    edges : (k + 1,) int64 array
        The path.
    first, last : int
        These and all between are the indices of those edges, 0 < first <= last < k.
    limit : float
    threads, isa : int

    Returns
    -------
    bool
    """
    cdef ls_pass runs[2]
    cdef Py_ssize_t at[2]
    cdef Py_ssize_t groups[2]
    cdef bint only[2]
    cdef long arrived = 0
    cdef Py_ssize_t t
    for t in range(2):
        begin_pass(&runs[t], points, t, price, least, scratch)
    at[0], at[1] = last, first
    groups[0], groups[1] = last, edges.shape[0] - 1 - first
    with nogil:
        if threads == 1 or is_forked():
            for t in range(2):
                only[t] = ls_is_only_of(isa)(
                    &runs[t], &edges[at[t]], groups[t], least[1 - t, edges[at[t]]], limit
                )
        else:
            for t in prange(2, num_threads=threads, schedule="static"):
                only[t] = ls_is_only_of(isa)(
                    &runs[t], &edges[at[t]], groups[t], least[1 - t, edges[at[t]]], limit
                )
                meet(&arrived, 2)
    return only[0] and only[1]


cdef void begin_ladder(
    ls_ladder *ladder, Py_ssize_t side, const double[:, ::1] x, const double[:, ::1] weights,
    const double[::1] prices, int which, double[:, ::1] least, double[:, ::1] origins,
    int32_t[:, ::1] first
) noexcept:
    ladder.n = least.shape[1] - 1
    ladder.x = &x[side, LS_LEAF]
    ladder.weights = NULL
    if weights is not None:
        ladder.weights = &weights[side, LS_LEAF]
    ladder.prices = &prices[0]
    ladder.which = which
    ladder.least = &least[side, 0]
    ladder.origins = &origins[side, 0]
    ladder.first = &first[side, 0]
    ladder.rows = ladder.costs = NULL


def climb(
    const double[:, ::1] x not None,                        # IN
    const double[:, ::1] weights,                           # IN, None: each value weighs 1
    const double[::1] prices not None,                      # IN
    int which,
    double[:, :, ::1] rows not None,                        # OUT
    double[:, ::1] least not None,                          # OUT
    double[:, ::1] origins not None,                        # OUT
    int32_t[:, ::1] first not None,                         # OUT
    double[:, :, ::1] costs not None,                       # scratch
    int threads,
    int isa,
):
    """Least costs at several prices at once, where groups hold few values.

    Parameters
    ----------
    x : (2, values) array
        The values, ascending, and those with the other sign, ascending too. PASS_LEAF before and
        behind each row's are not used.
    weights : like x, or None
    prices : (PASS_LEAF,) array
        Multiples of LADDER_GRID times the power of two above all of them.
    which : int
        The price that `least` is for.
    rows : (2, LADDER_ROWS + 1, PASS_LEAF) array
        Lower bounds of the least costs at each price, or, if there are weights, about these, of the
        first values of each row of x: for the last numbers of these. The last row is to be added.
    least : (2, steps + 1) array
        Of the first 0, 1, .. steps values.
    origins : (2, steps / PASS_LEAF + 1) array
        What is to be added to the first of `least`, and to each PASS_LEAF behind.
    first : (2, steps / PASS_LEAF) int32 array
        For `ladder_back`.
    costs : (2, LADDER_LONGEST + 1, PASS_LEAF) array
    threads, isa : int

    Returns
    -------
    int
        The number of values that the first of the rows is for; -1 if a group may hold more than
        LADDER_LONGEST values.
    """
    cdef ls_ladder ladders[2]
    cdef long arrived = 0
    cdef Py_ssize_t base[2]
    cdef Py_ssize_t t
    for t in range(2):
        begin_ladder(&ladders[t], t, x, weights, prices, which, least, origins, first)
        ladders[t].rows, ladders[t].costs = &rows[t, 0, 0], &costs[t, 0, 0]
    with nogil:
        if threads == 1 or is_forked():
            for t in range(2):
                base[t] = ls_climb_of(isa)(&ladders[t])
        else:
            for t in prange(2, num_threads=threads, schedule="static"):
                base[t] = ls_climb_of(isa)(&ladders[t])
                meet(&arrived, 2)
    return min(base[0], base[1])


def ladder_back(
    const double[:, ::1] x not None,                        # IN
    const double[::1] prices not None,                      # IN
    int which,
    double[:, ::1] least not None,                          # IN
    double[:, ::1] origins not None,                        # IN
    int32_t[:, ::1] first not None,                         # IN
    const int64_t[::1] steps not None,                      # IN
    int64_t[:, ::1] paths not None,                         # OUT
    double[:, ::1] gaps not None,                           # OUT
    int threads,
):
    """Paths of about the least cost from a step back to the start of each row.

    Parameters
    ----------
    x, prices, which, least, origins, first
        Of `climb`, without weights.
    steps : (2,) int64 array
    paths : (2, steps + 1) array
        The steps, backwards.
    gaps : (2, steps) array
        How much more a path to each of them costs by another edge, as far as that is by some less
        than LS_LADDER_SLACK of the price.
    threads : int

    Returns
    -------
    groups : tuple of int
        Their numbers.
    errors : tuple of float
        How far gaps may be from the true ones.
    """
    cdef ls_ladder ladders[2]
    cdef Py_ssize_t groups[2]
    cdef double errors[2]
    cdef long arrived = 0
    cdef Py_ssize_t t
    for t in range(2):
        begin_ladder(&ladders[t], t, x, None, prices, which, least, origins, first)
    with nogil:
        if threads == 1 or is_forked():
            for t in range(2):
                groups[t] = ls_ladder_back(
                    &ladders[t], steps[t], &paths[t, 0], &gaps[t, 0], &errors[t]
                )
        else:
            for t in prange(2, num_threads=threads, schedule="static"):
                groups[t] = ls_ladder_back(
                    &ladders[t], steps[t], &paths[t, 0], &gaps[t, 0], &errors[t]
                )
                meet(&arrived, 2)
    return (groups[0], groups[1]), (errors[0], errors[1])


cdef void begin_ascent(
    ls_ascent *ascent, Py_ssize_t side, const double[:, ::1] x, double price,
    double[:, ::1] least, int32_t[:, ::1] previous, int32_t[:, ::1] first, double[:, ::1] scratch
) noexcept:
    ascent.n = least.shape[1] - LS_LEAF - 1
    ascent.x = &x[side, LS_LEAF]
    ascent.price = price
    ascent.least = &least[side, LS_LEAF]
    ascent.previous = &previous[side, 0]
    ascent.first = &first[side, 0]
    ascent.scratch = &scratch[side, 0]


def ascend(
    const double[:, ::1] x not None,                        # IN
    double price,
    double[:, ::1] least not None,                          # OUT
    int32_t[:, ::1] previous not None,                      # OUT
    int32_t[:, ::1] first not None,                         # OUT
    double[:, ::1] scratch not None,                        # scratch
    int threads,
    int isa,
):
    """Least costs at one price.

    Parameters
    ----------
    x : (2, values) array
        As for `climb`.
    price : float
    least : (2, PASS_LEAF + steps + 1) array
        Lower bounds of the least costs of the first 0, 1, .. steps values of each row, after some
        that are not used.
    previous : (2, steps + 1) int32 array
        How many of these are not in the last group.
    first : (2, steps / PASS_LEAF) int32 array
        For `descend`, by steps.
    scratch : (2, ASCENT_SCRATCH) array
    threads, isa : int

    Returns
    -------
    bool
        False if a group may hold more than about FARTHEST values, or the values are too uneven.
    """
    cdef ls_ascent ascents[2]
    cdef bint done[2]
    cdef long arrived = 0
    cdef Py_ssize_t t
    for t in range(2):
        begin_ascent(&ascents[t], t, x, price, least, previous, first, scratch)
    with nogil:
        if threads == 1 or is_forked():
            for t in range(2):
                done[t] = ls_ascend_of(isa)(&ascents[t])
        else:
            for t in prange(2, num_threads=threads, schedule="static"):
                done[t] = ls_ascend_of(isa)(&ascents[t])
                meet(&arrived, 2)
    return done[0] and done[1]


def descend(
    const double[:, ::1] x not None,                        # IN
    double price,
    double[:, ::1] least not None,                          # IN
    int32_t[:, ::1] previous not None,                      # IN
    int32_t[:, ::1] first not None,                         # IN
    double[:, ::1] scratch not None,                        # scratch
    const int64_t[::1] steps not None,                      # IN
    const double[::1] behind not None,                      # IN
    int64_t[:, ::1] paths not None,                         # OUT
    int threads,
):
    """Paths of about the least cost from a step back to the start of each row.

    Parameters
    ----------
    x, price, least, previous, first, scratch
        Of `ascend`.
    steps : (2,) int64 array
    behind : (2,) array
        At least what the rest of a path costs.
    paths : (2, steps + 1) array
        The steps, backwards.
    threads : int

    Returns
    -------
    groups : tuple of int
        Their numbers.
    low : tuple of float
        At least what a path costs by another edge to one of the steps, if that is less by some than
        LS_LADDER_SLACK of the price more than the least.
    """
    cdef ls_ascent ascents[2]
    cdef Py_ssize_t groups[2]
    cdef double low[2]
    cdef long arrived = 0
    cdef Py_ssize_t t
    for t in range(2):
        begin_ascent(&ascents[t], t, x, price, least, previous, first, scratch)
    with nogil:
        if threads == 1 or is_forked():
            for t in range(2):
                groups[t] = ls_descend(&ascents[t], steps[t], behind[t], &paths[t, 0], &low[t])
        else:
            for t in prange(2, num_threads=threads, schedule="static"):
                groups[t] = ls_descend(&ascents[t], steps[t], behind[t], &paths[t, 0], &low[t])
                meet(&arrived, 2)
    return (groups[0], groups[1]), (low[0], low[1])


def steps_back(const int32_t[::1] previous not None, Py_ssize_t step, int64_t[::1] path not None):
    """The steps from one back to 0, as `previous` leads; returns the number of groups."""
    cdef Py_ssize_t groups = 0
    with nogil:
        path[0] = step
        while step > 0:
            step = previous[step]
            groups += 1
            path[groups] = step
    return groups


cdef class Ties:
    """Least costs of ascending integers at one price after another, exactly.

    Parameters
    ----------
    values : (n,) float64 array
        Whole numbers less than 2**127 whose differences are less than 2**64 / longest, or beside
        256 bits 2**128 / longest.
    parts : (longest + 1,) int64 array
        The parts of 1 that costs and the price count in, a common multiple of 1 .. longest, divided
        by each of these; the first is not used.
    bits : int
        One of TIES_BITS.
    """
    cdef ls_ties ties
    cdef object arrays  # whose memory `ties` has

    def __init__(
        self, const double[::1] values not None, const int64_t[::1] parts not None, int bits
    ):
        cdef ls_ties *t = &self.ties
        cdef Py_ssize_t n = values.shape[0]
        cdef int words = bits // 64, value_words = max(words // 2, 1)
        cdef uint64_t[::1] x = np.empty(n * value_words, np.uint64)
        cdef uint64_t[:, ::1] sums = np.empty((value_words + 2 * words, n + 1), np.uint64)
        cdef int32_t[:, ::1] numbers = np.empty((3, n + 1), np.int32)
        self.arrays = x, parts, sums, numbers
        t.n = n
        t.longest = parts.shape[0] - 1
        t.bits = bits
        t.parts = &parts[0]
        t.x, t.sums, t.costs = &x[0], &sums[0, 0], &sums[value_words, 0]
        t.previous, t.fewest, t.most = &numbers[0, 0], &numbers[1, 0], &numbers[2, 0]
        with nogil:
            ls_ties_fill(t, &values[0])

    def path(self, int64_t[::1] edges not None):
        """The edges of the lowest of the best k groups, after a run that has found such."""
        with nogil:
            ls_ties_path(&self.ties, edges.shape[0] - 1, &edges[0])


def run_ties(some not None, prices not None):
    """Find the best groups at one price or, with two threads, at two.

    Parameters
    ----------
    some : sequence of one or two Ties
        Of the same values.
    prices : sequence of as many int
        2**5 longest (price + parts[1]) < 2**(bits - 2).

    Returns
    -------
    list of (int, int, int) or None
        Of each, the fewest and the most of the best groups, and their cost with their prices,
        modulo 2**bits. None: a group may hold more values than `longest`.
    """
    cdef ls_ties *ties[2]
    cdef int count = <int>len(some), failed = 0, t, word
    cdef Py_ssize_t done = 0, n = 0
    cdef long arrived
    for t in range(count):
        ties[t] = &(<Ties?>some[t]).ties
        for word in range(ties[t].bits // 64):
            ties[t].price[word] = prices[t] >> 64 * word & 0xFFFFFFFFFFFFFFFF
        n = ties[t].n
    with nogil:
        while done <= n and not failed:
            arrived = 0
            if count == 1 or is_forked():
                for t in range(count):
                    failed |= not ls_ties_run(ties[t], done, min(done + BAND_STEPS, n + 1))
            else:
                for t in prange(2, num_threads=2, schedule="static"):
                    failed |= not ls_ties_run(ties[t], done, min(done + BAND_STEPS, n + 1))
                    meet(&arrived, 2)
            done += BAND_STEPS
            with gil:
                PyErr_CheckSignals()
    if failed:
        return None
    return [
        (
            ties[t].fewest[n],
            ties[t].most[n],
            sum([<object>ties[t].total[word] << 64 * word for word in range(ties[t].bits // 64)]),
        )
        for t in range(count)
    ]


def layers(
    Points points not None,                                 # IN
    double[:, ::1] scratch not None,                        # scratch
    int64_t[::1] edges not None,                            # OUT
    int isa,
):
    """The edges of the best groups, by least costs of one group more after another.

    Parameters
    ----------
    points : Points
    scratch : (PASS_ROWS - 2 + k, n + 1 + PASS_LEAF) array
    edges : (k + 1,) int64 array, k >= 2
    isa : Isa

    Returns
    -------
    bool
        Whether these are proved to be the only best ones.
    """
    cdef Py_ssize_t k = edges.shape[0] - 1
    cdef bint proved
    with nogil:
        proved = ls_layers_of(isa)(
            &points.points, k, &scratch[0, 0], scratch.shape[1], &edges[0]
        )
    return proved


def few_means(
    const double[::1] values not None,                      # IN
    const double[::1] weights,                              # IN, None: each value weighs 1
    double kappa,
    double tiny,
    double[:, ::1] scratch not None,                        # scratch
    int64_t[::1] edges not None,                            # OUT
    double[::1] means not None,                             # OUT
    int isa,
):
    """The best groups of a few values, as by `layers`, and their correctly rounded means.

    Parameters
    ----------
    values : (n,) array
        Ascending; squares of their differences neither overflow nor underflow.
    weights : (n,) array or None
        Whole numbers.
    kappa, tiny : float
        Of the sums, as in `Points`.
    scratch : (6 + PASS_ROWS + k, n + 1 + PASS_LEAF) array
    edges : (k + 1,) int64 array, k >= 2
    means : (k,) array
    isa : Isa

    Returns
    -------
    bool
        Whether all is proved, and no two means are equal.
    """
    cdef Py_ssize_t n = values.shape[0], k = means.shape[0], middle = n // 2, i
    cdef double *deviation = &scratch[6, 0]
    cdef double *rest = &scratch[7, 0]
    cdef const double *weigh = NULL
    cdef double[:, :] sums = scratch
    cdef double distance
    cdef ls_pair pair, zero = as_pair(0, 0)
    cdef ls_sums nothing
    cdef ls_walker up, down
    cdef ls_values given
    cdef ls_points points
    cdef bint proved
    nothing.s1 = nothing.s2 = nothing.w = zero
    up = down = walker(&nothing, 0)
    if weights is not None:
        weigh = &weights[0]
    with nogil:
        for i in range(n):
            pair = ls_two_sum(values[i], -values[middle])
            deviation[i] = pair.hi
            rest[i] = pair.lo
        given.deviation, given.rest, given.weights = deviation, rest, weigh
        put_sums(&nothing, sums, middle)
        walk_each(&up, &down, &given, middle, n, sums)
        points.n = n
        points.first = points.last = deviation
        set_sums(&points, &scratch[0, 0], scratch.shape[1])
        points.kappa, points.tiny = kappa, tiny
        points.weight_kappa = points.weight_tiny = points.weight_floor = 0
        points.unit = points.weight_unit = 0
        points.x = NULL
        proved = ls_layers_of(isa)(&points, k, &scratch[8, 0], scratch.shape[1], &edges[0])
        i = 0
        while proved and i < k:
            proved = ls_group_mean(
                &points, edges[i], edges[i + 1], 0, as_pair(values[middle], 0), &means[i],
                &distance,
            ) or ls_round_mean(
                &values[edges[i]], weigh + edges[i] if weigh else weigh, edges[i + 1] - edges[i],
                &means[i],
            )
            proved = proved and (i == 0 or means[i - 1] < means[i])
            i += 1
    return proved


def path_through(
    const uint32_t[:, ::1] previous not None, Py_ssize_t middle, int64_t[::1] path not None
):
    """The positions of a path through one in the middle, as `previous` leads either way.

    They are written to a part of `path`, where these start and stop.
    """
    cdef Py_ssize_t n = previous.shape[1] - 1, start = middle, stop = middle + 1
    with nogil:
        path[middle] = middle
        while path[start] > 0:
            path[start - 1] = previous[0, path[start]]
            start -= 1
        while path[stop - 1] < n:
            path[stop] = previous[1, path[stop - 1]]
            stop += 1
    return start, stop


def positions_within(const double[:, ::1] least not None, double limit, int64_t[::1] positions):
    """How many positions j have ``least[0, j] + least[1, j] <= limit``; and which, if asked."""
    cdef Py_ssize_t j, count = 0
    with nogil:
        for j in range(least.shape[1]):
            if least[0, j] + least[1, j] <= limit:
                if positions is not None:
                    positions[count] = j
                count += 1
    return count


def bands(
    Points points not None,                                 # IN
    const int64_t[::1] positions not None,                  # IN
    const double[:, ::1] least not None,                    # IN
    double price,
    double limit,
    const int32_t[::1] previous not None,                   # IN
    double[::1] upper not None,                             # scratch
    int32_t[:, ::1] ends not None,                          # OUT
):
    """Which edges to each position may belong to a path within a limit.

    Parameters
    ----------
    points : Points
    positions : (m,) int64 array
        Ascending, from 0 to the number of points.
    least : (2, m) array
        Lower bounds of the least cost from either end, from `run_passes`.
    price : float
        At which these were found.
    limit : float
    previous : (m,) int32 array
        The index of the position before on a good path; -1 where it is unknown, and at 0.
    upper : (m,) array
    ends : (2, m) int32 array
        The indices of the first and of the last position where such an edge may come from.
    """
    cdef ls_bands b
    cdef Py_ssize_t m = positions.shape[0], done = 0
    b.points = &points.points
    b.n = m
    b.positions = &positions[0]
    b.before = &least[0, 0]
    b.price = price
    b.slack = limit - least[0, m - 1]
    b.previous = &previous[0]
    b.upper = &upper[0]
    b.farthest = &ends[0, 0]
    b.nearest = &ends[1, 0]
    with nogil:
        while done < m:
            ls_bands_up(&b, done, min(done + BAND_STEPS, m))
            done = min(done + BAND_STEPS, m)
            with gil:
                PyErr_CheckSignals()
        while done > 0:
            ls_bands_down(&b, max(done - BAND_STEPS, 0), done)
            done = max(done - BAND_STEPS, 0)
            with gil:
                PyErr_CheckSignals()


cdef class ExactSums:
    """Prefix sums of values as integers, to choose by where doubles do not tell paths apart.

    Parameters
    ----------
    values : (n,) float64 array
        Ascending whole numbers less than 2**127 that spread over less than 2**124; this over how
        far they do is the most that groups to choose among may weigh.
    weights : (n,) uint64 array or None
        None: each value weighs 1.
    """
    cdef ls_exact exact
    cdef object arrays  # whose memory `exact` has

    def __init__(self, const double[::1] values not None, const uint64_t[::1] weights):
        cdef ls_exact *e = &self.exact
        cdef Py_ssize_t n = values.shape[0]
        cdef uint64_t[:, ::1] sums = np.empty((6, n + 1), np.uint64)
        cdef int64_t[::1] before = np.empty(n + 1, np.int64)
        cdef const uint64_t *weigh = NULL
        if weights is not None:
            weigh = &weights[0]
        self.arrays = sums, before
        e.n = n
        e.weights, e.s1, e.s2 = &before[0], &sums[0, 0], &sums[2, 0]
        e.heaviest = <uint64_t>min(2.0**124 / (values[n - 1] - values[0]), 2.0**62)
        with nogil:
            ls_exact_fill(e, &values[0], weigh)

    def set_price(self, price, parts):
        """In parts of 1, as many as are given; both are positive."""
        cdef int word
        if price >= 2**248 or parts >= 2**60:
            price, parts = 0, 0  # not known
        for word in range(4):
            self.exact.price[word] = price >> 64 * word & 0xFFFFFFFFFFFFFFFF
        self.exact.price_parts = parts


def sweep(
    Points points not None,                                 # IN
    const int64_t[::1] positions not None,                  # IN
    const double[:, ::1] least not None,                    # IN
    double pass_price,
    double limit,
    const int32_t[:, ::1] ends not None,                    # IN
    tuple price not None,
    uint64_t price_parts,
    ExactSums exact,
    double[:, ::1] potential not None,                      # OUT
    int32_t[::1] fewest not None,                           # OUT
    int32_t[::1] most not None,                             # OUT
    int32_t[::1] groups not None,                           # OUT
    uint64_t[::1] parts not None,                           # OUT
    Py_ssize_t[::1] starts not None,                        # IN, OUT
    Py_ssize_t[::1] sources not None,                       # OUT
    double[:, ::1] totals not None,                         # OUT
    Py_ssize_t[::1] done not None,                          # IN, OUT
    bint decided,
    Py_ssize_t budget,
):
    """Best paths through some positions, by cost and price, until there is a choice to be made.

    Parameters
    ----------
    points : Points
    positions : (m,) int64 array
        Ascending, from 0 to the number of points.
    least : (2, m) array
        Lower bounds of the least cost from either end, from `run_passes`.
    pass_price : float
        At which these were found.
    limit : float
        Paths that surely cost more, at that price, are left out.
    ends : (2, m) int32 array
        From `bands`.
    price : tuple of float
        hi, lo and a bound of the error.
    price_parts : int
        The denominator of the price in units of the points, if they have some; 0: unknown.
    exact : ExactSums or None
        With the price, to choose by where that is possible.
    potential : (m, 3) array
        The least cost of a path to each position: hi, lo and a bound of the error.
    fewest, most : (m,) int32 arrays
        How many groups the best paths to a position have; `most` is -1 if there is no path.
    groups : (m,) int32 array
        How many groups one of these paths has.
    parts : (m,) uint64 array
        A denominator of its cost without prices, in units of the points; 0: unknown.
    starts : (m + 1,) intp array
        The edges to position j are ``starts[j]:starts[j+1]``.
    sources : (edges,) intp array
        The index of the position that an edge comes from. Edges that cannot be told from the best
        one are kept, the best one first.
    totals : (edges, 3) array
        The cost of a path by each.
    done : (1,) intp array
        Positions settled; 0 at first.
    decided : bool
        Whether the caller has chosen among the edges to position ``done[0]``.
    budget : int
        How many groups may be looked at.

    Returns
    -------
    SweepEnd
    """
    cdef ls_sweep s
    cdef ls_sweep_end end
    s.points = &points.points
    s.n = positions.shape[0]
    s.positions = &positions[0]
    s.near = NULL
    s.before = &least[0, 0]
    s.after = &least[1, 0]
    s.pass_price = pass_price
    s.limit = limit
    s.farthest = &ends[0, 0]
    s.nearest = &ends[1, 0]
    s.price.hi, s.price.lo, s.price.error = price
    s.price_parts = price_parts
    s.exact = NULL
    if exact is not None:
        s.exact = &exact.exact
    s.potential = <ls_estimate *>&potential[0, 0]
    s.fewest = &fewest[0]
    s.most = &most[0]
    s.groups = &groups[0]
    s.parts = &parts[0]
    s.starts = &starts[0]
    s.sources = &sources[0]
    s.totals = <ls_estimate *>&totals[0, 0]
    s.capacity = sources.shape[0]
    s.decided = decided
    s.done = done[0]
    s.work = s.walked = 0
    end = go_on(&s, budget)
    done[0] = s.done
    return SweepEnd(end)


cdef ls_sweep_end go_on(ls_sweep *s, Py_ssize_t budget) except *:
    """Go on with a sweep within a budget."""
    cdef ls_sweep_end end
    with nogil:
        while True:
            end = ls_sweep_run(s, min(<Py_ssize_t>SWEEP_GROUPS, budget))
            with gil:
                PyErr_CheckSignals()
            s.decided = False
            if end != LS_SWEEP_BUDGET or s.work > budget:
                return end


def sweep_near(
    Points points not None,                                 # IN
    const int64_t[::1] positions not None,                  # IN
    const double[:, ::1] sums not None,                     # IN
    const double[::1] square not None,                      # IN
    const int32_t[:, ::1] ends not None,                    # IN
    tuple price not None,
    uint64_t price_parts,
    double[:, ::1] potential not None,                      # OUT
    int32_t[:, ::1] numbers not None,                       # OUT
    uint64_t[::1] parts not None,                           # OUT
    Py_ssize_t[::1] starts not None,                        # OUT
    Py_ssize_t[::1] sources not None,                       # OUT
    int32_t[:, ::1] groups not None,                        # OUT
    double[:, ::1] totals not None,                         # scratch
    double[:, ::1] rows not None,                           # scratch
    int isa,
):
    """Best paths through some positions, as `sweep`, where no passes and no bands are known.

    Parameters
    ----------
    points : Points
        With exact sums that are doubles.
    positions : (m,) int64 array
    sums : (3, m + PASS_LEAF) array
        S1, S2 and W at the positions.
    square : (m,) array
        Where the edges to a position jump over evenly spaced points, in groups as many as are best:
        their spacing squared. Else 0.
    ends : (2, m) int32 array
        The indices of the first and of the last position where an edge may come from.
    price, price_parts, potential, parts, starts, sources, totals
        As for `sweep`.
    numbers : (5, m) int32 array
        `fewest`, `most` and `groups` of `sweep`, and scratch.
    groups : (edges, 2) int32 array
        The least and the largest number of groups of each edge.
    rows : (3, m + PASS_LEAF) array
    isa : Isa

    Returns
    -------
    SweepEnd
        DONE, or what it could not tell or had no room for.
    """
    cdef ls_sweep s
    cdef ls_near near
    near.choose = ls_choose_near_of(isa)
    near.s1, near.s2, near.w = &sums[0, 0], &sums[1, 0], &sums[2, 0]
    near.square = &square[0]
    near.f, near.costs, near.table = &rows[0, 0], &rows[1, 0], &rows[2, 0]
    near.counts, near.chosen = &numbers[3, 0], &numbers[4, 0]
    near.longest = near.first = 0
    near.groups = <int32_t (*)[2]>&groups[0, 0]
    s.points = &points.points
    s.n = positions.shape[0]
    s.positions = &positions[0]
    s.near = &near
    s.before = s.after = NULL
    s.exact = NULL
    s.pass_price = s.limit = 0
    s.farthest = &ends[0, 0]
    s.nearest = &ends[1, 0]
    s.price.hi, s.price.lo, s.price.error = price
    s.price_parts = price_parts
    s.potential = <ls_estimate *>&potential[0, 0]
    s.fewest, s.most, s.groups = &numbers[0, 0], &numbers[1, 0], &numbers[2, 0]
    s.parts = &parts[0]
    s.starts = &starts[0]
    s.sources = &sources[0]
    s.totals = <ls_estimate *>&totals[0, 0]
    s.capacity = sources.shape[0]
    s.decided = False
    s.done = 0
    s.work = s.walked = 0
    return SweepEnd(go_on(&s, <Py_ssize_t>1 << 40))


def lowest_path(
    const int32_t[::1] fewest not None,                     # IN
    const int32_t[::1] most not None,                       # IN
    const Py_ssize_t[::1] starts not None,                  # IN
    const Py_ssize_t[::1] sources not None,                 # IN
    Py_ssize_t[::1] path not None,                          # OUT
):
    """The lowest of the best paths of k groups that a sweep has found; `path` has k + 1 entries.

    Returns
    -------
    bool
        False if there is none.
    """
    cdef Py_ssize_t left, edge, lowest = 0, node = fewest.shape[0] - 1
    with nogil:
        path[path.shape[0] - 1] = node
        for left in range(path.shape[0] - 2, -1, -1):
            lowest = -1
            for edge in range(starts[node], starts[node + 1]):
                if fewest[sources[edge]] <= left <= most[sources[edge]]:
                    if lowest < 0 or sources[edge] < lowest:
                        lowest = sources[edge]
            if lowest < 0:
                break
            path[left] = node = lowest
    return lowest >= 0


def lowest_jumps(
    const int64_t[::1] positions not None,                  # IN
    const int32_t[:, ::1] numbers not None,                 # IN
    const Py_ssize_t[::1] starts not None,                  # IN
    const Py_ssize_t[::1] sources not None,                 # IN
    const int32_t[:, ::1] groups not None,                  # IN
    int64_t[::1] edges not None,                            # OUT
    Py_ssize_t[::1] path not None,                          # OUT
    int32_t[::1] counts not None,                           # OUT
):
    """The lowest of the best paths of k groups that `sweep_near` has found.

    Parameters
    ----------
    positions, numbers, starts, sources, groups
        Of `sweep_near`.
    edges : (k + 1,) int64 array
        The edges of the groups.
    path : (m,) intp array
        The indices of the positions that the path goes through are the last ones of these.
    counts : (m,) int32 array
        The number of groups before each.

    Returns
    -------
    int
        How many positions the path goes through; 0 if there is no such path.
    """
    cdef Py_ssize_t node = positions.shape[0] - 1, at = path.shape[0] - 1, edge, i, best
    cdef Py_ssize_t left = edges.shape[0] - 1
    cdef int64_t m, size, best_m = 0, best_size = 0, t, larger
    with nogil:
        path[at] = node
        edges[left] = positions[node]
        while node > 0:
            best = -1
            for edge in range(starts[node], starts[node + 1]):
                i = sources[edge]
                # Fewer groups over the same points are larger at the end.
                m = max(<int64_t>groups[edge, 0], left - numbers[1, i])
                if m > min(<int64_t>groups[edge, 1], left - numbers[0, i]):
                    continue
                size = positions[node] - positions[i]
                if best < 0 or ls_is_lower(size, m, best_size, best_m):
                    best, best_m, best_size = i, m, size
            if best < 0:
                break
            larger = best_size % best_m
            for t in range(1, best_m + 1):
                edges[left - t] = positions[node] - t * (best_size // best_m) - min(t, larger)
            counts[at] = <int32_t>best_m
            left -= best_m
            at -= 1
            path[at] = node = best
    return path.shape[0] - at if node == 0 else 0


def group_costs(
    Points points not None,                                 # IN
    const int64_t[::1] edges not None,                      # IN
    double[::1] costs not None,                             # OUT
    double[::1] errors not None,                            # OUT
):
    """The cost of each group edges[g]..edges[g+1]-1 and a bound of its error."""
    cdef ls_estimate cost
    cdef Py_ssize_t g
    with nogil:
        for g in range(edges.shape[0] - 1):
            cost = ls_group_cost(&points.points, edges[g], edges[g + 1])
            costs[g] = cost.hi
            errors[g] = cost.error + fabs(cost.lo)


def group_means(
    Points points not None,                                 # IN
    const int64_t[::1] edges not None,                      # IN
    int exponent,
    tuple median not None,                                  # IN
    double[::1] means not None,                             # OUT
    double[::1] distances not None,                         # OUT
    uint8_t[::1] safe not None,                             # OUT
):
    """The mean of each group edges[g]..edges[g+1]-1.

    Parameters
    ----------
    points : Points
    edges : (k + 1,) int64 array
    exponent : int
        A value is median + deviation * 2**-exponent.
    median : tuple of float
        hi and lo.
    means, distances : (k,) arrays
        The means, and bounds of their distances from the true ones; inf where weights cancel.
    safe : (k,) uint8 array
        1 if a mean is surely the correctly rounded one.
    """
    cdef ls_pair middle = as_pair(median[0], median[1])
    cdef Py_ssize_t g
    with nogil:
        for g in range(edges.shape[0] - 1):
            safe[g] = ls_group_mean(
                &points.points, edges[g], edges[g + 1], exponent, middle, &means[g], &distances[g]
            )


def round_means(
    const double[::1] values not None,                      # IN
    const double[::1] weights,                              # IN, None: each value weighs 1
    const int64_t[::1] edges not None,                      # IN
    double[::1] means not None,                             # IN, OUT
    uint8_t[::1] safe not None,                             # IN, OUT
):
    """Round means of `group_means` that are not safe correctly, as far as sums are exact."""
    cdef Py_ssize_t g, first
    cdef const double *weigh = NULL
    with nogil:
        for g in range(means.shape[0]):
            first = edges[g]
            if weights is not None:
                weigh = &weights[first]
            if not safe[g]:
                safe[g] = ls_round_mean(&values[first], weigh, edges[g + 1] - first, &means[g])


def lone_means(
    const double[::1] values not None,                      # IN
    const int64_t[::1] edges not None,                      # IN
    double[::1] means not None,                             # OUT
    uint8_t[::1] safe not None,                             # OUT
    int threads,
):
    """The mean of each group of values that weigh 1, where no sums are known.

    Parameters
    ----------
    values : (n,) array, ascending
    edges : (k + 1,) int64 array
    means : (k,) array
    safe : (k,) uint8 array
        1 if a mean is surely the correctly rounded one.
    threads : int
    """
    cdef Py_ssize_t g, k = means.shape[0]
    with nogil:
        if threads == 1 or is_forked():
            for g in range(k):
                safe[g] = ls_lone_mean(&values[edges[g]], edges[g + 1] - edges[g], &means[g])
        else:
            for g in prange(k, num_threads=threads, schedule="static"):
                safe[g] = ls_lone_mean(&values[edges[g]], edges[g + 1] - edges[g], &means[g])
