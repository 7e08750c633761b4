"""Optimal 1-D k-means: the dynamic program in double-double arithmetic with error bounds.

A sum is held as an unevaluated pair hi + lo of doubles (Dekker 1971; Knuth, TAOCP 2, 4.2.2). With
u = 2**-53, adding two pairs of one sign costs at most 3 u**2 and multiplying two at most 7 u**2 of
the result (Joldes, Muller and Popescu 2017, ACM TOMS 44:15).

The error of a group's cost
---------------------------
`d` is the deviation from the median, `w` the weight. Row by row, `sums` holds pairs of the prefix
sums S1 of w d, S2 of w d**2 and W of w. They start at the median and run outward, so each is a sum
of terms of one sign and the relative error of S1, S2 and W is at most e = 4 (n + 16) u**2: an
extreme value spoils no sum but those that contain it.

A group's cost is c = (S2[j] - S2[i]) - m (S1[j] - S1[i]) with m = (S1[j] - S1[i]) / (W[j] - W[i]),
its mean. No |d| in the group, hence not |m| either, exceeds D = max(|d[i]|, |d[j-1]|). Let
A = |S1[i]| + |S1[j]| and V = |W[i]| + |W[j]|. As |S2[i]| + |S2[j]| <= A D,

    the sums S2 contribute at most          e A D,
    the sums S1                             2 e A D (1 + e A / (D (W[j] - W[i]))) <= 3 e A D,
    the sums W, unless they are exact       2 e V D**2,
    the operations on pairs                 40 u**2 A D <= e A D,

where the middle lines need 8 e V <= W[j] - W[i], as A <= V D. Otherwise the weights have cancelled,
and all that is used is 0 <= c <= S2[j] - S2[i]. The code takes kappa = 8 e for each e, which leaves
room for the rounding of the bound itself; `tiny` and `weight_tiny` bound what underflow can do. The
cost of a single value is exactly 0.
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport fabs
from libc.stdint cimport uint32_t

cdef enum:
    # Candidates that are looked at between two looks for Ctrl-C, about 0.2 s.
    PATIENCE = 1 << 24

# 2**27 + 1 splits a double into two halves whose products are exact.
cdef double SPLITTER = 134217729.0
# 2**-100: more than the rounding of one sum of two pairs and of one comparison.
cdef double ROUNDING = 7.888609052210118e-31
# 2**-48 = 32 u
cdef double ROUGHLY = 3.552713678800501e-15


cdef struct Pair:
    double hi
    double lo


cdef struct Estimate:
    # A real number x with |x - (hi + lo)| <= error.
    double hi
    double lo
    double error


cdef struct Problem:
    const double *deviation
    const double *s1_hi
    const double *s1_lo
    const double *s2_hi
    const double *s2_lo
    const double *w_hi
    const double *w_lo
    # Relative and absolute errors of the sums S1 and S2.
    double kappa
    double tiny
    # Of the sums W; 0 if they are exact. A weight up to weight_floor counts as cancelled.
    double weight_kappa
    double weight_tiny
    double weight_floor
    # Relative error of a sum W without its `lo`.
    double weight_rough


cdef struct Layer:
    Problem problem
    # IN: the least cost of the first i values in one group fewer.
    const double *before_hi
    const double *before_lo
    const double *before_error
    # OUT: the least cost of the first j values.
    double *hi
    double *lo
    double *error
    # OUT: the first and the last candidate that may be the best last cut, from `offset` on.
    uint32_t *lowest
    uint32_t *highest
    # Scratch: one bound for each candidate.
    double *bound
    Py_ssize_t offset
    # Candidates looked at, and how many may be.
    Py_ssize_t work
    Py_ssize_t budget
    Py_ssize_t next_check


cdef inline Pair two_sum(double a, double b) noexcept nogil:
    """The sum of any a and b, exactly (Knuth)."""
    cdef Pair sum
    cdef double part
    sum.hi = a + b
    part = sum.hi - a
    sum.lo = (a - (sum.hi - part)) + (b - part)
    return sum


cdef inline Pair two_product(double a, double b) noexcept nogil:
    """The product of a and b, exactly unless it underflows (Dekker, Veltkamp)."""
    cdef Pair product
    cdef double scaled_a = SPLITTER * a
    cdef double scaled_b = SPLITTER * b
    cdef double a_hi = scaled_a - (scaled_a - a)
    cdef double b_hi = scaled_b - (scaled_b - b)
    cdef double a_lo = a - a_hi
    cdef double b_lo = b - b_hi
    product.hi = a * b
    product.lo = ((a_hi * b_hi - product.hi) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo
    return product


cdef inline Pair add(double a_hi, double a_lo, double b_hi, double b_lo) noexcept nogil:
    """The sum of two pairs, again with |lo| <= u |hi|."""
    cdef Pair sum = two_sum(a_hi, b_hi)
    cdef Pair result
    sum.lo += a_lo + b_lo
    result.hi = sum.hi + sum.lo
    result.lo = sum.lo - (result.hi - sum.hi)
    return result


cdef inline Pair subtract(double a_hi, double a_lo, double b_hi, double b_lo) noexcept nogil:
    return add(a_hi, a_lo, -b_hi, -b_lo)


cdef inline Estimate group_cost(const Problem *p, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """The weighted sum of squared distances of values[i:j] to their mean."""
    cdef Estimate cost
    cdef Pair s1, s2, weight, square, back, difference
    cdef double reach, reach_last, weights, inverse, quotient, rest
    if j - i == 1:
        cost.hi = cost.lo = cost.error = 0
        return cost
    reach = fabs(p.deviation[i])
    reach_last = fabs(p.deviation[j - 1])
    reach = reach if reach > reach_last else reach_last
    weights = fabs(p.w_hi[i]) + fabs(p.w_hi[j])
    cost.error = p.tiny + reach * (
        p.kappa * (fabs(p.s1_hi[i]) + fabs(p.s1_hi[j])) + p.tiny
        + reach * (p.weight_kappa * weights + p.weight_tiny)
    )
    s1 = subtract(p.s1_hi[j], p.s1_lo[j], p.s1_hi[i], p.s1_lo[i])
    s2 = subtract(p.s2_hi[j], p.s2_lo[j], p.s2_hi[i], p.s2_lo[i])
    weight = subtract(p.w_hi[j], p.w_lo[j], p.w_hi[i], p.w_lo[i])
    if weight.hi <= p.weight_floor + p.kappa * weights:
        cost.hi = 0.5 * fabs(s2.hi)
        cost.lo = 0
        cost.error += cost.hi
        return cost
    # s1**2 / weight as quotient + rest: one division, corrected by its exact remainder.
    inverse = 1 / weight.hi
    square = two_product(s1.hi, s1.hi)
    square.lo += 2 * s1.hi * s1.lo
    quotient = square.hi * inverse
    back = two_product(quotient, weight.hi)
    rest = ((square.hi - back.hi) - back.lo + square.lo - quotient * weight.lo) * inverse
    difference = two_sum(s2.hi, -quotient)
    difference.lo += s2.lo - rest
    cost.hi = difference.hi + difference.lo
    cost.lo = difference.lo - (cost.hi - difference.hi)
    cost.error += p.tiny * inverse
    if cost.hi < 0:
        cost.hi = cost.lo = 0
    return cost


cdef inline double upper_bound(const Estimate *x) noexcept nogil:
    return (x.hi + x.error) * (1 + ROUGHLY)


cdef inline Estimate candidate(const Layer *layer, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """The least cost of the first j values whose last group is values[i:j]."""
    cdef Estimate total = group_cost(&layer.problem, i, j)
    cdef Pair sum = add(layer.before_hi[i], layer.before_lo[i], total.hi, total.lo)
    total.error += layer.before_error[i] + ROUNDING * sum.hi
    total.hi = sum.hi
    total.lo = sum.lo
    return total


cdef void sketch(Layer *layer, Py_ssize_t j, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Lower bounds of the candidates first..last in plain doubles; NaN is no bound.

    Rounding contributes at most 16 u (A D + F), F being the cost before, and the weights at most
    A D times their relative error. Where that reaches 1 the bound is below F, which is right too.
    A loop without branches, for the compiler to vectorise.
    """
    cdef const double *deviation = layer.problem.deviation
    cdef const double *s1 = layer.problem.s1_hi
    cdef const double *s2 = layer.problem.s2_hi
    cdef const double *w = layer.problem.w_hi
    cdef const double *before = layer.before_hi
    cdef const double *before_error = layer.before_error
    cdef double *bound = layer.bound
    cdef double tiny = layer.problem.tiny
    cdef double weight_tiny = layer.problem.weight_tiny
    cdef double weight_rough = layer.problem.weight_rough
    cdef double s1_j = s1[j], s2_j = s2[j], w_j = w[j], reach_j = fabs(deviation[j - 1])
    cdef double sum1, inverse, reach, spread, error
    cdef Py_ssize_t i
    for i in range(first, last + 1):
        sum1 = s1_j - s1[i]
        inverse = 1 / (w_j - w[i])
        reach = fabs(deviation[i]) + reach_j
        spread = reach * (fabs(s1[i]) + fabs(s1_j))
        error = before_error[i] + ROUGHLY * (spread + before[i])
        error += spread * (weight_rough * (fabs(w[i]) + fabs(w_j)) * inverse)
        error += tiny * (1 + inverse) + reach * (tiny + weight_tiny * reach)
        bound[i] = before[i] + ((s2_j - s2[i]) - sum1 * sum1 * inverse) - error


cdef void settle(Layer *layer, Py_ssize_t j, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Choose the last cut of the first j values among first..last.

    A candidate is ruled out once its lower bound exceeds another's upper bound, never otherwise.
    """
    cdef const double *bound = layer.bound
    cdef Estimate best, other
    cdef Py_ssize_t lowest, highest, i, guess = first
    cdef double difference, ceiling, error
    sketch(layer, j, first, last)
    for i in range(first + 1, last + 1):
        if bound[i] < bound[guess]:
            guess = i
    best = candidate(layer, guess, j)
    ceiling = upper_bound(&best)
    lowest = highest = guess
    for i in range(first, last + 1):
        if bound[i] > ceiling or i == guess:
            continue
        other = candidate(layer, i, j)
        difference = (other.hi - best.hi) + (other.lo - best.lo)
        if difference > other.error + best.error:
            continue
        lowest = min(lowest, i)
        highest = max(highest, i)
        if difference + other.error < best.error:
            best = other
            ceiling = upper_bound(&best)
    if lowest < highest:
        # `best` has the smallest upper bound by now, so that this scan is final.
        error = best.error
        first = lowest
        last = highest
        lowest = -1
        for i in range(first, last + 1):
            if bound[i] > ceiling:
                continue
            other = candidate(layer, i, j)
            difference = (other.hi - best.hi) + (other.lo - best.lo)
            if difference <= other.error + best.error:
                lowest = i if lowest < 0 else lowest
                highest = i
                error = max(error, other.error - difference)
        best.error = error
    layer.hi[j] = best.hi
    layer.lo[j] = best.lo
    layer.error[j] = best.error
    layer.lowest[j - layer.offset] = <uint32_t>lowest
    layer.highest[j - layer.offset] = <uint32_t>highest


cdef int solve(
    Layer *layer, Py_ssize_t first, Py_ssize_t last, Py_ssize_t low, Py_ssize_t high
) except -1 nogil:
    """Settle every j of first..last; no best last cut lies outside low..high.

    The leftmost best cut never decreases with j, because the cost is Monge. It is at least the
    `lowest` of any smaller j and at most the `highest` of any larger j. The depth is log2(n).
    It gives up once the budget is spent, which `work` tells.
    """
    cdef Py_ssize_t middle, end
    while first <= last and layer.work <= layer.budget:
        middle = first + (last - first) // 2
        end = min(high, middle - 1)
        settle(layer, middle, low, end)
        layer.work += end - low + 1
        if layer.work > layer.next_check:
            layer.next_check = layer.work + PATIENCE
            with gil:
                PyErr_CheckSignals()
        solve(layer, first, middle - 1, low, layer.highest[middle - layer.offset])
        first = middle + 1
        low = layer.lowest[middle - layer.offset]
    return 0


cdef Problem as_problem(
    const double[::1] deviation, const double[:, ::1] sums, tuple bounds
) except *:
    cdef Problem p
    p.deviation = &deviation[0]
    p.s1_hi = &sums[0, 0]
    p.s1_lo = &sums[1, 0]
    p.s2_hi = &sums[2, 0]
    p.s2_lo = &sums[3, 0]
    p.w_hi = &sums[4, 0]
    p.w_lo = &sums[5, 0]
    p.kappa, p.tiny, p.weight_kappa, p.weight_tiny, p.weight_floor, p.weight_rough = bounds
    return p


def prefix_sums(
    const double[::1] deviation not None,                   # IN
    const double[::1] rest not None,                        # IN
    const double[::1] weights,                              # IN, None: each value weighs 1
    double[:, ::1] sums not None,                           # OUT
):
    """Sum outward from the median.

    Parameters
    ----------
    deviation, rest : (n,) arrays
        value - median is exactly deviation + rest, and |rest| <= u |deviation|.
    weights : (n,) array or None
    sums : (6, n + 1) array
        S1, S2 and W, each in two rows: hi and lo. Column n // 2 is zero.
    """
    cdef Py_ssize_t n = deviation.shape[0]
    cdef Py_ssize_t middle = n // 2
    cdef Py_ssize_t step, i, row, column
    cdef double weight = 1, sign
    cdef bint upward
    cdef Pair s1, s2, w, first, square, second
    with nogil:
        for row in range(6):
            sums[row, middle] = 0
        for upward in range(2):
            sign = 1 if upward else -1
            s1.hi = s1.lo = s2.hi = s2.lo = w.hi = w.lo = 0
            for step in range(n - middle if upward else middle):
                i = middle + step if upward else middle - 1 - step
                column = i + 1 if upward else i
                if weights is not None:
                    weight = weights[i]
                first = two_product(deviation[i], weight)
                first.lo += rest[i] * weight
                square = two_product(deviation[i], deviation[i])
                square.lo += 2 * deviation[i] * rest[i]
                second = two_product(square.hi, weight)
                second.lo += square.lo * weight
                s1 = add(s1.hi, s1.lo, sign * first.hi, sign * first.lo)
                s2 = add(s2.hi, s2.lo, sign * second.hi, sign * second.lo)
                w = add(w.hi, w.lo, sign * weight, 0)
                sums[0, column] = s1.hi
                sums[1, column] = s1.lo
                sums[2, column] = s2.hi
                sums[3, column] = s2.lo
                sums[4, column] = w.hi
                sums[5, column] = w.lo


def solve_layer(
    const double[::1] deviation not None,                   # IN
    const double[:, ::1] sums not None,                     # IN
    tuple bounds not None,                                  # IN
    const double[:, ::1] before not None,                   # IN
    double[:, ::1] after not None,                          # OUT
    uint32_t[::1] lowest not None,                          # OUT
    uint32_t[::1] highest not None,                         # OUT
    double[::1] bound not None,                             # scratch
    Py_ssize_t first,
    Py_ssize_t last,
    Py_ssize_t low,
    Py_ssize_t high,
    Py_ssize_t budget,
):
    """One layer of the dynamic program, by divide and conquer over the number of values.

    Parameters
    ----------
    deviation, sums : as for `prefix_sums`
    bounds : tuple of float
        kappa, tiny, weight_kappa, weight_tiny, weight_floor, weight_rough.
    before, after : (3, n + 1) arrays
        The least cost of the first i values with one group fewer, and of the first j with one
        more: hi, lo and a bound of the error.
    lowest, highest : arrays
        For each j of first..last the first and the last candidate i for the last cut that cannot
        be told from the best one.
    bound : (n + 1,) array
    first, last : int
        The numbers j of values to solve for.
    low, high : int
        The candidates i; only those below j are taken.
    budget : int
        How many candidates may be looked at. Usually a few n log2(n) are; it takes n**2 if hardly
        any two can be told apart.

    Returns
    -------
    bool
        False if it gave up, and left the outputs incomplete.
    """
    cdef Layer layer
    layer.problem = as_problem(deviation, sums, bounds)
    layer.before_hi = &before[0, 0]
    layer.before_lo = &before[1, 0]
    layer.before_error = &before[2, 0]
    layer.hi = &after[0, 0]
    layer.lo = &after[1, 0]
    layer.error = &after[2, 0]
    layer.lowest = &lowest[0]
    layer.highest = &highest[0]
    layer.bound = &bound[0]
    layer.offset = first
    layer.work = 0
    layer.budget = budget
    layer.next_check = PATIENCE
    with nogil:
        solve(&layer, first, last, low, high)
    return layer.work <= budget


def group_costs(
    const double[::1] deviation not None,                   # IN
    const double[:, ::1] sums not None,                     # IN
    tuple bounds not None,                                  # IN
    const Py_ssize_t[::1] edges not None,                   # IN
    double[::1] costs not None,                             # OUT
    double[::1] errors not None,                            # OUT
):
    """The cost of each group values[edges[g]:edges[g+1]] and a bound of its error."""
    cdef Problem problem = as_problem(deviation, sums, bounds)
    cdef Estimate cost
    cdef Py_ssize_t g
    with nogil:
        for g in range(edges.shape[0] - 1):
            cost = group_cost(&problem, edges[g], edges[g + 1])
            costs[g] = cost.hi
            errors[g] = cost.error + fabs(cost.lo)
