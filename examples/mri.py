"""Tissue classes: a slice of a head by magnetic resonance, most of which is background."""

import numpy as np
from matplotlib import cbook

import levelsnap as ls

with cbook.get_sample_data("s1045.ima.gz") as file:
    slice_ = np.frombuffer(file.read(), ">u2").reshape(256, 256)
head = slice_ > 0
print(f"{slice_.shape} {slice_.dtype}, {np.mean(~head):.0%} of the pixels are 0")

# Each pixel counts, as in multi-Otsu thresholding: the background gets a class for itself.
print("with the background:   ", ls.fit(slice_, 4, weights="counts").centers.round(1))

# Without it there is one more for the head.
codebook = ls.fit(slice_, 4, weights="counts", where=head)
print("without the background:", codebook.centers.round(1))

# A masked array keeps it masked in the labels, too.
classes = codebook.labels(np.ma.array(slice_, mask=~head))
for label, level in enumerate(codebook.centers):
    print(f"  class {label}, level {level:5.1f}: {np.sum(classes == label):5d} pixels")
