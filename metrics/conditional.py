"""cFreD: the Fréchet distance of images given their prompts.

Koo et al., "Evaluating text-to-image and text-to-video synthesis with a conditional Fréchet distance"
(arXiv 2503.21721), after Soloveitchik et al., "Conditional Frechet inception distance" (arXiv 2103.11521): if
image features y and text features x are jointly normal,

    E_x |m_r(x) - m_g(x)|^2 + tr S_r + tr S_g - 2 tr (S_r^(1/2) S_g S_r^(1/2))^(1/2),

with the mean m(x) = mu_y + S_yx S_xx^+ (x - mu_x) and the covariance S = S_yy - S_yx S_xx^+ S_xy of y given
x. A model that ignores its prompts keeps its distance of all images, but not this one.

Both are a linear regression of y on x: its fitted values, and the covariance of its residuals. E_x is the
mean over the prompts of the generated images, so the real images may have other prompts than these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metrics._checks import as_features, check_same_dimension
from metrics._spectrum import first_kept
from metrics.errors import MetricsError
from metrics.frechet import HEAVY, FrechetReference, too_few
from metrics.frechet_jackknife import LeaveOut
from metrics.moments import Moments
from metrics.uncertainty import Estimate, kurtosis, standard_error_of_mean

__all__ = ["ConditionalReference", "conditional_frechet_estimate"]

_ROUNDING = 1e-12
"""Texts vary by float32 rounding alone in directions that hold a smaller part of their squared length."""

_ALONE = 1e-6
"""Below this, 1 - leverage is rounding: the text of an image alone spans a direction, and fits it exactly."""


@dataclass(frozen=True, eq=False)
class _Regression:
    """Image features as a linear function of text features.

    Attributes:
        mean_text: [p].
        mean_image: [d].
        slopes: [p, d].
        residuals: [n, d], of mean 0.
        leverages: How much each image draws the function to itself [n], in (0, 1]; their sum is 1 + rank.
        rank: Number of directions in which the texts vary.
    """

    mean_text: NDArray[np.float64]
    mean_image: NDArray[np.float64]
    slopes: NDArray[np.float64]
    residuals: NDArray[np.float64]
    leverages: NDArray[np.float64]
    rank: int

    @classmethod
    def of(cls, images: ArrayLike, texts: ArrayLike, role: str) -> _Regression:
        """Fit features of images [n, d] to those of their prompts [n, p], n >= 3."""
        y, x = as_features(images, role, minimum=3), as_features(texts, f"{role} text", minimum=3)
        if len(y) != len(x):
            raise MetricsError(f"{role} features: {len(y)} images, {len(x)} prompts, one for each is needed")
        n, mean_text, mean_image = len(y), x.mean(axis=0), y.mean(axis=0)
        whole = float(np.sum(x**2))
        x, y = x - mean_text, y - mean_image
        eigenvalues, axes = np.linalg.eigh(x.T @ x)
        first = max(first_kept(eigenvalues, n), int((eigenvalues <= _ROUNDING * whole).sum()))
        scaled = axes[:, first:] / np.sqrt(eigenvalues[first:])
        scores = x @ scaled  # of orthonormal columns
        fit = scores.T @ y
        leverages = 1 / n + np.einsum("ij,ij->i", scores, scores)
        return cls(mean_text, mean_image, scaled @ fit, y - scores @ fit, leverages, scores.shape[1])

    def at(self, texts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the expected image features [n, d] of prompts with these features [n, p]."""
        return np.asarray(self.mean_image + (texts - self.mean_text) @ self.slopes)


@dataclass(frozen=True, eq=False)
class ConditionalReference:
    """Real images and their captions, prepared for comparisons.

    Attributes:
        regression: Image features as a function of those of the captions.
        around: The covariance about that function.
    """

    regression: _Regression
    around: FrechetReference

    @classmethod
    def of(cls, real: ArrayLike, text: ArrayLike) -> ConditionalReference:
        """Fit real features [m, d] to those of their captions [m, p]; MetricsError for unusable ones."""
        regression = _Regression.of(real, text, "real")
        covariance = regression.residuals.T @ regression.residuals / (len(regression.residuals) - 1)
        # Residuals span as many directions as those of fewer images without captions would.
        free = max(len(regression.residuals) - regression.rank, 2)
        return cls(regression, FrechetReference.of(Moments(free, regression.mean_image, covariance)))


def conditional_frechet_estimate(
    *, real: ConditionalReference, generated: ArrayLike, text: ArrayLike
) -> Estimate:
    """Return cFreD of generated features [n, d] with prompts [n, p], with its standard error.

    The unit is that of the squared features. Covariances are divided by n - 1, as in the papers, so the value
    is biased upwards and falls with n. The error is the jackknife's, with the real set held fixed: the
    distance without image i is exact, by the formulas of regression diagnostics (Cook and Weisberg,
    "Residuals and influence in regression", 1982, chapter 3), as long as the text of no image alone spans a
    direction. Near the real set the jackknife counts pairs of images twice, so that the error is up to 1.4
    times too large there. Raises MetricsError for unusable features.
    """
    fitted = _Regression.of(generated, text, "generated")
    n, dimensions = fitted.residuals.shape
    check_same_dimension(real.regression.mean_image.size, dimensions)
    texts = as_features(text, "generated text")
    check_same_dimension(real.regression.mean_text.size, texts.shape[1])
    apart = fitted.at(texts) - real.regression.at(texts)
    of_means, moments = float(np.sum(apart**2)) / n, real.around.moments
    around = LeaveOut.of(
        fitted.residuals, np.zeros(dimensions), float(np.trace(moments.covariance)), real.around.factor
    )
    value = of_means + around.distance
    note = too_few(n, dimensions + fitted.rank)
    if not note:
        without = _means_without_one(fitted, apart) + around.without_one(_weights(fitted))
        per_image = (n - 1) * (without.mean() - without)
        note = too_few(n, dimensions + fitted.rank, heavy=kurtosis(per_image) > HEAVY)
        if not note:
            return Estimate(value, standard_error_of_mean(per_image), n, per_image)
    return Estimate(value=value, standard_error=None, n=n, per_image=None, note=note)


def _weights(fitted: _Regression) -> NDArray[np.float64]:
    """Return what the residuals' scatter loses without image i, in units of its own residual: [n]."""
    free = 1 - fitted.leverages
    return np.where(free > _ALONE, 1 / np.maximum(free, _ALONE), 0.0)


def _means_without_one(fitted: _Regression, apart: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of |m_r(x) - m_g(x)|^2 without image i, for every i: [n].

    With q_i = m_g(x_i) - m_r(x_i), the residual e_i and the leverage h_i, the sum over the other images is
    sum |q|^2 - |q_i|^2 - 2 e_i.q_i + |e_i|^2 h_i / (1 - h_i).
    """
    residuals, weights = fitted.residuals, _weights(fitted)
    own = np.einsum("ij,ij->i", apart, apart)
    mixed = np.einsum("ij,ij->i", residuals, apart)
    drawn = np.einsum("ij,ij->i", residuals, residuals) * fitted.leverages * weights
    return np.asarray((own.sum() - own - 2 * mixed + drawn) / (len(own) - 1))
