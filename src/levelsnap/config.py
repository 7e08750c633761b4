"""What this build and this machine bring."""

import os

from ._team import OPENMP
from .tables import ISA
from .threads import get_num_threads


def show_config() -> None:
    """Print the version, the instruction set in use, the OpenMP version and the thread count.

    ``LEVELSNAP_ISA`` set to ``baseline``, ``avx2`` or ``avx512`` before the import forces an
    instruction set; ``OMP_NUM_THREADS`` or `set_num_threads` limits the threads.
    """
    from . import __version__

    print(f"levelsnap {__version__}")
    print(f"instruction set: {ISA.name.lower()}")
    print(f"OpenMP: {OPENMP or 'none, built serial'}")
    print(f"threads: {get_num_threads()}")


def get_include() -> str:
    """The folder of ``levelsnap.h``, for extension modules that call levelsnap without Python.

    Returns
    -------
    str
        To be added to the include path of a C, C++ or Cython compiler.
    """
    return os.path.join(os.path.dirname(__file__), "include")
