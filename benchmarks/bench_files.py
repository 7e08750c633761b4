"""Time `levelsnap apply` and `quantize` on a GeoTIFF of 12000 x 12000 float32, end to end.

Beside NumPy by windows (what `gdal_calc` and `rio calc` do, with `np.searchsorted`), and beside
what decoding, encoding and the disk alone take: copying the file window by window. Each part can
be run alone, by --kind and --only; without --only results are compared first. Inputs are kept
in --folder.

    python benchmarks/bench_files.py --folder /somewhere/with/3/GB
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio

import levelsnap as ls

K = 8
KINDS = {
    "tiled, uncompressed": {},
    "tiled, deflate": {"compress": "deflate", "predictor": 3},
}


def terrain(size: int) -> np.ndarray:
    """Heights in steps of a centimetre, without the noise that no compression could shorten."""
    x = np.linspace(0, 40, size, dtype="f4")
    heights = 900 + 300 * np.sin(x)[:, None] * np.cos(1.7 * x) + 40 * np.sin(11 * x)
    return np.round(heights, 2).astype("f4")


def make(path: Path, size: int, options: dict) -> None:
    profile = {
        "driver": "GTiff", "width": size, "height": size, "count": 1, "dtype": "float32",
        "crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6),
        "nodata": -9999, "tiled": True, "blockxsize": 256, "blockysize": 256, "NUM_THREADS": 2,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile, **options) as file:
        file.write(terrain(size), 1)


def by_windows(source: Path, out: Path, threads: int, snapped: Callable) -> None:
    """What one writes by hand: rows of tiles, each read, worked on and written."""
    with (
        rasterio.Env(GDAL_NUM_THREADS=str(threads)),
        rasterio.open(source) as file,
        rasterio.open(out, "w", **file.profile, NUM_THREADS=threads) as result,
    ):
        rows = 4 * file.block_shapes[0][0]
        for row in range(0, file.height, rows):
            part = rasterio.windows.Window(0, row, file.width, min(rows, file.height - row))
            result.write(snapped(file.read(1, window=part), file.nodata), 1, window=part)


def by_numpy(centers: np.ndarray) -> Callable:
    middles = ((centers[1:] + centers[:-1]) / 2).astype("f4")
    levels = centers.astype("f4")

    def snapped(image: np.ndarray, nodata: float) -> np.ndarray:
        found = levels[np.searchsorted(middles, image)]
        return np.where(image == nodata, image, found)

    return snapped


def command(*arguments: object) -> None:
    program = "from levelsnap.cli import main; main()"
    subprocess.run([sys.executable, "-c", program, *map(str, arguments), "-q"], check=True)


def once(function: Callable, *arguments: object) -> float:
    os.sync()
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=12000)
    parser.add_argument("--folder", type=Path, help="for inputs, and all else")
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--only", help="words of the rows to run, with commas")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    threads = ls.get_num_threads()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for kind in options.kind or KINDS:
            time_kind(kind, Path(folder), threads, options)


def time_kind(kind: str, folder: Path, threads: int, options: argparse.Namespace) -> None:
    source = (options.folder or folder) / f"{kind.split()[-1]}.tif"
    levels = source.with_suffix(".json")
    out, other = folder / "out.tif", folder / "other.tif"
    if not source.exists():
        make(source, options.size, KINDS[kind])
        command("fit", source, "-k", K, "-o", levels)
    numpy = by_numpy(ls.Codebook.load(levels).centers)
    apply = ("apply", levels, source, out)
    quantize = ("quantize", source, out, "-k", K)
    rows = {
        "copy by windows, 1 thread": (by_windows, source, other, 1, lambda image, _: image),
        "copy by windows": (by_windows, source, other, threads, lambda image, _: image),
        "NumPy by windows, 1 thread": (by_windows, source, other, 1, numpy),
        "NumPy by windows": (by_windows, source, other, threads, numpy),
        "levelsnap apply": (command, *apply),
        "levelsnap apply --memory 200MB": (command, *apply, "--memory", "200MB"),
        "levelsnap fit": (command, "fit", source, "-k", K, "-o", folder / "fit.json"),
        "levelsnap quantize": (command, *quantize),
        "levelsnap quantize --memory 200MB": (command, *quantize, "--memory", "200MB"),
    }
    if not options.only:
        command(*apply, "--memory", "200MB")
        by_windows(source, other, threads, numpy)
        with rasterio.open(out) as ours, rasterio.open(other) as theirs:
            if differing := np.count_nonzero(ours.read(1) != theirs.read(1)):
                raise SystemExit(f"{kind}: {differing} pixels differ from NumPy's")
    mega = source.stat().st_size / 1e6
    print(f"{kind}: {mega:.0f} MB", flush=True)
    wanted = options.only.split(",") if options.only else [""]
    for name, call in rows.items():
        if any(word in name for word in wanted):
            seconds = min(once(*call) for _ in range(options.repeat))
            print(f"| {kind} | {name} | {seconds:.2f} s |", flush=True)


if __name__ == "__main__":
    main()
