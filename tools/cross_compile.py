"""Compile the C kernels for other platforms, with the cross compilers that are here.

    python tools/cross_compile.py

Debian's gcc-aarch64-linux-gnu and gcc-mingw-w64-x86-64, Clang, and Zig (``pip install ziglang``,
its C compiler is Clang with the headers of many systems) are used if they can be found. Every
warning is an error. Prints one line for each target; exits with 1 if one fails.
"""

import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

KERNELS = Path(__file__).parents[1] / "src" / "levelsnap" / "kernels"
FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-c"]

GCC_LIKE = ["gcc", "clang", "aarch64-linux-gnu-gcc", "x86_64-w64-mingw32-gcc"]
GCC_LIKE += [f"clang-{version}" for version in range(14, 23)]
ZIG_TARGETS = [
    f"{cpu}-{system}"
    for system in ("linux-musl", "macos", "windows-gnu")
    for cpu in ("x86_64", "aarch64")
]


def compilers():
    """Names and commands of the compilers here."""
    for name in GCC_LIKE:
        if shutil.which(name):
            yield name, [name]
    if find_spec("ziglang"):
        for target in ZIG_TARGETS:
            yield f"zig cc {target}", [sys.executable, "-m", "ziglang", "cc", "-target", target]


def failures(command, folder):
    """What the compiler says of the first kernel that it does not take."""
    for source in sorted(KERNELS.glob("*.c")):
        target = Path(folder, source.stem + ".o")
        run = subprocess.run(
            [*command, *FLAGS, source, "-o", target], capture_output=True, text=True, check=False
        )
        if run.returncode:
            return f"{source.name}: {run.stderr}"
    return None


def main():
    failed = False
    for name, command in compilers():
        with tempfile.TemporaryDirectory() as folder:
            said = failures(command, folder)
        print(f"{name}: {said or 'compiles'}", flush=True)
        failed |= said is not None
    sys.exit(failed)


if __name__ == "__main__":
    main()
