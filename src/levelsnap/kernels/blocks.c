#include "blocks.h"
#include "kernels.h"
#include "target.h"

#include <string.h>

#define BLOCK 1024
/* Rows shorter than this are gathered several at a time. */
#define SHORT_ROW 128
/* Bytes of a row that are written past the caches; parts of lines are written at both ends. */
#define STREAMED_ROW 2048

typedef struct {
    const ls_job *job;
    ptrdiff_t index[LS_MAX_NDIM];
} cursor;

static ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

static void swap_axes(ls_job *job, int a, int b)
{
    ptrdiff_t length = job->shape[a];
    job->shape[a] = job->shape[b];
    job->shape[b] = length;
    for (int k = 0; k < LS_OPERANDS; k++) {
        ptrdiff_t stride = job->operand[k].strides[a];
        job->operand[k].strides[a] = job->operand[k].strides[b];
        job->operand[k].strides[b] = stride;
    }
}

static void drop_axis(ls_job *job, int axis)
{
    job->ndim--;
    for (int d = axis; d < job->ndim; d++)
        swap_axes(job, d, d + 1);
}

/* Whether axis a must lie outside axis b: the first operand that tells them apart decides. */
static int is_outer(const ls_job *job, int a, int b)
{
    static const ls_role precedence[] = {LS_VALUES, LS_LABELS, LS_IMAGE, LS_WHERE, LS_MASK};
    for (int k = 0; k < LS_OPERANDS; k++) {
        const ls_operand *operand = &job->operand[precedence[k]];
        ptrdiff_t s = operand->strides[a], t = operand->strides[b];
        s = s < 0 ? -s : s;
        t = t < 0 ? -t : t;
        if (operand->data && s != t && s && t)
            return s > t;
    }
    return a < b;
}

static int can_merge(const ls_job *job, int outer)
{
    for (int k = 0; k < LS_OPERANDS; k++) {
        const ls_operand *operand = &job->operand[k];
        if (operand->data
            && operand->strides[outer] != operand->strides[outer + 1] * job->shape[outer + 1])
            return 0;
    }
    return 1;
}

static int is_direct(const ls_job *job, const ls_operand *operand)
{
    uintptr_t misaligned = (uintptr_t)operand->data;
    for (int d = 0; d < job->ndim; d++)
        misaligned |= (uintptr_t)operand->strides[d];
    return !operand->swapped && misaligned % (uintptr_t)operand->size == 0
        && operand->strides[job->ndim - 1] == operand->size;
}

/* Long rows are taken one at a time, so that they can be used in place. */
static int rows_are_long(const ls_job *job)
{
    return job->ndim == 1 || job->shape[job->ndim - 1] >= SHORT_ROW;
}

static int row_is_streamed(const ls_job *job, const ls_operand *operand)
{
    return !operand->data || job->ndim == 1
        || job->shape[job->ndim - 1] * operand->size >= STREAMED_ROW;
}

/* Whether rows of an operand, if there is one, are used where they are. */
static int in_place(const ls_operand *operand)
{
    return !operand->data || operand->direct;
}

static int skips_some(const ls_job *job)
{
    return job->operand[LS_WHERE].data || job->operand[LS_MASK].data;
}

/* Whether rows are taken whole, where they are. */
static int takes_rows(const ls_job *job)
{
    return rows_are_long(job) && !skips_some(job) && in_place(&job->operand[LS_IMAGE])
        && in_place(&job->operand[LS_LABELS]) && in_place(&job->operand[LS_VALUES]);
}

/* What ls_prefetch adds at the end of a row. */
static ptrdiff_t gap_of_rows(const ls_job *job)
{
    const ls_operand *image = &job->operand[LS_IMAGE];
    const int inner = job->ndim - 1;
    const ptrdiff_t row = job->shape[inner] * image->size;
    const int by_tiles = job->operand[LS_VALUES].data && !job->table.fused;
    if (inner < 1 || by_tiles || !takes_rows(job))
        return 0;
    return image->strides[inner - 1] - (row < AHEAD ? AHEAD : row);
}

void ls_plan(ls_job *job)
{
    job->size = 1;
    for (int d = 0; d < job->ndim; d++)
        job->size *= job->shape[d];
    for (int d = job->ndim - 1; d >= 0; d--)
        if (job->shape[d] == 1)
            drop_axis(job, d);
    for (int d = 1; d < job->ndim; d++)
        for (int e = d; e > 0 && !is_outer(job, e - 1, e); e--)
            swap_axes(job, e - 1, e);
    for (int d = job->ndim - 2; d >= 0; d--)
        if (can_merge(job, d)) {
            job->shape[d + 1] *= job->shape[d];
            drop_axis(job, d);
        }
    if (job->ndim == 0) { /* a single element */
        job->ndim = 1;
        job->shape[0] = 1;
        for (int k = 0; k < LS_OPERANDS; k++)
            job->operand[k].strides[0] = job->operand[k].size;
    }
    for (int k = 0; k < LS_OPERANDS; k++)
        if (job->operand[k].data)
            job->operand[k].direct = is_direct(job, &job->operand[k]);
    if (!job->table.reverse) /* a job without a kernel's table */
        job->table.reverse = ls_reverse_bytes;
    /* What a kernel leaves in a scratch is read at once, and so are labels by which values are
     * looked up. */
    const ls_operand *labels = &job->operand[LS_LABELS], *values = &job->operand[LS_VALUES];
    job->table.stream = job->table.stream && !skips_some(job)
                     && row_is_streamed(job, labels) && row_is_streamed(job, values)
                     && in_place(labels) && in_place(values)
                     && (!values->data || job->table.fused);
    job->table.gap = gap_of_rows(job);
}

static cursor cursor_at(const ls_job *job, ptrdiff_t start)
{
    cursor at;
    at.job = job;
    for (int d = job->ndim - 1; d >= 0; d--) {
        at.index[d] = start % job->shape[d];
        start /= job->shape[d];
    }
    return at;
}

static ptrdiff_t left_in_row(const cursor *at)
{
    int inner = at->job->ndim - 1;
    return at->job->shape[inner] - at->index[inner];
}

static void advance(cursor *at, ptrdiff_t count)
{
    const int inner = at->job->ndim - 1;
    while (count > 0) {
        ptrdiff_t step = smaller(count, left_in_row(at));
        count -= step;
        at->index[inner] += step;
        for (int d = inner; d > 0 && at->index[d] == at->job->shape[d]; d--) {
            at->index[d] = 0;
            at->index[d - 1]++;
        }
    }
}

static char *address(const cursor *at, const ls_operand *operand)
{
    char *p = operand->data;
    for (int d = 0; d < at->job->ndim; d++)
        p += at->index[d] * operand->strides[d];
    return p;
}

/* Elements of BITS bits at a distance of `stride` bytes; memcpy because they may be misaligned. */
#define DEFINE_COPIES(BITS)                                                                       \
    static void read##BITS(char *to, const char *from, ptrdiff_t stride, ptrdiff_t n)             \
    {                                                                                             \
        for (ptrdiff_t i = 0; i < n; i++)                                                         \
            memcpy(to + i * (BITS / 8), from + i * stride, BITS / 8);                             \
    }                                                                                             \
    static void write##BITS(char *to, ptrdiff_t stride, const char *from, ptrdiff_t n)            \
    {                                                                                             \
        for (ptrdiff_t i = 0; i < n; i++)                                                         \
            memcpy(to + i * stride, from + i * (BITS / 8), BITS / 8);                             \
    }

DEFINE_COPIES(8)
DEFINE_COPIES(16)
DEFINE_COPIES(32)
DEFINE_COPIES(64)

static void copy_cursor(cursor *to, const cursor *from)
{
    to->job = from->job;
    memcpy(to->index, from->index, (size_t)from->job->ndim * sizeof *to->index);
}

/* `count` elements from the cursor on, over as many rows as it takes. */
static void gather(const cursor *start, const ls_operand *operand, ptrdiff_t count, void *to_)
{
    const ls_job *job = start->job;
    const int size = operand->size, swapped = operand->swapped;
    const ptrdiff_t stride = operand->strides[job->ndim - 1];
    char *to = to_;
    cursor at;
    copy_cursor(&at, start);
    while (count > 0) {
        const ptrdiff_t n = smaller(count, left_in_row(&at));
        const char *from = address(&at, operand);
        if (stride != size)
            BY_SIZE(size, read8(to, from, stride, n), read16(to, from, stride, n),
                    read32(to, from, stride, n), read64(to, from, stride, n))
        else if (!swapped)
            memcpy(to, from, (size_t)(n * size));
        if (swapped)
            job->table.reverse(to, stride != size ? to : from, n, size);
        to += n * size;
        count -= n;
        advance(&at, n);
    }
}

/* The reverse of gather, of the elements that `where` names if it is given. Leaves `from_` in the
 * operand's byte order. */
static void scatter(const cursor *start, const ls_operand *operand, ptrdiff_t count, void *from_,
                    const uint8_t *where)
{
    const int size = operand->size;
    const ptrdiff_t stride = operand->strides[start->job->ndim - 1];
    const char *from = from_;
    cursor at;
    if (operand->swapped)
        start->job->table.reverse(from_, from_, count, size);
    copy_cursor(&at, start);
    while (count > 0) {
        const ptrdiff_t n = smaller(count, left_in_row(&at));
        char *to = address(&at, operand);
        if (where) {
            start->job->table.put_where(to, stride, from, where, n, size);
            where += n;
        } else if (stride == size)
            memcpy(to, from, (size_t)(n * size));
        else
            BY_SIZE(size, write8(to, stride, from, n), write16(to, stride, from, n),
                    write32(to, stride, from, n), write64(to, stride, from, n))
        from += n * size;
        count -= n;
        advance(&at, n);
    }
}

/* The run of an operand as contiguous memory: in place where it can be, else the scratch. */
static void *contiguous(const cursor *at, const ls_operand *operand, int by_row, void *scratch)
{
    if (!operand->data)
        return NULL;
    return by_row && operand->direct ? (void *)address(at, operand) : scratch;
}

static ptrdiff_t count_true(const uint8_t *where, ptrdiff_t n)
{
    ptrdiff_t count = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        count += where[i] != 0;
    return count;
}

/* Marks those of a run of at most BLOCK elements that are not skipped; returns how many. */
static ptrdiff_t gather_asked(const cursor *at, ptrdiff_t n, uint8_t *asked)
{
    const ls_operand *where = &at->job->operand[LS_WHERE], *mask = &at->job->operand[LS_MASK];
    uint8_t masked[BLOCK];
    if (where->data)
        gather(at, where, n, asked);
    else
        memset(asked, 1, (size_t)n);
    if (mask->data) {
        gather(at, mask, n, masked);
        for (ptrdiff_t i = 0; i < n; i++)
            asked[i] = (asked[i] != 0) & (masked[i] == 0);
    }
    return count_true(asked, n);
}

/* A run of at most BLOCK elements of which some are skipped. */
static ptrdiff_t run_some(const ls_job *job, const cursor *at, const void *x,
                          const uint8_t *where, ptrdiff_t n, void *label_scratch,
                          void *value_scratch)
{
    const ls_operand *labels = &job->operand[LS_LABELS], *values = &job->operand[LS_VALUES];
    const ptrdiff_t nans = ls_nearest(&job->table, x, n, labels->data ? label_scratch : NULL,
                                      values->data ? value_scratch : NULL);
    if (labels->data)
        scatter(at, labels, n, label_scratch, where);
    if (values->data && job->keep) {
        uint64_t kept[BLOCK];
        memcpy(kept, x, (size_t)(n * values->size));
        job->table.put_where(kept, values->size, value_scratch, where, n, values->size);
        scatter(at, values, n, kept, NULL);
    } else if (values->data)
        scatter(at, values, n, value_scratch, where);
    return nans ? ls_count_nan(job->table.type, x, where, n) : 0;
}

ptrdiff_t ls_run(const ls_job *job, ptrdiff_t start, ptrdiff_t count)
{
    const ls_operand *image = &job->operand[LS_IMAGE];
    const ls_operand *labels = &job->operand[LS_LABELS], *values = &job->operand[LS_VALUES];
    uint64_t x_scratch[BLOCK], label_scratch[BLOCK], value_scratch[BLOCK];
    uint8_t where[BLOCK];
    cursor at = cursor_at(job, start);
    const int by_row = rows_are_long(job), skipping = skips_some(job), whole = takes_rows(job);
    ptrdiff_t nans = 0;
    while (count > 0) {
        ptrdiff_t n = by_row ? smaller(count, left_in_row(&at)) : count;
        if (!whole)
            n = smaller(n, BLOCK);
        const ptrdiff_t asked = skipping ? gather_asked(&at, n, where) : n;
        if (asked || job->keep) {
            const void *x = contiguous(&at, image, by_row, x_scratch);
            if (x == x_scratch)
                gather(&at, image, n, x_scratch);
            if (asked < n)
                nans += run_some(job, &at, x, where, n, label_scratch, value_scratch);
            else {
                void *l = contiguous(&at, labels, by_row, label_scratch);
                void *v = contiguous(&at, values, by_row, value_scratch);
                nans += ls_nearest(&job->table, x, n, l, v);
                if (l == label_scratch)
                    scatter(&at, labels, n, l, NULL);
                if (v == value_scratch)
                    scatter(&at, values, n, v, NULL);
            }
        }
        count -= n;
        advance(&at, n);
    }
    if (job->table.stream)
        ls_end_streaming();
    return nans;
}

#define DEFINE_KEEP(BITS)                                                                         \
    static ptrdiff_t keep##BITS(uint##BITS##_t *x, const uint8_t *where, ptrdiff_t n)             \
    {                                                                                             \
        ptrdiff_t kept = 0;                                                                       \
        for (ptrdiff_t i = 0; i < n; i++) {                                                       \
            x[kept] = x[i];                                                                       \
            kept += where[i] != 0;                                                                \
        }                                                                                         \
        return kept;                                                                              \
    }

DEFINE_KEEP(8)
DEFINE_KEEP(16)
DEFINE_KEEP(32)
DEFINE_KEEP(64)

/* Moves the elements that `where` names to the front; returns how many they are. */
static ptrdiff_t keep(void *x, int size, const uint8_t *where, ptrdiff_t n)
{
    ptrdiff_t kept;
    BY_SIZE(size, kept = keep8(x, where, n), kept = keep16(x, where, n),
            kept = keep32(x, where, n), kept = keep64(x, where, n))
    return kept;
}

int ls_visit(const ls_job *job, ptrdiff_t start, ptrdiff_t count, ls_visitor *visitor, void *state)
{
    const ls_operand *image = &job->operand[LS_IMAGE];
    uint64_t scratch[BLOCK];
    uint8_t where[BLOCK];
    cursor at = cursor_at(job, start);
    const int by_row = rows_are_long(job), skipping = skips_some(job);
    const int whole = by_row && !skipping && image->direct;
    while (count > 0) {
        const ptrdiff_t in_row = by_row ? smaller(count, left_in_row(&at)) : count;
        const ptrdiff_t n = whole ? in_row : smaller(in_row, BLOCK);
        ptrdiff_t asked = skipping ? gather_asked(&at, n, where) : n;
        const void *x = scratch;
        if (whole)
            x = address(&at, image);
        else if (asked > 0)
            gather(&at, image, n, scratch);
        if (asked < n)
            asked = keep(scratch, image->size, where, asked ? n : 0);
        const int stop = visitor(state, x, asked);
        if (stop)
            return stop;
        count -= n;
        advance(&at, n);
    }
    return 0;
}
