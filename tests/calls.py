"""Every public function that computes, on each kind of data."""

import numpy as np

import levelsnap as ls

# Two threads have something to do.
SIZE = 1 << 17
LEVELS = np.linspace(-2, 2, 9)

rng = np.random.default_rng(0)
IMAGES = [
    rng.standard_normal(SIZE).astype(np.float32),
    rng.standard_normal(SIZE),
    rng.integers(0, 255, SIZE, np.uint8),
    rng.integers(-9000, 9000, SIZE, np.int16),
    rng.integers(-(1 << 62), 1 << 62, SIZE),
]


def call_everything(threads):
    """What they return, where `threads` is accepted with so many."""
    book = ls.Codebook(LEVELS)
    results = []
    for image in IMAGES:
        results += [ls.labels(image, LEVELS, threads=threads), ls.snap(image, LEVELS)]
        results += ls.labels_and_snap(image, LEVELS, threads=threads)
        results += [book.labels(image), book.snap(image, threads=threads)]
        results += [ls.distinct(image, threads=threads)]
        counted = ls.histogram(image, threads=threads)
        results += [counted.values, counted.counts]
        results += [ls.thresholds(LEVELS, image.dtype)]
        if image.itemsize > 2:
            continue  # a fit takes long there
        results += [ls.fit(counted, 5, threads=threads).centers]
        results += [ls.fit(image, 5, method="lloyd", seed=0, threads=threads).centers]
        results += [ls.choose_k(counted, 3, threads=threads).inertia]
    return results
