"""Metric values of one set of images, with their notes and each image's part in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from metrics import Estimate, MetricsError, Protocol
from metrics.evaluate import evaluate_all
from sdbench.core.errors import InputError
from sdbench.runs.tables import ProtocolRow
from sdbench.scoring.audit import NOT_FINITE, TRUNCATED, counts_in_words
from sdbench.scoring.references import Real
from sdbench.scoring.sample import Sample

__all__ = ["MetricValue", "image_table", "measure", "measure_some", "protocol_rows"]


@dataclass(frozen=True)
class MetricValue:
    """A metric's value over all images, and a note, such as the value without the flagged images."""

    estimate: Estimate
    note: str


def measure(
    protocols: Sequence[Protocol], sample: Sample, reals: Mapping[str, Real], where: str
) -> dict[str, MetricValue]:
    """Return each protocol's value over all images of the sample, by the protocol's name.

    Flagged images are included, because dropping them would flatter the checkpoint; the note counts them and
    gives the value without them.

    Raises:
        InputError: A value cannot be computed; the message begins with `where`.
    """
    try:
        estimates = _estimates(protocols, sample, reals)
    except MetricsError as error:
        raise InputError(f"{where}: {error}") from None
    values = {}
    for protocol in protocols:
        real = reals.get(protocol.name)
        notes = [estimates[protocol.name].note, real.note if real else ""]
        if sample.flagged:
            notes.append(_about_flagged(protocol, sample, reals))
        values[protocol.name] = MetricValue(estimates[protocol.name], "; ".join(filter(None, notes)))
    return values


def measure_some(
    protocols: Sequence[Protocol], sample: Sample, reals: Mapping[str, Real]
) -> dict[str, Estimate]:
    """Return each protocol's value over the sample, leaving out those that need more images."""
    try:
        return _estimates(protocols, sample, reals)
    except MetricsError:
        if len(protocols) == 1:
            return {}
    alone = [measure_some([protocol], sample, reals) for protocol in protocols]
    return {name: estimate for one in alone for name, estimate in one.items()}


def image_table(
    cell: str,
    seed: int | None,
    sample: Sample,
    protocols: Sequence[Protocol],
    values: Mapping[str, MetricValue],
) -> pa.Table:
    """Return a row per image: its prompt, digest and flags, and its score or influence by each protocol.

    If a value is a mean over images, the image's term is its score. Else its influence, in the unit of the
    value, is how much lower the value would be without this image than without an average one. Null if
    neither is known.
    """
    n = len(sample.ids)
    columns: dict[str, pa.Array] = {
        "cell": pa.array([cell] * n, pa.string()),
        "prompt_id": pa.array(sample.ids, pa.string()),
        "prompt": pa.array(sample.prompts, pa.string()) if sample.prompts else pa.nulls(n, pa.string()),
        "seed": pa.array([seed] * n, pa.int64()),
        "sha256": pa.array(sample.sha256, pa.string()),
        "flags": pa.array([image.flags for image in sample.audit], pa.string()),
    }
    for protocol in protocols:
        by_blocks = protocol.formula.by_blocks
        parts = None if by_blocks else values[protocol.name].estimate.per_image
        name = f"{'score' if protocol.formula.is_mean else 'influence'}_{protocol.name}"
        scale = 1 if protocol.formula.is_mean else max(n - 1, 1)
        columns[name] = pa.nulls(n, pa.float64()) if parts is None else pa.array(parts / scale, pa.float64())
    return pa.table(columns)


def protocol_rows(protocols: Sequence[Protocol], features: Mapping[str, Any]) -> list[ProtocolRow]:
    """Return how each protocol's values are made, with the actual dimension of its features [n, d]."""
    return [
        ProtocolRow(
            protocol.name,
            protocol.version,
            protocol.label,
            protocol.formula.better,
            protocol.agrees_with,
            protocol.resize,
            protocol.quantisation,
            protocol.extractor,
            int(features[protocol.extractor].shape[1]),
            f"{protocol.formula.words}; {protocol.features}",
            protocol.source,
        )
        for protocol in protocols
    ]


def _about_flagged(protocol: Protocol, sample: Sample, reals: Mapping[str, Real]) -> str:
    flags = [image.flags for image in sample.audit]
    absent = any(word in given for word in (NOT_FINITE, TRUNCATED) for given in flags)
    included = f"{sample.flagged} flagged images ({counts_in_words(flags)}) are included"
    included += ", black in place of those not finite or truncated" if absent else ""
    fine = sample.only(np.array([not given for given in flags]))
    rest = measure_some([protocol], fine, reals).get(protocol.name)
    if rest is None:
        return f"{included}; too few are left for a value without them"
    error = "" if rest.standard_error is None else f" ± {rest.standard_error:.3g}"
    return f"{included}; without them {rest.value:.6g}{error} (n = {rest.n})"


def _estimates(
    protocols: Sequence[Protocol], sample: Sample, reals: Mapping[str, Real]
) -> dict[str, Estimate]:
    return evaluate_all(
        protocols,
        generated=sample.features,
        real={name: real.prepared for name, real in reals.items() if real.prepared},
        text=sample.text_features,
        prompts=list(sample.prompts) or None,
    )
