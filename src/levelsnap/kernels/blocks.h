/* Arrays of any layout, taken apart into short contiguous runs for the kernels. */
#ifndef LEVELSNAP_BLOCKS_H
#define LEVELSNAP_BLOCKS_H

#include "nearest.h"

#define LS_MAX_NDIM 64

typedef struct {
    char *data;   /* NULL: this operand is absent */
    int size;     /* bytes of an element: 1, 2, 4, 8 */
    int swapped;  /* not in this machine's byte order */
    int direct;   /* set by ls_plan: a row of it can be handed to a kernel as it is */
    ptrdiff_t strides[LS_MAX_NDIM];
} ls_operand;

/* Elements that `where` does not name, or that `mask` does, are skipped. */
typedef enum { LS_IMAGE, LS_WHERE, LS_MASK, LS_LABELS, LS_VALUES, LS_OPERANDS } ls_role;

typedef struct {
    int ndim;
    ptrdiff_t size; /* number of elements, set by ls_plan */
    ptrdiff_t shape[LS_MAX_NDIM];
    ls_operand operand[LS_OPERANDS];
    int keep;       /* skipped elements of `values` take the image's (same type) */
    ls_table table;
} ls_job;

/* Orders the axes by the results' strides, outermost first, merges those that are contiguous in
 * every operand, and marks the operands whose rows need no copy. */
void ls_plan(ls_job *job);

/* Labels and snaps elements start .. start + count - 1 in the planned order; returns the number
 * of NaN among those that are not skipped. Re-entrant; uses up to 64 kB of stack with the
 * kernels. */
ptrdiff_t ls_run(const ls_job *job, ptrdiff_t start, ptrdiff_t count);

/* Looks at n contiguous, aligned elements in this machine's byte order; nonzero: no more. */
typedef int ls_visitor(void *state, const void *x, ptrdiff_t n);

/* Hands the elements start .. as above that are not skipped to a visitor, run by run; returns what
 * it returned last. */
int ls_visit(const ls_job *job, ptrdiff_t start, ptrdiff_t count, ls_visitor *visitor, void *state);

#endif
