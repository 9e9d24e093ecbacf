"""The measures of a comparison: scores by protocols, and five looks that need no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metrics import PROTOCOLS, MetricsError, Protocol
from metrics.evaluate import evaluate
from metrics.features import Extractor
from sdbench.comparison.gathering import Gathered
from sdbench.comparison.pictures import LOOKS
from sdbench.comparison.sides import Side
from sdbench.core.errors import InputError
from sdbench.scoring.extract import text_features
from sdbench.scoring.extractors import is_at_hand
from sdbench.scoring.pictures import PICTURES
from sdbench.scoring.protocols import protocols_of
from sdbench.scoring.references import Real

__all__ = ["Measured", "choose_protocols", "measured"]

CLIP_SCORES = ("clip-score-vit-l-14", "clip-score-vit-b-32", "clip-score-vit-h-14")
"""Taken by default, the first whose weights are at hand; the embedded family has its own."""

TEXTS = 32


@dataclass(frozen=True, eq=False)
class Measured:
    """A measure of n pairs.

    Attributes:
        name: A protocol or a look.
        words: What it is.
        values: The value of A and of B.
        differences: B minus A by pair, [n] float64; their mean is the difference of the values.
        spread: Standard deviation of A's values per image, the unit of margins.
        scores: Values per image of A and B if the value is their mean, else None.
        reads_content: Whether it sees what an image shows, not only its colours and edges.
    """

    name: str
    words: str
    values: tuple[float, float]
    differences: NDArray[np.float64]
    spread: float
    scores: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    reads_content: bool


def choose_protocols(side: Side, names: Sequence[str] | None) -> list[Protocol]:
    """Return the protocols asked for, or those that can be taken here.

    By default these are the scores that a compact baseline keeps, else one CLIP score, if prompts are known.

    Raises:
        InputError: A protocol reads prompts, and the side has none.
    """
    if names is None:
        if side.kept is not None:
            kept = protocols_of(side.kept.metrics)
            scores = [protocol for protocol in kept if not protocol.formula.needs_reference]
            return [protocol for protocol in scores if is_at_hand(protocol.extractor)]
        if not side.prompts:
            return []
        if side.shapes:
            return [PROTOCOLS["clip-score-shapes"]]
        return [PROTOCOLS[name] for name in CLIP_SCORES if is_at_hand(PROTOCOLS[name].extractor)][:1]
    protocols = protocols_of(names)
    for protocol in protocols:
        of_many = protocol.extractor == PICTURES or protocol.formula.by_prompt
        if of_many or protocol.with_reference:
            raise InputError(f"{protocol.name} needs more than single images: leave it out")
        if protocol.needs_prompts and not side.prompts:
            raise InputError(f"{protocol.name} reads prompts: give them by --prompts FILE and --mapping")
    return protocols


def measured(
    keys: Sequence[str],
    sides: tuple[Side, Side],
    prompts: Mapping[str, str],
    gathered: Gathered,
    protocols: Sequence[Protocol],
    extractors: Mapping[str, Extractor],
    reals: Mapping[str, Real],
) -> list[Measured]:
    """Return all measures of the pairs `keys`, at least one."""
    texts = {}
    if any(protocol.formula.needs_text for protocol in protocols):
        texts = text_features(extractors, [prompts[key] for key in keys], TEXTS)
    found = [_by_protocol(keys, sides, gathered, protocol, texts, reals) for protocol in protocols]
    a, b = ([gathered.pictures[side.name][key].looks for key in keys] for side in sides)
    for place, (name, words) in enumerate(LOOKS.items()):
        before, after = (np.array([looks[place] for looks in side], np.float64) for side in (a, b))
        found.append(_from_scores(name, words, before, after, reads_content=False))
    return found


def _by_protocol(
    keys: Sequence[str],
    sides: tuple[Side, Side],
    gathered: Gathered,
    protocol: Protocol,
    texts: Mapping[str, NDArray[np.float32]],
    reals: Mapping[str, Real],
) -> Measured:
    rows = [
        np.stack([gathered.features[side.name][protocol.extractor][key] for key in keys]) for side in sides
    ]
    real, text = reals.get(protocol.name), texts.get(protocol.extractor)
    try:
        before, after = (
            evaluate(protocol, generated=each, real=None if real is None else real.prepared, text=text)
            for each in rows
        )
    except MetricsError as error:
        raise InputError(f"{protocol.name}: {error}") from None
    if before.per_image is None or after.per_image is None:
        why = before.note or after.note or "it has no values per image"
        raise InputError(f"{protocol.name} cannot be compared image by image: {why}")
    if protocol.formula.is_mean:
        return _from_scores(
            protocol.name, protocol.label, before.per_image, after.per_image, reads_content=True
        )
    shift = after.per_image - before.per_image
    return Measured(
        protocol.name,
        protocol.label,
        (before.value, after.value),
        shift - shift.mean() + (after.value - before.value),
        float(np.std(before.per_image, ddof=1)),
        None,
        reads_content=True,
    )


def _from_scores(
    name: str, words: str, before: NDArray[np.float64], after: NDArray[np.float64], *, reads_content: bool
) -> Measured:
    spread = float(before.std(ddof=1)) if before.size > 1 else 0.0
    values = float(before.mean()), float(after.mean())
    return Measured(name, words, values, after - before, spread, (before, after), reads_content)
