"""Least costs at several prices at once, and at one: bounds, and the best cuts that they prove."""

from fractions import Fraction

import numpy as np
import pytest

from levelsnap import ascent, ladder, prices
from levelsnap.points import Problem
from levelsnap.rationals import exact_cuts
from levelsnap.tables import ISA, Isa

KINDS = {
    "normal": lambda random, n: random.normal(size=n),
    "lognormal": lambda random, n: random.lognormal(size=n, sigma=2),
    "uint16": lambda random, n: random.choice(3 * n, n, replace=False).astype(np.uint16),
    "gaps of 1 or 2": lambda random, n: np.cumsum(random.integers(1, 3, n)),
    "two alike": lambda random, n: np.concatenate([x := random.random(n // 2), x + 2]),
    "float32": lambda random, n: random.random(n).astype(np.float32),
    "clusters": lambda random, n: random.normal(size=n) * 1e-6 + random.integers(0, 5, n),
    "tiny": lambda random, n: random.random(n) * 1e-300,
}


def values_of(kind, random, n):
    return np.unique(KINDS[kind](random, n))


@pytest.mark.parametrize("isa", [isa for isa in Isa if isa <= ISA])
@pytest.mark.parametrize("kind", KINDS)
class TestInstructionSets:
    def test_climbs_bound_the_least_cost_from_below(self, kind, isa, monkeypatch):
        monkeypatch.setattr(ladder, "ISA", isa)
        monkeypatch.setattr(ascent, "ISA", isa)
        problem = Problem(values_of(kind, np.random.default_rng(3), 60), None)
        x = problem.separate()
        n = len(x)
        exact = [Fraction(v.item()) * Fraction(2) ** problem.exponent for v in problem.values]
        cost = {}
        for i in range(n):
            for j in range(i + 1, n + 1):
                mean = sum(exact[i:j]) / (j - i)
                cost[i, j] = sum((v - mean) ** 2 for v in exact[i:j])
        climber = ladder.Ladder(x, None, 2)
        for groups in (2, 10, 40):
            some = float(cost[0, n]) / groups**3 * 1.1 ** np.arange(8)
            assert climber.climb(some)
            for price, total in zip(climber.prices, climber.totals, strict=True):
                before = [Fraction(0)]
                for j in range(1, n + 1):
                    least = min(before[i] + cost[i, j] for i in range(j))
                    before.append(least + Fraction(price))
                assert Fraction(total) <= before[n] <= Fraction(total) * (1 + Fraction(1, 10**9))
            for which in (0, 5):
                price, edges, _ = climber.path(which)
                assert price == climber.prices[which] == pytest.approx(some[which], rel=1e-9)
                assert (edges[0], edges[-1]) == (0, n)
                pieces = zip(edges.tolist(), edges[1:].tolist(), strict=False)
                path = sum(cost[i, j] + Fraction(price) for i, j in pieces)
                assert path <= Fraction(climber.totals[which]) * (1 + Fraction(1, 10**9))
            self.check_ascent(x, some[5], cost)

    def check_ascent(self, x, price, cost):
        n = len(x)
        before, behind = [Fraction(0)], [Fraction(0)]
        for j in range(1, n + 1):
            before.append(min(before[i] + cost[i, j] for i in range(j)) + Fraction(price))
            back = min(behind[i] + cost[n - j, n - i] for i in range(j))
            behind.append(back + Fraction(price))
        climber = ascent.Ascent(x, n, 2)
        edges = climber.run(price)
        if edges is None:  # the values are too uneven
            return
        error = Fraction(price) / 1024
        for bounds, exact in zip(climber._least, (before, behind), strict=True):
            for bound, least in zip(bounds[: n + 1], exact, strict=True):
                assert least - error <= Fraction(bound) <= least
        pieces = list(zip(edges.tolist(), edges[1:].tolist(), strict=False))
        path = sum(cost[piece] + Fraction(price) for piece in pieces)
        assert (pieces[0][0], pieces[-1][1]) == (0, n)
        assert path <= before[n] + error
        limit = float(path) * (1 + 2**-40)
        if climber.is_only(edges, limit):
            # Any other cut there makes it cost more.
            through = [a + b for a, b in zip(before, reversed(behind), strict=True)]
            assert {j for j in range(n + 1) if through[j] <= limit} <= set(edges.tolist())

    def test_best_cuts(self, kind, isa, monkeypatch):
        for module in (ladder, ascent, prices):
            monkeypatch.setattr(module, "ISA", isa)
        for fewest in ("FEWEST_ASCENT", "FEWEST_LADDER"):
            monkeypatch.setattr(prices, fewest, 8)
        monkeypatch.setattr(ladder, "SAMPLE", 256)
        random = np.random.default_rng(4)
        for n, k in [(40, 3), (40, 39), (150, 20), (180, 90), (300, 10), (1100, 400)]:
            values = values_of(kind, random, n)
            k = min(k, len(values) - 1)
            cuts = prices.best_cuts(Problem(values, None), k, threads=1 + n % 2)
            if n < 1000:
                assert cuts.tolist() == exact_cuts(values, None, k).tolist()
            else:
                for fewest in ("FEWEST_ASCENT", "FEWEST_LADDER"):
                    monkeypatch.setattr(prices, fewest, n + 1)
                assert cuts.tolist() == prices.best_cuts(Problem(values, None), k).tolist()


def test_what_is_proved(monkeypatch):
    """Random values have a lone best path, which needs no passes."""
    random = np.random.default_rng(5)
    monkeypatch.setattr(prices, "Passes", None)
    for values in (random.normal(size=30_000), random.lognormal(size=30_000)):
        values.sort()
        for k in (300, 1500, 8000, 20_000):
            assert len(prices.best_cuts(Problem(values, None), k, threads=2)) == k - 1


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_that_move_on(threads):
    """Of many rows from far origins, bounds are still as close, and the one best path is proved."""
    x = np.sort(np.random.default_rng(8).random(40_000))
    problem = Problem(x, None)
    for k in (400, 9000, 30_000):
        cuts = prices.best_cuts(problem, k, threads=threads)
        edges = np.concatenate([[0], cuts, [len(x)]])
        (price, found, proved), *others = ladder.ladder_paths(
            problem.separate(), k, prices._dense_price(problem, k), threads
        )[0]
        assert proved
        assert not others
        assert found.tolist() == edges.tolist()
        climber = ladder.Ladder(problem.separate(), None, threads)
        assert climber.climb(price * (1 + 1e-6 * ladder.RUNGS))
        least = problem.cost(edges)[0] + climber.prices[ladder.LIKELIEST] * k
        assert climber.totals[ladder.LIKELIEST] == pytest.approx(least, rel=1e-10)


def test_rivals_of_the_best_path(monkeypatch):
    """What bounds do not tell apart is compared exactly, and a tie is left to others."""
    random = np.random.default_rng(9)
    x = np.cumsum(random.random(20_000))
    plain = ladder.Ladder(x, None, 1)
    assert plain.climb(3.0 * 1.01**ladder.RUNGS)
    assert plain.path(ladder.LIKELIEST)[2]
    paths, gaps, _ = plain._back(10_000, 10_000)
    for side in range(2):
        assert np.count_nonzero(gaps[side] < 1e-3) > 0
        assert plain._is_alone(side, paths[side], gaps[side], 1e-3)
        with monkeypatch.context() as patch:
            patch.setattr(plain, "_exact_cost", lambda *_: 0)
            assert not plain._is_alone(side, paths[side], gaps[side], 1e-3)
    tied = np.arange(20_000.0)  # groups of 2 and of 3 are equally good at this price
    even = ladder.Ladder(tied, None, 1)
    assert even.climb(2.5 * 1.001**ladder.RUNGS)
    assert not even.path(ladder.LIKELIEST)[2]


def test_where_groups_are_too_long():
    x = np.concatenate([np.arange(1000) * 1e-9, 1 + np.arange(1000)])
    assert not ladder.Ladder(x, None, 1).climb(np.full(8, 0.1))
    assert ladder.ladder_paths(x, 900, 0.1, 1)[0] == []
    assert ladder.longest_group(x, 900) > 500
    assert 15 < ladder.longest_group(np.arange(10_000.0), 500) < 25


def test_a_price_by_cells():
    """Cells of 8 values, and of 1 to many, give about the price of the values."""
    random = np.random.default_rng(6)
    x = np.sort(random.random(20_000))
    problem = Problem(x, None)
    for edges in (np.arange(0, 20_001, 8), np.unique(random.integers(1, 20_000, 2400))):
        edges = np.union1d(edges, [0, 20_000])
        w = np.diff(edges).astype(np.float64)
        means = np.add.reduceat(problem.deviation, edges[:-1]) / w
        price = ladder.about_price(means, w, 100, float(np.ptp(means)) ** 2 / 100, 0.2, 1.5, 1)
        groups = len(prices.Passes(problem.points, 1).run(price, 200)) - 1
        assert abs(groups - 100) <= 2
    price = ladder.gathered_price(problem.separate(), 100, price * 1.1, 5, 16, 1.5, 1)
    assert abs(len(prices.Passes(problem.points, 1).run(price, 200)) - 1 - 100) <= 2
