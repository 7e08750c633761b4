"""The loop: blocks of an image, in parallel, through a C kernel (kernels/*.c)."""
from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_SIMPLE, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release,
    PyObject_GetBuffer
)
from cpython.exc cimport PyErr_CheckSignals, PyErr_Clear
from cython.parallel cimport prange
from libc.string cimport memset

from levelsnap._team cimport is_forked

BEST_ISA = <int>ls_best_isa()


def register_depth(int isa, int type):
    """The deepest search tree that an instruction set holds in registers for an element type."""
    return ls_register_depth(<ls_isa>isa, <ls_type>type)


def node_size(int isa, int type):
    """Bytes of a node of a tree of nodes (kernels/nodes.inc.h); 0: there is no such kernel."""
    return ls_node_size(<ls_isa>isa, <ls_type>type)


def has_packed(int isa, int type):
    """Whether an instruction set has a packed grid (kernels/packed.inc.h) for an element type."""
    return ls_has_packed(<ls_isa>isa, <ls_type>type) != 0


def node_levels(int isa, int type, int depth):
    """How many levels of nodes a tree of that depth has."""
    return ls_node_levels(<ls_isa>isa, <ls_type>type, depth)


# Elements that one thread takes at a time, and blocks that all do between two looks for Ctrl-C.
cdef enum:
    BLOCK = 1 << 16
    CHUNK = 64


cdef Py_ssize_t element_size(const ls_table *table, int role, Py_ssize_t any) noexcept nogil:
    """Bytes of an element of an operand; `any` of the image of a job that has no table."""
    if role == LS_IMAGE:
        return table.element_size or any
    if role == LS_LABELS:
        return table.label_size
    if role == LS_VALUES:
        return table.value_size
    return 1


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
        if view.itemsize != element_size(&job.table, role, view.itemsize):
            raise ValueError("an operand has another dtype than when it was checked")
        operand.data = <char *>view.buf
        operand.size = <int>view.itemsize
        operand.swapped = swapped
        return 0


cdef class Table:
    """What a kernel needs to know of a codebook for one image, label and value dtype.

    Parameters
    ----------
    isa, method, type : int
        The instruction set, the way to find labels and the image's element type: ls_isa,
        ls_method and ls_type of kernels/nearest.h.
    thresholds : contiguous buffer
        Ascending, of that type (float16: as ordered int16 keys), padded with the type's largest
        value: as many as ls_table of kernels/nearest.h says.
    depth : int
        Steps of a search.
    k : int
        The number of levels.
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
    grid : tables.Grid or None
    """

    def __cinit__(
        self, int isa, int method, int type, thresholds, int depth, uint32_t k, uint32_t first,
        int label_size, values=None, bint keep_nan=True, uint64_t nan_value=0,
        pattern_labels=None, grid=None,
    ):
        memset(&self.table, 0, sizeof(self.table))
        memset(self.views, 0, sizeof(self.views))
        self.table.type = <ls_type>type
        self.table.thresholds = self.hold(0, thresholds)
        self.table.depth = depth
        self.table.k = k
        self.table.first = first
        self.table.label_size = label_size
        self.table.keep_nan = keep_nan
        self.table.nan_value = nan_value
        if values is not None:
            self.table.values = self.hold(1, values)
            self.table.value_size = values.itemsize
        if pattern_labels is not None:
            self.table.pattern_labels = self.hold(2, pattern_labels)
        if grid is not None:
            self.table.grid.low = grid.low
            self.table.grid.scale = grid.scale
            self.table.grid.low_key = grid.low_key
            self.table.grid.left = grid.left
            self.table.grid.shift = grid.shift
            self.table.grid.last = grid.last
            self.table.grid.half = grid.half
            if grid.packed is not None:
                self.table.grid.packed = <const uint32_t *>self.hold(6, grid.packed)
            else:
                self.table.grid.starts = <const uint16_t *>self.hold(3, grid.starts)
            if grid.fine is not None:
                self.table.grid.fine = <const uint32_t *>self.hold(4, grid.fine)
                self.table.grid.fine_low = self.hold(5, grid.fine_low)
        ls_table_choose(&self.table, <ls_isa>isa, <ls_method>method)

    cdef const void *hold(self, int i, buffer) except? NULL:
        PyObject_GetBuffer(buffer, &self.views[i], PyBUF_SIMPLE)
        return self.views[i].buf

    def __dealloc__(self):
        for i in range(7):
            PyBuffer_Release(&self.views[i])


def nearest(
    Table table not None, image, bint image_swapped, where,
    labels, bint labels_swapped, values, bint values_swapped,
    uint64_t nan_label, bint keep, bint stream, int threads, mask=None,
):
    """Label and snap an image into arrays of its shape; returns the number of NaN met.

    Every array is given as NumPy holds it: any strides, and swapped or not. `where` and
    `mask` are boolean arrays or None: elements that are False there, or True here, are skipped.
    `labels` and `values` are arrays or None (both None: only NaN are counted).
    `stream`: the results are not read soon, and may be written past the caches.
    """
    cdef ls_job job                                         # OUT of the buffers, IN for the kernel
    cdef Operands operands = Operands()
    cdef Py_ssize_t nans = 0, blocks, first, last, b
    memset(&job, 0, sizeof(job))
    job.table = table.table
    job.table.nan_label = nan_label
    job.table.stream = stream
    job.keep = keep
    operands.add(&job, LS_IMAGE, image, image_swapped)
    operands.add(&job, LS_WHERE, where, False)
    operands.add(&job, LS_MASK, mask, False)
    operands.add(&job, LS_LABELS, labels, labels_swapped)
    operands.add(&job, LS_VALUES, values, values_swapped)
    ls_plan(&job)
    blocks = (job.size + BLOCK - 1) // BLOCK
    with nogil:
        first = 0
        while first < blocks:
            last = min(first + CHUNK, blocks)
            if threads == 1 or is_forked():
                for b in range(first, last):
                    nans += run_block(&job, b)
            else:
                for b in prange(first, last, num_threads=threads, schedule="static"):
                    nans += run_block(&job, b)
            first = last
            if first < blocks:
                with gil:
                    PyErr_CheckSignals()
    return nans


cdef Py_ssize_t run_block(const ls_job *job, Py_ssize_t block) noexcept nogil:
    cdef Py_ssize_t start = block * BLOCK
    return ls_run(job, start, min(<Py_ssize_t>BLOCK, job.size - start))


# Without `try`, which would run Python code, and may fail where there is no room for a call.
cdef extern from "Python.h":
    int get_buffer "PyObject_GetBuffer"(object array, Py_buffer *view, int flags) noexcept


# From this many elements on, other Python threads go on meanwhile.
cdef enum:
    RELEASE_FROM = 1 << 12


def nearest_plain(Table table not None, image, result, bint snapped):
    """The short way for small arrays: label, or snap, one plain array into another.

    Both are given as NumPy holds them, in native byte order and of the table's dtypes. Returns
    the number of NaN met, or -1, with nothing written, if this takes the long way: they are not
    C-contiguous, aligned and of one shape, or overlap otherwise than values that lie on the image.
    """
    cdef Py_buffer x, r
    cdef Py_ssize_t nans = -1
    if get_buffer(image, &x, PyBUF_C_CONTIGUOUS):
        PyErr_Clear()
        return -1
    if get_buffer(result, &r, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE):
        PyErr_Clear()
        PyBuffer_Release(&x)
        return -1
    if is_plain(&table.table, &x, &r, snapped):
        if x.len < RELEASE_FROM * x.itemsize:
            nans = run_plain(&table.table, &x, &r, snapped)
        else:
            with nogil:
                nans = run_plain(&table.table, &x, &r, snapped)
    PyBuffer_Release(&r)
    PyBuffer_Release(&x)
    return nans


cdef bint is_plain(
    const ls_table *table, const Py_buffer *x, const Py_buffer *r, bint snapped,
) noexcept nogil:
    cdef int d, result_size = table.value_size if snapped else table.label_size
    cdef size_t a = <size_t>x.buf, b = <size_t>r.buf
    if x.itemsize != table.element_size or r.itemsize != result_size:  # set by another thread
        return False
    if x.ndim != r.ndim or a % x.itemsize or b % r.itemsize:
        return False
    for d in range(x.ndim):
        if x.shape[d] != r.shape[d]:
            return False
    return a + x.len <= b or b + r.len <= a or (snapped and a == b and x.itemsize == r.itemsize)


cdef Py_ssize_t run_plain(
    const ls_table *table, const Py_buffer *x, const Py_buffer *r, bint snapped,
) noexcept nogil:
    return ls_nearest(
        table, x.buf, x.len // x.itemsize, NULL if snapped else r.buf, r.buf if snapped else NULL
    )


cdef Py_ssize_t run_table(
    const ls_table *table, const void *x, Py_ssize_t n, void *labels, void *values
) noexcept nogil:
    return ls_nearest(table, x, n, labels, values)
