"""A chunked store, read and written block by block: the elevation model by dask and zarr."""

import tempfile
from pathlib import Path

import dask.array as da
import numpy as np
from PIL import Image

import levelsnap as ls

heights = np.asarray(Image.open(Path(__file__).with_name("jacksboro_dem.png")))
with tempfile.TemporaryDirectory() as folder:
    da.from_array(heights, chunks=(128, 128)).to_zarr(f"{folder}/heights.zarr")

    stored = da.from_zarr(f"{folder}/heights.zarr")
    print(f"{stored.shape} {stored.dtype} in {stored.npartitions} chunks of {stored.chunksize}")

    # Reads the store once, block by block; what is gathered is the distinct values.
    codebook = ls.fit(stored, 8, weights="counts")
    print(f"levels: {codebook.centers.round().astype(int)}")

    # Nothing is read or written until the last line.
    bands = codebook.labels(stored)
    print(f"lazy: {type(bands).__name__} of {bands.dtype}")
    bands.to_zarr(f"{folder}/bands.zarr")
    written = da.from_zarr(f"{folder}/bands.zarr").compute()

share = np.bincount(written.ravel()) / written.size
print("share of the cells:", *(f"{part:.0%}" for part in share))
whole = ls.fit(heights, 8, weights="counts")
print(f"the same as of the whole array: {codebook == whole}")
