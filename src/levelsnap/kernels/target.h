/* Compiling one file for an instruction set that the rest of the build does not assume. MSVC takes
 * every intrinsic everywhere. */
#ifndef LEVELSNAP_TARGET_H
#define LEVELSNAP_TARGET_H

#if defined(__x86_64__) || defined(_M_X64)
#define LS_X86 1
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

/* Constant arguments must reach the loops they choose. */
#if defined(_MSC_VER)
#define INLINE __forceinline
#else
#define INLINE inline __attribute__((always_inline))
#endif

#endif
