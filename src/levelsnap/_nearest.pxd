# The C side of levelsnap, as kernels/*.h declares it.
from libc.stdint cimport uint16_t, uint32_t, uint64_t


cdef extern from "nearest.h" nogil:
    ctypedef enum ls_type:
        pass

    ctypedef enum ls_isa:
        pass

    ctypedef enum ls_method:
        pass

    ctypedef struct ls_grid:
        double low
        double scale
        uint64_t low_key
        int left
        int shift
        uint64_t last
        uint32_t half
        const uint32_t *packed
        const uint16_t *starts
        const uint32_t *fine
        const void *fine_low

    ctypedef struct ls_table:
        ls_type type
        int element_size
        int label_size
        int value_size
        int depth
        const void *thresholds
        uint32_t k
        uint32_t first
        const void *pattern_labels
        const void *values
        uint64_t nan_label
        uint64_t nan_value
        int keep_nan
        int stream
        ls_grid grid

    void ls_table_choose(ls_table *table, ls_isa isa, ls_method method)
    int ls_register_depth(ls_isa isa, ls_type type)
    int ls_has_packed(ls_isa isa, ls_type type)
    int ls_node_size(ls_isa isa, ls_type type)
    int ls_node_levels(ls_isa isa, ls_type type, int depth)
    ls_isa ls_best_isa()
    Py_ssize_t ls_nearest(
        const ls_table *table, const void *x, Py_ssize_t n, void *labels, void *values
    )


cdef extern from "blocks.h" nogil:
    enum:
        LS_MAX_NDIM

    ctypedef struct ls_operand:
        char *data
        int size
        int swapped
        Py_ssize_t strides[LS_MAX_NDIM]

    ctypedef enum ls_role:
        LS_IMAGE, LS_WHERE, LS_MASK, LS_LABELS, LS_VALUES, LS_OPERANDS

    ctypedef struct ls_job:
        int ndim
        Py_ssize_t size
        Py_ssize_t shape[LS_MAX_NDIM]
        ls_operand operand[LS_OPERANDS]
        int keep
        ls_table table

    void ls_plan(ls_job *job)
    Py_ssize_t ls_run(const ls_job *job, Py_ssize_t start, Py_ssize_t count)

    ctypedef int ls_visitor(void *state, const void *x, Py_ssize_t n)

    int ls_visit(
        const ls_job *job, Py_ssize_t start, Py_ssize_t count, ls_visitor *visitor, void *state
    )


cdef class Operands:
    cdef Py_buffer views[LS_OPERANDS]
    cdef int add(self, ls_job *job, int role, object array, bint swapped) except -1


cdef class Table:
    cdef ls_table table
    cdef Py_buffer views[7]
    cdef const void *hold(self, int i, buffer) except? NULL


# For modules that do not link the kernels.
cdef Py_ssize_t run_table(
    const ls_table *table, const void *x, Py_ssize_t n, void *labels, void *values
) noexcept nogil
