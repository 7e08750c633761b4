"""Install the committed state in each way that pip has, and without a compiler or OpenMP.

    python tools/check_installs.py

Builds six times, in temporary folders. Needs git and `build`, and is not for Windows.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TRY = "import levelsnap as ls; assert ls.labels([1, 8], [0, 9]).tolist() == [0, 1]; "
PARALLEL = "from levelsnap._team import OPENMP; assert OPENMP"
SERIAL = "from levelsnap._team import OPENMP; assert not OPENMP"

NO_OPENMP = """#!/bin/sh
for argument; do
    case $argument in *openmp*) echo "no OpenMP here" >&2; exit 1;; esac
done
exec cc "$@"
"""


class Check:
    """A clone of this repository and a virtual environment, in a temporary folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.clone = self.folder / "clone"
        self.python = self.folder / "venv" / "bin" / "python"

    def __enter__(self):
        subprocess.run(["git", "clone", "-q", ROOT, self.clone], check=True)
        subprocess.run([sys.executable, "-m", "venv", self.python.parents[1]], check=True)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def pip(self, *arguments, **variables):
        """Run pip; return its exit code and what it printed."""
        pip = [self.python, "-m", "pip", *map(str, arguments)]
        run = subprocess.run(
            pip,
            env={**os.environ, **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return run.returncode, run.stdout

    def install(self, *arguments, code=PARALLEL, **variables):
        failed, said = self.pip("install", *arguments, **variables)
        if failed:
            raise SystemExit(said)
        subprocess.run([self.python, "-W", "error", "-c", TRY + code], cwd=self.folder, check=True)
        return said

    def refuses(self, expected, **variables):
        failed, said = self.pip("wheel", "--no-deps", "-w", "out", self.clone, **variables)
        if not failed or expected not in said:
            raise SystemExit(f"expected a failure that says {expected!r}:\n{said}")


def by_sdist(check):
    subprocess.run(
        [sys.executable, "-m", "build", "-q", "-o", check.folder / "dist", check.clone], check=True
    )
    shutil.rmtree(check.clone)
    (wheel,) = check.folder.glob("dist/*.whl")
    check.install(wheel)


def by_folder(check):
    check.install(check.clone)


def editable(check):
    check.install("-e", check.clone)


def by_git(check):
    check.install(f"git+{check.clone.as_uri()}")


def without_openmp(check):
    compiler = check.folder / "no-openmp-cc"
    compiler.write_text(NO_OPENMP)
    compiler.chmod(0o755)
    check.refuses("LEVELSNAP_OPENMP=1, but", CC=str(compiler), LEVELSNAP_OPENMP="1")
    said = check.install("-v", check.clone, CC=str(compiler), code=SERIAL)
    if "no OpenMP: building serial" not in said:
        raise SystemExit(f"it does not say that it builds serial:\n{said}")


def without_compiler(check):
    check.refuses("no-such-compiler", CC="no-such-compiler", LEVELSNAP_OPENMP="0")


def main():
    for way in (by_sdist, by_folder, editable, by_git, without_openmp, without_compiler):
        with Check(tempfile.mkdtemp()) as check:
            way(check)
        print(f"{way.__name__}: as it should", flush=True)


if __name__ == "__main__":
    main()
