"""The interface for other compiled modules, used by one that is built against the installed one."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import reference
from documents import DOCS, marked_blocks, needs_docs
from numpy.testing import assert_array_equal
from processes import c_compiler, environment
from strategies import picture

import levelsnap as ls

HERE = Path(__file__).parent
EMBEDDING = HERE / "embedding"
CODES = {"uint8": 2, "uint16": 4, "int32": 6, "float32": 8, "int64": 9, "float64": 11}
ERRORS = [
    ("dtype", {"dtype": 0}),
    ("dtype", {"dtype": 12}),
    ("label size", {"label_size": 3}),
    ("no centers", {"centers": []}),
    ("no centers", {"centers": [1.0], "k": -1}),
    ("NaN or infinite", {"centers": [1.0, np.nan]}),
    ("NaN or infinite", {"centers": [-np.inf]}),
    ("equal", {"centers": [2.0, 1.0, 2.0]}),
    ("equal", {"centers": [0.0, -0.0]}),
    ("more centers", {"centers": np.arange(257.0)}),
    ("more centers", {"centers": [1.0], "k": 1 << 40, "label_size": 4}),
    ("for NaN", {"nan_label": 256}),
]

needs_compiler = pytest.mark.skipif(
    not importlib.util.find_spec("Cython")
    or not importlib.util.find_spec("setuptools")
    or (os.name != "nt" and not c_compiler()),
    reason="needs Cython, setuptools and a C compiler",
)


def build(folder):
    """Build the extension of a folder in place, against the levelsnap that the tests import."""
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    paths = environment(PYTHONPATH=str(Path(ls.__file__).parent.parent))
    run = subprocess.run(command, cwd=folder, env=paths, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return next(p for p in folder.iterdir() if p.suffix in (".so", ".pyd"))


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def embedding(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedding") / "copy"
    shutil.copytree(EMBEDDING, folder)
    return load(build(folder), "embedding")


def make(embedding, dtype="float32", centers=(0.0, 10.0), label_size=1, **options):
    error, table = embedding.create(
        CODES[dtype], np.asarray(centers, np.float64), label_size, **options
    )
    assert error == 0, embedding.message(error)
    return table


@needs_compiler
@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("k", [1, 2, 15, 16, 17, 255, 256, 257, 65_537])
def test_every_function_equals_the_reference(embedding, dtype, k):
    rng = np.random.default_rng(k)
    centers = np.sort(rng.choice(1 << 18, k, replace=False) / 4.0) - 3
    image = picture(dtype, (2_011,), centers[:: max(1, k // 50)], seed=k)
    labels = reference.labels(np.nan_to_num(image, posinf=np.inf, neginf=-np.inf), centers)
    nan = image != image
    labels[nan] = min(k, 200)
    expected = reference.decode(np.where(nan, 0, labels), centers, image.dtype)
    for size in (1, 2, 4):
        if k > 1 << 8 * size:
            continue
        table = make(embedding, dtype, centers, size, nan_label=min(k, 200))
        got, values = np.zeros(image.size, f"u{size}"), np.zeros_like(image)
        for run in (
            lambda t, g, v: embedding.run(t, image, g, v),
            lambda t, g, v: embedding.run_in_parallel(t, image, g, v, 97),
        ):
            got[:], values[:] = 0, 0
            assert run(table, got, values) == nan.sum()
            assert_array_equal(got, labels)
            assert_array_equal(values[~nan], expected[~nan])
            assert np.isnan(values[nan]).all()
        alone = np.zeros_like(got)
        assert embedding.run(table, image, alone, None) == nan.sum()
        assert_array_equal(alone, labels)
        in_place = image.copy()
        assert embedding.run(table, in_place, None, in_place) == nan.sum()
        assert_array_equal(in_place, values)
        one, snapped = np.zeros(image.size, np.uint32), np.zeros_like(image)
        embedding.run_one_by_one(table, image, one, snapped)
        assert_array_equal(one, labels)
        assert_array_equal(snapped, values)


@needs_compiler
def test_eight_threads_share_a_table(embedding):
    centers = np.linspace(-5, 5, 33)
    image = np.random.default_rng(0).normal(0, 3, 300_000).astype(np.float32)
    table = make(embedding, "float32", centers)
    expected = ls.labels_and_snap(image, centers)

    def call(_):
        got, values = np.zeros(image.size, np.uint8), np.zeros_like(image)
        embedding.run_in_parallel(table, image, got, values, 5_000)
        alone = make(embedding, "float32", centers)  # made and freed meanwhile
        assert embedding.run(alone, image[:100].copy(), got[:100], values[:100]) == 0
        return got, values

    with ThreadPoolExecutor(8) as pool:
        for got, values in pool.map(call, range(40)):
            assert_array_equal(got, expected[0])
            assert_array_equal(values, expected[1])


@needs_compiler
@pytest.mark.parametrize(("words", "options"), ERRORS)
def test_errors_are_codes_with_words(embedding, words, options):
    arguments = {"dtype": 8, "centers": [0.0, 1.0], "label_size": 1} | options
    arguments["centers"] = np.asarray(arguments["centers"], np.float64)
    error, table = embedding.create(**arguments)
    assert error != 0
    assert table is None
    assert words in embedding.message(error)


@needs_compiler
def test_a_table_of_another_type_is_refused(embedding):
    table = make(embedding, "float64")
    image = np.ones(3, np.float32)
    assert embedding.run(table, image, np.zeros(3, np.uint8), None) == -1
    labels = np.zeros(3, np.uint32)
    embedding.run_one_by_one(table, image, labels, image.copy())
    assert_array_equal(labels, embedding.NO_LABEL)
    assert embedding.run(table, np.ones(3), np.zeros(3, np.uint8), None, n=-1) == -1


@needs_compiler
def test_an_extension_for_a_later_interface_is_refused(tmp_path):
    folder = tmp_path / "later"
    shutil.copytree(EMBEDDING, folder)
    header = Path(ls.get_include(), "levelsnap.h").read_text()
    later, changes = re.subn(r"(#define LEVELSNAP_ABI) \d+", r"\1 1000", header)
    assert changes == 1
    (folder / "levelsnap.h").write_text(later)
    setup = (folder / "setup.py").read_text()
    (folder / "setup.py").write_text(setup.replace("levelsnap.get_include()", '"."'))
    with pytest.raises(ImportError, match=r"built for version 1000 .* has version \d+: install"):
        load(build(folder), "embedding")


@needs_compiler
@needs_docs
def test_the_example_of_the_docs(tmp_path):
    blocks = marked_blocks(DOCS / "embedding.md")
    for name in ("setup.py", "smooth.pyx"):
        (tmp_path / name).write_text(blocks[name])
    build(tmp_path)
    run = [sys.executable, "-c", blocks["use"]]
    paths = [str(tmp_path), str(Path(ls.__file__).parent.parent)]
    found = environment(PYTHONPATH=os.pathsep.join(paths))
    output = subprocess.check_output(run, env=found, text=True)
    assert output == blocks["output"]


PLAIN = """
#include <levelsnap.h>
#include <stdio.h>
#if !defined(__cplusplus) && __STDC_VERSION__ < 199901L
#error
#endif
int main(void)
{
    const double centers[2] = {0.0, 10.0};
    const float image[3] = {4.0f, 5.0f, 6.0f};
    uint8_t labels[3];
    levelsnap_table *table;
    Py_Initialize();
    if (levelsnap_create(&table, LEVELSNAP_FLOAT32, centers, 2, 1, 0) != LEVELSNAP_NOT_IMPORTED)
        return 1;
    if (levelsnap_import() || levelsnap_create(&table, LEVELSNAP_FLOAT32, centers, 2, 1, 0))
        return 2;
    levelsnap_labels_and_snap_float32(table, image, 3, labels, NULL);
    printf("%d %d %d %.0f\\n", labels[0], labels[1], labels[2],
           (double)levelsnap_snap_float32(table, 7.0f));
    levelsnap_destroy(table);
    return Py_FinalizeEx();
}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="made for GCC's command line")
@pytest.mark.parametrize("compiler", ["gcc", "g++", "clang", "clang++"])
def test_plain_c_and_cplusplus(compiler, tmp_path):
    variables = sysconfig.get_config_vars()
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    source = tmp_path / ("main.cpp" if compiler.endswith("++") else "main.c")
    source.write_text(PLAIN)
    includes = [f"-I{sysconfig.get_path('include')}", f"-I{ls.get_include()}"]
    command = [compiler, "-Wall", "-Wextra", "-Werror", *includes, str(source)]
    if not variables.get("Py_ENABLE_SHARED"):
        subprocess.run([*command, "-c", "-o", tmp_path / "main.o"], check=True)
        return
    library = f"-lpython{variables['LDVERSION']}"
    folder = variables["LIBDIR"]
    program = tmp_path / "main"
    link = [f"-L{folder}", f"-Wl,-rpath,{folder}", library, "-o", str(program)]
    subprocess.run([*command, *link], check=True)
    home = environment(PYTHONHOME=sys.base_prefix)
    assert subprocess.check_output([program], env=home, text=True) == "0 0 1 10\n"
