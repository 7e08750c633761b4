"""LevelQuantizer beside KBinsDiscretizer(strategy="kmeans"): time and inertia.

``python benchmarks/bench_sklearn.py [rows] [levels]`` checks that no inertia is above
scikit-learn's before it prints a row.
"""

import sys
import time
import warnings

import numpy as np
from sklearn.preprocessing import KBinsDiscretizer

from levelsnap.sklearn import LevelQuantizer


def data(name, rows):
    rng = np.random.default_rng(0)
    if name == "normal":
        return rng.normal(size=(rows, 1))
    if name == "normal, float32":
        return rng.normal(size=(rows, 1)).astype(np.float32)
    if name == "lognormal, 2 digits":
        return np.round(rng.lognormal(2, 1, (rows, 1)), 2)
    return rng.poisson(40, (rows, 1)).astype(np.float64)


def timed(quantizer, X):
    """Seconds of `fit` and `transform`, the best of three, and the inertia of the groups."""
    best = []
    for _ in range(3):
        start = time.perf_counter()
        quantizer.fit(X)
        middle = time.perf_counter()
        labels = quantizer.transform(X)
        best.append((middle - start, time.perf_counter() - middle))
    return *min(best, key=sum), inertia(X[:, 0], labels[:, 0].astype(np.intp))


def inertia(x, labels):
    x = x - np.float64(x.mean())
    counts = np.bincount(labels)
    return (x * x).sum() - (np.bincount(labels, x) ** 2 / np.maximum(counts, 1)).sum()


def main():
    rows = int(float(sys.argv[1])) if len(sys.argv) > 1 else 10_000_000
    levels = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    warnings.simplefilter("ignore")
    options = {"strategy": "kmeans", "encode": "ordinal", "random_state": 0}
    print(f"{rows} rows, {levels} levels: seconds of fit + transform, and inertia / levelsnap's\n")
    print("| data | levelsnap | KBins, all rows | KBins, 200,000 rows (default) |")
    print("| --- | --- | --- | --- |")
    for name in "normal", "normal, float32", "lognormal, 2 digits", "counts (Poisson)":
        X = data(name, rows)
        fit, transform, best = timed(LevelQuantizer(levels), X)
        cells = [f"{fit:.3f} + {transform:.3f}"]
        for subsample in None, 200_000:
            other = KBinsDiscretizer(levels, subsample=subsample, **options)
            other_fit, other_transform, found = timed(other, X)
            assert found >= best * (1 - 1e-9), f"{name}: {found} < {best}"
            times = (other_fit + other_transform) / (fit + transform)
            cells.append(
                f"{other_fit:.2f} + {other_transform:.2f} ({times:.1f} times), {found / best:.4f}"
            )
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
