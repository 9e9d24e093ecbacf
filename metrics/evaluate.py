"""From features to a figure, by protocol: the one place that knows which formula a protocol names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from numpy.typing import ArrayLike

from metrics.clip_score import clip_score_estimate, clip_score_x100_estimate
from metrics.cmmd import CmmdReference, cmmd_estimate
from metrics.errors import MetricsError
from metrics.frechet import FrechetReference, frechet_estimate
from metrics.infinity import frechet_estimates, frechet_infinity
from metrics.kernel import KernelReference, kernel_estimate
from metrics.moments import Moments
from metrics.precision_recall import (
    ManifoldReference,
    coverage_estimate,
    density_estimate,
    precision_estimate,
    recall_estimate,
)
from metrics.protocols import Protocol
from metrics.uncertainty import Estimate, with_clusters

__all__ = ["Reference", "evaluate", "evaluate_all", "prepare", "prepare_all"]

Reference = FrechetReference | KernelReference | CmmdReference | ManifoldReference
"""What a formula needs of the real images, computed once for all cells that are compared with them."""

_NEIGHBOURHOODS = {
    "precision": (precision_estimate, 3),
    "recall": (recall_estimate, 3),
    "density": (density_estimate, 5),
    "coverage": (coverage_estimate, 5),
}
"""Formula and k, as the papers that introduced them recommend."""


def prepare(protocol: Protocol, features: ArrayLike | Moments, device: str = "cpu") -> Reference:
    """Return what the protocol's formula needs of the real features [m, d].

    Moments alone, as files of statistics hold them, are enough for a Frechet distance. Those distances are
    computed on ``device``, which has float64; the other formulas on the CPU. Raises MetricsError for unusable
    features, for moments where the formula needs the features, and for a protocol without reference.
    """
    if isinstance(features, Moments):
        if not protocol.moments_suffice:
            raise MetricsError(f"{protocol.name} needs the real features, not only their mean and covariance")
        return _frechet(features, device)
    match protocol.metric:
        case "frechet" | "frechet_infinity":
            return _frechet(Moments.of(features), device)
        case "kernel":
            return KernelReference.of(features)
        case "cmmd":
            return CmmdReference.of(features)
        case "precision" | "recall" | "density" | "coverage":
            return ManifoldReference.of(features, _NEIGHBOURHOODS[protocol.metric][1])
        case "clip_score" | "clip_score_x100":
            raise MetricsError(f"{protocol.name} compares with no real images")


def _frechet(moments: Moments, device: str) -> FrechetReference:
    reference = FrechetReference.of(moments)
    return reference if device == "cpu" else reference.on(device)


def prepare_all(
    protocols: Iterable[Protocol], features: Mapping[str, ArrayLike | Moments], device: str = "cpu"
) -> dict[str, Reference]:
    """Return what each protocol needs, by its name, of the real features by extractor.

    Protocols that need the same of the same features share it, since 10,000 images take their time. Raises
    MetricsError as ``prepare``.
    """
    made: dict[tuple[str, object], Reference] = {}
    prepared = {}
    for protocol in protocols:
        formula, k = _NEIGHBOURHOODS.get(protocol.metric, (None, None))
        key = protocol.extractor, protocol.metric.removesuffix("_infinity") if formula is None else k
        if key not in made:
            made[key] = prepare(protocol, features[protocol.extractor], device)
        prepared[protocol.name] = made[key]
    return prepared


def evaluate(
    protocol: Protocol,
    *,
    generated: ArrayLike,
    real: Reference | None = None,
    text: ArrayLike | None = None,
    prompts: Sequence[str] | None = None,
) -> Estimate:
    """Return the protocol's figure of generated features [n, d], with its standard error.

    ``real`` is what ``prepare`` returned for the same protocol, ``text`` [n, d] the features of each image's
    prompt. ``prompts`` [n] are the prompts themselves: images of one prompt are not taken for independent.
    Raises MetricsError where what the protocol needs is missing or the features are unusable.
    """
    return with_clusters(_evaluate(protocol, generated, real, text), prompts)


def _evaluate(
    protocol: Protocol, generated: ArrayLike, real: Reference | None, text: ArrayLike | None
) -> Estimate:
    match (protocol.metric, real):
        case ("frechet", FrechetReference()):
            return frechet_estimate(real=real, generated=generated)
        case ("frechet_infinity", FrechetReference()):
            return frechet_infinity(real=real, generated=generated)
        case ("kernel", KernelReference()):
            return kernel_estimate(real=real, generated=generated)
        case ("cmmd", CmmdReference()):
            return cmmd_estimate(real=real, generated=generated)
        case (metric, ManifoldReference(neighbours=k)) if k == _NEIGHBOURHOODS.get(metric, (None, 0))[1]:
            return _NEIGHBOURHOODS[metric][0](real=real, generated=generated)
        case ("clip_score", _) if text is not None:
            return clip_score_estimate(image=generated, text=text)
        case ("clip_score_x100", _) if text is not None:
            return clip_score_x100_estimate(image=generated, text=text)
        case _:
            needs = "a prepared reference of its own metric" if protocol.needs_reference else "text features"
            raise MetricsError(f"{protocol.name} needs {needs}")


def evaluate_all(
    protocols: Iterable[Protocol],
    *,
    generated: Mapping[str, ArrayLike],
    real: Mapping[str, Reference],
    text: Mapping[str, ArrayLike],
    prompts: Sequence[str] | None = None,
) -> dict[str, Estimate]:
    """Return each protocol's figure, by the protocol's name, as ``evaluate`` does.

    ``real`` is by protocol, ``generated`` and ``text`` by extractor. A Frechet distance and its limit at
    infinite n share their decomposition. Raises MetricsError, which names the protocol.
    """
    protocols = list(protocols)
    names = {(protocol.extractor, protocol.metric): protocol.name for protocol in protocols}
    estimates: dict[str, Estimate] = {}
    for protocol in protocols:
        both = [names.get((protocol.extractor, metric)) for metric in ("frechet", "frechet_infinity")]
        features, needed = generated[protocol.extractor], real.get(protocol.name)
        if protocol.name in estimates:
            continue
        try:
            if protocol.name in both and None not in both and isinstance(needed, FrechetReference):
                together = frechet_estimates(real=needed, generated=features)
                estimates |= {
                    str(name): with_clusters(one, prompts) for name, one in zip(both, together, strict=True)
                }
            else:
                texts = text.get(protocol.extractor)
                estimates[protocol.name] = evaluate(
                    protocol, generated=features, real=needed, text=texts, prompts=prompts
                )
        except MetricsError as error:
            raise MetricsError(f"{protocol.name}: {error}") from None
    return {protocol.name: estimates[protocol.name] for protocol in protocols}
