"""An extension that uses levelsnap as another project would: from an installed package."""

import os

from Cython.Build import cythonize
from setuptools import Extension, setup

import levelsnap

OPENMP = "/openmp" if os.name == "nt" else "-fopenmp"

setup(
    name="embedding",
    ext_modules=cythonize(
        [
            Extension(
                "embedding",
                ["embedding.pyx"],
                include_dirs=[levelsnap.get_include()],
                extra_compile_args=[OPENMP],
                extra_link_args=[] if os.name == "nt" else [OPENMP],
            )
        ],
        language_level=3,
        compiler_directives={"freethreading_compatible": True},
    ),
)
