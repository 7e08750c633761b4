/* Optimal 1-D k-means: least costs in integers, where ties are seen as such. */
#include "kmeans1d.h"

static inline int64_t weight_between(const ls_ties *t, ptrdiff_t i, ptrdiff_t j)
{
    return t->weights ? t->weights[j] - t->weights[i] : j - i;
}

/* How far apart the values of a group may be: if they are d apart, the first or the last one is at
 * least d / 2 from the mean, and to put it into a group of its own gains d**2 / 4 or more, as it
 * weighs 1 or more. */
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
typedef unsigned __int128 wide __attribute__((aligned(8)));
#define NAME(part) part##_128
#define COST wide
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

/* An integer modulo 2**256. */
typedef struct {
    wide low, high;
} wider;

static inline wider add(wider a, wider b)
{
    const wide low = a.low + b.low;
    return (wider){low, a.high + b.high + (low < a.low)};
}

static inline wider sub(wider a, wider b)
{
    return (wider){a.low - b.low, a.high - b.high - (a.low < b.low)};
}

static inline wider square_times(wide x, uint64_t times)
{
    const uint64_t a = (uint64_t)x, b = (uint64_t)(x >> 64);
    const wide middle = (wide)a * b;
    wider square = {(wide)a * a, (wide)b * b};
    square = add(square, (wider){middle << 65, middle >> 63});
    const wide first = (wide)(uint64_t)square.low * times;
    const wide second = (wide)(uint64_t)(square.low >> 64) * times + (first >> 64);
    return (wider){(second << 64) + (uint64_t)first, square.high * times + (second >> 64)};
}

#define ADD(a, b) add(a, b)
#define SUB(a, b) sub(a, b)
#define SQUARE_TIMES(x, times) square_times(x, times)
#define IS_ZERO(a) (((a).low | (a).high) == 0)
#define IS_NEGATIVE(a) ((SIGNED)(a).high < 0)
#define NAME(part) part##_256
#define VALUE wide
#define COST wider
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
