"""The threads of a call in flight (kernels/team.c), and what OpenMP says of them."""
cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define LS_OPENMP _OPENMP
    #else
    #define LS_OPENMP 0
    static int omp_get_max_threads(void) { return 1; }
    static int omp_get_thread_limit(void) { return 1; }
    #endif
    """
    const int LS_OPENMP
    int omp_get_max_threads()
    int omp_get_thread_limit()

cdef extern from "team.h" nogil:
    int ls_team_start(int cpus, bint forked)
    bint ls_team_forked()
    int ls_team_take(int threads)
    void ls_team_give_back(int threads)
    void ls_team_meet(long *arrived, int parts)

OPENMP = LS_OPENMP


def start(int cpus, bint forked):
    """See ls_team_start."""
    if ls_team_start(cpus, forked):
        raise MemoryError("no memory for the handler that notices forks")


def openmp_limit():
    """The most threads that OpenMP gives to a call of this thread."""
    return min(omp_get_max_threads(), omp_get_thread_limit())


cpdef bint is_forked() noexcept nogil:
    """Whether this process is the child of a fork."""
    return ls_team_forked()


cdef void meet(long *arrived, int parts) noexcept nogil:
    """See ls_team_meet."""
    ls_team_meet(arrived, parts)


cdef class Team:
    """The threads of one call, for as long as it is in flight: ``with Team(threads) as n``.

    Of compiled code, so that no signal handler runs between taking the threads and the block that
    gives them back.
    """

    cdef int wanted
    cdef int given

    def __cinit__(self, int threads):
        self.wanted = threads
        self.given = 0

    def __enter__(self):
        self.given = ls_team_take(self.wanted)
        return self.given

    def __exit__(self, *exception):
        self.give_back()

    cdef void give_back(self) noexcept:
        ls_team_give_back(self.given)
        self.given = 0

    def __dealloc__(self):
        self.give_back()
