"""The functions behind include/levelsnap.h, for other compiled modules (docs/embedding.md)."""
from cpython.exc cimport PyErr_Clear, PyErr_ExceptionMatches, PyErr_SetInterrupt
from cpython.pycapsule cimport PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from levelsnap._nearest cimport Table, ls_table, run_table

import numpy as np

from .codebook import MAX_K, Codebook
from .dtypes import ELEMENT_TYPES

# Tables serve images of any size: they are made as for large ones.
cdef Py_ssize_t SIZE = 1 << 30

DTYPES = {code: dtype for dtype, code in ELEMENT_TYPES.items()}


cdef extern from "Python.h":
    int Py_IsInitialized() nogil


cdef struct full_table:
    levelsnap_table known
    ls_table table
    PyObject *owner                     # of what `table` points to


cdef union label_of_any_size:
    uint8_t one
    uint16_t two
    uint32_t four


# To a caller that looks at the error itself. `try` would run Python code, and may fail where there
# is no room for a call.
ctypedef int (*creator)(
    levelsnap_table **table, int dtype, const double *centers, Py_ssize_t k, int label_size,
    uint32_t nan_label,
) noexcept


cdef int create(
    levelsnap_table **table, int dtype, const double *centers, Py_ssize_t k, int label_size,
    uint32_t nan_label,
) noexcept with gil:
    cdef int error = (<creator>create_or_raise)(table, dtype, centers, k, label_size, nan_label)
    if error >= 0:
        return error
    error = LEVELSNAP_FAILED
    if PyErr_ExceptionMatches(MemoryError):
        error = LEVELSNAP_NO_MEMORY
    elif PyErr_ExceptionMatches(KeyboardInterrupt):
        PyErr_SetInterrupt()            # for the next Python code of the main thread
    PyErr_Clear()
    return error


cdef int create_or_raise(
    levelsnap_table **table, int dtype, const double *centers, Py_ssize_t k, int label_size,
    uint32_t nan_label,
) except -1:
    cdef full_table *made
    cdef Table owner
    if dtype not in (
        LEVELSNAP_UINT8, LEVELSNAP_UINT16, LEVELSNAP_INT32, LEVELSNAP_FLOAT32, LEVELSNAP_INT64,
        LEVELSNAP_FLOAT64,
    ):
        return LEVELSNAP_BAD_DTYPE
    if label_size not in (1, 2, 4):
        return LEVELSNAP_BAD_LABEL_SIZE
    if k < 1:
        return LEVELSNAP_NO_CENTERS
    if k - 1 >> 8 * label_size or k > MAX_K:
        return LEVELSNAP_TOO_MANY
    if <uint64_t>nan_label >> 8 * label_size:
        return LEVELSNAP_BAD_NAN_LABEL
    levels = np.array(<const double[:k]>centers)
    if not np.isfinite(levels).all():
        return LEVELSNAP_NOT_FINITE
    if len(np.unique(levels)) < k:
        return LEVELSNAP_NOT_DISTINCT
    element = DTYPES[dtype]
    owner = Codebook(levels)._table(element, np.dtype(f"u{label_size}"), element, SIZE)
    made = <full_table *>calloc(1, sizeof(full_table))
    if not made:
        raise MemoryError
    made.known.functions = &functions
    memcpy(&made.table, &owner.table, sizeof(ls_table))
    made.table.nan_label = nan_label
    Py_INCREF(owner)
    made.owner = <PyObject *>owner
    table[0] = &made.known
    return LEVELSNAP_OK


cdef void destroy(levelsnap_table *table) noexcept nogil:
    # A static object of C++ may end after the interpreter, which has freed all then.
    if Py_IsInitialized():
        with gil:
            Py_DECREF(<object>(<full_table *>table).owner)
    free(table)


cdef Py_ssize_t ask(
    const levelsnap_table *table, int dtype, const void *image, Py_ssize_t n, void *labels,
    void *values,
) noexcept nogil:
    cdef const ls_table *kernel_table = &(<const full_table *>table).table
    if n < 0 or dtype != <int>kernel_table.type:
        return -1
    return run_table(kernel_table, image, n, labels, values)


cdef uint32_t label(const levelsnap_table *table, int dtype, const void *x) noexcept nogil:
    cdef const ls_table *kernel_table = &(<const full_table *>table).table
    cdef label_of_any_size found
    if dtype != <int>kernel_table.type:
        return LEVELSNAP_NO_LABEL
    run_table(kernel_table, x, 1, &found, NULL)
    if kernel_table.label_size == 1:
        return found.one
    return found.two if kernel_table.label_size == 2 else found.four


cdef levelsnap_functions functions
functions.abi = LEVELSNAP_ABI
functions.create = create
functions.destroy = destroy
functions.ask = ask
functions.label = label

_C_API = PyCapsule_New(&functions, "levelsnap.cython_api._C_API", NULL)
