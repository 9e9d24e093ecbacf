"""Counts, disk, what is done already, and hours: what `sdbench plan` says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from sdbench.errors import SdbenchError
from sdbench.extractors import extractor_names, is_at_hand
from sdbench.outlook.calibration import Pace, calibrate
from sdbench.outlook.counts import Curve, Found, count, find, first_point
from sdbench.outlook.disk import Disk, disk_of
from sdbench.plan_file import PLAN_KEY
from sdbench.preparation import prepare
from sdbench.shards import ShardStore, shard_key
from sdbench.spec import ExperimentSpec
from sdbench.store import is_there, open_store

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True)
class Forecast:
    """What a run of the spec takes. None stands for what cannot be known here; `missing` says why.

    `seconds` are those that are left, on the device of the calibration. Under a budget all figures are what
    it takes at most.
    """

    name: str
    prompts: str
    cells: int
    units: int | None
    images: int | None
    evaluations: int | None
    assumed: bool
    at_most: bool
    curves: tuple[Curve, ...]
    disk: Disk | None
    images_done: int | None
    pace: Pace | None
    seconds: float | None
    missing: tuple[str, ...]


def forecast(
    spec: ExperimentSpec, place: str | Path, note: Callable[[str], None], *, measure: bool
) -> Forecast:
    """Plan `spec` as a run at `place`; `measure` calibrates. Raises nothing for what is missing."""
    found = find(spec)
    curves = count(spec, found)
    cells = len(spec.checkpoints) * len(spec.samplers) * len(spec.guidance_scales)
    images = None if curves[0].images is None else len(curves) * curves[0].images
    missing = [*found.missing, *_downloads(spec)]
    pace = _pace(spec, found, note, missing) if measure else None
    done = _done(spec, place, note, missing, complete=not found.missing)
    totals = [curve.total for curve in curves]
    evaluations = None if None in totals else sum(total for total in totals if total is not None)
    prompts = None if images is None else images // cells
    return Forecast(
        name=spec.name,
        prompts=spec.prompts.words,
        cells=cells,
        units=None if prompts is None else cells * ceil(prompts / spec.unit_size),
        images=images,
        evaluations=evaluations,
        assumed=any(curve.assumed for curve in curves),
        at_most=spec.budget is not None,
        curves=tuple(curves),
        disk=None
        if prompts is None
        else disk_of(spec, cells, prompts, pace.bytes_per_pixel if pace else None),
        images_done=done,
        pace=pace,
        seconds=_seconds(pace, images, evaluations, done or 0, len(spec.checkpoints)),
        missing=tuple(missing),
    )


def _pace(spec: ExperimentSpec, found: Found, note: Callable[[str], None], missing: list[str]) -> Pace | None:
    point = first_point(spec, found)
    if point is None or not found.prompts:
        missing.append("no calibration: a checkpoint and the prompts are needed for it")
        return None
    try:
        return calibrate(spec, *point, found.prompts, note)
    except SdbenchError as error:
        missing.append(str(error))
        return None


def _downloads(spec: ExperimentSpec) -> list[str]:
    absent = [name for name in extractor_names(spec) if not is_at_hand(name)]
    return [f"weights of {name}: the run takes them from the hub" for name in absent]


def _done(
    spec: ExperimentSpec,
    place: str | Path,
    note: Callable[[str], None],
    missing: list[str],
    *,
    complete: bool,
) -> int | None:
    """How many of the plan's images the run has; None where that cannot be said."""
    try:
        if not is_there(place) or not open_store(place).exists(PLAN_KEY):
            return 0
        if not complete:
            missing.append(f"{place}: what is done cannot be counted while inputs are missing")
            return None
        prepared = prepare(spec, str(place), note)
        done = ShardStore(prepared.store).done(prepared.plan.units)
    except SdbenchError as error:
        missing.append(str(error))
        return None
    return sum(len(unit.chunk.prompts) for unit in prepared.plan.units if shard_key(unit) in done)


def _seconds(
    pace: Pace | None, images: int | None, evaluations: int | None, done: int, checkpoints: int
) -> float | None:
    """What is left takes so long; what is done is taken to be of the average cell."""
    if pace is None or not images or (evaluations is None and pace.per_evaluation):
        return None
    left = 1 - done / images
    if not left:
        return 0.0
    return checkpoints * pace.load + left * pace.seconds(images, evaluations or 0)
