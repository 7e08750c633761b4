"""Extensions and compiler flags; everything static is in pyproject.toml.

``LEVELSNAP_OPENMP`` decides about threads: ``auto`` (default) uses OpenMP where the compiler has
it and prints one line where it has not, ``1`` fails without it, ``0`` builds serial.
"""

import copy
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

PACKAGE = Path("src/levelsnap")
KERNELS = sorted(str(path) for path in (PACKAGE / "kernels").glob("*.c"))
TEAM = [path for path in KERNELS if "team" in path]
KMEANS = [path for path in KERNELS if "kmeans1d" in path]
NEAREST = [path for path in KERNELS if path not in TEAM + KMEANS]
HEADERS = sorted(str(path) for path in PACKAGE.glob("*/*.h"))

# Contraction into fused multiply-adds would break the error-free transformations of the fit.
UNIX_FLAGS = ["-O3", "-std=c11", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra"]
MSVC_FLAGS = ["/O2", "/std:c11", "/fp:precise"]
# Else it writes the time into what it links.
MSVC_LINK_FLAGS = ["/Brepro"]

# One binary serves every CPython from 3.11 on, except free-threaded ones: they refuse it. It costs
# 0.02 to 0.06 microseconds a call, and nothing per element.
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
STABLE_ABI = sys.implementation.name == "cpython" and not FREE_THREADED

OPENMP_PROBE = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"


def libomp_prefixes():
    """Where Apple's Clang finds libomp, which it does not ship: $LIBOMP_PREFIX, conda, Homebrew."""
    prefixes = [os.environ.get("LIBOMP_PREFIX"), os.environ.get("CONDA_PREFIX")]
    try:
        brew = ["brew", "--prefix", "libomp"]
        prefixes.append(subprocess.run(brew, capture_output=True, text=True).stdout.strip())
    except OSError:
        pass
    return [Path(prefix) for prefix in prefixes if prefix]


def openmp_candidates(compiler_type):
    """Pairs (compile flags, link flags) to try, the most usual first."""
    if compiler_type == "msvc":
        return [(["/openmp"], [])]
    candidates = [(["-fopenmp"], ["-fopenmp"])]
    if sys.platform == "darwin":
        apple = ["-Xpreprocessor", "-fopenmp"]
        candidates += [
            (
                [*apple, f"-I{prefix / 'include'}"],
                # conda's libomp is found by the path in what links to it only.
                [f"-L{prefix / 'lib'}", f"-Wl,-rpath,{prefix / 'lib'}", "-lomp"],
            )
            for prefix in libomp_prefixes()
        ]
        candidates.append((apple, ["-lomp"]))
    return candidates


class BuildExt(build_ext):
    """Chooses flags by compiler and looks for OpenMP by building a small program."""

    def build_extensions(self):
        msvc = self.compiler.compiler_type == "msvc"
        flags, link_flags = (MSVC_FLAGS, MSVC_LINK_FLAGS) if msvc else (UNIX_FLAGS, [])
        compile_openmp, link_openmp = self.openmp_flags()
        for extension in self.extensions:
            extension.extra_compile_args = flags + compile_openmp
            extension.extra_link_args = link_flags + link_openmp
        super().build_extensions()

    def build_extension(self, extension):
        # Extensions share sources, and with -j they are built at once.
        build = copy.copy(self)
        build.build_temp = str(Path(self.build_temp, extension.name))
        super(BuildExt, build).build_extension(extension)

    def openmp_flags(self):
        wanted = os.environ.get("LEVELSNAP_OPENMP", "auto")
        if wanted not in ("0", "1", "auto"):
            raise SystemExit(f"LEVELSNAP_OPENMP={wanted!r}: accepted are 0, 1 and auto")
        if wanted == "0":
            print("levelsnap: building serial, as LEVELSNAP_OPENMP=0 asks")
            return [], []
        for candidate in openmp_candidates(self.compiler.compiler_type):
            if self.builds(*candidate):
                print("levelsnap: building with OpenMP:", *candidate[0])
                return candidate
        if wanted == "1":
            raise SystemExit("levelsnap: LEVELSNAP_OPENMP=1, but this compiler has no OpenMP")
        print("levelsnap: this compiler has no OpenMP: building serial")
        return [], []

    def builds(self, compile_flags, link_flags):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.c")
            source.write_text(OPENMP_PROBE)
            try:
                objects = self.compiler.compile(
                    [str(source)], output_dir=folder, extra_postargs=compile_flags
                )
                self.compiler.link_executable(
                    objects, str(Path(folder, "probe")), extra_postargs=link_flags
                )
            except (CompileError, LinkError):
                return False
        return True


def extension(name, *sources):
    return Extension(
        f"levelsnap.{name}",
        [str(PACKAGE / f"{name}.pyx"), *sources],
        include_dirs=[str(PACKAGE / "kernels"), str(PACKAGE / "include")],
        depends=HEADERS,
        libraries=[] if os.name == "nt" else ["m"],
        define_macros=[("Py_LIMITED_API", "0x030B0000")] if STABLE_ABI else [],
        py_limited_api=STABLE_ABI,
    )


setup(
    ext_modules=cythonize(
        [
            extension("_team", *TEAM),
            extension("_nearest", *NEAREST),
            extension("_distinct", *NEAREST),
            extension("_kmeans1d", *KMEANS),
            extension("cython_api"),
        ],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "freethreading_compatible": True,
        },
        build_dir="build/cython",
    ),
    cmdclass={"build_ext": BuildExt},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE_ABI else {},
)
