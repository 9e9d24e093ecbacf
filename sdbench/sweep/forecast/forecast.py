"""The forecast of `sdbench plan`: counts, disk space, images already done, and hours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from sdbench.core.errors import SdbenchError
from sdbench.models.networks import missing_networks
from sdbench.runs.features import FeatureStore
from sdbench.runs.images import ImageStore
from sdbench.runs.needs import needs_of
from sdbench.runs.plan_file import PLAN_KEY
from sdbench.runs.shards import ShardStore
from sdbench.runs.store import is_there, open_store
from sdbench.scoring.extractors import extractor_names
from sdbench.spec import ExperimentSpec
from sdbench.sweep.forecast.calibration import Speed, calibrate
from sdbench.sweep.forecast.counts import Curve, Found, count, find, first_point
from sdbench.sweep.forecast.disk import Disk, disk_of
from sdbench.sweep.prepare import prepare, with_image_size

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True)
class Forecast:
    """The cost of a run. None stands for what is unknown; `missing` says why.

    `images_done` need not be made; of these, `images_read` are read for features that are missing. `seconds`
    is the remaining time on the calibrated device. Under a budget all values are upper bounds.
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
    images_read: int
    speed: Speed | None
    seconds: float | None
    missing: tuple[str, ...]


def forecast(
    spec: ExperimentSpec, place: str | Path, note: Callable[[str], None], *, measure: bool
) -> Forecast:
    """Forecast a run of `spec` at `place`; what is missing is listed and raises nothing.

    Args:
        spec: The experiment.
        place: The run's folder or URL; images that it already has are counted.
        note: Receives progress messages.
        measure: Whether to measure the speed of this device.
    """
    spec = with_image_size(spec, partly=True)
    found = find(spec)
    curves = count(spec, found)
    cells = sum(curve.cells for curve in curves)
    counted = [curve.images for curve in curves if curve.images is not None]
    images = sum(counted) if len(counted) == len(curves) else None
    missing = [*found.missing, *_downloads(spec)]
    speed = _speed(spec, found, note, missing) if measure else None
    done, read = _done(spec, place, note, missing, complete=not found.missing)
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
        else disk_of(spec, cells, prompts, speed.bytes_per_pixel if speed else None),
        images_done=done,
        images_read=read,
        speed=speed,
        seconds=_seconds(speed, images, evaluations, done or 0, len(spec.checkpoints)),
        missing=tuple(missing),
    )


def _speed(
    spec: ExperimentSpec, found: Found, note: Callable[[str], None], missing: list[str]
) -> Speed | None:
    point = first_point(spec, found)
    if point is None or not found.prompts:
        missing.append("calibration: it needs a checkpoint and the prompts")
        return None
    try:
        return calibrate(spec, *point, found.prompts, note)
    except SdbenchError as error:
        missing.append(str(error))
        return None


def _downloads(spec: ExperimentSpec) -> list[str]:
    absent = missing_networks(extractor_names(spec))
    return [f"weights of {name}; fetch with: sdbench models fetch {name}" for name in absent]


def _done(
    spec: ExperimentSpec,
    place: str | Path,
    note: Callable[[str], None],
    missing: list[str],
    *,
    complete: bool,
) -> tuple[int | None, int]:
    """Return how many of the plan's images need not be made, None if unknown, and how many are read."""
    try:
        if not is_there(place) or not open_store(place).exists(PLAN_KEY):
            return 0, 0
        if not complete:
            missing.append(f"{place}: images that are done cannot be counted while inputs are missing")
            return None, 0
        prepared = prepare(spec, str(place), note)
        store, kept = prepared.store, spec.images_kept(len(prepared.inputs.prompts))
        features = FeatureStore(store, prepared.identities)
        needs = needs_of(prepared.plan, ShardStore(store), ImageStore(store, kept), features)
    except SdbenchError as error:
        missing.append(str(error))
        return None, 0
    return needs.stored + needs.read, needs.read


def _seconds(
    speed: Speed | None, images: int | None, evaluations: int | None, done: int, checkpoints: int
) -> float | None:
    """Return the remaining seconds, assuming that the images already done are average ones."""
    if speed is None or not images or (evaluations is None and speed.per_evaluation):
        return None
    left = 1 - done / images
    if not left:
        return 0.0
    return checkpoints * speed.load + left * speed.seconds(images, evaluations or 0)
