"""From features to values, by protocol: prepare the real images once, then evaluate set after set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from numpy.typing import ArrayLike

from metrics.errors import MetricsError
from metrics.moments import Moments
from metrics.protocols import Protocol
from metrics.uncertainty import Estimate, with_clusters

__all__ = ["Reference", "evaluate", "evaluate_all", "prepare", "prepare_all"]


@dataclass(frozen=True, eq=False)
class Reference:
    """Real features as ``made_by``, a formula's ``prepare``, returned them; for formulas that share it."""

    made_by: Callable[[Any], Any]
    real: Any


def prepare(
    protocol: Protocol,
    features: ArrayLike | Moments,
    device: str = "cpu",
    captions: ArrayLike | None = None,
) -> Reference:
    """Return the real features [m, d] as the protocol's formula needs them.

    Args:
        protocol: A protocol that compares with real images.
        features: The features, or only their moments if these suffice.
        device: A torch device with float64, for formulas that can compute there (the Fréchet distances).
        captions: The features [m, d] of the real images' captions, if the formula needs them.

    Raises:
        MetricsError: The features are unusable, moments do not suffice, captions are missing, or no reference
            is needed.
    """
    formula = protocol.formula
    if formula.prepare is None:
        raise MetricsError(f"{protocol.name} compares with no real images")
    if isinstance(features, Moments) and not formula.moments_suffice:
        raise MetricsError(f"{protocol.name} needs the real features, not only their mean and covariance")
    if not formula.needs_captions:
        real = formula.prepare(features)
    elif captions is None:
        raise MetricsError(f"{protocol.name} needs the captions of the real images")
    else:
        real = formula.prepare(features, captions)
    if formula.on is not None and device != "cpu":
        real = formula.on(real, device)
    return Reference(formula.prepare, real)


def prepare_all(
    protocols: Iterable[Protocol],
    features: Mapping[str, ArrayLike | Moments],
    device: str = "cpu",
    captions: Mapping[str, ArrayLike] = MappingProxyType({}),
) -> dict[str, Reference]:
    """Return each protocol's reference, by its name, from real features (and captions') by extractor.

    Protocols whose formulas prepare the same features in the same way share one reference, since 10,000
    images take time. Raises MetricsError as ``prepare`` does.
    """
    made: dict[tuple[str, object], Reference] = {}
    prepared = {}
    for protocol in protocols:
        key = protocol.extractor, protocol.formula.prepare
        if key not in made:
            text = captions.get(protocol.extractor)
            made[key] = prepare(protocol, features[protocol.extractor], device, text)
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
    """Return the protocol's value for generated features [n, d], with its standard error.

    Args:
        protocol: The protocol to evaluate.
        generated: The features of the generated images [n, d].
        real: The result of ``prepare`` for the same protocol, if it needs a reference.
        text: The features [n, d] of each image's prompt, if it needs text.
        prompts: The n prompts themselves; images that share one do not count as independent.

    Raises:
        MetricsError: Something that the protocol needs is missing, or the features are unusable.
    """
    inputs = _inputs(protocol, generated, real, text, prompts)
    return replace(with_clusters(protocol.formula.estimate(**inputs), prompts), protocol=protocol.name)


def evaluate_all(
    protocols: Iterable[Protocol],
    *,
    generated: Mapping[str, ArrayLike],
    real: Mapping[str, Reference],
    text: Mapping[str, ArrayLike],
    prompts: Sequence[str] | None = None,
) -> dict[str, Estimate]:
    """Return each protocol's value, by the protocol's name, as ``evaluate`` does.

    ``real`` is keyed by protocol, ``generated`` and ``text`` by extractor. Formulas with the same
    ``together``, such as a Fréchet distance and its limit at infinite n, are computed by one call. Raises
    MetricsError with the protocol's name.
    """
    protocols = list(protocols)
    estimates: dict[str, Estimate] = {}
    for protocol in protocols:
        if protocol.name in estimates:
            continue
        extractor, formula = protocol.extractor, protocol.formula
        group = [p for p in protocols if p.extractor == extractor and p.formula.together == formula.together]
        inputs = _inputs(
            protocol, generated[extractor], real.get(protocol.name), text.get(extractor), prompts
        )
        try:
            if formula.together is None or len(group) == 1:
                group, found = [protocol], {formula.estimate: formula.estimate(**inputs)}
            else:
                found = dict(formula.together(**inputs))
            estimates |= {
                p.name: replace(with_clusters(found[p.formula.estimate], prompts), protocol=p.name)
                for p in group
            }
        except MetricsError as error:
            raise MetricsError(f"{protocol.name}: {error}") from None
    return {protocol.name: estimates[protocol.name] for protocol in protocols}


def _inputs(
    protocol: Protocol,
    generated: ArrayLike,
    real: Reference | None,
    text: ArrayLike | None,
    prompts: Sequence[str] | None,
) -> dict[str, Any]:
    """Return the keyword arguments of the formula's ``estimate``; MetricsError if one is missing."""
    inputs: dict[str, Any] = {"generated": generated}
    if protocol.formula.needs_reference:
        if real is None or real.made_by != protocol.formula.prepare:
            raise MetricsError(f"{protocol.name} needs a reference set prepared for its formula")
        inputs["real"] = real.real
    if protocol.formula.needs_text:
        if text is None:
            raise MetricsError(f"{protocol.name} needs text features")
        inputs["text"] = text
    if protocol.formula.by_prompt:
        if prompts is None:
            raise MetricsError(f"{protocol.name} needs the prompts")
        inputs["prompts"] = prompts
    return inputs
