"""Compares two sides: pair, gather, measure, weigh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from metrics import MetricsError
from metrics.lpips import LPIPS, Lpips
from sdbench.comparison.closeness import SAME, Closeness
from sdbench.comparison.gathering import Gathered, gather
from sdbench.comparison.made import Asked, is_model, made_sides
from sdbench.comparison.measures import Measured, choose_protocols, measured
from sdbench.comparison.memory import Memory
from sdbench.comparison.pairing import Flagged, Pairing, compositions, flagged_pairs, pair
from sdbench.comparison.policy import ComparisonPolicy
from sdbench.comparison.sides import Side, is_kept, open_one, open_pairs
from sdbench.comparison.verdicts import Verdict
from sdbench.comparison.weighing import Evidence, Weighed, weigh
from sdbench.core import environment
from sdbench.core.errors import InputError
from sdbench.core.precision import full_precision
from sdbench.core.progress import ImageProgress
from sdbench.models.home import home
from sdbench.models.networks import network_file
from sdbench.runs.store import LocalStore
from sdbench.scoring.extractors import build_extractors, features_identity
from sdbench.scoring.image_scores import compared_with, reals_of
from sdbench.scoring.images import reference_spec
from sdbench.scoring.references import Real

__all__ = ["CompareRequest", "Compared", "compare", "single_side"]


@dataclass(frozen=True)
class CompareRequest:
    """What to compare, as the user wrote it.

    Attributes:
        a: The baseline.
        b: The candidate.
        repeats: Other runs of the baseline, whose differences from it are noise.
        prompts: A file of prompts for folders of images.
        mapping: How it matches them, a key of `data.captions.MAPPINGS`.
        metrics: Protocols; None takes the CLIP score whose weights are here.
        reference: Real images for distances, as for `sdbench score`.
        policy: What passes.
        asked: What models are asked to do, if A and B are models.
    """

    a: str
    b: str
    repeats: tuple[str, ...] = ()
    prompts: str | None = None
    mapping: str = "index"
    metrics: tuple[str, ...] | None = None
    reference: str | None = None
    policy: ComparisonPolicy = field(default_factory=ComparisonPolicy)
    asked: Asked = field(default_factory=Asked)


@dataclass(frozen=True, eq=False)
class Compared:
    """Everything that a comparison found.

    Attributes:
        label: Which cells, if several are compared; else "".
        sides: A and B.
        pairing: Which images have partners.
        flagged: Pairs judged apart.
        keys: The other pairs, in order.
        prompts: Prompts by key, as far as known.
        measures: The measures of the pairs `keys`; empty if all pairs are flagged.
        closeness: Pixel differences of the pairs `keys`; empty if A is a compact baseline, without pixels.
        lpips: LPIPS of the pairs `keys`, None for tiny images; empty without pixels, or without its weights.
        repeats: Distances of each repeat from A by its name, over the pairs `keys`.
        weighed: The verdict on the pairs `keys`; None if all pairs are flagged.
        policy: What passes.
        extractors: Identities of the networks' features by name.
        gathered: All numbers.
        notes: What the user should know.
    """

    label: str
    sides: tuple[Side, Side]
    pairing: Pairing
    flagged: tuple[Flagged, ...]
    keys: tuple[str, ...]
    prompts: Mapping[str, str]
    measures: tuple[Measured, ...]
    closeness: tuple[Closeness, ...]
    lpips: tuple[float | None, ...]
    repeats: Mapping[str, Sequence[float]]
    weighed: Weighed | None
    policy: ComparisonPolicy
    extractors: Mapping[str, str]
    gathered: Gathered
    notes: tuple[str, ...]

    @property
    def broken(self) -> tuple[Flagged, ...]:
        """Flagged pairs with something wrong on B's side that A's image does not have."""
        return tuple(one for one in self.flagged if one.b and one.b != one.a)

    @property
    def verdict(self) -> Verdict:
        """The verdict; images that broke, or that B lacks, are a change, unless the policy allows them."""
        fails = self.policy.flagged == "fail" and self.broken
        if fails or (self.policy.missing == "fail" and self.pairing.only_a) or self.weighed is None:
            return Verdict.CHANGED
        return self.weighed.verdict

    @property
    def passed(self) -> bool:
        """Whether the policy allows what was found."""
        return self.policy.passes(self.verdict) and not (self.policy.flagged == "fail" and self.flagged)


def compare(request: CompareRequest, progress: ImageProgress) -> list[Compared]:
    """Compare A with B; several cells if both are runs.

    Raises:
        InputError: Something that the request names is missing or does not fit.
        StoreError: A run is damaged.
    """
    full_precision()
    if request.repeats and is_kept(request.a):
        raise InputError(f"--repeats needs the pixels of A, and {request.a} keeps none")
    opened = _opened(request, progress)
    if len(opened) > 1 and request.repeats:
        raise InputError(f"--repeats needs one cell: name one, as {request.a}:CELL")
    repeats = [open_one(text, "repeat") for text in request.repeats]
    lpips = _lpips_at_hand()
    with Memory() as memory:
        return [_compared(label, (a, b), repeats, request, lpips, memory, progress) for label, a, b in opened]


def single_side(request: CompareRequest, progress: ImageProgress) -> Side:
    """Return the baseline of a request; InputError unless it is one set of images."""
    if is_model(request.a):
        return made_sides([request.a], request.prompts, request.asked, progress)[0]
    return open_one(request.a, "A", request.prompts, request.mapping)


def _opened(request: CompareRequest, progress: ImageProgress) -> list[tuple[str, Side, Side]]:
    models = [is_model(text) for text in (request.a, request.b)]
    if not any(models):
        return open_pairs(request.a, request.b, request.prompts, request.mapping)
    if not all(models):
        model, other = sorted((request.a, request.b), key=is_model, reverse=True)
        raise InputError(f"{model} is a model and {other} is not: compare models with models")
    a, b = made_sides([request.a, request.b], request.prompts, request.asked, progress)
    return [("", a, b)]


def _lpips_at_hand() -> Lpips | None:
    """Return LPIPS if its weights are on this machine; InputError if they are damaged."""
    weights = network_file(LPIPS)
    try:
        return None if weights is None else Lpips(weights, environment.best_device())
    except MetricsError as error:
        raise InputError(f"{error}") from None


def _compared(
    label: str,
    sides: tuple[Side, Side],
    repeats: Sequence[Side],
    request: CompareRequest,
    lpips: Lpips | None,
    memory: Memory,
    progress: ImageProgress,
) -> Compared:
    a, b = sides
    pairing = pair(a, b)
    prompts = {**b.prompts, **a.prompts}
    protocols = choose_protocols(a if a.prompts else b, request.metrics)
    distances = [protocol for protocol in protocols if protocol.formula.needs_reference]
    reference = reference_spec(request.reference, distances)
    device = environment.best_device()
    extractors = build_extractors((p.extractor for p in protocols), device)
    lpips = lpips if a.kept is None else None
    gathered = gather(a, [b, *repeats], pairing.both, extractors, memory, progress, prompts, lpips)
    first, second = gathered.pictures[a.name], gathered.pictures[b.name]
    flagged = flagged_pairs(pairing.both, first, second)
    keys = _judged(pairing, flagged, gathered, repeats)
    reals: Mapping[str, Real] = {}
    if keys and distances:
        store = LocalStore(home() / "references")
        size = first[keys[0]].size
        real = compared_with(reference, size)
        reals = reals_of(real, distances, extractors, size, store, progress)
    found = measured(keys, sides, prompts, gathered, protocols, extractors, reals) if keys else []
    request.policy.require_measures([each.name for each in found])
    band = {side.name: [gathered.closeness[side.name][key].rms for key in keys] for side in repeats}
    closeness = [gathered.closeness[b.name][key] for key in keys] if a.kept is None else []
    weighed = weigh(_evidence(keys, sides, gathered, found, band, request.policy)) if keys else None
    notes = (*a.notes, *b.notes, *_about(found, protocols, sides))
    return Compared(
        label,
        sides,
        pairing,
        tuple(flagged.values()),
        tuple(keys),
        prompts,
        tuple(found),
        tuple(closeness),
        tuple(gathered.lpips.get(key) for key in keys) if lpips else (),
        band,
        weighed,
        request.policy,
        {name: features_identity(each) for name, each in extractors.items()},
        gathered,
        notes,
    )


def _judged(
    pairing: Pairing, flagged: Mapping[str, Flagged], gathered: Gathered, repeats: Sequence[Side]
) -> list[str]:
    """Return the pairs without flags that every repeat has too; InputError if a repeat lacks any."""
    keys = [key for key in pairing.both if key not in flagged]
    for side in repeats:
        lacking = [key for key in keys if key not in gathered.closeness[side.name]]
        if lacking:
            raise InputError(
                f"repeat {side.name}: {len(lacking)} of {len(keys)} images are missing or broken, first "
                f"{lacking[0]}; a repeat must hold every image of the baseline"
            )
    return keys


def _evidence(
    keys: Sequence[str],
    sides: tuple[Side, Side],
    gathered: Gathered,
    found: Sequence[Measured],
    band: Mapping[str, Sequence[float]],
    policy: ComparisonPolicy,
) -> Evidence:
    first, second = (gathered.pictures[side.name] for side in sides)
    has_pixels = sides[0].kept is None
    closeness = [gathered.closeness[sides[1].name][key] for key in keys] if has_pixels else [SAME] * len(keys)
    nearest, _, _ = compositions(keys, first, second)
    margins = [policy.margins.get(each.name, policy.margin) * each.spread for each in found]
    return Evidence(
        np.stack([each.differences for each in found]),
        np.array(margins),
        np.array([first[key].sha256 == second[key].sha256 for key in keys]),
        np.array([each.rms for each in closeness]),
        np.array([each.largest for each in closeness]),
        np.array(list(band.values()), np.float64).reshape(len(band), len(keys)),
        nearest == np.arange(len(keys)),
        any(each.reads_content for each in found),
        has_pixels,
    )


def _about(found: Sequence[Measured], protocols: Sequence[object], sides: tuple[Side, Side]) -> list[str]:
    notes = []
    if found and not protocols:
        why = "prompts are not known" if not (sides[0].prompts or sides[1].prompts) else "no weights are here"
        notes.append(
            f"{why}, so no CLIP score was taken: content counts as kept if surely 80% of the images are "
            "closest to their own partner"
        )
    seeds = {side.seed for side in sides if side.seed is not None}
    if len(seeds) > 1:
        notes.append("the sides were made from different noise, so images are paired by prompt alone")
    return notes
