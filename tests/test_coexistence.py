"""Other packages with threads and OpenMP runtimes of their own, in one process with levelsnap."""

import importlib.util

import pytest
from test_package import python

LEVELSNAP = """
import numpy as np
import levelsnap as ls

def run_levelsnap():
    image = np.random.default_rng(0).random(1 << 19, np.float32)
    codebook = ls.Codebook(np.linspace(0, 1, 9))
    expected = np.searchsorted(codebook.thresholds(np.float32), image)
    for threads in (1, 2, 4):
        assert np.array_equal(codebook.labels(image, threads=threads), expected)
    assert np.array_equal(ls.fit(np.arange(12) // 4 * 100 + np.arange(12) % 4, 3).centers,
                          [1.5, 101.5, 201.5])
"""

OTHERS = {
    "torch": """
import torch
torch.set_num_threads(2)

def run_torch():
    matrix = torch.ones(512, 512)
    assert torch.equal(matrix @ matrix, torch.full((512, 512), 512.0))
    assert torch.arange(1 << 21, dtype=torch.float64).sqrt().square().sum().round() == sum_below
sum_below = (1 << 20) * ((1 << 21) - 1)
""",
    "sklearn": """
import numpy as np
from sklearn.cluster import KMeans

def run_sklearn():
    values = np.repeat([0.0, 10.0, 20.0], 4000)[:, None]
    centers = KMeans(3, n_init=1, init=[[1.0], [9.0], [21.0]]).fit(values).cluster_centers_
    assert np.allclose(centers.ravel(), [0, 10, 20])
""",
    "cv2": """
import cv2
import numpy as np
cv2.setNumThreads(2)

def run_cv2():
    image = np.tile(np.arange(256, dtype=np.uint8), (1024, 8))
    assert np.array_equal(cv2.LUT(image, np.arange(255, -1, -1, dtype=np.uint8)), 255 - image)
    assert (cv2.GaussianBlur(np.full((1024, 1024), 7, np.uint8), (9, 9), 0) == 7).all()
""",
    "numba": """
import numba
import numpy as np

@numba.njit(parallel=True)
def doubled(x):
    result = np.empty_like(x)
    for i in numba.prange(len(x)):
        result[i] = 2 * x[i]
    return result

def run_numba():
    assert np.array_equal(doubled(np.arange(1 << 18)), 2 * np.arange(1 << 18))
""",
}


def run_together(names, imports):
    """Import, in that order, in a fresh process; then compute in all, twice, in both orders."""
    calls = [f"run_{name}()" for name in names]
    run = python("-c", "\n".join([*imports, *calls, *reversed(calls), "print('computed')"]))
    assert (run.returncode, run.stdout.strip()) == (0, "computed"), run.stderr


@pytest.mark.parametrize("first", ["levelsnap", "other"])
@pytest.mark.parametrize("name", OTHERS)
def test_one_other(name, first):
    if not importlib.util.find_spec(name):
        pytest.skip(f"{name} is not installed")
    imports = [LEVELSNAP, OTHERS[name]]
    run_together(["levelsnap", name], imports if first == "levelsnap" else imports[::-1])


def test_all_others():
    names = [name for name in OTHERS if importlib.util.find_spec(name)]
    if len(names) < 2:
        pytest.skip("fewer than two of them are installed")
    first, *rest = [OTHERS[name] for name in names]
    run_together([*names, "levelsnap"], [first, LEVELSNAP, *rest])
