"""Measures clean and faulty images and finds, for each metric and fault, the smallest dose that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.special import ndtr

from metrics import PROTOCOLS, Estimate, Protocol
from metrics.compare import Comparison, compare
from metrics.features import Extractor
from reference_model.shapes import reference_set
from reference_model.shapes.captions import caption
from reference_model.shapes.render import paint, to_uint8
from reference_model.shapes.scenes import sample_scenes
from sdbench.core import environment
from sdbench.core.errors import InputError, did_you_mean
from sdbench.core.precision import full_precision
from sdbench.core.progress import ImageProgress
from sdbench.runs.store import LocalStore
from sdbench.scoring.audit import Flagged
from sdbench.scoring.extract import Beside, image_features, text_features
from sdbench.scoring.extractors import build_extractors, extractors_of, is_at_hand
from sdbench.scoring.image_scores import BATCH_SIZE, compared_with, reals_of
from sdbench.scoring.measure import measure_some
from sdbench.scoring.pictures import PICTURES
from sdbench.scoring.protocols import protocols_of
from sdbench.scoring.references import Real
from sdbench.scoring.sample import Sample
from sdbench.spec import ShapesReference
from sdbench.tools.faults.doses import FAULTS, Clean

__all__ = ["SIZES", "FaultRow", "Measurer", "audit_metrics", "default_metrics", "power", "prepare"]

SIZES = (64, 512, 4096)
"""Numbers of images for which the smallest dose is given."""
_POWER = 0.8
_LEVEL = 0.05
_Z = 1.959964
_STREAM = "shapes/audit"
_SEED = 0
_REAL_SEED = 7
_REAL = 2048


@dataclass(frozen=True)
class FaultRow:
    """A metric under one dose of a fault, against none.

    Attributes:
        metric: The protocol.
        fault: A key of FAULTS.
        dose: In `unit`.
        unit: Of the dose.
        n: Number of images measured.
        difference: Value with the fault minus value without.
        standard_error: Of the difference, as `compare` gives it; None if it has none.
        p_value: Two-sided, at the measured n; None if there is no error.
        improves: Whether the fault moves the metric in its direction of improvement.
        power_64: Probability that a 5% test at 64 images tells the dose from none; extrapolated.
        power_512: The same at 512.
        power_4096: The same at 4096.
        note: Why there is no error.
    """

    metric: str
    fault: str
    dose: float
    unit: str
    n: int
    difference: float | None
    standard_error: float | None
    p_value: float | None
    improves: bool
    power_64: float | None
    power_512: float | None
    power_4096: float | None
    note: str

    @property
    def told(self) -> tuple[bool, ...]:
        """Whether the dose is told from none, for each of SIZES; only if the measurement itself tells it."""
        powers = (self.power_64, self.power_512, self.power_4096)
        real = self.p_value is not None and self.p_value < _LEVEL
        return tuple(real and p is not None and p >= _POWER for p in powers)


def default_metrics() -> list[str]:
    """Return the built-in metrics that have their weights here and need one image per prompt."""
    return [
        name for name, one in PROTOCOLS.items() if is_at_hand(one.extractor) and not one.formula.by_prompt
    ]


def audit_metrics(
    metrics: Sequence[str], faults: Sequence[str], count: int, progress: ImageProgress
) -> list[FaultRow]:
    """Return a row per metric, fault and dose.

    Args:
        metrics: Names of protocols, of metrics from outside too.
        faults: Keys of FAULTS.
        count: Number of clean scenes to measure.
        progress: Counts the images.

    Raises:
        InputError: A name is unknown, a metric cannot be measured so, or weights are missing.
    """
    unknown = next((name for name in faults if name not in FAULTS), None)
    if unknown is not None:
        raise InputError(f"unknown fault {unknown!r}: {did_you_mean(unknown, FAULTS)}")
    measurer = prepare(metrics, count, progress)
    progress.start(count * (1 + sum(len(FAULTS[name].doses) for name in faults)))
    clean = measurer.sample(measurer.clean.images)
    none, silent = measurer.values(clean), _without_error(measurer, clean)
    rows = []
    for name in faults:
        for dose in FAULTS[name].doses:
            faulty = measurer.values(measurer.sample(FAULTS[name].apply(measurer.clean, dose)))
            for protocol in measurer.protocols:
                a, b = faulty.get(protocol.name), none.get(protocol.name)
                test = None if a is None or b is None else compare(a, b)
                rows.append(_row(protocol, name, dose, count, test, silent[protocol.name]))
    return rows


@dataclass(frozen=True)
class Measurer:
    """Measures images of the clean scenes, with or without faults, by the protocols."""

    protocols: Sequence[Protocol]
    clean: Clean
    prompts: Sequence[str]
    extractors: Mapping[str, Extractor]
    texts: Mapping[str, np.ndarray]
    reals: Mapping[str, Real]
    progress: ImageProgress

    def sample(self, images: np.ndarray) -> Sample:
        """Return the features of images uint8 [n, H, W, 3], one for each scene."""
        parts = []
        for start in range(0, len(images), BATCH_SIZE):
            batch = slice(start, start + BATCH_SIZE)
            parts.append(image_features(self.extractors, [images[batch]], Beside(self.prompts[batch])))
            self.progress.finished(len(images[batch]))
        features = {name: np.concatenate([part[name] for part in parts]) for name in self.extractors}
        ids = tuple(map(str, range(len(images))))
        return Sample(ids, self.prompts, ids, features, self.texts, [Flagged("", None)] * len(ids))

    def values(self, sample: Sample) -> dict[str, Estimate]:
        """Return the values by protocol, without those that need more images."""
        return measure_some(self.protocols, sample, self.reals)


def prepare(metrics: Sequence[str], count: int, progress: ImageProgress) -> Measurer:
    """Draw the scenes and load what the metrics need; InputError as `audit_metrics`."""
    protocols = _usable(metrics)
    full_precision()
    clean, prompts = _clean(count)
    extractors = build_extractors(extractors_of(protocols), environment.best_device())
    size = clean.images.shape[1], clean.images.shape[2]
    compared = any(protocol.formula.needs_reference for protocol in protocols)
    spec = ShapesReference(source="shapes", count=_REAL, seed=_REAL_SEED) if compared else None
    with TemporaryDirectory(prefix="sdbench-") as folder:
        store = LocalStore(Path(folder))
        reals = reals_of(compared_with(spec, size), protocols, extractors, size, store, progress)
    texts = text_features(extractors, prompts, BATCH_SIZE)
    return Measurer(protocols, clean, prompts, extractors, texts, reals, progress)


def power(difference: float, error: float, measured: int, n: int) -> float:
    """Return the power of a 5% two-sided test at n images, from a difference and its error at `measured`.

    The error is taken to fall with the square root of n, and the difference to be the true one.
    """
    if error == 0:
        return float(difference != 0)
    shift = abs(difference) / error * float(np.sqrt(n / measured))
    return float(ndtr(shift - _Z) + ndtr(-shift - _Z))


def _usable(names: Sequence[str]) -> list[Protocol]:
    protocols = protocols_of(names)
    for protocol in protocols:
        if protocol.formula.by_prompt:
            raise InputError(f"{protocol.name} needs several images of each prompt; the audit has one")
        if protocol.with_reference or protocol.extractor == PICTURES:
            raise InputError(
                f"{protocol.name} needs an image's own reference or whole sets; the audit has neither"
            )
    return protocols


def _clean(count: int) -> tuple[Clean, list[str]]:
    scenes = sample_scenes(_SEED, _STREAM, 0, count)
    real, _ = reference_set(min(count, _REAL), _REAL_SEED)
    real = real[np.arange(count) % len(real)]
    order = np.random.default_rng(_SEED).permutation(count)
    images = to_uint8(paint(scenes))
    return Clean(scenes, images, real, order), [caption(scene) for scene in scenes]


def _without_error(measurer: Measurer, clean: Sample) -> dict[str, frozenset[int]]:
    """Return, by protocol, those of SIZES at which sdbench gives no error, as far as the images reach."""
    names = [protocol.name for protocol in measurer.protocols]
    silent: dict[str, set[int]] = {name: set() for name in names}
    for size in SIZES:
        if size < len(clean.ids):
            found = measurer.values(clean.only(np.arange(len(clean.ids)) < size))
            for name in names:
                if name not in found or found[name].standard_error is None:
                    silent[name].add(size)
    return {name: frozenset(sizes) for name, sizes in silent.items()}


def _row(
    protocol: Protocol, fault: str, dose: float, n: int, test: Comparison | None, silent: frozenset[int]
) -> FaultRow:
    difference = None if test is None else test.difference
    error = None if test is None else test.standard_error
    at_64, at_512, at_4096 = (
        None if difference is None or error is None or size in silent else power(difference, error, n, size)
        for size in SIZES
    )
    better = 1 if protocol.formula.better == "higher" else -1
    return FaultRow(
        protocol.name,
        fault,
        dose,
        FAULTS[fault].unit,
        n,
        difference,
        error,
        None if test is None else test.p_value,
        bool(difference and difference * better > 0),
        at_64,
        at_512,
        at_4096,
        "too few images for a value" if test is None else test.note,
    )
