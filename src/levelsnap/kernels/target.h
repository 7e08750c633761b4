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

/* Constant arguments must reach the loops they choose. */
#if defined(_MSC_VER)
#define INLINE __forceinline
#else
#define INLINE inline __attribute__((always_inline))
#endif

#endif
