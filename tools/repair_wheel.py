"""Give a wheel the OpenMP runtime that it links to, with its licence, and pack it reproducibly.

    python tools/repair_wheel.py WHEEL FOLDER

auditwheel, delocate or delvewheel copies the runtime in; the repaired wheel is put into FOLDER.
The licence texts are in tools/licences. Equal contents give equal bytes: entries are sorted, and
dated by ``SOURCE_DATE_EPOCH``, or 1980.
"""

import base64
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

LICENCES = Path(__file__).parent / "licences"

# Runtimes by the stem of their licence text and file name, and their SPDX expressions.
RUNTIMES = {
    "libgomp": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libomp": "Apache-2.0 WITH LLVM-exception",
    "vcomp140": "LicenseRef-Microsoft-Visual-Studio",
}

COMMANDS = {
    "linux": ["auditwheel", "repair", "-w"],
    "darwin": ["delocate-wheel", "-w"],
    "win32": ["delvewheel", "repair", "-w"],
}


def bundled(names):
    """The runtimes that a wheel of these file names contains."""
    libraries = [Path(name).name for name in names if re.search(r"\.(dy)?libs/", name)]
    return [runtime for runtime in RUNTIMES if any(name.startswith(runtime) for name in libraries)]


def with_licences(files):
    """Add the licences of bundled runtimes to a wheel's files, a dict of contents by name."""
    runtimes = bundled(files)
    metadata = next(name for name in files if name.endswith(".dist-info/METADATA"))
    header, _, description = files[metadata].decode().partition("\n\n")
    lines = header.splitlines()
    for runtime in runtimes:
        name = f"LICENSE.{runtime}"
        files[f"{Path(metadata).parent.as_posix()}/licenses/{name}"] = (
            LICENCES / f"{runtime}.txt"
        ).read_bytes()
        lines.append(f"License-File: {name}")
    expressions = " AND ".join(RUNTIMES[runtime] for runtime in runtimes)
    lines = [
        f"{line} AND {expressions}" if runtimes and line.startswith("License-Expression") else line
        for line in lines
    ]
    files[metadata] = ("\n".join(lines) + "\n\n" + description).encode()


def record(files, path):
    """The content of RECORD, at that path."""
    lines = []
    for name, content in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}")
    return "\n".join([*lines, f"{path},,", ""]).encode()


def pack(files, path):
    """Write a wheel, its metadata last."""
    epoch = max(int(os.environ.get("SOURCE_DATE_EPOCH", 0)), 315532800)
    date = time.gmtime(epoch)[:6]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as wheel:
        for name in sorted(files, key=lambda name: (".dist-info/" in name, name)):
            info = zipfile.ZipInfo(name, date)
            info.compress_type = zipfile.ZIP_DEFLATED
            mode = 0o755 if ".so" in name else 0o644
            info.external_attr = (0o100000 | mode) << 16
            info.create_system = 3
            wheel.writestr(info, files[name])


def finish(source, target):
    """Copy a wheel with the licences of what it bundles."""
    with zipfile.ZipFile(source) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist() if not name.endswith("/")}
    path = next(name for name in files if name.endswith(".dist-info/RECORD"))
    del files[path]
    with_licences(files)
    files[path] = record(files, path)
    pack(files, target)


def main():
    wheel, folder = map(Path, sys.argv[1:])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as repaired:
        subprocess.run([*COMMANDS[sys.platform], repaired, str(wheel)], check=True)
        (found,) = Path(repaired).glob("*.whl")
        finish(found, folder / found.name)
    print(folder / found.name)


if __name__ == "__main__":
    main()
