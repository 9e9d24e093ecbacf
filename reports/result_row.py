"""A row of results.csv and results.parquet. Whoever writes these tables builds it; it needs no pandas."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ResultRow"]


@dataclass(frozen=True)
class ResultRow:
    """One value of one cell, with everything that it depends on. The fields are the columns, in order.

    ``cell`` is the name of the cell's folder, by which all tables of a run know it; ``curve`` is the
    checkpoint, with the sampler setting if the run has several. For images that another tool made, both are
    the name of the image set, and None and "" stand for what is unknown. ``guided_by`` is what the guidance
    scale is to the model; ``metric_source`` is package, version and digest of a metric from outside, "" for
    built-in ones; ``guidance`` is the way of guiding with its settings.
    """

    cell: str
    curve: str
    checkpoint: str
    sampler: str
    steps: int | None
    eta: float | None
    guidance_scale: float | None
    protocol: str
    label: str
    better: str
    value: float
    standard_error: float | None
    note: str
    n: int
    flagged: int | None
    nfe: int | None
    image_size: str
    seed: int | None
    precision: str
    batch_size: str
    device: str
    weights_digest: str
    spec_digest: str
    versions: str
    prompts_digest: str
    reference_digest: str
    guided_by: str
    negative_prompt: str
    metric_source: str
    guidance: str
