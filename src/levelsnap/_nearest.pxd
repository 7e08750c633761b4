# The C side of levelsnap, as kernels/*.h declares it.
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef extern from "nearest.h" nogil:
    ctypedef enum ls_type:
        LS_BOOL, LS_INT8, LS_UINT8, LS_INT16, LS_UINT16, LS_FLOAT16
        LS_INT32, LS_UINT32, LS_FLOAT32, LS_INT64, LS_UINT64, LS_FLOAT64

    ctypedef struct ls_table:
        ls_type type
        uint32_t first
        uint32_t half
        const void *thresholds
        const void *pattern_labels
        const void *values
        int label_size
        int value_size
        uint64_t nan_label
        uint64_t nan_value
        int keep_nan

    void ls_table_choose(ls_table *table)


cdef extern from "blocks.h" nogil:
    enum:
        LS_MAX_NDIM

    ctypedef struct ls_operand:
        char *data
        int size
        int swapped
        Py_ssize_t strides[LS_MAX_NDIM]

    ctypedef enum ls_role:
        LS_IMAGE, LS_WHERE, LS_LABELS, LS_VALUES, LS_OPERANDS

    ctypedef struct ls_job:
        int ndim
        Py_ssize_t size
        Py_ssize_t shape[LS_MAX_NDIM]
        ls_operand operand[LS_OPERANDS]
        int keep
        ls_table table

    void ls_plan(ls_job *job)
    Py_ssize_t ls_run(const ls_job *job, Py_ssize_t start, Py_ssize_t count)
    void ls_count_patterns(const ls_job *job, Py_ssize_t start, Py_ssize_t count, uint64_t *counts)


cdef class Operands:
    cdef Py_buffer views[LS_OPERANDS]
    cdef int add(self, ls_job *job, int role, object array, bint swapped) except -1
