/* Large memory that costs only where it is touched. */
#ifndef LEVELSNAP_MEMORY_H
#define LEVELSNAP_MEMORY_H

#include <stddef.h>

/* Zeros, or NULL without memory. `dense`: most of what is touched lies close together, so that
 * huge pages, where the system has them, are quicker and not much larger. */
void *ls_map(size_t size, int dense);

void ls_unmap(void *memory, size_t size);

#endif
