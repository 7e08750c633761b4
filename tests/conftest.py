"""The gallery of awkward arrays, and how Hypothesis runs."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from processes import c_compiler
from strategies import CENTERS, DTYPES, misaligned, picture

os.environ.setdefault("MPLBACKEND", "Agg")  # without a screen

settings.register_profile(
    "levelsnap",
    derandomize=True,
    deadline=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow],
)
# For tools/sanitize.py, where a call is many times slower.
settings.register_profile("few", settings.get_profile("levelsnap"), max_examples=20)
settings.load_profile("levelsnap")


class Subclass(np.ndarray):
    """An ndarray subclass that must be treated as an ndarray."""


class Container:
    """Not an array, but gives one."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype, copy=copy)


def field(image, tmp_path):
    packed = np.zeros(image.shape, np.dtype([("pad", "u1"), ("x", image.dtype)]))
    packed["x"] = image
    return packed["x"]


def memmap(image, tmp_path):
    file = np.memmap(tmp_path / "image", image.dtype, "w+", shape=image.shape)
    file[...] = image
    file.flush()
    return np.memmap(tmp_path / "image", image.dtype, "r", shape=image.shape)


def read_only(image, tmp_path):
    image.flags.writeable = False
    return image


LAYOUTS = {
    "C": lambda image, tmp_path: image,
    "F": lambda image, tmp_path: np.asfortranarray(image),
    "transposed": lambda image, tmp_path: image.transpose(1, 2, 0),
    "backwards": lambda image, tmp_path: image[::-1, ::-1, ::-1],
    "one axis backwards": lambda image, tmp_path: image[:, ::-1],
    "every second": lambda image, tmp_path: image[..., ::2],
    "sliced": lambda image, tmp_path: image[1:, 2:-1, 3:],
    "sliced and transposed": lambda image, tmp_path: image[::-2, 1:, ::3].T,
    "zero strides": lambda image, tmp_path: np.broadcast_to(image[0, 0], image.shape),
    "zero inner stride": lambda image, tmp_path: np.broadcast_to(image[..., :1], image.shape),
    "zero stride alone": lambda image, tmp_path: np.broadcast_to(image[0, 0, 0], (5, 7)),
    "misaligned": lambda image, tmp_path: misaligned(image),
    "field": field,
    "read-only": read_only,
    "memmap": memmap,
    "subclass": lambda image, tmp_path: image.view(Subclass),
    "container": lambda image, tmp_path: Container(image),
    "nested list": lambda image, tmp_path: image.tolist(),
    "0-d": lambda image, tmp_path: image[2, 3, 4, ...],
    "scalar": lambda image, tmp_path: image[3, 3, 4],
    "one element": lambda image, tmp_path: image[:1, 0, 0],
    "empty": lambda image, tmp_path: image[0, 0, :0],
    "empty 3-D": lambda image, tmp_path: np.empty((3, 0, 2), image.dtype),
    "one row": lambda image, tmp_path: image.reshape(1, -1),
    "one column": lambda image, tmp_path: image.reshape(-1, 1),
    "5-D": lambda image, tmp_path: image.reshape(2, 2, 3, 2, 10).transpose(3, 0, 4, 1, 2),
}


@pytest.fixture(params=DTYPES, ids=str)
def dtype(request):
    """Every accepted dtype in both byte orders."""
    return request.param


@pytest.fixture(params=CENTERS)
def centers(request):
    """Every awkward set of centers."""
    return CENTERS[request.param]


@pytest.fixture(params=LAYOUTS)
def image(request, dtype, tmp_path):
    """Every dtype in every layout."""
    return LAYOUTS[request.param](picture(dtype), tmp_path)


@pytest.fixture(
    params=["complex64", "complex128", "O", "M8[s]", "m8[ns]", "U3", "S2", "f4,i2", "V3", "g"]
)
def refused_dtype(request):
    """A dtype that is not accepted, and the pattern of an error that names it."""
    dtype = np.dtype(request.param)
    if dtype == np.float64:
        pytest.skip("longdouble is float64 here")
    return dtype, "|".join(re.escape(name) for name in (str(dtype), dtype.name))


@pytest.fixture
def shared_library(tmp_path):
    """Compiles C source to a shared library; returns its path."""

    def compile_source(source, *flags):
        compiler = c_compiler()
        if compiler is None or sys.platform != "linux":
            pytest.skip("needs GCC or Clang on Linux")
        written, library = tmp_path / "library.c", tmp_path / "library.so"
        written.write_text(source)
        command = [compiler, *flags, "-shared", "-fPIC", written, "-o", library]
        subprocess.run(command, check=True)
        return library

    return compile_source


@pytest.fixture
def file_size_limit():
    """What a full disk does: writing goes well, then fails."""
    import resource
    import signal

    @contextmanager
    def limit(size):
        old = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
            signal.signal(signal.SIGXFSZ, handler)

    return limit
