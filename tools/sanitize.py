"""Build the extensions for a sanitizer in a temporary directory, and run the kernels' tests.

    python tools/sanitize.py asan|tsan|valgrind [--isa NAME] [--only FILE] [--folder PATH]
        [-- pytest's arguments]

asan      AddressSanitizer and UndefinedBehaviorSanitizer, by GCC.
tsan      ThreadSanitizer, by Clang 14 with LLVM's OpenMP, whose libarcher tells the sanitizer what
          OpenMP's barriers order; at run time GCC's, as Clang's cannot be loaded into any Python.
valgrind  memcheck on the baseline kernels. What it says without a line of ours is left aside.

Runs on Linux, in a Python that has the tests' requirements, NumPy and Cython; every file of tests
once for each instruction set of the machine (valgrind: baseline). Before that a planted fault has
to be found. Installs nothing: what is missing is named. Ends with 1 on a finding.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parent.parent
NAMES = "kernels", "nearest", "kmeans1d", "values", "histogram"
SUITES = tuple(f"test_{name}.py" for name in NAMES)
SHARED = "test_freethreading.py"  # what eight threads share
ALL_ISAS = "test_kernels.py"  # it goes through the instruction sets itself

LLVM = "/usr/lib/llvm-14/lib"
OPENMP_PACKAGES = ["libomp5-14", "libomp-14-dev"]


def need(program, package):
    if not shutil.which(program):
        raise SystemExit(f"{program} is not on PATH; on Debian: apt-get install {package}")


def copy_sources(folder):
    for name in ("src", "tests"):
        ignored = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)


def optimize_less(folder):
    """Instrumented, the kernels take GCC too long at -O3."""
    setup = folder / "setup.py"
    setup.write_text(setup.read_text().replace('"-O3"', '"-O1"'))


def build(folder, compiler="cc", **environment):
    """The extensions in place; flags for everything, probes too, come with the compiler."""
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace", f"-j{os.cpu_count()}"]
    environment = os.environ | {"LEVELSNAP_OPENMP": "1", "CC": f"{compiler} -g"} | environment
    subprocess.run(command, cwd=folder, env=environment, check=True)


# What ls_run of the copy begins with; it does nothing unless the variable names the fault.
PLANT = """
    if (getenv("LEVELSNAP_PLANTED_FAULT")
        && !strcmp(getenv("LEVELSNAP_PLANTED_FAULT"), "{name}")) {{
        {fault}
    }}
"""
# The size is hidden from the compiler, which knows too much of malloc(1).
BEYOND = "volatile size_t n = 1; volatile char *planted = malloc(n); planted[n] = 1;"
UNSET = "static volatile int set; volatile char *planted = malloc(1); if (*planted) set = 1;"
OVERFLOW = "volatile int planted = 0x7fffffff; planted += 1;"
RACE = "static volatile ptrdiff_t planted; planted += count;"
MEET_THE_FAULT = """
import numpy, levelsnap
for _ in range(20):
    levelsnap.labels(numpy.zeros(1 << 20, "f4"), [1, 2, 3], threads=2)
"""


def plant(folder, faults):
    path = folder / "src" / "levelsnap" / "kernels" / "blocks.c"
    planted = "".join(PLANT.format(name=name, fault=fault) for name, fault in faults.items())
    source, times = re.subn(
        r"(\nptrdiff_t ls_run\([^)]*\)\n\{)", lambda match: match[1] + planted, path.read_text()
    )
    if times != 1:
        raise SystemExit(f"{path.name} has no ls_run to plant a fault in")
    path.write_text("#include <stdlib.h>\n#include <string.h>\n" + source)


class Check:
    """One sanitizer: how to build for it, how to run under it, what it found.

    It leaves its findings in files report.* of the folder.
    """

    faults: ClassVar = {"beyond the end": BEYOND}
    suites = SUITES
    isas = None  # all that the machine has
    wrapper = ()
    # The slow ones measure memory, of which the sanitizers need more.
    tests = ("--hypothesis-profile=few", "-m", "not slow")

    def __init__(self, folder):
        self.folder = folder
        self.require()

    def build(self):
        build(self.folder)

    def environment(self):
        return {}

    def findings(self):
        return [path.read_text() for path in self.folder.glob("report.*")]

    def run(self, *arguments, **environment):
        """Python's exit status and what the sanitizer found."""
        for path in self.folder.glob("report.*"):
            path.unlink()
        environment = {"PYTHONPATH": str(self.folder / "src"), **self.environment(), **environment}
        command = [*self.wrapper, sys.executable, *arguments]
        status = subprocess.run(command, cwd=self.folder, env=os.environ | environment).returncode
        return status, self.findings()

    def finds(self, fault):
        """Whether running `fault` (one of `faults`, or none) is seen, in a report or the status."""
        status, findings = self.run("-c", MEET_THE_FAULT, LEVELSNAP_PLANTED_FAULT=fault)
        return bool(status or findings)

    def instruction_sets(self):
        code = "from levelsnap.tables import *; print(*[i.name.lower() for i in Isa if i <= ISA])"
        environment = os.environ | self.environment() | {"PYTHONPATH": str(self.folder / "src")}
        command = [sys.executable, "-c", code]
        return subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, check=True
        ).stdout.split()


def library(name):
    """The path of a library that GCC brings."""
    command = ["gcc", f"-print-file-name={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class Asan(Check):
    faults: ClassVar = {"beyond the end": BEYOND, "overflow": OVERFLOW}

    def require(self):
        need("gcc", "gcc")

    def build(self):
        optimize_less(self.folder)
        flags = "-fsanitize=address,undefined -fno-sanitize-recover=undefined"
        # Some Pythons are built with -fwrapv, which defines what is looked for.
        build(self.folder, f"gcc {flags} -fno-omit-frame-pointer", CFLAGS="-fno-wrapv")

    def environment(self):
        return {
            "LD_PRELOAD": f"{library('libasan.so')} {library('libstdc++.so')}",
            # The tests of guard pages await the signal.
            "ASAN_OPTIONS": f"detect_leaks=0:handle_segv=0:log_path={self.folder}/report",
            "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:log_path={self.folder}/report",
        }


class Tsan(Check):
    faults: ClassVar = {"race": RACE}
    suites = (*SUITES, SHARED)

    def require(self):
        need("clang-14", "clang-14")
        need("gcc", "gcc")
        self.llvm = Path(LLVM)
        if not (self.llvm / "libarcher.so").exists():
            self.llvm = self.unpack_openmp()

    def unpack_openmp(self):
        """LLVM's OpenMP from Debian's packages, unpacked here and not installed."""
        if not shutil.which("apt-get"):
            raise SystemExit("no libarcher.so; on Debian: apt-get install libomp-14-dev")
        place = self.folder / "llvm"
        place.mkdir(parents=True, exist_ok=True)
        download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download"]
        if subprocess.run([*download, *OPENMP_PACKAGES], cwd=place).returncode:
            raise SystemExit("no libarcher.so; on Debian: apt-get install libomp-14-dev")
        for package in place.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, place], check=True)
        return place / LLVM[1:]

    def build(self):
        headers = next(self.llvm.glob("clang/*/include/omp.h")).parent
        compiler = f"clang-14 -fsanitize=thread -I{headers}"
        where = str(self.llvm)
        build(self.folder, compiler, LIBRARY_PATH=where, LD_LIBRARY_PATH=where)

    def environment(self):
        options = "ignore_noninstrumented_modules=1:exitcode=0:handle_segv=0"  # as above
        return {
            "LD_PRELOAD": library("libtsan.so"),
            "LD_LIBRARY_PATH": str(self.llvm),
            "OMP_TOOL_LIBRARIES": str(self.llvm / "libarcher.so"),
            "TSAN_OPTIONS": f"{options}:log_path={self.folder}/report",
        }


class Valgrind(Check):
    faults: ClassVar = {"beyond the end": BEYOND, "unset": UNSET}
    isas = ("baseline",)
    # It shows the program fewer instruction sets than a child has that runs without it.
    tests = (*Check.tests, "-k", "not mprotect and not AVX and not best_isa")

    def require(self):
        need("valgrind", "valgrind")
        log = f"--log-file={self.folder}/report.%p"
        self.wrapper = ("valgrind", "-q", "--fullpath-after=", "--num-callers=30", log)

    def environment(self):
        # NumPy's sorts by AVX2 are more than valgrind can translate.
        from numpy._core._multiarray_umath import __cpu_dispatch__

        disabled = " ".join(__cpu_dispatch__)
        return {"PYTHONMALLOC": "malloc", "NPY_DISABLE_CPU_FEATURES": disabled}

    def findings(self):
        """Those with a line of our sources in them."""
        ours = re.compile(rf"\((in )?{re.escape(str(self.folder))}/")
        texts = [re.sub(r"(?m)^==\d+== ?", "", text) for text in super().findings()]
        return [block for text in texts for block in text.split("\n\n") if ours.search(block)]


def check_all(check, suites, isas, arguments):
    """Whether nothing but the planted faults is found."""
    if not any(check.folder.glob("src/levelsnap/*.so")):
        copy_sources(check.folder)
        plant(check.folder, check.faults)
        check.build()
    if check.finds("none"):
        raise SystemExit("A call without a planted fault fails: see above.")
    for fault in check.faults:
        if not check.finds(fault):
            raise SystemExit(f"The planted fault was not found: {fault}")
    print("== planted faults found:", *check.faults, sep="\n   ", flush=True)
    found = 0
    isas = isas or check.isas or check.instruction_sets()
    for isa in isas:
        for suite in suites if isa == isas[-1] else [s for s in suites if s != ALL_ISAS]:
            start = time.monotonic()
            tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/{suite}"]
            status, findings = check.run(*tests, *check.tests, *arguments, LEVELSNAP_ISA=isa)
            found += len(findings) + (status != 0)
            print(*findings, sep="\n")
            minutes = (time.monotonic() - start) / 60
            result = f"status {status}, {len(findings)} findings, {minutes:.1f} minutes"
            print(f"== {suite} {isa}: {result}", flush=True)
    return not found


CHECKS = {"asan": Asan, "tsan": Tsan, "valgrind": Valgrind}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("check", choices=CHECKS)
    parser.add_argument("--isa", action="append", help="one instruction set, instead of all")
    parser.add_argument(
        "--only", action="append", choices=[*SUITES, SHARED], help="one file of tests"
    )
    parser.add_argument("--folder", type=Path, help="build here, or use what was built here")
    parser.epilog = "After -- come arguments for pytest."
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options = parser.parse_args(sys.argv[1:end])
    if sys.platform != "linux":
        raise SystemExit("the sanitizers run on Linux only")
    with tempfile.TemporaryDirectory(prefix="levelsnap-") as temporary:
        check = CHECKS[options.check]((options.folder or Path(temporary)).resolve())
        clean = check_all(check, options.only or check.suites, options.isa, sys.argv[end + 1 :])
    raise SystemExit(0 if clean else 1)


if __name__ == "__main__":
    main()
