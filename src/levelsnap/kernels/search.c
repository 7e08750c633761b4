/* Portable kernel for every dtype: branchless binary search over the sorted thresholds. */
#include "kernels.h"
#include "elements.h"
#include "target.h"

#include <string.h>

#define TILE 256

#define DEFINE_NARROW(BITS)                                                                       \
    static void narrow##BITS(const uint32_t *index, ptrdiff_t n, void *out_)                      \
    {                                                                                             \
        uint##BITS##_t *out = out_;                                                               \
        for (ptrdiff_t i = 0; i < n; i++)                                                         \
            out[i] = (uint##BITS##_t)index[i];                                                    \
    }

DEFINE_NARROW(8)
DEFINE_NARROW(16)
DEFINE_NARROW(64)

void ls_narrow(const uint32_t *index, ptrdiff_t n, int size, void *out)
{
    switch (size) {
    case 1: narrow8(index, n, out); break;
    case 2: narrow16(index, n, out); break;
    case 4: memcpy(out, index, (size_t)n * 4); break;
    default: narrow64(index, n, out);
    }
}

#define LANES 8
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME_(part) JOIN(part, NAME)

#define SAME(e) (e)
#define NEVER(e) ((void)(e), 0)
#define UNEQUAL(e) ((e) != (e))

#define NAME bool
#define ELEMENT uint8_t
#define KEY uint8_t
#define LOAD(e) ((uint8_t)((e) != 0))
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME int8
#define ELEMENT int8_t
#define KEY int8_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME uint8
#define ELEMENT uint8_t
#define KEY uint8_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME int16
#define ELEMENT int16_t
#define KEY int16_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME uint16
#define ELEMENT uint16_t
#define KEY uint16_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME float16
#define ELEMENT uint16_t
#define KEY int16_t
#define LOAD ls_float16_key
#define IS_NAN ls_float16_is_nan
#include "search.inc.h"

#define NAME int32
#define ELEMENT int32_t
#define KEY int32_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME uint32
#define ELEMENT uint32_t
#define KEY uint32_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME float32
#define ELEMENT float
#define KEY float
#define LOAD SAME
#define IS_NAN UNEQUAL
#include "search.inc.h"

#define NAME int64
#define ELEMENT int64_t
#define KEY int64_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME uint64
#define ELEMENT uint64_t
#define KEY uint64_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME float64
#define ELEMENT double
#define KEY double
#define LOAD SAME
#define IS_NAN UNEQUAL
#include "search.inc.h"

ls_kernel *const ls_search[LS_TYPES] = {
    search_bool, search_int8, search_uint8, search_int16, search_uint16, search_float16,
    search_int32, search_uint32, search_float32, search_int64, search_uint64, search_float64,
};
