/* Optimal 1-D k-means: least costs in integers, where ties are seen as such. */
#include "kmeans1d.h"
#include "wide.h"

/* How far apart the values of a group may be: if they are d apart, the first or the last one is at
 * least d / 2 from the mean, and to put it into a group of its own gains d**2 / 4 or more. */
static double farthest_apart(const ls_ties *t)
{
    double price = 0;
    for (int limb = t->bits / 64 - 1; limb >= 0; limb--)
        price = price * 0x1p64 + (double)t->price[limb];
    return 2 * sqrt(price / (double)t->parts[1]) * (1 + 0x1p-40);
}

#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define SQUARE_TIMES(x, times) ((COST)(x) * (COST)(x) * (COST)(times))
#define IS_ZERO(a) ((a) == 0)
#define IS_NEGATIVE(a) ((SIGNED)(a) < 0)

#define NAME(part) part##_64
#define VALUE uint64_t
#define COST uint64_t
#define SIGNED int64_t
#include "kmeans1d_ties.inc.h"
#undef NAME
#undef COST
#undef SIGNED

#if LS_WIDE
#define NAME(part) part##_128
#define COST ls_wide
#define SIGNED __int128
#include "kmeans1d_ties.inc.h"
#undef ADD
#undef SUB
#undef SQUARE_TIMES
#undef IS_ZERO
#undef IS_NEGATIVE
#undef NAME
#undef VALUE
#undef COST

#define ADD ls_wider_add
#define SUB ls_wider_sub
#define SQUARE_TIMES(x, times) ls_wider_times(ls_wide_square(x), times)
#define IS_ZERO ls_wider_is_zero
#define IS_NEGATIVE ls_wider_is_negative
#define NAME(part) part##_256
#define VALUE ls_wide
#define COST ls_wider
#include "kmeans1d_ties.inc.h"
#endif

#if LS_WIDE
#define OF_BITS(bits, name) ((bits) == 64 ? name##_64 : (bits) == 128 ? name##_128 : name##_256)
#else
#define OF_BITS(bits, name) ((void)(bits), name##_64)
#endif

void ls_ties_fill(ls_ties *t, const double *values)
{
    OF_BITS(t->bits, fill)(t, values);
}

int ls_ties_run(ls_ties *t, ptrdiff_t first, ptrdiff_t last)
{
    return OF_BITS(t->bits, run)(t, first, last);
}

void ls_ties_path(const ls_ties *t, ptrdiff_t k, int64_t *edges)
{
    OF_BITS(t->bits, path)(t, k, edges);
}
