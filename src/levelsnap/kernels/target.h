/* Compiling one file for an instruction set that the rest of the build does not assume. MSVC takes
 * every intrinsic everywhere. */
#ifndef LEVELSNAP_TARGET_H
#define LEVELSNAP_TARGET_H

#include <stdint.h>

#if defined(__x86_64__) || defined(_M_X64)
#define LS_X86 1
#endif
#if defined(LS_X86) && defined(_MSC_VER)
#include <intrin.h>
#endif

#define LS_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define LS_TARGET_BEGIN(features)                                                                 \
    LS_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define LS_TARGET_END LS_PRAGMA(clang attribute pop)
#elif defined(__GNUC__)
#define LS_TARGET_BEGIN(features) LS_PRAGMA(GCC push_options) LS_PRAGMA(GCC target(features))
#define LS_TARGET_END LS_PRAGMA(GCC pop_options)
#else
#define LS_TARGET_BEGIN(features)
#define LS_TARGET_END
#endif

/* To all caches, or to all but the first. As an integer, for the address may lie beyond the
 * array. */
#if defined(__GNUC__)
#define LS_PREFETCH(p) __builtin_prefetch((const char *)(uintptr_t)(p), 0, 3)
#define LS_PREFETCH_L2(p) __builtin_prefetch((const char *)(uintptr_t)(p), 0, 2)
#elif defined(LS_X86)
#define LS_PREFETCH(p) _mm_prefetch((const char *)(uintptr_t)(p), _MM_HINT_T0)
#define LS_PREFETCH_L2(p) _mm_prefetch((const char *)(uintptr_t)(p), _MM_HINT_T1)
#else
#define LS_PREFETCH(p) ((void)(p))
#define LS_PREFETCH_L2(p) ((void)(p))
#endif

/* What a thread's floating-point operations do to subnormals, and how they round. Kernels need the
 * default; a library linked with -ffast-math sets another in the thread that loads it. */
#if defined(LS_X86)
#include <xmmintrin.h>
#define LS_FLOATS_DEFAULT 0x1f80u
#define LS_FLOATS_FLAGS 0x3fu /* what has happened */
static inline uint64_t ls_get_floats(void)
{
    return _mm_getcsr();
}
static inline void ls_set_floats(uint64_t control)
{
    _mm_setcsr((unsigned)control);
}
#elif defined(__aarch64__) && defined(__GNUC__)
#define LS_FLOATS_DEFAULT 0u
#define LS_FLOATS_FLAGS 0u
static inline uint64_t ls_get_floats(void)
{
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return control;
}
static inline void ls_set_floats(uint64_t control)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(control));
}
#else
#define LS_FLOATS_DEFAULT 0u
#define LS_FLOATS_FLAGS 0u
static inline uint64_t ls_get_floats(void)
{
    return 0;
}
static inline void ls_set_floats(uint64_t control)
{
    (void)control;
}
#endif

/* Constant arguments must reach the loops they choose. */
#if defined(_MSC_VER)
#define INLINE __forceinline
#else
#define INLINE inline __attribute__((always_inline))
#endif

#endif
