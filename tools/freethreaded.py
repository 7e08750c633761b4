"""Run the tests on a free-threaded CPython, one without the global interpreter lock.

    python tools/freethreaded.py [pytest's arguments]

Takes the interpreter from $LEVELSNAP_FREETHREADED, else python3.15t to python3.13t on PATH, else
builds CPython 3.13 from Debian's source package into build/freethreaded (some three minutes, once).
Where none of these can be had it says so and ends well. The tests run against the installed
package, with warnings as errors and `-X gil=0`.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "freethreaded"
NAMES = ["python3.15t", "python3.14t", "python3.13t"]
SUITE = "trixie"  # of Debian, which has python3.13
SOURCE = "python3.13"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# What later NumPy has no wheels for on 3.13t; each of the rest is left out if it has no wheel.
NUMPY = {"3.13": "numpy<2.5"}
NEEDED = ["pytest", "hypothesis"]
WELCOME = ["click", "cython", "setuptools", "threadpoolctl", "tifffile", "mypy"]
WELCOME += ["scikit-image", "mapclassify", "opencv-python", "matplotlib", "rasterio", "zarr"]
WELCOME += ["xarray>=2024.1", "dask[array]>=2024.1", "distributed", "numcodecs"]


class CannotBeHad(Exception):
    """Why there is no free-threaded interpreter here."""


def run(*command, **options):
    print("+", *command, flush=True)
    return subprocess.run(list(map(str, command)), check=True, **options)


def is_freethreaded(python):
    code = "import sysconfig; raise SystemExit(not sysconfig.get_config_var('Py_GIL_DISABLED'))"
    return subprocess.run([python, "-c", code]).returncode == 0


def interpreter():
    """The path of a free-threaded interpreter."""
    given = os.environ.get("LEVELSNAP_FREETHREADED")
    if given:
        if not shutil.which(given) or not is_freethreaded(given):
            raise SystemExit(f"LEVELSNAP_FREETHREADED={given!r} is no free-threaded CPython")
        return Path(shutil.which(given))
    for name in NAMES:
        found = shutil.which(name)
        if found and is_freethreaded(found):
            return Path(found)
    built = FOLDER / "python" / "bin" / "python3.13t"
    if not built.exists():
        build(built)
    return built


def build(python):
    for program in ("apt-get", "cc", "make"):
        if not shutil.which(program):
            raise CannotBeHad(f"none on PATH, and none can be built here without {program}")
    try:
        source = fetch_source()
        prefix = python.parent.parent
        configure = ["--disable-gil", "--with-ensurepip=install", "--disable-test-modules"]
        configure.append(f"--prefix={prefix}")
        log = FOLDER / "build.log"
        with log.open("w") as output:
            for command in (
                ["./configure", *configure],
                ["make", f"-j{os.cpu_count()}"],
                ["make", "install"],
            ):
                run(*command, cwd=source, stdout=output, stderr=output)
    except subprocess.CalledProcessError as error:
        raise CannotBeHad(f"{error}; see {FOLDER}") from error


def fetch_source():
    """CPython's source as Debian has it, through a configuration of apt of our own."""
    state = FOLDER / "apt"
    for folder in ("lists/partial", "archives/partial", "source"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    sources = state / "sources.list"
    sources.write_text(f"deb-src [signed-by={KEYRING}] {mirror()} {SUITE} main\n")
    apt = [
        "apt-get",
        "-q",
        "-o",
        f"Dir::Etc::SourceList={sources}",
        "-o",
        "Dir::Etc::SourceParts=-",
    ]
    apt += ["-o", f"Dir::State::Lists={state / 'lists'}", "-o", "APT::Sandbox::User="]
    apt += ["-o", f"Dir::Cache={state}", "-o", "Dir::Cache::Archives=archives"]
    run(*apt, "update")
    run(*apt, "source", "--download-only", SOURCE, cwd=state / "source")
    (archive,) = (state / "source").glob("*.orig.tar.?z")
    run("tar", "-xf", archive, "-C", state / "source")
    (unpacked,) = (state / "source").glob("*/configure")
    return unpacked.parent


def mirror():
    """The Debian archive that apt uses here."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found = re.search(r"^Debian (\S+/debian/?)$", targets, re.MULTILINE)
    if not found:
        raise CannotBeHad("none on PATH, and apt knows no Debian archive to build one from")
    return found[1]


def version_of(python):
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    run = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def install_needs(python):
    """Install what of the tests' needs has wheels into a virtual environment."""
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    pip += ["--only-binary=:all:", NUMPY.get(version_of(python), "numpy")]
    run(*pip, *NEEDED)
    left_out = [
        name for name in WELCOME if subprocess.run([*pip, name], capture_output=True).returncode
    ]
    if left_out:
        print("No wheels here, so their tests are skipped:", *left_out)


def environment(python):
    """A virtual environment with the package and what of the tests' needs has wheels."""
    folder = FOLDER / f"venv-{version_of(python)}t"
    shutil.rmtree(folder, ignore_errors=True)
    run(python, "-m", "venv", folder)
    inside = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install_needs(inside)
    run(inside, "-m", "pip", "install", "-q", "--disable-pip-version-check", ROOT)
    return inside


def main():
    try:
        python = interpreter()
    except CannotBeHad as error:
        print(f"No free-threaded CPython here: {error}. Nothing was tested.")
        return
    python = environment(python)
    run(python, "-X", "gil=0", "-W", "error", "-c", "import levelsnap", cwd=FOLDER)
    tests = ["-X", "gil=0", "-W", "error", "-m", "pytest", "-q", *sys.argv[1:]]
    raise SystemExit(subprocess.run([python, *tests], cwd=ROOT).returncode)


if __name__ == "__main__":
    main()
