"""LevelQuantizer: scikit-learn's own checks, and each feature's optimum."""

import pickle
import warnings

import numpy as np
import pytest

import levelsnap as ls

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from levelsnap.sklearn import LevelQuantizer

ESTIMATORS = [
    LevelQuantizer(),
    LevelQuantizer(3, weights="distinct", encode="values"),
    LevelQuantizer(2, encode="values"),
]


CHECKS = parametrize_with_checks(ESTIMATORS).mark


@pytest.mark.filterwarnings("ignore")  # of few distinct values
# As a list: scikit-learn 1.8 gives a generator, which pytest 9 warns of.
@pytest.mark.parametrize(CHECKS.args[0], list(CHECKS.args[1]), **CHECKS.kwargs)
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


def columns(n=400, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([rng.normal(size=n), rng.integers(0, 50, n), rng.lognormal(3, 2, n)], 1)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "uint8"])
@pytest.mark.parametrize("weights", ["counts", "distinct"])
def test_each_feature_has_its_optimum(dtype, weights):
    X = np.clip(columns(), 0, 200).astype(dtype)
    X[:6, 0] = np.arange(6)
    quantizer = LevelQuantizer(4, weights=weights).fit(X)
    assert quantizer.codebooks_ == [ls.fit(x, 4, weights=weights) for x in X.T]
    assert quantizer.n_levels_.tolist() == [4, 4, 4]
    labels = quantizer.transform(X)
    assert labels.dtype == np.uint8
    levels = quantizer.inverse_transform(labels)
    assert levels.dtype == np.float64
    snapped = quantizer.set_params(encode="values").transform(X)
    assert snapped.dtype == dtype
    np.testing.assert_array_equal(quantizer.inverse_transform(snapped), snapped)
    for j, codebook in enumerate(quantizer.codebooks_):
        np.testing.assert_array_equal(labels[:, j], codebook.labels(X[:, j]))
        np.testing.assert_array_equal(levels[:, j], codebook.centers[labels[:, j]])
        np.testing.assert_array_equal(snapped[:, j], codebook.snap(X[:, j]))


@pytest.mark.parametrize("order", ["C", "F"])
def test_layouts(order):
    X = np.array(columns(), order=order)
    quantizer = LevelQuantizer(5)
    labels = quantizer.fit_transform(X)
    assert labels.flags[f"{order}_CONTIGUOUS"]
    np.testing.assert_array_equal(quantizer.transform(X[::-2])[::-1], labels[1::2])


@pytest.mark.parametrize("weights", ["counts", "distinct"])
def test_sample_weight_is_repetition(weights):
    X = np.round(columns(200))
    times = np.random.default_rng(1).integers(0, 4, len(X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weighted = LevelQuantizer(6, weights=weights).fit(X, sample_weight=times)
        repeated = LevelQuantizer(6, weights=weights).fit(np.repeat(X, times, axis=0))
    assert weighted.codebooks_ == repeated.codebooks_
    with pytest.raises(ValueError, match="weight"):
        LevelQuantizer(2).fit(X, sample_weight=np.zeros(len(X)))
    with pytest.raises(ValueError, match="negative"):
        LevelQuantizer(2).fit(X, sample_weight=-np.ones(len(X)))


@pytest.mark.parametrize(
    "options", [{"n_levels": 0}, {"n_levels": 2.5}, {"weights": "all"}, {"encode": "onehot"}]
)
def test_options_are_checked_in_fit(options):
    with pytest.raises((TypeError, ValueError), match=next(iter(options))):
        LevelQuantizer(**options).fit(columns())


def test_few_distinct_values():
    X = np.array([[1, 5], [2, 5], [3, 5], [4, 5], [4, 5]])
    with pytest.warns(UserWarning, match="feature 1 has 1 distinct values") as caught:
        quantizer = LevelQuantizer(3).fit(X)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert quantizer.n_levels_.tolist() == [3, 1]
    assert quantizer.transform(X)[:, 1].tolist() == [0] * 5


def test_labels_are_as_wide_as_needed():
    X = np.arange(1000.0).reshape(-1, 1)
    quantizer = LevelQuantizer(257)
    labels = quantizer.fit_transform(X)
    assert labels.dtype == np.uint16
    assert labels.max() == 256


def test_inverse_refuses():
    quantizer = LevelQuantizer(3).fit(columns())
    levels = quantizer.inverse_transform([[0.0, 1.0, 2.0]])
    np.testing.assert_array_equal(levels[0], [quantizer.codebooks_[j].centers[j] for j in range(3)])
    with pytest.raises(ValueError, match="not integers"):
        quantizer.inverse_transform([[0.5, 1, 2]])
    with pytest.raises(ValueError, match="accepted are 0 to 2"):
        quantizer.inverse_transform([[0, 1, 3]])


@pytest.mark.parametrize("X", [[[np.nan], [1]], [[np.inf], [1]]])
def test_nan_and_infinity_are_refused(X):
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        LevelQuantizer(1).fit(X)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        LevelQuantizer(1).fit([[1], [2]]).transform(X)


def test_names_and_output_container():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(columns(), columns=["a", "b", "c"], index=np.arange(400) + 7)
    quantizer = LevelQuantizer(4).set_output(transform="pandas").fit(frame)
    labels = quantizer.transform(frame)
    assert quantizer.get_feature_names_out().tolist() == labels.columns.tolist() == ["a", "b", "c"]
    assert (labels.index == frame.index).all()
    assert (labels.dtypes == np.uint8).all()
    levels = quantizer.inverse_transform(labels)
    np.testing.assert_array_equal(levels[:, 0], quantizer.codebooks_[0].decode(labels["a"]))


def test_in_a_pipeline_and_pickled():
    X = columns()
    pipeline = make_pipeline(StandardScaler(), LevelQuantizer(5, encode="values"))
    snapped = pipeline.fit_transform(X)
    assert [len(np.unique(x)) for x in snapped.T] == [5, 5, 5]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pipeline)).transform(X), snapped)
    assert clone(pipeline[-1]).get_params() == pipeline[-1].get_params()


@pytest.mark.parametrize("n_levels", [2, 3, 8])
@pytest.mark.parametrize("seed", range(12))
def test_inertia_is_never_above_that_of_kbins(seed, n_levels):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 2000))
    X = np.stack(
        [
            rng.normal(size=n), rng.lognormal(0, 2, n), rng.standard_cauchy(n),
            rng.integers(0, 30, n), rng.choice([0.0, 1.0, 1.5, 100.0], n) + rng.normal(0, 0.1, n),
            np.arange(n) ** 2, 1e8 + rng.integers(0, 40, n), rng.beta(0.2, 0.2, n),
        ],
        axis=1,
    )  # fmt: skip
    options = {"strategy": "kmeans", "encode": "ordinal", "random_state": 0, "subsample": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bins = KBinsDiscretizer(n_levels, **options).fit_transform(X).astype(int)
        labels = LevelQuantizer(n_levels).fit_transform(X)
    for x, own, other in zip(X.T, labels.T, bins.T, strict=True):
        assert inertia(x, own) <= inertia(x, other) * (1 + 1e-12)


def inertia(x, groups):
    """The sum of squared distances to the groups' means."""
    x = x - np.median(x)
    return sum(((x[groups == i] - x[groups == i].mean()) ** 2).sum() for i in np.unique(groups))
