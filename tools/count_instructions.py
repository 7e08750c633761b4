"""Instructions per element of some kernels, counted by valgrind, against those on record.

    python tools/count_instructions.py [--record]

A count does not depend on the machine's load, and hardly on the machine; it does depend on the
compiler, whose version is on record too. Exits with 1 if a kernel takes over 2 % more instructions
than on record with the same compiler; --record writes the counts of today.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TOOLS = Path(__file__).parent
KERNELS = TOOLS.parent / "src" / "levelsnap" / "kernels"
RECORD = TOOLS / "instructions.json"
FLAGS = ["-std=c11", "-O3", "-ffp-contract=off", f"-I{KERNELS}"]
ELEMENTS = 100_000

# Of kernels/nearest.h: ls_isa, ls_method, ls_type; then k.
CASES = {
    "baseline count float32 8": (0, 5, 8, 8),
    "baseline search float32 8": (0, 0, 8, 8),
    "baseline search float32 1000": (0, 0, 8, 1000),
    "baseline search float64 100": (0, 0, 11, 100),
    "patterns uint16": (0, 1, 4, 200),
    "avx2 registers float32 32": (1, 2, 8, 32),
}


def build(folder):
    program = Path(folder, "instructions")
    compiler = os.environ.get("CC", "cc")
    sources = [TOOLS / "instructions.c", *sorted(KERNELS.glob("*.c"))]
    subprocess.run([compiler, *FLAGS, *sources, "-lm", "-o", program], check=True)
    version = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True)
    return program, f"{Path(compiler).name} {version.stdout.strip()}"


def count(program, case):
    """Instructions inside ls_nearest, per element."""
    valgrind = ["valgrind", "--tool=callgrind", "--toggle-collect=ls_nearest"]
    valgrind += ["--callgrind-out-file=/dev/null"]
    run = subprocess.run(
        [*valgrind, program, *map(str, case)], capture_output=True, text=True, check=True
    )
    return int(re.search(r"Collected : (\d+)", run.stderr)[1]) / ELEMENTS


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program, compiler = build(folder)
        found = {name: count(program, case) for name, case in CASES.items()}
    if options.record:
        record = {"compiler": compiler, "instructions per element": found}
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
    record = json.loads(RECORD.read_text())
    comparable = record["compiler"] == compiler
    if not comparable:
        print(f"on record is {record['compiler']}, here is {compiler}: nothing is compared")
    worse = False
    for name, instructions in found.items():
        before = record["instructions per element"].get(name)
        print(f"{name}: {instructions:.3f}, on record {before}")
        worse |= comparable and before is not None and instructions > 1.02 * before
    sys.exit(worse)


if __name__ == "__main__":
    main()
