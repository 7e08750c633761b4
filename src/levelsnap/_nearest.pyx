"""The loop: blocks of an image, in parallel, through a C kernel (kernels/*.c)."""
from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
)
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.string cimport memset

cdef extern from *:
    """
    #ifdef _OPENMP
    #define LS_OPENMP _OPENMP
    #else
    #define LS_OPENMP 0
    #endif
    """
    const int LS_OPENMP

OPENMP = LS_OPENMP

# What one thread takes at a time, and what all do between two looks for Ctrl-C.
cdef enum:
    BLOCK = 1 << 16
    CHUNK = 1 << 22


cdef class Operands:
    """Holds the buffers of a job's arrays for as long as the job runs."""

    def __cinit__(self):
        memset(self.views, 0, sizeof(self.views))

    def __dealloc__(self):
        for role in range(<int>LS_OPERANDS):
            PyBuffer_Release(&self.views[role])

    cdef int add(self, ls_job *job, int role, object array, bint swapped) except -1:
        cdef Py_buffer *view = &self.views[role]
        cdef ls_operand *operand = &job.operand[role]
        cdef int d
        cdef bint written = role == LS_LABELS or role == LS_VALUES
        if array is None:
            return 0
        PyObject_GetBuffer(array, view, PyBUF_STRIDES | (PyBUF_WRITABLE if written else 0))
        if role == LS_IMAGE:
            if view.ndim > LS_MAX_NDIM:
                raise ValueError(f"image has {view.ndim} dimensions; at most 64 are accepted")
            job.ndim = view.ndim
            for d in range(view.ndim):
                job.shape[d] = view.shape[d]
        elif view.ndim != job.ndim:
            raise ValueError("operands differ in their number of dimensions")
        for d in range(view.ndim):
            if view.shape[d] != job.shape[d]:
                raise ValueError("operands differ in shape")
            operand.strides[d] = view.strides[d]
        operand.data = <char *>view.buf
        operand.size = <int>view.itemsize
        operand.swapped = swapped
        return 0


cdef class Table:
    """What a kernel needs to know of a codebook for one image, label and value dtype.

    Parameters
    ----------
    type : int
        The image's element type, one of kernels/nearest.h's ``ls_type``.
    thresholds : contiguous buffer
        ``2**depth - 1`` ascending thresholds of that type (float16: as ordered int16 keys).
    first : int
        The label of an element that no threshold is below.
    label_size : int
        Bytes of a label.
    values : contiguous buffer or None
        The snapped value of each label; of each bit pattern if `pattern_labels` is given.
    keep_nan : bool
        Whether the values have the image's dtype, so that a NaN is copied as it is.
    nan_value : int
        The bits of a NaN of the values' dtype.
    pattern_labels : contiguous buffer or None
        The label of each bit pattern of an 8- or 16-bit type.
    """

    cdef ls_table table
    cdef Py_buffer thresholds
    cdef Py_buffer values
    cdef Py_buffer pattern_labels

    def __cinit__(
        self, int type, thresholds, uint32_t first, int label_size, values=None,
        bint keep_nan=True, uint64_t nan_value=0, pattern_labels=None,
    ):
        memset(&self.table, 0, sizeof(self.table))
        self.table.type = <ls_type>type
        PyObject_GetBuffer(thresholds, &self.thresholds, PyBUF_SIMPLE)
        self.table.thresholds = self.thresholds.buf
        self.table.half = <uint32_t>((self.thresholds.len // thresholds.itemsize + 1) // 2)
        self.table.first = first
        self.table.label_size = label_size
        self.table.keep_nan = keep_nan
        self.table.nan_value = nan_value
        if values is not None:
            PyObject_GetBuffer(values, &self.values, PyBUF_SIMPLE)
            self.table.values = self.values.buf
            self.table.value_size = values.itemsize
        if pattern_labels is not None:
            PyObject_GetBuffer(pattern_labels, &self.pattern_labels, PyBUF_SIMPLE)
            self.table.pattern_labels = self.pattern_labels.buf
        ls_table_choose(&self.table)

    def __dealloc__(self):
        PyBuffer_Release(&self.thresholds)
        PyBuffer_Release(&self.values)
        PyBuffer_Release(&self.pattern_labels)


def nearest(
    Table table not None, image, bint image_swapped, where,
    labels, bint labels_swapped, values, bint values_swapped,
    uint64_t nan_label, bint keep, int threads,
):
    """Label and snap an image into arrays of its shape; returns the number of NaN met.

    Every array is given as NumPy holds it: any strides, and swapped or not. `where` is a boolean
    array or None; `labels` and `values` are arrays or None (both None: only NaN are counted).
    """
    cdef ls_job job                                         # OUT of the buffers, IN for the kernel
    cdef Operands operands = Operands()
    cdef Py_ssize_t nans = 0, start, block
    cdef Py_ssize_t stop
    memset(&job, 0, sizeof(job))
    job.table = table.table
    job.table.nan_label = nan_label
    job.keep = keep
    operands.add(&job, LS_IMAGE, image, image_swapped)
    operands.add(&job, LS_WHERE, where, False)
    operands.add(&job, LS_LABELS, labels, labels_swapped)
    operands.add(&job, LS_VALUES, values, values_swapped)
    ls_plan(&job)
    with nogil:
        start = 0
        while start < job.size:
            stop = min(start + CHUNK, job.size)
            for block in prange(
                start, stop, BLOCK, num_threads=threads, use_threads_if=threads > 1,
                schedule="static",
            ):
                nans += ls_run(&job, block, min(<Py_ssize_t>BLOCK, stop - block))
            start = stop
            if start < job.size:
                with gil:
                    PyErr_CheckSignals()
    return nans
