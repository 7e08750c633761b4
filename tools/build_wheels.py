"""Build, repair, check and test wheels on this Linux machine, for each CPython that it has.

    python tools/build_wheels.py [--python PATH]... [--output dist] [--twice] [--no-tests]

Needs GCC, make, and what pip and apt-get install. One stable-ABI wheel is built by the
oldest CPython from 3.11 on and tested on all of them, and one for each free-threaded CPython, from
the sdist, of which nothing is left but the wheel when it is tested.

The compiler's own libgomp would tie the wheel to this system's C library. On Debian it is built
again from the compiler's source package and linked by Zig for glibc 2.17; elsewhere the wheel gets
the tag that the system's libgomp allows.
"""

import argparse
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from freethreaded import install_needs

ROOT = Path(__file__).parents[1]
GLIBC = "2.17"

ASK = """
import json, sys, sysconfig
free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
print(json.dumps([sys.implementation.name, sys.version_info[:2], free]))
"""


def run(*command, **options):
    print("$", *command, flush=True)
    return subprocess.run([str(part) for part in command], check=True, **options)


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def pythons(given):
    """{(version, free-threaded): path} of CPython from 3.11 on: those given, or all found."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    found = {}
    for path in given or [path for f in folders for path in sorted(f.glob("python3.[0-9]*"))]:
        try:
            name, version, free = json.loads(output_of(path, "-c", ASK))
        except (OSError, ValueError, subprocess.CalledProcessError):
            continue
        if name == "cpython" and version >= [3, 11]:
            found.setdefault((tuple(version), free), path)
    return dict(sorted(found.items()))


def environment(python, folder):
    """A new virtual environment's interpreter."""
    run(python, "-m", "venv", folder)
    inside = Path(folder, "bin", "python")
    run(inside, "-m", "pip", "install", "-q", "--upgrade", "pip>=25.1")
    return inside


def portable_libgomp(work, tools):
    """Build the compiler's libgomp for an old glibc, once; its folder, None where that fails."""
    kept = ROOT / "build" / f"libgomp-{GLIBC}"
    if kept.exists():
        return kept
    major = output_of("gcc", "-dumpversion").split(".")[0]
    if not shutil.which("apt-get"):
        print(f"no apt-get: the wheel gets this system's libgomp, not one for glibc {GLIBC}")
        return None
    run("apt-get", "download", "-qq", f"gcc-{major}-source", cwd=work)
    (package,) = work.glob("gcc-*-source_*.deb")
    run("dpkg-deb", "--extract", package, work / "package")
    (archive,) = work.glob("package/usr/src/gcc-*/gcc-*.tar.xz")
    with tarfile.open(archive) as tar:
        wanted = [member for member in tar if is_of_libgomp(member.name)]
        tar.extractall(work / "source", wanted, filter="fully_trusted")
    (source,) = work.glob("source/*/libgomp")
    build = work / "libgomp"
    build.mkdir()
    configure = [source / "configure", "--disable-multilib", "--disable-static", "CFLAGS=-O2 -g0"]
    with open(work / "libgomp.log", "w") as log:
        run(*configure, cwd=build, stdout=log, stderr=log)
        run("make", f"-j{os.cpu_count()}", cwd=build, stdout=log, stderr=log)
    objects = sorted((build / ".libs").glob("*.o"))
    library = build / "libgomp.so.1"
    target = f"{os.uname().machine}-linux-gnu.{GLIBC}"
    link = [tools, "-m", "ziglang", "cc", "-target", target, "-shared", "-s", "-o", library]
    exports = [f"-Wl,--version-script={source / 'libgomp.map'}", "-Wl,--undefined-version"]
    run(*link, "-Wl,-soname,libgomp.so.1", *exports, *objects)
    kept.mkdir(parents=True)
    shutil.copy(library, kept)
    return kept


def is_of_libgomp(name):
    """Whether its build needs that file of GCC's source."""
    top, *rest = name.split("/")[1:] or [""]
    if top == "libgomp":
        return rest[:1] != ["testsuite"] or len(rest) == 2
    if top == "gcc":
        return rest in (["BASE-VER"], ["DATESTAMP"])
    return top in ("config", "include") or not rest


def build_wheel(python, sdist, folder, tools, runtime):
    """Build a wheel from the sdist and repair it; its path."""
    with tempfile.TemporaryDirectory() as raw:
        flags = {"LDFLAGS": "-Wl,-s", "LEVELSNAP_OPENMP": "1"}
        pip = [python, "-m", "pip", "wheel", "-q", "--no-deps", "--no-cache-dir", "-w", raw, sdist]
        run(*pip, env={**os.environ, **flags})
        (wheel,) = Path(raw).glob("*.whl")
        path = f"{tools.parent}{os.pathsep}{os.environ['PATH']}"
        repair = {**os.environ, "PATH": path, "LD_LIBRARY_PATH": str(runtime or "")}
        before = set(folder.glob("*.whl"))
        run(tools, ROOT / "tools/repair_wheel.py", wheel, folder, env=repair)
        (repaired,) = set(folder.glob("*.whl")) - before
    return repaired


def check_equal(first, second):
    if first.read_bytes() != second.read_bytes():
        raise SystemExit(f"{first.name}: two builds differ")
    print(f"{first.name}: two builds are equal")


def test_wheel(python, free, wheel, sdist, options):
    """Run the suite on the installed wheel, where the package's source is not."""
    with tempfile.TemporaryDirectory() as folder:
        inside = environment(python, Path(folder, "venv"))
        if free:
            install_needs(inside)
        extras = "cli" if free else "cli,opencv,test"
        pip = [inside, "-m", "pip", "install", "-q", "--only-binary=:all:"]
        run(*pip, f"{wheel}[{extras}]")
        with tarfile.open(sdist) as tar:
            tar.extractall(folder, filter="data")
        (source,) = Path(folder).glob("levelsnap-*")
        tests = Path(folder, "tested")
        tests.mkdir()
        for name in ("tests", "examples", "docs", "pyproject.toml"):
            shutil.move(source / name, tests / name)
        shutil.rmtree(source)
        run(inside, "-W", "error", "-c", "import levelsnap; levelsnap.show_config()", cwd=tests)
        run(inside, "-m", "pytest", "-q", "-W", "error", *options, cwd=tests)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", action="append", help="use these, not all that are found")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--twice", action="store_true", help="build twice and compare")
    parser.add_argument("--no-tests", action="store_true")
    parser.add_argument("pytest", nargs="*", help="options and files for pytest, after --")
    options = parser.parse_args()
    found = pythons(options.python)
    with_gil = [path for (_, free), path in found.items() if not free]
    builders = with_gil[:1] + [path for (_, free), path in found.items() if free]
    if not with_gil:
        raise SystemExit("no CPython from 3.11 on was found; name one by --python")
    os.environ.setdefault("SOURCE_DATE_EPOCH", "315532800")
    options.output = options.output.resolve()
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        tools = environment(with_gil[0], work / "tools")
        run(tools, "-m", "pip", "install", "-q", "--group", f"{ROOT / 'pyproject.toml'}:wheels")
        run(tools, "-m", "build", "-q", "--sdist", "-o", work, ROOT)
        (sdist,) = work.glob("*.tar.gz")
        runtime = portable_libgomp(work, tools)
        wheels = []
        for number, python in enumerate(builders):
            builds = work / f"wheels{number}"
            builds.mkdir()
            wheels.append(build_wheel(python, sdist, builds, tools, runtime))
            if options.twice:
                again = work / f"again{number}"
                again.mkdir()
                check_equal(wheels[-1], build_wheel(python, sdist, again, tools, runtime))
        run(tools, ROOT / "tools/check_wheel.py", *wheels)
        for wheel in [*wheels, sdist]:
            shutil.copy(wheel, options.output)
        if not options.no_tests:
            own = iter(wheels[1:])
            for (_, free), python in found.items():
                test_wheel(python, free, next(own) if free else wheels[0], sdist, options.pytest)
    print(*(options.output / wheel.name for wheel in wheels), sep="\n")


if __name__ == "__main__":
    main()
