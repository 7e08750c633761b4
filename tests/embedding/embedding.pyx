# Calls each function of levelsnap.cython_api without the GIL.
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uintptr_t

from levelsnap.cython_api cimport *

levelsnap_import()

ctypedef fused element:
    uint8_t
    uint16_t
    int32_t
    float
    int64_t
    double

ABI = LEVELSNAP_ABI
NO_LABEL = LEVELSNAP_NO_LABEL


def message(int error):
    return levelsnap_message(error).decode()


def create(int dtype, const double[::1] centers, int label_size, uint32_t nan_label=0, k=None):
    """(error, table or None)"""
    cdef levelsnap_table *table
    cdef const double *first = &centers[0] if centers.shape[0] else NULL
    cdef Py_ssize_t n = centers.shape[0] if k is None else k
    cdef int error
    with nogil:
        error = levelsnap_create(&table, dtype, first, n, label_size, nan_label)
    if table == NULL:
        return error, None
    made = Table()
    made.table = table
    return error, made


cdef class Table:
    cdef levelsnap_table *table

    def __dealloc__(self):
        with nogil:
            levelsnap_destroy(self.table)


cdef Py_ssize_t ask(
    const levelsnap_table *table, const element *image, Py_ssize_t n, void *labels, element *values
) noexcept nogil:
    if element is uint8_t:
        return levelsnap_labels_and_snap_uint8(table, image, n, labels, values)
    elif element is uint16_t:
        return levelsnap_labels_and_snap_uint16(table, image, n, labels, values)
    elif element is int32_t:
        return levelsnap_labels_and_snap_int32(table, image, n, labels, values)
    elif element is float:
        return levelsnap_labels_and_snap_float32(table, image, n, labels, values)
    elif element is int64_t:
        return levelsnap_labels_and_snap_int64(table, image, n, labels, values)
    else:
        return levelsnap_labels_and_snap_float64(table, image, n, labels, values)


cdef uint32_t label(const levelsnap_table *table, element x) noexcept nogil:
    if element is uint8_t:
        return levelsnap_label_uint8(table, x)
    elif element is uint16_t:
        return levelsnap_label_uint16(table, x)
    elif element is int32_t:
        return levelsnap_label_int32(table, x)
    elif element is float:
        return levelsnap_label_float32(table, x)
    elif element is int64_t:
        return levelsnap_label_int64(table, x)
    else:
        return levelsnap_label_float64(table, x)


cdef element snap(const levelsnap_table *table, element x) noexcept nogil:
    if element is uint8_t:
        return levelsnap_snap_uint8(table, x)
    elif element is uint16_t:
        return levelsnap_snap_uint16(table, x)
    elif element is int32_t:
        return levelsnap_snap_int32(table, x)
    elif element is float:
        return levelsnap_snap_float32(table, x)
    elif element is int64_t:
        return levelsnap_snap_int64(table, x)
    else:
        return levelsnap_snap_float64(table, x)


def run(Table table not None, element[::1] image, labels, element[::1] values, n=None):
    """Labels, of any width, and values: of arrays or None. Returns the number of NaN."""
    cdef Py_ssize_t size = image.shape[0] if n is None else n, found
    cdef uintptr_t where = 0 if labels is None else labels.ctypes.data
    cdef element *to = NULL if values is None else &values[0]
    with nogil:
        found = ask[element](table.table, &image[0], size, <void *>where, to)
    return found


def run_in_parallel(Table table not None, element[::1] image, labels, element[::1] values,
                    Py_ssize_t piece):
    """The same by a prange over pieces of the image."""
    cdef Py_ssize_t n = image.shape[0], i, found = 0
    cdef uintptr_t where = labels.ctypes.data
    cdef Py_ssize_t size = labels.itemsize
    for i in prange((n + piece - 1) // piece, nogil=True, num_threads=3, schedule="dynamic"):
        found += ask[element](
            table.table, &image[i * piece], min(piece, n - i * piece),
            <char *>where + i * piece * size, &values[i * piece],
        )
    return found


def run_one_by_one(Table table not None, element[::1] image, uint32_t[::1] labels,
                   element[::1] values):
    """The same by the functions for one element."""
    cdef Py_ssize_t i
    with nogil:
        for i in range(image.shape[0]):
            labels[i] = label[element](table.table, image[i])
            values[i] = snap[element](table.table, image[i])
