"""Distinct values of 8- and 16-bit images, counted in parallel."""
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.stdint cimport uint64_t
from libc.string cimport memset

from levelsnap._nearest cimport (
    LS_IMAGE, LS_WHERE, Operands, ls_count_patterns, ls_job, ls_plan
)

# What all threads count between two looks for Ctrl-C.
cdef enum:
    CHUNK = 1 << 24


def count_patterns(image, bint swapped, where, uint64_t[:, ::1] counts not None):
    """Add to `counts` how often each bit pattern occurs.

    Parameters
    ----------
    image : array of 1- or 2-byte elements, any layout
    swapped : bool
        Whether the image is not in this machine's byte order.
    where : boolean array of the image's shape or None
        False elements are not counted.
    counts : (threads, patterns) uint64 array
        One row for each thread, zero at first; the histogram is the sum of the rows.
    """
    cdef ls_job job
    cdef Operands operands = Operands()
    cdef Py_ssize_t start, size, share, row
    cdef int threads = <int>counts.shape[0]
    memset(&job, 0, sizeof(job))
    operands.add(&job, LS_IMAGE, image, swapped)
    operands.add(&job, LS_WHERE, where, False)
    ls_plan(&job)
    with nogil:
        start = 0
        while start < job.size:
            size = min(<Py_ssize_t>CHUNK, job.size - start)
            share = (size + threads - 1) // threads
            for row in prange(
                threads, num_threads=threads, use_threads_if=threads > 1, schedule="static"
            ):
                ls_count_patterns(
                    &job, start + row * share, min(share, size - row * share), &counts[row, 0]
                )
            start += size
            with gil:
                PyErr_CheckSignals()
