/* For MAP_ANONYMOUS beside -std=c11. */
#define _DEFAULT_SOURCE
#define _DARWIN_C_SOURCE
#include "memory.h"

#if defined(_WIN32)
#include <windows.h>
#elif defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#endif
#include <stdlib.h>

#if defined(_WIN32)

/* Windows promises the memory when it is asked for, but gives each page at its first use. */
void *ls_map(size_t size, int dense)
{
    (void)dense;
    return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void ls_unmap(void *memory, size_t size)
{
    (void)size;
    if (memory)
        VirtualFree(memory, 0, MEM_RELEASE);
}

#elif defined(MAP_ANONYMOUS)
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

void *ls_map(size_t size, int dense)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
#ifdef MADV_HUGEPAGE /* only advice */
    (void)madvise(memory, size, dense ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
    (void)dense;
#endif
    return memory;
}

void ls_unmap(void *memory, size_t size)
{
    if (memory)
        munmap(memory, size);
}

#else

void *ls_map(size_t size, int dense)
{
    (void)dense;
    return calloc(size, 1);
}

void ls_unmap(void *memory, size_t size)
{
    (void)size;
    free(memory);
}

#endif
