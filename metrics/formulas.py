"""Formulas: from features to a value with its standard error.

A new formula is a new file and an entry in FORMULAS. Protocols say which features it is applied to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from numpy.typing import ArrayLike

from metrics.clip_score import clip_score_estimate, clip_score_x100_estimate
from metrics.cmmd import CmmdReference, cmmd_estimate
from metrics.conditional import ConditionalReference, conditional_frechet_estimate
from metrics.frechet import FrechetReference, frechet_estimate
from metrics.infinity import frechet_estimates, frechet_infinity
from metrics.kernel import KernelReference, kernel_estimate
from metrics.mean_value import inner_product_estimate, mean_value_estimate
from metrics.precision_recall import (
    ManifoldReference,
    coverage_estimate,
    density_estimate,
    precision_estimate,
    recall_estimate,
)
from metrics.prompt_accuracy import prompt_accuracy_estimate
from metrics.uncertainty import Estimate
from metrics.vendi import vendi_estimate

__all__ = ["FORMULAS", "Formula"]

Estimator = Callable[..., Estimate]


@dataclass(frozen=True)
class Formula:
    """A formula over features, and what it needs.

    Attributes:
        words: What it computes, for readers of results.
        estimate: Takes, as keywords, ``generated`` [n, d], and ``real`` and ``text`` [n, d] if it needs them.
        better: The direction of improvement.
        prepare: Turns the real features [m, d] into ``real``, once for all sets that are compared with them;
            formulas with the same function share its result. None: no real images are needed.
        on: Moves a prepared ``real`` to a torch device that has float64. None: the formula runs on the CPU.
        moments_suffice: Whether ``prepare`` also accepts the Moments of the real features.
        needs_text: Whether ``text``, the features of each image's prompt, is needed.
        needs_captions: Whether ``prepare`` also takes the features of the real images' captions [m, d].
        by_prompt: Whether the value is a mean over prompts of what all images of a prompt amount to;
            ``estimate`` then takes the n ``prompts``.
        is_mean: Whether the value is the mean of a value that each generated image has by itself.
        parts: What its estimates' ``parts`` are, in one word or a few; "" if they have none.
        by_blocks: Whether the error comes from blocks of images, so that nothing is known of single ones.
        together: Computes several formulas that share most of their work; its result is keyed by their
            ``estimate``.
    """

    words: str
    estimate: Estimator
    better: Literal["lower", "higher"]
    prepare: Callable[..., Any] | None = None
    on: Callable[[Any, str], Any] | None = None
    moments_suffice: bool = False
    needs_text: bool = False
    needs_captions: bool = False
    by_prompt: bool = False
    is_mean: bool = False
    parts: str = ""
    by_blocks: bool = False
    together: Callable[..., Mapping[Estimator, Estimate]] | None = None

    @property
    def needs_reference(self) -> bool:
        """Whether the value compares with real images."""
        return self.prepare is not None


def _frechet_and_limit(*, real: FrechetReference, generated: ArrayLike) -> Mapping[Estimator, Estimate]:
    plain, limit = frechet_estimates(real=real, generated=generated)
    return {frechet_estimate: plain, frechet_infinity: limit}


_frechet = partial(
    Formula,
    better="lower",
    prepare=FrechetReference.of,
    on=FrechetReference.on,
    moments_suffice=True,
    together=_frechet_and_limit,
)

# As the papers that introduced them recommend.
_three_nearest = partial(ManifoldReference.of, neighbours=3)
_five_nearest = partial(ManifoldReference.of, neighbours=5)

FORMULAS: dict[str, Formula] = {
    "frechet": _frechet("Fréchet distance of the two means and covariances (n - 1)", frechet_estimate),
    "frechet_infinity": _frechet(
        "Fréchet distance extrapolated to infinitely many generated images", frechet_infinity
    ),
    "conditional_frechet": Formula(
        "Fréchet distance of the images given their prompts (n - 1)",
        conditional_frechet_estimate,
        "lower",
        ConditionalReference.of,
        needs_text=True,
        needs_captions=True,
    ),
    "kernel": Formula(
        "unbiased MMD with the cubic kernel, all pairs", kernel_estimate, "lower", KernelReference.of
    ),
    "cmmd": Formula(
        "biased MMD with a Gaussian kernel, sigma 10, times 1000", cmmd_estimate, "lower", CmmdReference.of
    ),
    "precision": Formula(
        "share of generated images in the real manifold, k = 3",
        precision_estimate,
        "higher",
        _three_nearest,
        is_mean=True,
    ),
    "recall": Formula(
        "share of real images in the generated manifold, k = 3", recall_estimate, "higher", _three_nearest
    ),
    "density": Formula(
        "mean number of real balls around a generated image, over k = 5",
        density_estimate,
        "higher",
        _five_nearest,
        is_mean=True,
    ),
    "coverage": Formula(
        "share of real images with a generated one in their ball, k = 5",
        coverage_estimate,
        "higher",
        _five_nearest,
    ),
    "clip_score": Formula(
        "mean cosine of image and prompt", clip_score_estimate, "higher", needs_text=True, is_mean=True
    ),
    "clip_score_x100": Formula(
        "100 times the mean cosine of image and prompt, at least 0",
        clip_score_x100_estimate,
        "higher",
        needs_text=True,
        is_mean=True,
    ),
    "inner_product": Formula(
        "mean inner product of image and prompt",
        inner_product_estimate,
        "higher",
        needs_text=True,
        is_mean=True,
    ),
    "mean_value": Formula(
        "mean of the value that the network gives each image", mean_value_estimate, "higher", is_mean=True
    ),
    "prompt_accuracy": Formula(
        "mean share of the prompt's statements that hold",
        prompt_accuracy_estimate,
        "higher",
        is_mean=True,
        parts="kind of statement",
    ),
    "vendi": Formula(
        "mean Vendi score of the images of a prompt, cosine similarity",
        vendi_estimate,
        "higher",
        by_prompt=True,
        is_mean=True,
    ),
}
