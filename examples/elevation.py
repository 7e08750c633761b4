"""Elevation bands: a digital elevation model of the Jacksboro Fault, Tennessee, in metres."""

from pathlib import Path

import numpy as np
from PIL import Image

import levelsnap as ls

heights = np.asarray(Image.open(Path(__file__).with_name("jacksboro_dem.png")))  # uint16
found = ls.histogram(heights)
print(f"{heights.size} cells, {len(found)} heights from {found.values[0]} to {found.values[-1]} m")

# With "distinct" the few heights of the ridge matter as much as the many cells of the valleys; with
# "counts" each cell matters as much.
for weights in ("distinct", "counts"):
    codebook = ls.fit(found, 6, weights=weights)
    bands = codebook.labels(heights)
    share = np.bincount(bands.ravel(), minlength=codebook.k) / bands.size
    error = np.sqrt(codebook.inertia(found, weights="counts") / heights.size)
    print(f"\n{weights}: the root of the mean squared error is {error:.1f} m")
    for level, part in zip(codebook.centers, share, strict=True):
        print(f"  {level:5.0f} m  {part:4.0%} of the cells")

# How many levels to take.
choice = ls.choose_k(found, 12, criterion="gvf", weights="counts")
print(f"\nThe elbow is at {choice.k} levels, which explain {choice.gvf[choice.k - 1]:.1%}")
