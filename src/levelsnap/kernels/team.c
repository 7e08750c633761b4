#include "team.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#ifdef _MSC_VER
#include <intrin.h>
#define LOAD(p) _InterlockedOr(p, 0)
#define ADD(p, n) ((void)_InterlockedExchangeAdd(p, n))
#define REPLACE(p, old, new) (_InterlockedCompareExchange(p, new, old) == (old))
#else
#define LOAD(p) __atomic_load_n(p, __ATOMIC_RELAXED)
#define ADD(p, n) ((void)__atomic_fetch_add(p, n, __ATOMIC_RELAXED))
#define REPLACE(p, old, new) __sync_bool_compare_and_swap(p, old, new)
#endif

/* Some ten nanoseconds each. */
#define MEETING 4096
#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define PAUSE() _mm_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("isb")
#else
#define PAUSE() ((void)0)
#endif

static volatile long in_flight;

/* Written before there is a second thread, at import and in a child. */
static int cpus = 1, forked;

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>

/* The parent's OpenMP threads are not in the child, but GNU's runtime would wait for them: whether
 * the pool was ours or that of another library on the same runtime. */
static void in_child(void)
{
    forked = 1;
    in_flight = 0;
}

#define WATCH_FORKS() pthread_atfork(NULL, NULL, in_child)
#else
#define WATCH_FORKS() 0
#endif

int ls_team_start(int n, int was_forked)
{
    cpus = n;
    forked = was_forked;
    return WATCH_FORKS();
}

int ls_team_forked(void)
{
    return forked;
}

int ls_team_take(int threads)
{
    long before, given;
    if (forked)
        threads = 1;
    do {
        before = LOAD(&in_flight);
        given = before && cpus - before < threads ? cpus - before : threads;
        given = given < 1 ? 1 : given;
    } while (!REPLACE(&in_flight, before, before + given));
    return (int)given;
}

void ls_team_give_back(int threads)
{
    ADD(&in_flight, -(long)threads);
}

void ls_team_meet(long *arrived, int parts)
{
#ifdef _OPENMP
    ADD(arrived, 1);
    if (omp_get_num_threads() == parts)
        for (int i = 0; i < MEETING && LOAD(arrived) < parts; i++)
            PAUSE();
#else
    (void)arrived;
    (void)parts;
#endif
}
