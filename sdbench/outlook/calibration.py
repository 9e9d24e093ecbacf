"""How fast this device makes images: a model is loaded, and a few real batches are timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sdbench import provenance
from sdbench.batching import untried_size
from sdbench.errors import InputError, SamplingError
from sdbench.extractors import build_extractor, extractor_names, is_at_hand
from sdbench.images import as_png
from sdbench.models import Images, Model, Source
from sdbench.models.settings import Settings
from sdbench.precision import full_precision
from sdbench.prompts import Prompt
from sdbench.spec import ExperimentSpec

__all__ = ["Pace", "calibrate"]

PATIENCE = 2.0
"""Seconds that a probe may take; a slow device is probed with single images and few steps."""

WHOLE_BATCH = 8.0
"""Seconds that a batch of all steps may take; where it takes longer it is computed from few steps."""

FEW, MORE = 2, 5


@dataclass(frozen=True)
class Pace:
    """Seconds on `device`: to load a checkpoint, and for an image its fixed part and each evaluation.

    `fixed` is prompt, decoder and features; `per_evaluation` is 0 where evaluations cannot be counted.
    `basis` says in words what was timed. `bytes_per_pixel` is that of finished images' PNGs, None where none
    was made.
    """

    device: str
    basis: str
    load: float
    fixed: float
    per_evaluation: float
    bytes_per_pixel: float | None

    def seconds(self, images: int, evaluations: int) -> float:
        """For `images` images that take so many evaluations in all."""
        return images * self.fixed + evaluations * self.per_evaluation


@dataclass(frozen=True)
class _Probe:
    seconds: float
    images: Images

    @property
    def size(self) -> int:
        return len(self.images.pixels)

    @property
    def evaluations(self) -> int:
        return self.images.evaluations or 0


def calibrate(
    spec: ExperimentSpec,
    source: Source,
    settings: Settings,
    prompts: Sequence[Prompt],
    note: Callable[[str], None],
) -> Pace:
    """Load the model and time it under the settings, a few seconds where the device is fast enough.

    InputError or SamplingError where the model cannot be loaded or makes no images.
    """
    full_precision()
    device = provenance.best_device()
    note(f"calibration: loading {source.name}")
    began = time.perf_counter()
    model = source.load(device, settings.arithmetic)
    load = time.perf_counter() - began
    note(f"calibration: a few batches on {provenance.device_name(device)}")
    size, low = _batch(model, settings, prompts, spec, device)
    every = settings.steps
    steps = min(MORE, every) if low.evaluations else every
    high = _probe(model, settings, prompts[:size], steps)
    if steps < every and high.seconds * every / steps <= WHOLE_BATCH:
        steps, high = every, _probe(model, settings, prompts[:size], every)
    per_evaluation, fixed = _slope(low, high)
    features, without = _features(spec, high, device)
    what = f"{size} image{'s' if size > 1 else ''} at {min(FEW, every)} and {steps} steps"
    after = " after compiling" if settings.compiled else ""
    return Pace(
        device=provenance.device_name(device),
        basis=f"{what} of {source.name} {settings.sampler}{after}{without}",
        load=load,
        fixed=fixed + features,
        per_evaluation=per_evaluation,
        bytes_per_pixel=_png(high.images) if steps == every else None,
    )


def _batch(
    model: Model, settings: Settings, prompts: Sequence[Prompt], spec: ExperimentSpec, device: str
) -> tuple[int, _Probe]:
    """How many images at a time, and the probe of such a batch with few steps.

    Compiled as many as a run makes at a time, since every other size would be compiled for nothing;
    otherwise as many as fit into the patience.
    """
    limit = min(len(prompts), spec.unit_size if spec.batch_size == "auto" else spec.batch_size)
    if settings.compiled:
        size = untried_size(device, limit) if spec.batch_size == "auto" else limit
        for _ in range(2):  # the first compiles, the second records CUDA graphs: runs do either once
            _probe(model, settings, prompts[:size], FEW)
        return size, _probe(model, settings, prompts[:size], FEW)
    first = _probe(model, settings, prompts[:1], FEW)
    if first.seconds > PATIENCE:
        return 1, first
    warm = _probe(model, settings, prompts[:1], FEW)
    size = max(1, min(limit, int(PATIENCE / warm.seconds)))
    if size > 1:
        _probe(model, settings, prompts[:size], FEW)  # kernels are chosen anew for another size
    return size, _probe(model, settings, prompts[:size], FEW)


def _probe(model: Model, settings: Settings, prompts: Sequence[Prompt], steps: int) -> _Probe:
    fewer = replace(settings, steps=min(steps, settings.steps))
    began = time.perf_counter()
    try:
        images = model.generate(prompts, fewer, lambda done, total: None)
    except (ValueError, RuntimeError) as error:
        raise SamplingError(f"calibration: {error}") from None
    return _Probe(time.perf_counter() - began, images)


def _slope(low: _Probe, high: _Probe) -> tuple[float, float]:
    """Seconds of an evaluation and of the rest, for one image."""
    more, each = high.evaluations - low.evaluations, high.seconds / high.size
    if more <= 0:
        return (each / high.evaluations, 0.0) if high.evaluations else (0.0, each)
    per_evaluation = max(0.0, (high.seconds - low.seconds) / more / low.size)
    return per_evaluation, max(0.0, each - per_evaluation * high.evaluations)


def _features(spec: ExperimentSpec, probe: _Probe, device: str) -> tuple[float, str]:
    """Seconds that the features of an image take, and which extractors were left out."""
    seconds, absent = 0.0, []
    for name in extractor_names(spec):
        if not is_at_hand(name):
            absent.append(name)
            continue
        try:
            extractor = build_extractor(name, device)
        except InputError:
            absent.append(name)
            continue
        extractor.images(probe.images.pixels)
        began = time.perf_counter()
        extractor.images(probe.images.pixels)
        seconds += (time.perf_counter() - began) / probe.size
    return seconds, f", without the features of {', '.join(absent)}" if absent else ""


def _png(images: Images) -> float:
    return sum(len(as_png(image)) for image in images.pixels) / images.pixels[..., 0].size
