"""Best cuts in integers, where many groups cost the same."""

from fractions import Fraction

import numpy as np
import pytest

from levelsnap import ladder, ties
from levelsnap._kmeans1d import TIES_BITS
from levelsnap.points import Problem
from levelsnap.prices import best_cuts
from levelsnap.rationals import exact_cost, exact_cuts

SMALL = {
    "even": lambda random: np.arange(11.0),
    "gaps of 1 or 2": lambda random: np.cumsum(random.integers(1, 3, 12)).astype(np.float64),
    "gaps of 1 to 9": lambda random: np.cumsum(random.integers(1, 10, 12)).astype(np.float64),
    "float32": lambda random: np.unique(random.random(12).astype(np.float32)).astype(np.float64),
    "negative": lambda random: np.unique(random.integers(-40, 40, 14)) / 8.0,
    "two far": lambda random: np.array([*random.integers(0, 4, 4).cumsum(), 1e9 + 1, 1e9 + 2]),
    "near 2**400": lambda random: np.cumsum(random.integers(1, 3, 9)) * 2.0**390,
}


def prices_of(x, k):
    """The prices at which k groups are best, exactly, by the costs of fewer and of more."""
    problem = Problem(x, None)
    costs = []
    for groups in (k - 1, k, k + 1):
        cuts = exact_cuts(x, None, groups)
        costs.append(exact_cost(problem, np.concatenate([[0], cuts, [len(x)]])))
    return costs[1] - costs[2], costs[0] - costs[1]


@pytest.mark.parametrize("bits", TIES_BITS)
@pytest.mark.parametrize("kind", SMALL)
def test_the_lowest_of_the_best(kind, bits, monkeypatch):
    monkeypatch.setattr(ties, "TIES_BITS", [bits])
    random = np.random.default_rng(4)
    found = 0
    for _ in range(8):
        x = np.unique(SMALL[kind](random))
        for k in range(2, len(x)):
            cuts = exact_cuts(x, None, k).tolist()
            low, high = prices_of(x, k)
            for price in (low, high, (low + high) / 2, low * (1 + Fraction(1, 2**30))):
                for threads, tied in ((1, True), (2, True), (2, False)):
                    edges = ties.tied_edges(ties.whole_values(x), k, float(price), threads, tied)
                    if edges is not None:
                        assert edges.tolist() == [0, *cuts, len(x)]
                        found += 1
    assert found > 60 or kind == "two far"


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("bits", TIES_BITS)
def test_the_price_is_looked_for(bits, threads, monkeypatch):
    monkeypatch.setattr(ties, "TIES_BITS", [bits])
    x = np.cumsum(np.random.default_rng(5).integers(1, 3, 300)).astype(np.float64)
    for k in (60, 100, 150, 160, 250):
        low, high = prices_of(x, k)
        for price in (float(low) / 1.5, float(high) * 1.5):
            edges = ties.tied_edges(ties.whole_values(x), k, price, threads)
            assert edges is not None
            assert edges[1:-1].tolist() == exact_cuts(x, None, k).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.uint16, np.float64])
@pytest.mark.parametrize("k", [900, 2000, 2600, 4000, 4900])
def test_as_by_graphs(k, dtype, monkeypatch):
    random = np.random.default_rng(6)
    if dtype == np.float64:
        values = np.cumsum(random.integers(1, 3, 6000)).astype(dtype)
    else:
        values = np.unique((random.random(6000) * 65_535).astype(dtype))
    by_integers = []

    def tied_edges(*args, **options):
        by_integers.append(ties.tied_edges(*args, **options))
        return by_integers[-1]

    monkeypatch.setattr(ladder, "tied_edges", tied_edges)
    cuts = best_cuts(Problem(values, None), k)
    assert dtype == np.float32 or k == 900 or any(edges is not None for edges in by_integers)
    monkeypatch.setattr(ladder, "tied_edges", lambda *_, **__: None)
    assert cuts.tolist() == best_cuts(Problem(values, None), k).tolist()


def test_nearly_as_many_groups_as_values():
    """A few of very many equally good pairs, at a price that says nothing of how many."""
    for wide, n, k in ((64, 4096, 4091), (512, 4096, 4091), (7, 9000, 8990)):
        values = np.cumsum(np.where(np.arange(n) % 2 == 0, wide, 1))
        within = np.arange(n - 2 * (n - k) + 1, n, 2)  # the last pairs, so that cuts are lowest
        cuts = np.setdiff1d(np.arange(1, n), within)
        assert best_cuts(Problem(values, None), k).tolist() == cuts.tolist()


def test_what_integers_do_not_hold():
    """Groups of very many values, values without a common unit, and hopeless prices."""
    assert ties.tied_edges(ties.whole_values(np.arange(1000.0)), 10, 2e5, 1) is None
    for price in (1e-9, 0.0, -1.0, np.inf, np.nan):
        assert ties.tied_edges(ties.whole_values(np.arange(100.0)), 50, price, 2) is None
    assert ties.tied_edges(None, 50, 1.0, 1) is None
    wide = np.array([0.0, 1.0, 2.0**58, 2.0**58 + 64])
    uneven = np.sort(np.random.default_rng(7).random(1000) ** 3)
    far = np.array([0.0, 2.0**-40, 1.0, 2.0**30])
    for x in (wide, uneven, far, np.arange(100.0) * 2.0**-600):
        assert ties.whole_values(x) is None
    assert ties.whole_values(wide[:2] * 2.0**-90).bit == -90
