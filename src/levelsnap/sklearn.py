"""LevelQuantizer: levels for each feature, as a scikit-learn transformer."""

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from .fit import check_integer, fit
from .histogram import Histogram, check_weights, distinct, histogram
from .interchange import check_encode


class LevelQuantizer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Snap each feature to the levels that fit it best: optimal 1-D k-means.

    Parameters
    ----------
    n_levels : int, default 8
        Levels of each feature; fewer, with a warning, where it has fewer distinct values.
    weights : {"counts", "distinct"}, default "counts"
        Whether each sample counts (by its weight), or each distinct value once.
    encode : {"labels", "values"}, default "labels"
        What `transform` gives: each value's label, an integer from 0, or its level in the dtype of
        the data.
    approximate : bool, default False
        Whether a feature of more than 2**24 distinct values may be fitted on a grid; otherwise it
        is refused. See `levelsnap.fit`.

    Attributes
    ----------
    codebooks_ : list of Codebook
        One for each feature.
    n_levels_ : ndarray of int, shape (n_features,)
        How many levels each feature has.
    n_features_in_ : int
        How many features the data had.
    feature_names_in_ : ndarray of str, shape (n_features,)
        Where the data had names.

    Notes
    -----
    Labels are exact, and a tie goes to the lower level; NaN and infinities are refused. The data
    keeps its dtype: integers and float32 are not converted.

    Examples
    --------
    >>> from levelsnap.sklearn import LevelQuantizer
    >>> X = [[0.0, 5.0], [0.1, 5.0], [9.0, 7.0], [9.2, 8.0]]
    >>> LevelQuantizer(n_levels=2).fit_transform(X)
    array([[0, 0],
           [0, 0],
           [1, 1],
           [1, 1]], dtype=uint8)
    """

    def __init__(
        self,
        n_levels: int = 8,
        *,
        weights: str = "counts",
        encode: str = "labels",
        approximate: bool = False,
    ) -> None:
        self.n_levels = n_levels
        self.weights = weights
        self.encode = encode
        self.approximate = approximate

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the levels of each feature.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite numbers.
        y : ignored
            There for scikit-learn's sake.
        sample_weight : array_like, shape (n_samples,), optional
            At least 0. Samples of weight 0 are left out; else weights matter to
            ``weights="counts"`` only.

        Returns
        -------
        LevelQuantizer
            Itself.
        """
        n_levels = check_integer("n_levels", self.n_levels, 1)
        check_weights(self.weights)
        check_encode(self.encode)
        X = validate_data(self, X, dtype="numeric")
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
            if not (sample_weight >= 0).all() or not sample_weight.any():
                raise ValueError("sample_weight must not be negative, nor 0 for all samples")
        self.codebooks_ = []
        for j, column in enumerate(X.T):
            data = self._histogram(column, sample_weight)
            k = min(n_levels, len(data))
            if k < n_levels:
                warnings.warn(
                    f"feature {j} has {k} distinct values, and gets as many levels instead of "
                    f"{n_levels}",
                    UserWarning,
                    stacklevel=2,
                )
            codebook = fit(data, k, weights=self.weights, approximate=self.approximate)
            self.codebooks_.append(codebook)
        self.n_levels_ = np.array([codebook.k for codebook in self.codebooks_])
        return self

    def _histogram(self, column: NDArray, sample_weight: NDArray | None) -> Histogram:
        if sample_weight is not None:
            return _weighted(column, sample_weight)
        if self.weights == "counts":
            return histogram(column)
        values = distinct(column)
        return Histogram(values, np.ones(len(values), np.uint8))

    def transform(self, X: Any) -> Any:
        """The label or the level of each value.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Finite numbers.

        Returns
        -------
        ndarray, shape (n_samples, n_features)
            Labels in the smallest unsigned dtype that holds those of all features, or levels in
            the dtype of X.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", reset=False)
        if self.encode == "values":
            result = np.empty_like(X)
            for j, codebook in enumerate(self.codebooks_):
                codebook.snap(X[:, j], out=result[:, j])
        else:
            result = np.empty_like(X, dtype=np.min_scalar_type(max(self.n_levels_) - 1))
            for j, codebook in enumerate(self.codebooks_):
                codebook.labels(X[:, j], out=result[:, j])
        return result

    def inverse_transform(self, X: Any) -> NDArray:
        """The level of each label; with ``encode="values"``, the levels themselves.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            What `transform` gave; labels may have a float dtype.

        Returns
        -------
        ndarray of float64, shape (n_samples, n_features)
            With ``encode="values"``, in the dtype of X.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", reset=False)
        if self.encode == "values":
            return X
        labels = X.astype(np.intp)
        if (labels != X).any():
            raise ValueError("X holds labels that are not integers")
        columns = [codebook.decode(labels[:, j]) for j, codebook in enumerate(self.codebooks_)]
        return np.stack(columns, axis=1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.encode == "labels":
            tags.transformer_tags.preserves_dtype = []
        else:
            tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _weighted(column: NDArray, sample_weight: NDArray) -> Histogram:
    """The values of positive weight with the sums of their weights."""
    asked = sample_weight > 0
    values, index = np.unique(column[asked], return_inverse=True)
    return Histogram(values, np.bincount(index, sample_weight[asked]))
