"""One metric of images, or of features that are computed already."""

from __future__ import annotations

from typing import Any

from metrics import FORMULAS, Estimate, Formula, MetricsError
from metrics.protocols import PROTOCOLS
from sdbench.api.inputs import as_features, as_texts, is_path
from sdbench.api.scores import score
from sdbench.core.errors import InputError, did_you_mean

__all__ = ["clip_score", "cmmd", "coverage", "density", "fid", "kid", "precision", "recall"]


def fid(images: Any, reference: Any, *, protocol: str = "fid-inception-clean") -> Estimate:
    """Return the Fréchet distance of images from real ones, with its standard error.

    Args:
        images: Generated images in any form that `score` takes, or their features [n, d].
        reference: Real images, or their features [m, d] if `images` are features.
        protocol: How features are computed from images; has no effect on features.

    Raises:
        InputError: The images or features cannot be used, or the protocol has another formula.
    """
    return _distance("fid", ("frechet", "frechet_infinity"), images, reference, protocol)


def kid(images: Any, reference: Any, *, protocol: str = "kid-inception-clean") -> Estimate:
    """Return the kernel distance (unbiased MMD², cubic kernel); arguments and errors as for `fid`."""
    return _distance("kid", ("kernel",), images, reference, protocol)


def cmmd(images: Any, reference: Any, *, protocol: str = "cmmd-clip-vit-l-14-336") -> Estimate:
    """Return the CMMD (MMD² with a Gaussian kernel, times 1000); arguments and errors as for `fid`."""
    return _distance("cmmd", ("cmmd",), images, reference, protocol)


def precision(images: Any, reference: Any, *, protocol: str = "precision-inception-tf") -> Estimate:
    """Return the share of images in the real manifold; arguments and errors as for `fid`."""
    return _distance("precision", ("precision",), images, reference, protocol)


def recall(images: Any, reference: Any, *, protocol: str = "recall-inception-tf") -> Estimate:
    """Return the share of real images in the generated manifold; arguments and errors as for `fid`."""
    return _distance("recall", ("recall",), images, reference, protocol)


def density(images: Any, reference: Any, *, protocol: str = "density-inception-tf") -> Estimate:
    """Return how many real neighbourhoods an image lies in, over k; arguments and errors as for `fid`."""
    return _distance("density", ("density",), images, reference, protocol)


def coverage(images: Any, reference: Any, *, protocol: str = "coverage-inception-tf") -> Estimate:
    """Return the share of real images with a generated one nearby; arguments and errors as for `fid`."""
    return _distance("coverage", ("coverage",), images, reference, protocol)


def clip_score(images: Any, prompts: Any, *, protocol: str = "clip-score-vit-l-14") -> Estimate:
    """Return the mean cosine of images and their prompts, with its standard error.

    Args:
        images: Generated images in any form that `score` takes, or their CLIP features [n, d].
        prompts: Each image's prompt, or its CLIP features [n, d] if `images` are features.
        protocol: Which CLIP computes the features, and the convention; has no effect on features.

    Raises:
        InputError: The images, prompts or features cannot be used, or the protocol has another formula.
    """
    formula = _formula("clip_score", ("clip_score", "clip_score_x100"), protocol)
    features = _features(images, prompts, "prompts")
    if features is None:
        texts = prompts if is_path(prompts) else as_texts(prompts, "prompts")
        return score(images, prompts=texts, metrics=protocol)[protocol]
    generated, text = features
    return _estimate(formula, generated=generated, text=text)


def _distance(name: str, formulas: tuple[str, ...], images: Any, reference: Any, protocol: str) -> Estimate:
    formula = _formula(name, formulas, protocol)
    features = _features(images, reference, "reference")
    if features is None:
        return score(images, reference=reference, metrics=protocol)[protocol]
    generated, real = features
    try:
        prepared = formula.prepare(real) if formula.prepare else None
    except MetricsError as error:
        raise InputError(f"reference: {error}") from None
    return _estimate(formula, generated=generated, real=prepared)


def _formula(name: str, formulas: tuple[str, ...], protocol: str) -> Formula:
    """Return the protocol's formula, which must be one of those named."""
    wanted = [FORMULAS[word] for word in formulas]
    fitting = [key for key, each in PROTOCOLS.items() if each.formula in wanted]
    if protocol not in fitting:
        raise InputError(f"{name}: protocol {protocol!r}: {did_you_mean(protocol, fitting)}")
    return PROTOCOLS[protocol].formula


def _features(images: Any, other: Any, what: str) -> tuple[Any, Any] | None:
    """Return both as features, or None if neither is; InputError if only one is."""
    both = as_features(images), as_features(other)
    if (both[0] is None) != (both[1] is None):
        given, lacking = ("images", what) if both[1] is None else (what, "images")
        raise InputError(
            f"{given} are features [n, d] and {lacking} are not; give features for both or neither"
        )
    return None if both[0] is None else both


def _estimate(formula: Formula, **inputs: Any) -> Estimate:
    try:
        return formula.estimate(**inputs)
    except MetricsError as error:
        raise InputError(f"{error}") from None
