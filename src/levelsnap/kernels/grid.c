/* Portable kernel for many thresholds of 32- and 64-bit types. */
#include "kernels.h"
#include "elements.h"

#define TILE 512

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAME_(part) JOIN(part, NAME)

#define NEVER(e) ((void)(e), 0)
#define UNEQUAL(e) ((e) != (e))

#define NAME int32
#define ELEMENT int32_t
#define KEY uint32_t
#define ORDERED ls_int32_key
#define FLOATING 0
#define IS_NAN NEVER
#include "grid.inc.h"

#define NAME uint32
#define ELEMENT uint32_t
#define KEY uint32_t
#define ORDERED(e) (e)
#define FLOATING 0
#define IS_NAN NEVER
#include "grid.inc.h"

#define NAME float32
#define ELEMENT float
#define KEY uint32_t
#define ORDERED ls_float32_key
#define FLOATING 1
#define IS_NAN UNEQUAL
#include "grid.inc.h"

#define NAME int64
#define ELEMENT int64_t
#define KEY uint64_t
#define ORDERED ls_int64_key
#define FLOATING 0
#define IS_NAN NEVER
#include "grid.inc.h"

#define NAME uint64
#define ELEMENT uint64_t
#define KEY uint64_t
#define ORDERED(e) (e)
#define FLOATING 0
#define IS_NAN NEVER
#include "grid.inc.h"

#define NAME float64
#define ELEMENT double
#define KEY uint64_t
#define ORDERED ls_float64_key
#define FLOATING 1
#define IS_NAN UNEQUAL
#include "grid.inc.h"

ls_kernel *const ls_grid_search[LS_TYPES] = {
    [LS_INT32] = grid_int32, [LS_UINT32] = grid_uint32, [LS_FLOAT32] = grid_float32,
    [LS_INT64] = grid_int64, [LS_UINT64] = grid_uint64, [LS_FLOAT64] = grid_float64,
};
