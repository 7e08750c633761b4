/* Optimal 1-D k-means: passes and sums for AVX-512. */
#include "kmeans1d.h"
#include "target.h"
#ifdef LS_X86
LS_TARGET_BEGIN("avx512f,avx512dq,avx512vl")
#include <immintrin.h>

#define VEC __m512d
#define LANES 8
#define LOADV(p) _mm512_loadu_pd(p)
#define STOREV(p, v) _mm512_storeu_pd(p, v)
#define SPREAD(x) _mm512_set1_pd(x)
#define ADDV(a, b) _mm512_add_pd(a, b)
#define SUBV(a, b) _mm512_sub_pd(a, b)
#define MULV(a, b) _mm512_mul_pd(a, b)
#define DIVV(a, b) _mm512_div_pd(a, b)
/* These take b where a is NaN. */
#define MINV(a, b) _mm512_min_pd(a, b)
#define MAXV(a, b) _mm512_max_pd(a, b)
#define ABSV(a) _mm512_abs_pd(a)
#define PICK(a, b, yes, no)                                                                       \
    _mm512_mask_blend_pd(_mm512_cmp_pd_mask(a, b, _CMP_LT_OQ), no, yes)
#define ANY(a, b) (_mm512_cmp_pd_mask(a, b, _CMP_LE_OQ) != 0)
#define RUN ls_pass_run_avx512
#define IS_ONLY ls_is_only_avx512
#define CLIMB ls_climb_avx512
#define ASCEND ls_ascend_avx512
#define ADD_ALL ls_sums_add_all_avx512
#define CHOOSE_NEAR ls_choose_near_avx512
#define LAYERS ls_layers_avx512
#include "kmeans1d.inc.h"
LS_TARGET_END
#endif
