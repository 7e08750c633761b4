"""A photograph in few greys, and the same as a table for programs that have only tables."""

from pathlib import Path

import numpy as np
from PIL import Image

import levelsnap as ls

photograph = np.asarray(Image.open(Path(__file__).with_name("grace_hopper.png")))  # uint8
found = ls.histogram(photograph)
print(f"{photograph.shape} {photograph.dtype}, {len(found)} of 256 greys occur")


def psnr(codebook):
    return 10 * np.log10(255**2 * photograph.size / codebook.inertia(found, weights="counts"))


# All greys occur, so the distinct ones are evenly spaced, and so are their levels. "counts" follows
# the picture.
print("\nPSNR in dB; levels:    2      4      8     16")
for weights in ("distinct", "counts"):
    codebooks = [ls.fit(found, k, weights=weights) for k in (2, 4, 8, 16)]
    print(f"{weights:>18}", *(f"{psnr(codebook):6.2f}" for codebook in codebooks))

codebook = codebooks[2]
poster = codebook.snap(photograph)
table = codebook.lookup_table("uint8")  # for cv2.LUT(photograph, table)
print(f"\ngreys: {np.unique(poster)}")
print(f"the same by the table: {np.array_equal(poster, table[photograph])}")
