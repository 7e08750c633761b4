"""Time a cold start of the installed package: ``import levelsnap``, and ``levelsnap --help``.

    python benchmarks/bench_import.py [--repeats 10]

Imports are timed by ``-X importtime`` in fresh processes that take turns, and the best is printed.
Bytecode must have been written: an import that compiles is no import.
"""

import argparse
import subprocess
import sys
import time


def import_ms(module):
    code = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    said = subprocess.run(code, check=True, capture_output=True, text=True).stderr
    return int(said.splitlines()[-1].split("|")[1]) / 1000


def help_ms():
    start = time.perf_counter()
    command = [sys.executable, "-m", "levelsnap", "--help"]
    subprocess.run(command, check=True, capture_output=True)
    return (time.perf_counter() - start) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=10)
    rounds = range(parser.parse_args().repeats)
    pairs = [(import_ms("numpy"), import_ms("levelsnap")) for _ in rounds]
    numpy, levelsnap = map(min, zip(*pairs, strict=True))
    print(f"import numpy: {numpy:.0f} ms")
    print(f"import levelsnap, NumPy included: {levelsnap:.0f} ms, {levelsnap / numpy:.2f} times")
    print(f"levelsnap --help: {min(help_ms() for _ in rounds):.0f} ms")


if __name__ == "__main__":
    main()
