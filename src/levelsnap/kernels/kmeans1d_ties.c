/* Optimal 1-D k-means: least costs in integers, where ties are seen as such. */
#include "kmeans1d.h"

/* How far apart the values of a group may be: if they are d apart, the first or the last one is at
 * least d / 2 from the mean, and to put it into a group of its own gains d**2 / 4 or more. */
static int64_t farthest_apart(const ls_ties *t)
{
    const double price = (double)t->price[0] + 0x1p64 * (double)t->price[1];
    return (int64_t)(2 * sqrt(price / (double)t->parts[1]) * (1 + 0x1p-40)) + 1;
}

#define NAME(part) part##_narrow
#define COST uint64_t
#define SIGNED int64_t
#include "kmeans1d_ties.inc.h"
#undef NAME
#undef COST
#undef SIGNED

#if LS_WIDE
typedef unsigned __int128 wide __attribute__((aligned(8)));
#define NAME(part) part##_wide
#define COST wide
#define SIGNED __int128
#include "kmeans1d_ties.inc.h"
#endif

int ls_ties_run(ls_ties *t, ptrdiff_t first, ptrdiff_t last)
{
#if LS_WIDE
    if (t->wide)
        return run_wide(t, first, last);
#endif
    return run_narrow(t, first, last);
}

void ls_ties_path(const ls_ties *t, ptrdiff_t k, int64_t *edges)
{
#if LS_WIDE
    if (t->wide) {
        path_wide(t, k, edges);
        return;
    }
#endif
    path_narrow(t, k, edges);
}
