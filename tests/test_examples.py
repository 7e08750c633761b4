"""The examples run as they are, print what is documented, and are right."""

import runpy

import numpy as np
import pytest
import reference
from documents import EXAMPLES, require_imports

import levelsnap as ls


@pytest.fixture
def run(capsys):
    """Runs an example; gives its names when it has printed what the file beside it says."""

    def run_example(name):
        script = EXAMPLES / f"{name}.py"
        require_imports(script.read_text(encoding="utf-8"))
        names = runpy.run_path(str(script), run_name="__main__")
        printed = script.with_suffix(".txt").read_text(encoding="utf-8")
        assert capsys.readouterr().out == printed
        return names

    return run_example


def assert_best(codebook, image, weights):
    """No center moves to the mean of its group, and other levels are worse."""
    values, counts = np.unique(image, return_counts=True)
    number = np.ones_like(counts) if weights == "distinct" else counts
    groups = reference.labels(values, codebook.centers)
    means = np.bincount(groups, values * number) / np.bincount(groups, number)
    np.testing.assert_allclose(codebook.centers, means)
    least = codebook.inertia(image, weights)
    for method in ("lloyd", "opencv") if weights == "distinct" else ("lloyd",):
        if method == "opencv":
            pytest.importorskip("cv2")
        other = ls.fit(image, codebook.k, method=method, weights=weights, seed=0)
        assert least <= other.inertia(image, weights)


def test_elevation(run):
    names = run("elevation")
    heights, codebook = names["heights"], names["codebook"]
    assert heights.shape == (344, 403)
    np.testing.assert_array_equal(names["bands"], reference.labels(heights, codebook.centers))
    assert_best(codebook, heights, "counts")
    assert_best(ls.fit(heights, 6), heights, "distinct")


def test_mri(run):
    names = run("mri")
    slice_, head, codebook = names["slice_"], names["head"], names["codebook"]
    expected = np.ma.array(reference.labels(slice_, codebook.centers), mask=~head)
    np.testing.assert_array_equal(names["classes"].filled(255), expected.filled(255))
    assert_best(codebook, slice_[head], "counts")


def test_photograph(run):
    names = run("photograph")
    photograph, codebook = names["photograph"], names["codebook"]
    labels = reference.labels(photograph, codebook.centers)
    np.testing.assert_array_equal(names["poster"], np.rint(codebook.centers)[labels])
    assert_best(codebook, photograph, "counts")


def test_dask_zarr(run):
    names = run("dask_zarr")
    expected = reference.labels(names["heights"], names["codebook"].centers)
    np.testing.assert_array_equal(names["written"], expected)
