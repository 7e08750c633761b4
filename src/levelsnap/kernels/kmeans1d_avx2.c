/* Optimal 1-D k-means: passes and sums for AVX2. */
#include "kmeans1d.h"
#include "target.h"
#ifdef LS_X86
LS_TARGET_BEGIN("avx2")
#include <immintrin.h>

#define VEC __m256d
#define LANES 4
#define LOADV(p) _mm256_loadu_pd(p)
#define STOREV(p, v) _mm256_storeu_pd(p, v)
#define SPREAD(x) _mm256_set1_pd(x)
#define ADDV(a, b) _mm256_add_pd(a, b)
#define SUBV(a, b) _mm256_sub_pd(a, b)
#define MULV(a, b) _mm256_mul_pd(a, b)
#define DIVV(a, b) _mm256_div_pd(a, b)
/* These take b where a is NaN. */
#define MINV(a, b) _mm256_min_pd(a, b)
#define MAXV(a, b) _mm256_max_pd(a, b)
#define ABSV(a) _mm256_andnot_pd(_mm256_set1_pd(-0.0), a)
#define PICK(a, b, yes, no) _mm256_blendv_pd(no, yes, _mm256_cmp_pd(a, b, _CMP_LT_OQ))
#define ANY(a, b) (_mm256_movemask_pd(_mm256_cmp_pd(a, b, _CMP_LE_OQ)) != 0)
#define RUN ls_pass_run_avx2
#define IS_ONLY ls_is_only_avx2
#define CLIMB ls_climb_avx2
#define ASCEND ls_ascend_avx2
#define ADD_ALL ls_sums_add_all_avx2
#define CHOOSE_NEAR ls_choose_near_avx2
#define LAYERS ls_layers_avx2
#include "kmeans1d.inc.h"
LS_TARGET_END
#endif
