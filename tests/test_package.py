"""What is installed: names, imports, types, and a build that has its threads."""

import importlib.metadata
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

import levelsnap as ls
from levelsnap import _team

NAMES = {
    "Codebook",
    "Histogram",
    "distinct",
    "fit",
    "get_num_threads",
    "histogram",
    "labels",
    "labels_and_snap",
    "set_num_threads",
    "snap",
    "thresholds",
    "unique_quantize",
}


def python(*arguments):
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)


def test_public_names():
    assert set(ls.__all__) >= NAMES
    for name in NAMES:
        assert inspect.getdoc(getattr(ls, name))


def test_signatures():
    options = "out=None, dtype=None, where=True, nan='raise', threads=None"
    pairs = options.replace("=None, d", "=(None, None), d").replace("None, w", "(None, None), w")
    for name, expected in {
        "labels": f"image, centers, *, {options}",
        "snap": f"image, centers, *, {options.replace('raise', 'propagate')}",
        "labels_and_snap": f"image, centers, *, {pairs}",
        "thresholds": "centers, dtype",
        "histogram": "image, *, where=True, threads=None, max_distinct=None",
        "distinct": "image, *, where=True, threads=None, max_distinct=None",
        "Histogram": "values, counts",
        "Codebook": "centers",
        "unique_quantize": "arr, K, eps=0.05, max_iter=100, max_tries=20",
        "set_num_threads": "n",
        "get_num_threads": "",
    }.items():
        signature = inspect.signature(getattr(ls, name))
        bare = [
            p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()
        ]
        assert str(inspect.Signature(bare)) == f"({expected})", name


def test_import_brings_numpy_and_the_extensions_only():
    code = "import sys, numpy, numpy.typing; before = set(sys.modules); import levelsnap; "
    code += "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    run = python("-W", "error", "-c", code)
    assert run.returncode == 0, run.stderr
    brought = set(run.stdout.split()) - set(sys.stdlib_module_names)
    assert {name for name in brought if "cython" not in name.lower()} == {"levelsnap"}


def test_build_has_openmp_unless_a_serial_one_was_asked_for():
    if os.environ.get("LEVELSNAP_OPENMP") == "0":
        assert not _team.OPENMP
    else:
        assert _team.OPENMP, "levelsnap was built without OpenMP; see setup.py"


def test_typed():
    assert (Path(ls.__file__).parent / "py.typed").exists()


@pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="needs mypy")
def test_stubs_match_the_compiled_modules(tmp_path):
    made_by_cython = tmp_path / "allowlist"
    made_by_cython.write_text(r"levelsnap\..*\.__(test|(reduce|setstate)_cython|pyx_\w+)__" "\n")
    options = ["--allowlist", made_by_cython, "--ignore-unused-allowlist"]
    modules = [
        "levelsnap._team",
        "levelsnap._nearest",
        "levelsnap._distinct",
        "levelsnap._kmeans1d",
    ]
    run = python("-m", "mypy.stubtest", *options, *modules)
    assert run.returncode == 0, run.stdout + run.stderr


def test_import_is_light():
    run = python("-c", "import sys, levelsnap; print(*sys.modules)")
    modules = set(run.stdout.split())
    heavy = {"click", "cv2", "hashlib", "pathlib", "secrets", "tifffile", "urllib.parse"}
    brought_by_numpy = set(python("-c", "import sys, numpy; print(*sys.modules)").stdout.split())
    assert not modules & heavy - brought_by_numpy
    assert not {name for name in modules if name.startswith("levelsnap._comm")}


def test_changelog_has_the_version():
    changelog = Path(__file__).parents[1] / "CHANGELOG.md"
    if not changelog.exists():
        pytest.skip("tests of an installed wheel")
    released = re.sub(r"\.?dev\d+$", "", ls.__version__)
    assert f"## [{released}] - 20" in changelog.read_text(encoding="utf-8")


def test_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.?(dev|a|b|rc)\d+)?", ls.__version__)
    try:
        assert importlib.metadata.version("levelsnap") == ls.__version__
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("levelsnap is not installed")
