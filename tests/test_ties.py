"""Best cuts in integers, where many groups cost the same."""

from fractions import Fraction

import numpy as np
import pytest

from levelsnap import ladder, prices, ties
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
    "nearly even": lambda random: np.linspace(0, 1, 12),
    "tenths": lambda random: random.integers(-20, 20, 12) / 10,
    "integers and noise": lambda random: np.arange(11) + random.normal(size=11) * 1e-13,
}
# Which take more than 64 bits.
WIDE = ["nearly even", "tenths", "integers and noise"]


def best_of(x, ks):
    """The lowest of the best edges of so many groups, and what these cost."""
    edges = [[0, *exact_cuts(x, None, k).tolist(), len(x)] for k in ks]
    problem = Problem(x, None)
    return edges, [exact_cost(problem, np.array(some)) for some in edges]


@pytest.mark.parametrize("bits", TIES_BITS)
@pytest.mark.parametrize("kind", SMALL)
def test_the_lowest_of_the_best(kind, bits, monkeypatch):
    monkeypatch.setattr(ties, "TIES_BITS", [bits])
    random = np.random.default_rng(4)
    found = 0
    for _ in range(8):
        x = np.unique(SMALL[kind](random))
        whole = ties.Whole(x)
        edges_of, costs = best_of(x, range(1, len(x) + 1))
        for k in range(2, len(x)):
            low, high = costs[k - 1] - costs[k], costs[k - 2] - costs[k - 1]
            for price in (low, high, (low + high) / 2, low * (1 + Fraction(1, 2**30))):
                for threads, tied in ((1, True), (2, True), (2, False)):
                    edges = ties.tied_edges(whole, k, float(price), threads, tied)
                    if edges is not None:
                        assert edges.tolist() == edges_of[k - 1]
                        found += 1
    assert found > 60 or (bits < 256 and kind in ("two far", *WIDE))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("bits", TIES_BITS)
def test_the_price_is_looked_for(bits, threads, monkeypatch):
    monkeypatch.setattr(ties, "TIES_BITS", [bits])
    x = np.cumsum(np.random.default_rng(5).integers(1, 3, 300)).astype(np.float64)
    for k in (60, 100, 150, 160, 250):
        (_, best, _), costs = best_of(x, (k - 1, k, k + 1))
        low, high = costs[1] - costs[2], costs[0] - costs[1]
        for price in (float(low) / 1.5, float(high) * 1.5):
            edges = ties.tied_edges(ties.Whole(x), k, price, threads)
            assert edges is not None
            assert edges.tolist() == best


def count_decisions(monkeypatch):
    """Where rationals decide from now on."""
    decided = []
    decide = prices.Graph._decide

    def count(graph, j, price):
        decided.append(j)
        decide(graph, j, price)

    monkeypatch.setattr(prices.Graph, "_decide", count)
    return decided


@pytest.mark.parametrize("most_weight", [1, 2, 50])
@pytest.mark.parametrize("kind", WIDE)
def test_nearly_equal_paths(kind, most_weight, monkeypatch):
    """They are told apart by exact sums and by rationals alike."""
    random = np.random.default_rng(8)
    x = {
        "nearly even": np.linspace(0, 1, 600),
        "tenths": np.cumsum(random.integers(1, 3, 600)) / 10,
        "integers and noise": np.arange(600) + random.normal(size=600) * 1e-13,
    }[kind]
    weights = random.integers(1, most_weight + 1, len(x)).astype(np.uint64)
    ks = [7, 19, 100, 180, 290, 450, 480, 590, 598]
    decided = count_decisions(monkeypatch)
    by_sums = [prices.best_cuts(Problem(x, weights), k).tolist() for k in ks]
    if 256 in TIES_BITS:
        assert not decided
    monkeypatch.setattr(prices, "TIES_BITS", [64])
    assert by_sums == [prices.best_cuts(Problem(x, weights), k).tolist() for k in ks]
    assert len(decided) > 10 or most_weight > 2


def test_denominators_without_a_common_multiple(monkeypatch):
    """Of groups that weigh much, and differ, rationals are compared."""
    x = np.arange(70) * 0.1
    weights = np.resize(np.array([1_000_003, 1_000_033, 1_000_037], np.uint64), 70)
    decided = count_decisions(monkeypatch)
    for k in range(2, 69):
        found = prices.best_cuts(Problem(x, weights), k).tolist()
        assert found == exact_cuts(x, weights, k).tolist()
    assert decided


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
    assert ties.tied_edges(ties.Whole(np.arange(1000.0)), 10, 2e5, 1) is None
    for price in (1e-9, 0.0, -1.0, np.inf, np.nan):
        assert ties.tied_edges(ties.Whole(np.arange(100.0)), 50, price, 2) is None
    uneven = np.sort(np.random.default_rng(7).random(1000) ** 3)
    assert ties.tied_edges(ties.Whole(uneven**3), 500, 1e-9, 1) is None
    for bits, held in ((ties.NARROW_BITS, "are_narrow"), (ties.MOST_BITS, "bit")):
        wide = np.array([0.0, 1.0, 2.0**bits, 2.0**bits + 2.0 ** (bits - 50)])
        far = np.array([0.0, 2.0 ** (20 - bits), 1.0, 2.0**30])
        for x in (wide, uneven**3, far, np.arange(100.0) * 2.0**-600):
            assert not getattr(ties.Whole(x), held)
        assert ties.Whole(wide[:2] * 2.0**-90).bit == -90
    assert not ties.Whole(uneven).are_narrow
    assert ties.Whole(uneven).bit is not None
