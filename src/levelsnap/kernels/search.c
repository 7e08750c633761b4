/* Portable kernel for every dtype: branchless binary search over the sorted thresholds. */
#include "kernels.h"
#include "elements.h"
#include "target.h"

#define TILE 256

/* Labels to their own size. */
#define PUT(TYPE, index, n, labels)                                                               \
    for (ptrdiff_t i = 0; i < n; i++)                                                             \
        ((TYPE *)labels)[i] = (TYPE)index[i]
#define PUT_LABELS(index, n, size, labels)                                                        \
    BY_SIZE(size, PUT(uint8_t, index, n, labels), PUT(uint16_t, index, n, labels),                \
            PUT(uint32_t, index, n, labels), PUT(uint64_t, index, n, labels))

void ls_narrow(const uint32_t *index, ptrdiff_t n, int size, void *labels)
{
    PUT_LABELS(index, n, size, labels)
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
#define COUNTER uint8_t
#define LOAD(e) ((uint8_t)((e) != 0))
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME int8
#define ELEMENT int8_t
#define KEY int8_t
#define COUNTER int8_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME uint8
#define ELEMENT uint8_t
#define KEY uint8_t
#define COUNTER uint8_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME int16
#define ELEMENT int16_t
#define KEY int16_t
#define COUNTER int16_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME uint16
#define ELEMENT uint16_t
#define KEY uint16_t
#define COUNTER uint16_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME float16
#define ELEMENT uint16_t
#define KEY int16_t
#define COUNTER int16_t
#define LOAD ls_float16_key
#define IS_NAN ls_float16_is_nan
#include "search.inc.h"

#define NAME int32
#define ELEMENT int32_t
#define KEY int32_t
#define COUNTER int32_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME uint32
#define ELEMENT uint32_t
#define KEY uint32_t
#define COUNTER uint32_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME float32
#define ELEMENT float
#define KEY float
#define COUNTER int32_t
#define LOAD SAME
#define IS_NAN UNEQUAL
#include "search.inc.h"

#define NAME int64
#define ELEMENT int64_t
#define KEY int64_t
#define COUNTER int64_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME uint64
#define ELEMENT uint64_t
#define KEY uint64_t
#define COUNTER uint64_t
#define LOAD SAME
#define IS_NAN NEVER
#include "search.inc.h"

#define NAME float64
#define ELEMENT double
#define KEY double
#define COUNTER int64_t
#define LOAD SAME
#define IS_NAN UNEQUAL
#include "search.inc.h"

#define KERNELS(way)                                                                              \
    {                                                                                             \
        way##_bool, way##_int8, way##_uint8, way##_int16, way##_uint16, way##_float16,            \
        way##_int32, way##_uint32, way##_float32, way##_int64, way##_uint64, way##_float64        \
    }

ls_kernel *const ls_search[LS_TYPES] = KERNELS(search);
ls_kernel *const ls_count[LS_TYPES] = KERNELS(count);
