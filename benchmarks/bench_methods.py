"""Time each way to find labels, for the crossovers in levelsnap/tables.py.

    LEVELSNAP_ISA=avx2 python benchmarks/bench_methods.py [--size 16000000] [--threads 1]

Prints nanoseconds per element for each dtype and number of levels, the method that
`choose_method` takes in bold; results are checked against each other first.
"""

import argparse

import numpy as np
from bench_nearest import best

import levelsnap as ls
from levelsnap import codebook as codebook_module
from levelsnap import tables
from levelsnap.dtypes import element_type
from levelsnap.tables import ISA, Method

LEVELS = (2, 4, 8, 12, 16, 32, 64, 128, 256, 512, 1000, 4000, 65536)


def methods(dtype, k):
    """The methods that exist for a dtype and number of levels."""
    yield Method.SEARCH
    if k <= 64:
        yield Method.COUNT
    if dtype.itemsize <= 2:
        yield Method.PATTERNS
    if (k - 1).bit_length() <= tables.register_depth(ISA, element_type(dtype)):
        yield Method.REGISTERS
    if tables.node_size(ISA, element_type(dtype)):
        yield Method.NODES
    if dtype.itemsize >= 4 and k <= 65536:
        yield Method.GRID
    if tables.has_packed(ISA, element_type(dtype)) and k <= 65536:
        yield Method.PACKED


def data(dtype, k, size):
    rng = np.random.default_rng(k)
    if dtype.kind == "f":
        return rng.random(size).astype(dtype), np.unique(rng.random(k))
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    image = rng.integers(low, high, size, dtype, endpoint=True)
    return image, np.unique(low + rng.random(k) * (float(high) - float(low)))


def row(name, k, size, threads):
    dtype = np.dtype(name)
    image, centers = data(dtype, k, size)
    chosen = codebook_module.choose_method(dtype, k, size)
    out = np.zeros(size, np.min_scalar_type(k - 1))
    expected = None
    cells = []
    for method in Method:
        if method not in methods(dtype, k):
            cells.append("")
            continue
        codebook_module.choose_method = lambda *_, method=method: method
        codebook = ls.Codebook(centers)
        codebook.labels(image, out=out)
        expected = out.copy() if expected is None else expected
        assert np.array_equal(out, expected), (name, k, method)
        seconds = best(
            lambda codebook=codebook: codebook.labels(image, out=out, threads=threads), 3
        )
        cell = f"{seconds / size * 1e9:.2f}"
        cells.append(f"**{cell}**" if method == chosen else cell)
    codebook_module.choose_method = tables.choose_method
    print(f"| {name} | {k} | {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=16_000_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtypes", default="uint8,uint16,float16,int32,float32,int64,float64")
    options = parser.parse_args()
    print(f"{ISA.name.lower()}, {options.threads} thread(s), nanoseconds per element\n")
    print(f"| dtype | K | {' | '.join(method.name.lower() for method in Method)} |")
    print("| --- | ---: |" + " ---: |" * len(Method))
    for name in options.dtypes.split(","):
        for k in LEVELS:
            if k <= 256 or np.dtype(name).itemsize > 1:
                row(name, k, options.size, options.threads)


if __name__ == "__main__":
    main()
