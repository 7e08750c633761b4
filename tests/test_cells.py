"""From coarse to fine: cuts of values gathered in cells, against those of all values one by one."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from test_kmeans1d import VALUES, WEIGHTS

from levelsnap import cells, kmeans1d
from levelsnap._kmeans1d import walk_sums
from levelsnap.points import Problem
from levelsnap.tables import ISA


@pytest.fixture
def divided(monkeypatch):
    """How many problems were solved from their cells."""
    solved = []
    best_cuts = cells.best_cuts

    def count(problem, k, **options):
        if problem.edges is not None:
            solved.append(problem)
        return best_cuts(problem, k, **options)

    monkeypatch.setattr(cells, "best_cuts", count)
    return solved


# Slow, as without cells: ties between weights that share no unit.
SLOW = {"huge ratios", "huger ratios"}
FEW = {"bool", "tight pairs", "trimodal"}


@pytest.mark.parametrize("weighting", [w for w in WEIGHTS if w not in SLOW])
@pytest.mark.parametrize("kind", [v for v in VALUES if v not in FEW])
def test_cuts_and_means_are_those_without_cells(kind, weighting, monkeypatch):
    random = np.random.default_rng(len(kind) + len(weighting))
    for least, each, values_each, block in [(4, 0, 1, 1), (8, 1, 2, 3), (32, 2, 4, 16)]:
        monkeypatch.setattr(cells, "LEAST_CELLS", least)
        monkeypatch.setattr(cells, "CELLS_EACH", each)
        monkeypatch.setattr(cells, "VALUES_EACH", values_each)
        monkeypatch.setattr(cells, "BLOCK", block)
        for n in (40, 600):
            values = VALUES[kind](random, n)
            weights = WEIGHTS[weighting](random, len(values))
            for k in (2, 3, 7):
                if k >= len(values):
                    continue
                whole = Problem(values, weights)
                expected = kmeans1d.optimal_cuts(whole, k)
                problem = kmeans1d.make_problem(values, weights, k, 1)
                cuts = kmeans1d.optimal_cuts(problem, k)
                assert cuts.tolist() == expected.tolist()
                edges = kmeans1d._edges(cuts, len(values))
                means = kmeans1d._means(problem, edges)
                assert means.tolist() == kmeans1d._means(whole, edges).tolist()


@pytest.mark.parametrize(
    "kind", ["normal", "lognormal", "two clusters", "zeros and more", "float32"]
)
@pytest.mark.parametrize("weighting", ["none", "counts"])
def test_many_values(kind, weighting, divided):
    """With the sizes that are used; what is divided is a small part of the values."""
    random = np.random.default_rng(1)
    n = 200_000
    values = np.unique(
        {
            "normal": lambda: random.normal(size=n),
            "lognormal": lambda: random.lognormal(0, 2, n),
            "two clusters": lambda: np.append(random.normal(size=n), 1000 + random.normal(size=n)),
            "zeros and more": lambda: np.maximum(random.normal(size=2 * n), 0),
            "float32": lambda: random.normal(size=n).astype(np.float32),
        }[kind]()
    )
    weights = None if weighting == "none" else random.integers(1, 9, len(values)).astype(np.uint64)
    if kind == "zeros and more" and weights is not None:
        weights[0] = n
    whole = Problem(values, weights, 2)
    for k in (2, 8, 20):
        problem = kmeans1d.make_problem(values, weights, k, 2)
        cuts = kmeans1d.optimal_cuts(problem, k, threads=2)
        assert cuts.tolist() == kmeans1d.best_cuts(whole, k, threads=2).tolist()
        assert len(divided.pop().points) < len(values) / 4
        assert divided == []


def test_ties_of_cells_are_settled(divided):
    """Equally good cuts in cells far apart: the lowest ones."""
    row = np.arange(20_000)
    values = np.concatenate([row, 40_000 + row, 80_000 + row, 120_000 + row])
    for k in (4, 5, 6):
        problem = kmeans1d.make_problem(values, None, k, 1)
        cuts = kmeans1d.optimal_cuts(problem, k)
        assert cuts.tolist() == kmeans1d.best_cuts(Problem(values, None), k).tolist()
    assert divided


def test_other_points_have_the_same_sums():
    """Sums that are exact do not depend on the way to them."""
    random = np.random.default_rng(0)
    values = np.unique(random.integers(-(10**6), 10**6, 5000))
    n = len(values)
    for weights in (None, random.integers(1, 100, n).astype(np.uint64)):
        whole = Problem(values, weights)
        for _ in range(20):
            some = np.unique(np.append(random.integers(0, n, 40), [0, n // 2, n]))
            others = np.unique(np.append(random.integers(0, n, 60), [0, n]))
            for points in (Problem(values, weights, 1, some), whole.at(some)):
                np.testing.assert_array_equal(points.sums, whole.sums[:, some])
                other = points.at(others)
                np.testing.assert_array_equal(other.sums, whole.sums[:, others])
                np.testing.assert_array_equal(other.deviation, whole.deviation[others[:-1]])
                np.testing.assert_array_equal(other.last, whole.deviation[others[1:] - 1])


@pytest.mark.parametrize("isa", range(ISA + 1))
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("part", [0, 30])
def test_sums_are_within_their_bounds(isa, weighted, part):
    random = np.random.default_rng(isa)
    for n in (*range(1, 40), 1000):
        additions = min(n, part + n // part + 1) if part else n
        deviation = np.sort(random.lognormal(0, 3, n))
        rest = deviation * random.uniform(-1, 1, n) * 2.0**-54
        weights = random.lognormal(0, 3, n) if weighted else None
        for upward in (True, False):
            positions = np.unique(random.integers(0, n, 3)) + upward
            state, sums = np.zeros(6), np.empty((6, len(positions)))
            start = 0 if upward else n
            walk_sums(deviation, rest, weights, state, start, part, isa, positions, sums)
            for position, column in [*zip(positions, sums.T, strict=True), (n * upward, state)]:
                taken = slice(position) if upward else slice(position, n)
                w = [Fraction(1)] * n if weights is None else list(map(Fraction, weights))
                d = [Fraction(x) + Fraction(r) for x, r in zip(deviation, rest, strict=True)]
                exact = [
                    sum(
                        (a * b**power for a, b in zip(w[taken], d[taken], strict=True)), Fraction(0)
                    )
                    for power in (1, 2, 0)
                ]
                for hi, lo, x in zip(column[::2], column[1::2], exact, strict=True):
                    found = (Fraction(hi) + Fraction(lo)) * (1 if upward else -1)
                    assert abs(found - x) <= Fraction(additions + 16, 2**104) * x


@pytest.mark.parametrize("kind", ["int64", "float64"])
def test_excess_is_at_least_what_it_may_cost(kind):
    """Where deviations from the median are rounded, to steps that are wider than some cells."""
    random = np.random.default_rng(2)
    for _ in range(100):
        far = np.unique(random.integers(0, 9000, 20))
        values = np.append(np.arange(-21, 0) - 2**62, far + 2**62 - 2**14)
        if kind == "float64":
            # Below 1 there are twice as many floats as beyond it, where the deviations are.
            values = np.append(np.arange(-21, 0) / 64, 1 - np.unique(far // 600) * 2.0**-53 * 3)
            values = np.sort(values)
        n = len(values)
        edges = np.unique(np.append(random.integers(0, n, 12), [0, n // 2, n]))
        problem = Problem(values, None, 1, edges)
        reach = np.full(len(edges) - 1, random.uniform(0, 1) * 2.0 ** random.uniform(10, 60))
        reach *= 2.0**problem.exponent if kind == "int64" else 2.0 ** (problem.exponent - 60)
        excess = cells._excess(problem, reach)
        for cell, (start, stop) in enumerate(pairwise(edges)):
            width = Fraction(values[stop - 1].item()) - Fraction(values[start].item())
            width *= Fraction(2) ** problem.exponent
            least = int(stop - start) * width * max(Fraction(reach[cell]) / 2, 4 * width)
            assert excess[cell] >= least


def test_weights_whose_sum_is_beyond_floats(divided):
    values = np.sort(np.random.default_rng(4).normal(size=80_000))
    problem = kmeans1d.make_problem(values, np.full(80_000, 1e305), 3, 1)
    cuts = kmeans1d.optimal_cuts(problem, 3)
    assert divided
    assert cuts.tolist() == kmeans1d.best_cuts(Problem(values, None), 3).tolist()
