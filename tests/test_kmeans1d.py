"""Optimal cuts and correctly rounded means, against exact rational arithmetic."""

import itertools
import signal
import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from levelsnap import kmeans1d, prices, runs
from levelsnap._kmeans1d import round_means
from levelsnap.cells import cell_edges
from levelsnap.points import Problem
from levelsnap.rationals import exact_cuts
from levelsnap.tables import ISA, Isa


def optimal_cuts(values, weights, k, **options):
    return kmeans1d.optimal_cuts(Problem(values, weights), k, **options)


def group_means(values, weights, cuts):
    return kmeans1d.group_means(Problem(values, weights), cuts)


def lloyd_cuts(values, weights, k, **options):
    return kmeans1d.lloyd_cuts(Problem(values, weights), k, **options)


def grid_cuts(values, weights, k, cells=1 << 20):
    problem = Problem(values, weights, 1, cell_edges(values, max(cells, k)))
    cuts, gap = kmeans1d.Grid(problem, 1).cuts(k)
    return cuts, gap


HUGE = np.finfo(np.float64).max


def exact(array):
    """Values as rationals; a float is one, and Fraction takes it without rounding."""
    return [Fraction(x) for x in array.tolist()]


def exact_costs(values, weights):
    """cost[i, j] of the group values[i:j]."""
    x = exact(values)
    w = [Fraction(1)] * len(x) if weights is None else exact(weights)
    cost = {}
    for i in range(len(x)):
        total, first, second = Fraction(0), Fraction(0), Fraction(0)
        for j in range(i + 1, len(x) + 1):
            d = x[j - 1] - x[i]
            total += w[j - 1]
            first += w[j - 1] * d
            second += w[j - 1] * d * d
            cost[i, j] = second - first * first / total
    return cost


def brute_force(values, weights, k):
    """The lowest of all best cut vectors; that one of them is lowest everywhere is checked too."""
    n = len(values)
    cost = exact_costs(values, weights)
    vectors = list(itertools.combinations(range(1, n), k - 1))
    totals = [sum(cost[group] for group in itertools.pairwise((0, *cuts, n))) for cuts in vectors]
    best = [cuts for cuts, total in zip(vectors, totals, strict=True) if total == min(totals)]
    lowest = tuple(map(min, zip(*best, strict=True)))
    assert lowest in best
    return list(lowest)


def exact_program(values, weights, k_max):
    """The lowest best cuts for every k up to k_max, by the textbook O(k n**2) program."""
    n = len(values)
    cost = exact_costs(values, weights)
    least = {0: Fraction(0)}
    last_cuts, answers = [], []
    for k in range(1, k_max + 1):
        chosen = {
            j: min((i for i in least if i < j), key=lambda i, j=j: least[i] + cost[i, j])
            for j in range(k, n + 1)
        }
        least = {j: least[i] + cost[i, j] for j, i in chosen.items()}
        last_cuts.append(chosen)
        cuts = [n]
        for layer in reversed(last_cuts):
            cuts.append(layer[cuts[-1]])
        answers.append(cuts[-2:0:-1])
    return answers


def exact_means(values, weights, cuts):
    x = exact(values)
    w = [Fraction(1)] * len(x) if weights is None else exact(weights)
    means = []
    for i, j in itertools.pairwise([0, *cuts, len(x)]):
        mean = sum(a * b for a, b in zip(w[i:j], x[i:j], strict=True)) / sum(w[i:j])
        means.append(mean.numerator / mean.denominator)  # correctly rounded by Python
    return means


def following(start, steps):
    """Floats that are `steps` units in the last place apart."""
    return np.cumsum([np.float64(start), *(np.spacing(start) * np.asarray(steps))])


def few(dtype, low, high):
    return lambda random, n: np.unique(random.integers(low, high, n)).astype(dtype)


def join(*parts):
    return lambda random, n: np.unique(np.concatenate([part(random, n) for part in parts]))


def constant(*values, dtype=np.float64):
    return lambda random, n: np.array(values, dtype)


def log_uniform(low, high):
    return lambda random, n: np.unique(10.0 ** random.uniform(low, high, n))


VALUES = {
    "uint8 with ties": few(np.uint8, 0, 14),
    "int16": few(np.int16, -400, 400),
    "float16": few(np.float16, 0, 30),
    "bool": lambda random, n: np.array([False, True]),
    "equal spacings": lambda random, n: np.arange(n) * np.float64(random.choice([0.1, 3, 1e200])),
    "almost equal spacings": lambda random, n: np.delete(np.arange(n + 1), random.integers(n)),
    "normal": lambda random, n: np.unique(random.normal(size=n)),
    "float32": lambda random, n: np.unique(random.normal(size=n).astype(np.float32)),
    "1e9 and a little": lambda random, n: 1e9 + np.unique(random.integers(0, n + 4, n)),
    "1e9 and a little, float32": lambda random, n: (2**30 + 128 * np.arange(n)).astype(np.float32),
    "seconds": lambda random, n: 1_700_000_000 + np.unique(random.integers(0, 86400, n)),
    "nanoseconds": lambda random, n: 1_700_000_000 * 10**9 + np.unique(random.integers(0, 50, n)),
    "int64 extremes": join(
        constant(-(2**63), -(2**63) + 1, 2**63 - 2, 2**63 - 1, dtype=np.int64),
        few(np.int64, -3, 3),
    ),
    "uint64 extremes": join(
        constant(2**64 - 3, 2**64 - 1, 2**63, 2**63 + 1, dtype=np.uint64), few(np.uint64, 0, 5)
    ),
    "int64 beyond float64": lambda random, n: 2**62 + np.unique(random.integers(0, 3 * n, n)),
    "nodata": join(constant(-3.4e38), few(np.float64, 0, 3000)),
    "largest nodata": join(constant(-HUGE), few(np.float64, 0, 3000)),
    "nodata at both ends": join(constant(-HUGE, HUGE), few(np.float64, 0, 30)),
    "many extremes": join(
        lambda random, n: 1e300 * random.normal(size=n // 2),
        lambda random, n: random.normal(size=n // 2),
    ),
    "1e300 beside 1e-300": log_uniform(-300, 300),
    "16 decades": log_uniform(-8, 8),
    "subnormal": lambda random, n: np.unique(random.integers(-99, 99, n)) * 5e-324,
    "tight pairs": lambda random, n: np.array([-1e9, -1e9 + 1e-3, 1e9, 1e9 + 1e-3]),
    "tight groups": join(
        lambda random, n: -1e9 + random.integers(0, 9, n // 2) * 2.0**-20,
        lambda random, n: 1e9 + random.integers(0, 9, n // 2) * 2.0**-20,
    ),
    "adjacent floats": lambda random, n: following(1.0, random.integers(1, 3, n)),
    "gaps of 1 or 2": lambda random, n: np.cumsum(random.integers(1, 3, n)),
    "gaps that repeat": lambda random, n: np.cumsum(np.tile(random.integers(1, 6, 3), n)[:n]),
    "two rows far apart": lambda random, n: np.append(
        np.arange(n // 2), 10**18 + np.arange(n // 2)
    ),
    "four rows far apart": lambda random, n: np.concatenate(
        [c + np.arange((n + 3) // 4) for c in (-(2**62), -(2**50), 2**55, 2**62)]
    ),
    "trimodal": lambda random, n: np.concatenate([np.arange(n // 3) + c for c in (0, 64, 128)]),
}

WEIGHTS = {
    "none": lambda random, n: None,
    "equal": lambda random, n: np.full(n, 0.3),
    "counts": lambda random, n: random.integers(1, 5, n).astype(np.uint64),
    "large counts": lambda random, n: random.integers(1, 2**52, n).astype(np.uint64),
    "counts beyond float64": lambda random, n: 2**63 + random.integers(0, 9, n).astype(np.uint64),
    "huge ratios": lambda random, n: 10.0 ** random.uniform(-18, 18, n),
    "huger ratios": lambda random, n: 10.0 ** random.uniform(-300, 300, n),
}


@pytest.mark.parametrize("weighting", WEIGHTS)
@pytest.mark.parametrize("kind", VALUES)
def test_cuts_and_means_equal_brute_force(kind, weighting):
    random = np.random.default_rng(len(kind) + len(weighting))
    for n in (2, 5, 7):
        values = VALUES[kind](random, n)
        values = values[np.sort(random.permutation(len(values))[:8])]
        weights = WEIGHTS[weighting](random, len(values))
        for k in range(1, len(values) + 1):
            cuts = optimal_cuts(values, weights, k)
            assert cuts.dtype == np.int64
            assert cuts.tolist() == brute_force(values, weights, k)
            means = exact_means(values, weights, cuts.tolist())
            if len(set(means)) == k:
                centers = group_means(values, weights, cuts)
                assert centers.dtype == np.float64
                assert centers.tolist() == means
            else:
                with pytest.raises(ValueError, match="the same float64"):
                    group_means(values, weights, cuts)


def test_small_integers_with_ties():
    random = np.random.default_rng(3)
    for _ in range(300):
        values = np.unique(random.integers(0, 16, 9))
        weights = random.integers(1, 4, len(values)).astype(np.uint64)
        k = int(random.integers(1, len(values) + 1))
        for given in (None, weights):
            assert optimal_cuts(values, given, k).tolist() == brute_force(values, given, k)


@pytest.mark.parametrize("weighting", ["none", "counts", "huge ratios", "huger ratios"])
@pytest.mark.parametrize("kind", VALUES)
def test_cuts_equal_an_exact_program(kind, weighting):
    random = np.random.default_rng(5)
    values = VALUES[kind](random, 24 if weighting == "huger ratios" else 40)
    weights = WEIGHTS[weighting](random, len(values))
    for k, cuts in enumerate(exact_program(values, weights, min(5, len(values))), 1):
        assert optimal_cuts(values, weights, k).tolist() == cuts
        assert _means(values, weights, cuts) == exact_means(values, weights, cuts)


def _means(values, weights, cuts):
    problem = Problem(values, weights)
    return kmeans1d._means(problem, kmeans1d._edges(cuts, len(values))).tolist()


@pytest.mark.parametrize("kind", ["normal", "nodata", "uint8 with ties", "16 decades", "trimodal"])
@pytest.mark.parametrize("weighting", ["none", "counts", "huge ratios"])
def test_exact_program_alone(kind, weighting):
    """What is used if the search for a price fails gives the same."""
    random = np.random.default_rng(8)
    values = VALUES[kind](random, 40)
    weights = WEIGHTS[weighting](random, len(values))
    for k in range(1, 9):
        assert exact_cuts(values, weights, k).tolist() == optimal_cuts(values, weights, k).tolist()


@pytest.mark.parametrize("n", [2, 3, 10, 255, 256])
def test_equal_spacing(n):
    """Sizes differ by at most one, the smaller groups first; the search finds the same."""
    values = np.arange(n)
    for k in range(1, n + 1):
        sizes = np.sort(np.bincount(np.arange(n) % k))
        expected = np.cumsum(sizes)[:-1].tolist()
        assert optimal_cuts(values, None, k).tolist() == expected
        assert optimal_cuts(values * 2.0**-1060, None, k).tolist() == expected
        if 1 < k < n:
            assert prices.best_cuts(Problem(values, None), k).tolist() == expected


@pytest.mark.parametrize("isa", [isa for isa in Isa if isa <= ISA])
@pytest.mark.parametrize(("bits", "heaviest"), [(20, 1 << 40), (38, 1 << 15), (43, 30), (52, 1)])
def test_sums_beside_weights_are_exact(bits, heaviest, isa, monkeypatch):
    """Where the sum of squares takes at most 102 bits; both value by value and in cells."""
    monkeypatch.setattr("levelsnap.points.ISA", isa)
    random = np.random.default_rng(10)
    values = np.unique(random.integers(0, 1 << bits, 600)) / 8.0
    n = len(values)
    positions = np.union1d(np.arange(0, n, 20), [n // 2, n])
    d = [x - exact(values)[n // 2] for x in exact(values)]
    for factor in (1, 1 << 40):  # of which the larger one is too much, but for few bits
        weights = random.integers(1, heaviest + 1, n).astype(np.uint64) * np.uint64(factor)
        w = exact(weights)
        terms = [[w[i] * d[i] ** power for i in range(n)] for power in (1, 2, 0)]
        fit = 64 * sum(terms[1]) < 2**102 and sum(w) < 2**52
        before = [list(itertools.accumulate(term, initial=Fraction(0))) for term in terms]
        for edges in (None, positions):
            problem = Problem(values, weights, 1, edges)
            assert (problem.units[0] > 0) == fit
            if fit:
                at = range(n + 1) if edges is None else edges
                scale = Fraction(2) ** problem.exponent
                pairs = problem.sums.reshape(3, 2, -1)
                for row, scaled, pair in zip(before, (scale, scale**2, 1), pairs, strict=True):
                    exactly = [(row[i] - row[n // 2]) * scaled for i in at]
                    assert [sum(both) for both in zip(*map(exact, pair), strict=True)] == exactly


@pytest.mark.parametrize("weighting", WEIGHTS)
@pytest.mark.parametrize("kind", VALUES)
def test_costs_are_as_near_as_their_errors_say(kind, weighting):
    random = np.random.default_rng(12)
    values = VALUES[kind](random, 45)
    weights = WEIGHTS[weighting](random, len(values))
    problem = Problem(values, weights)
    unit = Fraction(2) ** problem.cost_exponent
    for (i, j), cost in exact_costs(values, weights).items():
        found, error = exact(problem.costs(np.array([i, j]))[:, 0])
        assert abs(found - cost * unit) <= error + found / 2**52  # which is rounded to a double
        # Of neighbours no more is lost beside values that are far away.
        if kind in ("normal", "16 decades", "nodata") and weighting in ("none", "counts"):
            assert error <= cost * unit / 2**51 or j - i > 32


@pytest.mark.parametrize("most_weight", [1, 3, 10**6])
@pytest.mark.parametrize("kind", ["float32", "decades", "huge"])
def test_nearly_as_many_groups_as_values(kind, most_weight):
    """Few pairs are left together, which differ from each other by a small part of the range."""
    random = np.random.default_rng(9)
    values = {
        "float32": np.unique(np.exp(random.normal(size=150)).astype(np.float32)),
        "decades": np.logspace(-100, 100, 150),
        "huge": np.arange(150) * 1.1e306,
    }[kind]
    n = len(values)
    weights = random.integers(1, most_weight + 1, n).astype(np.uint64)
    for k in (n - 1, n - 2, n - 5, n - 30, n // 2):
        expected = exact_cuts(values, weights, k).tolist()
        assert optimal_cuts(values, weights, k).tolist() == expected
        if most_weight == 1:
            assert optimal_cuts(values, None, k).tolist() == expected
            means = kmeans1d.optimal_means(values, None, k).tolist()
            for equal in (1, 7):
                weights = np.full(n, equal, np.uint64)
                assert kmeans1d.optimal_means(values, weights, k).tolist() == means


def test_too_many_values(monkeypatch):
    monkeypatch.setattr(prices, "MOST_VALUES", 10)
    with pytest.raises(ValueError, match="11 distinct values; at most 10 are accepted"):
        prices.best_cuts(Problem(np.array([0, *np.arange(2, 12)]), None), 3)


def test_straight_piece():
    """Each further group divides a pair, and all pairs are alike: the lowest ones are divided."""
    pairs = 300
    values = np.sort(np.concatenate([10 * np.arange(pairs), 10 * np.arange(pairs) + 1]))
    for k in (pairs, pairs + 1, pairs + 150, 2 * pairs - 1):
        lowest = np.arange(1, 2 * (k - pairs) + 1)
        rest = np.arange(2 * (k - pairs), 2 * pairs, 2)
        expected = np.union1d(lowest, rest)
        expected = expected[expected > 0]
        assert optimal_cuts(values, None, k).tolist() == expected[: k - 1].tolist()


@pytest.mark.parametrize("isa", [isa for isa in Isa if isa <= ISA])
class TestInstructionSets:
    @pytest.mark.parametrize("weighting", WEIGHTS)
    @pytest.mark.parametrize("kind", VALUES)
    def test_passes_bound_the_least_cost_from_below(self, kind, weighting, isa, monkeypatch):
        monkeypatch.setattr(prices, "ISA", isa)
        random = np.random.default_rng(11)
        values = VALUES[kind](random, 36)
        weights = WEIGHTS[weighting](random, len(values))
        problem, n = Problem(values, weights), len(values)
        cost = exact_costs(values, weights)
        unit = Fraction(2) ** problem.cost_exponent
        passes = prices.Passes(problem.points, 1)
        for part in (3, 40, 1000):
            price = float(cost[0, n] * unit) / part
            if not 0 < price < np.inf:
                continue
            passes.run(price, 4)
            passes.complete()
            before, after = [Fraction(0)], {n: Fraction(0)}
            for j in range(1, n + 1):
                least = min(before[i] + cost[i, j] * unit for i in range(j))
                before.append(least + Fraction(price))
            for i in range(n - 1, -1, -1):
                least = min(after[j] + cost[i, j] * unit for j in range(i + 1, n + 1))
                after[i] = least + Fraction(price)
            for j in range(n + 1):
                assert Fraction(passes.least[0, j]) <= before[j]
                assert Fraction(passes.least[1, j]) <= after[j]
            if kind == "normal" and weighting in ("none", "counts"):
                assert passes.least[0, n] >= (1 - 1e-9) * before[n]
                assert passes.least[1, 0] >= (1 - 1e-9) * before[n]

    @pytest.mark.parametrize("mirrored", [False, True])
    def test_a_group_that_holds_most_values(self, mirrored, isa, monkeypatch):
        """Its steps are settled apart. Sums of these integers are exact in floats."""
        monkeypatch.setattr(prices, "ISA", isa)
        values = np.concatenate([np.arange(4500), 4500 + 40 * np.arange(1, 300)])
        if mirrored:
            values = values.max() - values[::-1]
        n = len(values)
        s1, s2 = (
            np.concatenate([[0], np.cumsum(x)]).astype(np.float64) for x in (values, values**2)
        )
        price = 1.2 * 3600**3 / 12
        before, after = np.zeros((2, n + 1))
        for j in range(1, n + 1):
            cost = s2[j] - s2[:j] - (s1[j] - s1[:j]) ** 2 / (j - np.arange(j))
            before[j] = price + (before[:j] + cost).min()
        for i in range(n - 1, -1, -1):
            cost = s2[i + 1 :] - s2[i] - (s1[i + 1 :] - s1[i]) ** 2 / np.arange(1, n - i + 1)
            after[i] = price + (after[i + 1 :] + cost).min()
        problem = Problem(values, None)
        passes = prices.Passes(problem.points, 1)
        passes.run(price, 100)
        passes.complete()
        for least, exact_least in zip(passes.least, (before, after), strict=True):
            assert (least <= exact_least * (1 + 1e-13)).all()
            assert (least >= exact_least * (1 - 1e-9)).all()

    @pytest.mark.parametrize("kind", ["normal", "16 decades", "nodata", "seconds", "tight groups"])
    @pytest.mark.parametrize("weighting", ["none", "counts", "huge ratios"])
    def test_same_cuts(self, kind, weighting, isa, monkeypatch):
        random = np.random.default_rng(12)
        values = VALUES[kind](random, 1500)
        weights = WEIGHTS[weighting](random, len(values))
        expected = {k: optimal_cuts(values, weights, k).tolist() for k in (2, 5, 12)}
        monkeypatch.setattr(prices, "ISA", isa)
        for threads in (1, 2):
            for k, cuts in expected.items():
                assert optimal_cuts(values, weights, k, threads=threads).tolist() == cuts


@pytest.mark.parametrize("isa", [isa for isa in Isa if isa <= ISA])
@pytest.mark.parametrize("weighting", WEIGHTS)
@pytest.mark.parametrize("kind", VALUES)
def test_few_groups_by_layers(kind, weighting, isa, monkeypatch):
    monkeypatch.setattr(kmeans1d, "ISA", isa)
    random = np.random.default_rng(21)
    values = VALUES[kind](random, 36)
    weights = WEIGHTS[weighting](random, len(values))
    for k, expected in enumerate(exact_program(values, weights, min(7, len(values))), 1):
        cuts = kmeans1d.layer_cuts(Problem(values, weights), k) if k > 1 else None
        if cuts is not None:
            assert cuts.tolist() == expected
        assert cuts is not None or k == 1 or (kind, weighting) != ("normal", "none")


@pytest.mark.parametrize("weighting", WEIGHTS)
@pytest.mark.parametrize("kind", VALUES)
def test_means_of_few_groups_in_one_call(kind, weighting, monkeypatch):
    random = np.random.default_rng(22)
    values = VALUES[kind](random, 20)
    weights = WEIGHTS[weighting](random, len(values))
    if (kind, weighting) == ("normal", "none"):
        monkeypatch.delattr(kmeans1d, "make_problem")
    for k, cuts in enumerate(exact_program(values, weights, min(5, len(values))), 1):
        expected = list(exact_means(values, weights, cuts))
        calls = []
        options = {"progress": lambda *call, calls=calls: calls.append(call)}
        if k == 1:
            continue
        if len(set(expected)) < k:
            with pytest.raises(ValueError, match="are the same float64"):
                kmeans1d.optimal_means(values, weights, k, **options)
        else:
            assert kmeans1d.optimal_means(values, weights, k, **options).tolist() == expected
            done, total = calls[-1]
            assert done == total


@pytest.mark.parametrize("k", [3, 8, 100, 256])
def test_sixteen_bit_ties(k):
    values = np.arange(65536, dtype=np.uint16)
    sizes = np.diff([0, *optimal_cuts(values, None, k).tolist(), 65536])
    assert sizes.tolist() == [65536 // k] * (k - 65536 % k) + [65536 // k + 1] * (65536 % k)


@pytest.mark.parametrize(
    ("values", "k", "expected"),
    [
        ([0, 1, 10, 11, 20, 21], 2, [2]),
        ([0.0, 1.0, 3.0, 4.0], 3, [1, 2]),
        ([-1.0, 0.0, 1.0], 2, [1]),
    ],
)
def test_lowest_of_equally_good_cuts(values, k, expected):
    assert optimal_cuts(np.array(values), None, k).tolist() == expected


def all_but(random, n, missing):
    return np.sort(random.permutation(n + missing)[:n])


TIED = {
    "all but one": lambda random, n: all_but(random, n, 1),
    "all but 20": lambda random, n: all_but(random, n, 20),
    "gaps of 1 or 2": VALUES["gaps of 1 or 2"],
    "gaps that repeat": VALUES["gaps that repeat"],
    "two rows far apart": VALUES["two rows far apart"],
    "two rows with gaps, far apart": lambda random, n: np.concatenate(
        [all_but(random, n // 2, 3), 2**60 + all_but(random, n // 2, 3)]
    ),
    "three rows": lambda random, n: np.concatenate(
        [np.arange(n // 3) + c * 10**7 for c in range(3)]
    ),
    "halves": lambda random, n: all_but(random, n, 5) / 2 - 20,
}


@pytest.mark.parametrize("isa", [isa for isa in Isa if isa <= ISA])
@pytest.mark.parametrize("kind", TIED)
def test_ties_against_the_exact_program(kind, isa, monkeypatch):
    monkeypatch.setattr(prices, "ISA", isa)
    random = np.random.default_rng(13)
    values = TIED[kind](random, 180)
    counts = random.integers(1, 3, len(values)).astype(np.uint64)
    for k in (2, 9, 30, 70):
        for weights in (None, counts):
            expected = exact_cuts(values, weights, k).tolist()
            assert optimal_cuts(values, weights, k).tolist() == expected


def uneven_runs(random, n):
    gaps = np.repeat(random.integers(1, 5, 4), random.integers(1, n // 2, 4))
    return np.append(0, np.cumsum(gaps))


RUNS = {
    "all but one": lambda random, n: all_but(random, n, 1),
    "all but 4": lambda random, n: all_but(random, n, 4),
    "runs of other gaps": uneven_runs,
    "uint16": lambda random, n: (1000 + 3 * all_but(random, n, 1)).astype(np.uint16),
    "float32": lambda random, n: (all_but(random, n, 2) / 512 - 7).astype(np.float32),
}


@pytest.mark.parametrize("isa", [isa for isa in Isa if isa <= ISA])
@pytest.mark.parametrize("kind", RUNS)
def test_long_even_runs(kind, isa, monkeypatch):
    monkeypatch.setattr(runs, "ISA", isa)
    monkeypatch.setattr(runs, "FEWEST_VALUES", 8)
    monkeypatch.setattr(runs, "SAVING", 1)
    random = np.random.default_rng(19)
    used = 0
    for _ in range(40):
        values = RUNS[kind](random, int(random.integers(20, 120)))
        for k in random.integers(2, len(values) - 1, 3).tolist():
            cuts = runs.run_cuts(Problem(values, None), k)
            if cuts is not None:
                used += 1
                assert cuts.tolist() == exact_cuts(values, None, k).tolist()
    assert used > 40


@pytest.mark.parametrize("k", [100, 256, 999, 7000, 21_000])
def test_long_even_runs_against_the_search_for_prices(k):
    values = all_but(np.random.default_rng(20), 30_000, 7)
    problem = Problem(values, None)
    assert runs.run_cuts(problem, k).tolist() == prices.best_cuts(problem, k).tolist()


@pytest.mark.parametrize("k", [60, 1000, 10_000])
@pytest.mark.parametrize("kind", ["all but one", "all but 20", "gaps of 1 or 2"])
def test_many_ties(kind, k):
    values = TIED[kind](np.random.default_rng(14), 30_000)
    n = len(values)
    s1, s2 = (np.concatenate([[0], np.cumsum(x)]) for x in (values, values**2))

    def cost(i, j):
        return Fraction(int((s2[j] - s2[i]) * (j - i) - (s1[j] - s1[i]) ** 2), int(j - i))

    def total(cuts):
        return sum(cost(i, j) for i, j in itertools.pairwise([0, *cuts.tolist(), n]))

    cuts, more = (optimal_cuts(values, None, groups) for groups in (k, k + 1))
    assert optimal_cuts(values, None, k, threads=2).tolist() == cuts.tolist()
    # With a price for each group, any groups cost at least this, by a plain program. No group of an
    # optimum has three times as many values as there are on average.
    price = float(total(cuts) - total(more))
    least, window = np.zeros(n + 1), 3 * n // k + 3
    for j in range(1, n + 1):
        i = np.arange(max(j - window, 0), j)
        costs = ((s2[j] - s2[i]) * (j - i) - (s1[j] - s1[i]) ** 2) / (j - i)
        least[j] = (least[i] + costs).min() + price
    assert float(total(cuts)) <= (least[n] - k * price) * (1 + 1e-9)
    # No cut can be lower by one for the same cost.
    for a, b, c in zip([0, *cuts[:-1]], cuts, [*cuts[1:], n], strict=True):
        assert b - 1 == a or cost(a, b - 1) + cost(b - 1, c) > cost(a, b) + cost(b, c)


def test_far_apart_ties_of_many_values():
    """Two equally good cuts with thousands of worse ones between them."""
    cluster = np.unique(np.random.default_rng(1).integers(0, 2**20, 2000))
    cluster = np.union1d(cluster, 2**20 - cluster)
    values = np.concatenate([cluster + c * 2**23 for c in range(3)])
    assert optimal_cuts(values, None, 2).tolist() == [len(cluster)]


def test_many_indistinguishable_values():
    """The quick path gives up rather than compare every pair; the answer is the same."""
    random = np.random.default_rng(2)
    few_extremes = 1e300 * np.arange(1, 7) ** 3
    values = np.concatenate([np.unique(random.normal(size=1500)), few_extremes])
    cuts = optimal_cuts(values, None, 4).tolist()
    assert cuts == [1502, 1504, 1505]


def test_outliers_leave_the_rest_to_the_quick_path():
    bulk = np.unique(np.random.default_rng(4).normal(size=5000))
    values = np.concatenate([[-HUGE], bulk, [HUGE]])
    inner = optimal_cuts(bulk, None, 6)
    n = len(bulk)
    assert optimal_cuts(values, None, 8).tolist() == [1, *(inner + 1).tolist(), n + 1]


def test_larger_problem_against_a_plain_program():
    """n = 2,000 well-scaled values in float64, by an O(k n**2) program over matrices."""
    values = np.unique(np.random.default_rng(6).normal(size=2000))
    n, k_max = len(values), 6
    s1, s2 = (np.concatenate([[0], np.cumsum(x)]) for x in (values, values**2))
    i, j = np.ogrid[: n + 1, : n + 1]
    with np.errstate(all="ignore"):
        cost = np.where(j > i, s2[j] - s2[i] - (s1[j] - s1[i]) ** 2 / (j - i), np.inf)
    least, chosen = cost[0], []
    for k in range(2, k_max + 1):
        totals = least[:, None] + cost
        chosen.append(totals.argmin(axis=0))
        least = totals.min(axis=0)
        cuts = [n]
        for layer in reversed(chosen):
            cuts.append(int(layer[cuts[-1]]))
        assert optimal_cuts(values, None, k).tolist() == cuts[:0:-1]


def test_means_of_many_groups_are_correctly_rounded():
    random = np.random.default_rng(9)
    for values in (
        np.unique(random.normal(size=400)),
        np.unique(random.integers(2**62, 2**62 + 2**20, 400)),
        np.unique(random.integers(0, 2**16, 400)).astype(np.float32),
        np.concatenate([-np.arange(200, 0, -1), np.arange(1, 201)]) * 1e-310,
    ):
        for weights in (None, random.random(len(values)) ** 8 + 1e-9):
            cuts = np.unique(random.integers(1, len(values), 60))
            assert _means(values, weights, cuts) == exact_means(values, weights, cuts.tolist())


@pytest.mark.parametrize("scale", [1.0, 2.0**-1050, 2.0**1023])
@pytest.mark.parametrize("size", [2, 4, 10])
def test_means_of_small_groups(scale, size):
    """Many of them lie halfway between two floats."""
    random = np.random.default_rng(9)
    values = np.sort(random.random(400)) * scale
    cuts = np.arange(size, 400, size)
    for weights in (None, random.integers(1, 4, 400).astype(np.uint64)):
        assert _means(values, weights, cuts) == exact_means(values, weights, cuts.tolist())


def test_means_from_their_neighbours():
    random = np.random.default_rng(10)
    values = np.sort(1 + random.integers(-300, 600, 400) * 2.0**-53)
    edges = np.arange(0, 401, 4)
    for weights in (None, random.integers(1, 4, 400) / 4):
        right = np.array(exact_means(values, weights, edges[1:-1].tolist()))
        for direction in (-np.inf, 0.0, np.inf):
            means = np.nextafter(right, direction) if direction else right.copy()
            safe = np.zeros(len(means), np.uint8)
            round_means(values, weights, edges, means, safe)
            assert safe.all()
            assert (means == right).all()


def test_means_that_round_to_one_float64():
    values = np.array([2**60, 2**60 + 1, 2**60 + 2])
    message = r"groups 0 \(1152921504606846976 to 1152921504606846976\) and 1 \(1152921504606846977"
    with pytest.raises(ValueError, match=message):
        group_means(values, None, np.array([1, 2]))


def test_mean_of_minus_zero_is_zero():
    centers = group_means(np.array([-0.0, 1.0]), None, np.array([1]))
    assert not np.signbit(centers[0])


def test_read_only_and_unchanged_input():
    values = np.unique(np.random.default_rng(0).normal(size=100))
    weights = np.arange(1, 101, dtype=np.uint64)
    for array in (values, weights):
        array.flags.writeable = False
    before = values.copy(), weights.copy()
    optimal_cuts(values, weights, 7)
    assert (values == before[0]).all()
    assert (weights == before[1]).all()


def test_progress():
    calls = []
    values = np.unique(np.random.default_rng(0).normal(size=500))
    optimal_cuts(values, None, 5, progress=lambda *call: calls.append(call))
    assert calls[-1] == (500, 500)
    assert calls == sorted(calls)


def test_floating_point_errors_may_be_set_to_raise():
    values = VALUES["largest nodata"](np.random.default_rng(0), 30)
    with np.errstate(all="raise"):
        cuts = optimal_cuts(values, None, 5)
        group_means(values, None, cuts)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
def test_interrupt():
    """Ctrl-C ends a long fit."""
    values = np.unique(np.random.default_rng(0).normal(size=4_000_000))

    def interrupt(*_):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            optimal_cuts(values, None, 200)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        ([-2.2e307, -1.8e-173, 1.2497e-221, 1.2498e-221, 1.25e-221, 6.75e-219], None),
        ([1.0, 2.0, 4.0, 7.0, 11.0], [1e300, 1.0, 3e-300, 2e-300, 2e-300]),
        ([-1e300, 1e-300, 2e-300, 4e-300, 7e-300], [1e-300, 3e-300, 1e300, 2e300, 1e-300]),
    ],
)
def test_what_scaling_loses_is_not_taken_for_exact(values, weights):
    values, weights = np.array(values), None if weights is None else np.array(weights)
    for k in range(1, 4):
        cuts = brute_force(values, weights, k)
        assert optimal_cuts(values, weights, k).tolist() == list(cuts)
        centers = kmeans1d.group_means(Problem(values, weights), np.array(cuts, np.int64))
        assert centers.tolist() == list(exact_means(values, weights, cuts))


@pytest.mark.parametrize("threads", [1, 2])
def test_means_without_sums(threads):
    """Of pairs, of ties between two doubles, of single values, about 0 and near the limits."""
    random = np.random.default_rng(12)
    for values in (
        random.random(3000),
        random.normal(size=3000),
        random.normal(size=3000) * 1e-310,
        random.normal(size=3000) * 1e300,
        random.integers(-(2**52), 2**52, 3000).astype(np.float64),
        random.random(3000).astype(np.float32),
        random.integers(0, 2**16, 3000).astype(np.uint16),
        random.integers(-(2**62), 2**62, 3000),
        np.concatenate([[-0.0], 2.0 ** np.arange(-1000.0, 1000.0)]),
    ):
        some = np.unique(values)
        for groups in (len(some), len(some) // 2, 100, 3):
            cuts = np.sort(random.choice(len(some) - 1, groups - 1, replace=False)) + 1
            quick = Problem(some, None, threads)
            summed = Problem(some, None)
            assert len(summed.points) == len(quick) == len(some)
            assert not quick.is_summed
            found = kmeans1d._means(quick, kmeans1d._edges(cuts, len(some)))
            wanted = kmeans1d._means(summed, kmeans1d._edges(cuts, len(some)))
            assert found.tobytes() == wanted.tobytes()


def test_gil_is_released():
    values = np.unique(np.random.default_rng(0).normal(size=200_000))
    ticks, over = [], threading.Event()

    def tick():
        while not over.wait(0.001):
            ticks.append(None)

    clock = threading.Thread(target=tick)
    clock.start()
    while not ticks:
        time.sleep(0.001)
    during = 0
    for _ in range(100):  # a busy machine may leave the clock no CPU for the whole of a fit
        before = len(ticks)
        optimal_cuts(values, None, 4)
        during = max(during, len(ticks) - before)
        if during > 3:
            break
    over.set()
    clock.join()
    assert during > 3


def objective(values, weights, cuts):
    cost = Problem(values, weights).cost(kmeans1d._edges(cuts, len(values)))
    return cost[0]


@pytest.mark.parametrize("kind", ["normal", "nodata", "16 decades", "seconds", "uint64 extremes"])
@pytest.mark.parametrize("weighting", ["none", "counts", "huge ratios"])
def test_grid_gap_is_a_bound(kind, weighting):
    random = np.random.default_rng(7)
    values = VALUES[kind](random, 3000)
    weights = WEIGHTS[weighting](random, len(values))
    for k in (1, 2, 5):
        for cells in (8, 64, 512):
            cuts, gap = grid_cuts(values, weights, k, cells=cells)
            assert len(cuts) == k - 1
            assert (np.diff([0, *cuts, len(values)]) > 0).all()
            best = objective(values, weights, optimal_cuts(values, weights, k))
            assert objective(values, weights, cuts) <= (1 + gap) * best * (1 + 1e-12)


def test_grid_of_many_cells_is_nearly_optimal():
    values = np.unique(np.random.default_rng(7).normal(size=100_000))
    cuts, gap = grid_cuts(values, None, 8, cells=1 << 13)
    assert 0 <= gap < 0.02
    best = objective(values, None, optimal_cuts(values, None, 8))
    assert objective(values, None, cuts) <= best * (1 + 1e-5)


def test_grid_of_one_value_per_cell_is_optimal():
    values = np.unique(np.random.default_rng(7).normal(size=300))
    cuts, gap = grid_cuts(values, None, 8)
    assert gap < 1e-9
    assert (cuts == optimal_cuts(values, None, 8)).all()


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("weighting", ["none", "counts", "huge ratios"])
def test_lloyd_keeps_every_group(kind, weighting):
    random = np.random.default_rng(7)
    values = VALUES[kind](random, 40)
    weights = WEIGHTS[weighting](random, len(values))
    for k in {1, 2, len(values) // 2, len(values)}:
        cuts = lloyd_cuts(values, weights, k, attempts=3, max_iter=50, eps=0.0, seed=1)
        assert cuts.dtype == np.int64
        assert len(cuts) == k - 1
        assert (np.diff([0, *cuts, len(values)]) > 0).all()


def test_lloyd_ends_at_a_fixed_point():
    values = np.unique(np.random.default_rng(7).normal(size=2000))
    cuts = lloyd_cuts(values, None, 6, attempts=5, max_iter=1000, eps=0.0, seed=1)
    centers = group_means(values, None, cuts)
    middles = (centers[1:] + centers[:-1]) / 2
    assert np.searchsorted(values, middles, side="right").tolist() == cuts.tolist()
