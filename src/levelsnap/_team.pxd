# For loops that a fork may have left, in a callback or in a handler of a signal.
cpdef bint is_forked() noexcept nogil
cdef void meet(long *arrived, int parts) noexcept nogil
