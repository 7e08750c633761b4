"""A large uint16 zarr array through fit and snap on dask workers: times, and memory of a worker.

bench_dask.py [side]: of the square image, 40000 by default, which takes some 3.5 GB of disk.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import dask.array as da
import numpy as np
import zarr
from distributed import Client, LocalCluster

import levelsnap as ls

CHUNK = 4000
WORKERS = 2
K = 16


def peak_memory():
    """Of this process, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would begin with the parent's
        (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def create(path, side, **options):
    chunks = (min(CHUNK, side),) * 2
    return zarr.create_array(path, shape=(side, side), chunks=chunks, dtype="u2", **options)


def write_image(path, side):
    """Smooth ground with noise, of some 60,000 distinct values."""
    image = create(path, side, compressors=None)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 5000, image.chunks, dtype="u2")
    ramp = np.arange(side, dtype=np.float32)
    for y in range(0, side, image.chunks[0]):
        for x in range(0, side, image.chunks[1]):
            rows, columns = ramp[y : y + image.chunks[0]], ramp[x : x + image.chunks[1]]
            ground = np.add.outer(rows, columns) * np.float32(27000 / side)
            here = noise[: len(rows), : len(columns)]
            image[y : y + len(rows), x : x + len(columns)] = ground.astype("u2") + here


def main(side):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        write_image(path / "image.zarr", side)
        with (
            LocalCluster(
                n_workers=WORKERS, threads_per_worker=1, processes=True, dashboard_address=":0"
            ) as cluster,
            Client(cluster) as client,
        ):
            image = da.from_zarr(path / "image.zarr")
            gigabytes = image.nbytes / 1e9
            start = time.perf_counter()
            codebook = ls.fit(image, K, weights="counts")
            fitted = time.perf_counter()
            da.store(codebook.snap(image), create(path / "snapped.zarr", side), lock=False)
            snapped = time.perf_counter()
            peaks = client.run(peak_memory).values()
        check(codebook, path, side)
    print(f"{side} x {side} uint16, {gigabytes:.2f} GB, k = {K}, {WORKERS} worker processes")
    print(f"fit   {fitted - start:6.1f} s")
    print(f"snap  {snapped - fitted:6.1f} s, written to zarr, compressed")
    print("peak resident memory of a worker", *(f"{peak / 1e6:.0f} MB" for peak in peaks))
    print("of the client", f"{peak_memory() / 1e6:.0f} MB", "on", os.cpu_count(), "CPUs")


def check(codebook, path, side):
    """The fit against NumPy's tile by tile, and each snapped tile."""
    image = zarr.open_array(path / "image.zarr", mode="r")
    snapped = zarr.open_array(path / "snapped.zarr", mode="r")
    counted = ls.histogram(np.empty(0, "u2"))
    for y in range(0, side, CHUNK):
        rows = slice(y, y + CHUNK)
        for x in range(0, side, CHUNK):
            tile = image[rows, x : x + CHUNK]
            counted = counted.update(tile)
            if not np.array_equal(snapped[rows, x : x + CHUNK], codebook.snap(tile)):
                raise SystemExit(f"wrong levels in the tile at {y}, {x}")
    if ls.fit(counted, K, weights="counts") != codebook:
        raise SystemExit("wrong fit")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000)
