"""Check what wheels contain, how large they are, and that stable-ABI ones use no more than it.

    python tools/check_wheel.py WHEEL...

Needs abi3audit (``pip install --group wheels``). Exits with 1 if a wheel has too
much or too little.
"""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

from repair_wheel import RUNTIMES, bundled

LARGEST = 1_500_000

ALLOWED = [
    r"levelsnap/\w+\.(py|pyi)",
    r"levelsnap/(cython_api\.pxd|include/levelsnap\.h|py\.typed)",
    r"levelsnap/\w+(\.abi3|\.cpython-\w+(-[\w-]+)?)?\.so",
    r"levelsnap/\w+(\.cp\w+-\w+)?\.pyd",
    rf"levelsnap(\.libs|/\.dylibs)/({'|'.join(RUNTIMES)})[-.\w]*",
    r"levelsnap\.libs/\.load-order-\S+",
    r"levelsnap-[^/]+\.dist-info/(METADATA|RECORD|WHEEL|DELVEWHEEL)",
    r"levelsnap-[^/]+\.dist-info/(top_level|entry_points)\.txt",
    r"levelsnap-[^/]+\.dist-info/licenses/LICENSE(\.\w+)?",
    r"levelsnap-[^/]+\.dist-info/sboms/\S+\.json",
]


def faults(path):
    """What is wrong with a wheel's contents, a line each."""
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        (version,) = re.findall(rb'__version__ = "(.+)"', wheel.read("levelsnap/__init__.py"))
    if path.stat().st_size > LARGEST:
        yield f"{path.stat().st_size:,} bytes, more than {LARGEST:,}"
    if path.name.split("-")[1] != version.decode():
        yield f"levelsnap.__version__ is {version.decode()}"
    for name in names:
        if not any(re.fullmatch(pattern, name) for pattern in ALLOWED):
            yield f"{name} does not belong there"
    modules = {
        name.split(".")[0] for name in names if re.fullmatch(r"levelsnap/\w+\.\S*(so|pyd)", name)
    }
    wanted = {f"levelsnap/{name}" for name in ("py.typed", "cython_api.pxd", "include/levelsnap.h")}
    wanted |= {f"{module}.pyi" for module in modules}
    licences = {Path(name).name for name in names if "/licenses/" in name}
    runtimes = bundled(names)
    if not modules:
        yield "it has no compiled module"
    if not runtimes:
        yield "it brings no OpenMP runtime"
    yield from (f"{name} is missing" for name in wanted - set(names))
    for licence in {"LICENSE", *(f"LICENSE.{runtime}" for runtime in runtimes)} - licences:
        yield f"the licence {licence} is missing"


def main():
    wheels = [Path(argument) for argument in sys.argv[1:]]
    failed = not wheels
    for path in wheels:
        found = list(faults(path))
        print(f"{path.name}: {path.stat().st_size:,} bytes", *found, sep="\n  ", flush=True)
        failed |= bool(found)
        if "-abi3-" in path.name:
            audit = [sys.executable, "-m", "abi3audit", "--strict", str(path)]
            failed |= subprocess.run(audit, check=False).returncode != 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
