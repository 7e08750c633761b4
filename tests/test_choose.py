"""choose_k: each number of levels fitted, and its criteria computed from the values themselves."""

import math

import numpy as np
import pytest

import levelsnap as ls
from levelsnap import choose


def groups(random=None):
    random = random or np.random.default_rng(0)
    return np.concatenate([random.normal(c, 0.3, 300) for c in (0, 5, 9, 20)])


def direct_bic(data, k):
    """From the data, repeated values and all; a group of one distinct value as documented."""
    data = np.sort(data)
    codebook = ls.fit(data, k, weights="counts")
    labels = codebook.labels(data)
    distinct = np.unique(data)
    total = 0.0
    for g in range(k):
        group = data[labels == g]
        variance = group.var()
        if len(np.unique(group)) == 1:
            others = distinct[distinct != group[0]]
            variance = (np.abs(others - group[0]).min() / 6) ** 2
        total += (np.log(len(group) / len(data)) - np.log(2 * np.pi * variance) / 2 - 0.5) * len(
            group
        )
    return 2 * total - (3 * k - 1) * np.log(len(data))


def test_arrays_belong_to_one_to_k_max():
    data = groups()
    choice = ls.choose_k(data, 9)
    assert choice.ks.tolist() == list(range(1, 10))
    for k, inertia, gvf in zip(choice.ks, choice.inertia, choice.gvf, strict=True):
        assert inertia == pytest.approx(ls.fit(data, int(k)).inertia(data))
        assert gvf == pytest.approx(1 - inertia / choice.inertia[0])
    assert (np.diff(choice.inertia) < 0).all()


@pytest.mark.parametrize("scale", [1.0, 2.0**-300, 1e100])
def test_bic_finds_separate_groups(scale):
    assert ls.choose_k(groups() * scale, 12).k == 4


@pytest.mark.parametrize("decimals", [0, 1])
def test_bic_is_that_of_the_data(decimals):
    data = np.round(groups(), decimals)
    choice = ls.choose_k(data, 8, weights="counts")
    expected = [direct_bic(data, k) for k in range(1, 9)]
    assert choice.bic == pytest.approx(expected)
    assert choice.k == 1 + int(np.argmax(expected))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1, 2, 3, 4, 5, 6, 1e20, 1e20 + 16384, 1e20 + 32768], [None, 536870940, 134217756]),
        ([*range(9), 10**18, 10**18 + 128, 10**18 + 256, 10**18 + 384], [None, 81980, 16444, 8252]),
        ([1e300, -1e300, 0.0, 1, 2], [np.inf, np.inf, 2]),
        ([1e290, 0.0, 1, 2, 3], [np.inf, 5, 1]),
    ],
)
def test_groups_far_from_the_median(values, expected):
    choice = ls.choose_k(np.array(values), len(expected))
    for found, true in zip(choice.inertia, expected, strict=True):
        assert true is None or found == pytest.approx(true)
    assert not np.isinf(choice.bic).any()


def test_float_weights_are_counts():
    histogram = ls.histogram(np.round(groups(), 1))
    weighted = ls.Histogram(histogram.values, histogram.counts.astype(np.float64))
    choices = [ls.choose_k(h, 6, weights="counts") for h in (histogram, weighted)]
    assert choices[1].bic == pytest.approx(choices[0].bic)
    assert choices[1].inertia == pytest.approx(choices[0].inertia)


def test_elbow():
    choice = ls.choose_k(groups(), 12, criterion="gvf")
    line = np.linspace(choice.gvf[0], choice.gvf[-1], 12)
    assert choice.k == 1 + np.argmax(choice.gvf - line)


def test_choice_is_an_integer():
    choice = ls.choose_k(groups(), 6)
    assert ls.fit(groups(), choice).k == choice.k
    assert "k=4" in repr(choice)


def test_no_more_levels_than_values():
    choice = ls.choose_k([1.0, 2.0, 4.0, 8.0, 8.0])
    assert choice.ks.tolist() == [1, 2, 3, 4]
    assert choice.inertia[-1] == 0
    assert math.isnan(choice.bic[-1])
    constant = ls.choose_k(np.zeros(5))
    assert constant.k == 1
    assert constant.gvf.tolist() == [1.0]


def test_many_values_by_cells(monkeypatch):
    data = np.random.default_rng(1).normal(size=20_000)
    exact = ls.choose_k(data, 6)
    monkeypatch.setattr(choose, "CELLS", 2000)
    cells = ls.choose_k(data, 6)
    assert cells.inertia == pytest.approx(exact.inertia, rel=1e-4)
    assert (cells.inertia >= exact.inertia * (1 - 1e-12)).all()


def test_progress():
    calls = []
    ls.choose_k(groups(), 5, progress=lambda *call: calls.append(call))
    assert calls == [(k, 5) for k in range(1, 6)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k_max": 0}, ValueError, "k_max must be at least 1, given 0"),
        ({"k_max": 2.5}, TypeError, "k_max must be an integer, given 2.5"),
        ({"criterion": "aic"}, ValueError, "criterion must be .* given 'aic'"),
        ({"weights": "pixels"}, ValueError, "weights must be"),
        ({"progress": 1}, TypeError, "progress must be callable"),
        ({"threads": 0}, ValueError, "threads"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        ls.choose_k(groups(), **options)


def test_nothing_to_choose_from():
    with pytest.raises(ValueError, match="nothing to fit"):
        ls.choose_k(np.array([np.nan]))
