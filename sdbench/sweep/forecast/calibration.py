"""The speed of this device, measured by loading a model and timing a few real batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sdbench.core import environment
from sdbench.core.errors import InputError, SamplingError
from sdbench.core.precision import full_precision
from sdbench.data.prompts import Prompt
from sdbench.models import Images, Model, Source
from sdbench.models.settings import Settings
from sdbench.runs.images import as_png
from sdbench.scoring.extract import Beside, image_features
from sdbench.scoring.extractors import build_extractor, extractor_names, is_at_hand
from sdbench.spec import ExperimentSpec
from sdbench.sweep.batch_size import untried_size

__all__ = ["Speed", "calibrate"]

PATIENCE = 2.0
"""Seconds that a probe may take; slow devices are probed with single images and few steps."""

WHOLE_BATCH = 8.0
"""Seconds that a batch with all steps may take; a longer one is extrapolated from few steps."""

FEW, MORE = 2, 5
"""Steps of the two probes whose difference gives the seconds of an evaluation."""


@dataclass(frozen=True)
class Speed:
    """Measured times on a device.

    Attributes:
        device: Name of the device.
        basis: What was timed, in words.
        load: Seconds to load a checkpoint.
        fixed: Seconds per image for prompt, decoder and features.
        per_evaluation: Seconds per UNet evaluation; 0 if evaluations cannot be counted.
        bytes_per_pixel: Size of the PNGs of finished images; None if no image was finished.
    """

    device: str
    basis: str
    load: float
    fixed: float
    per_evaluation: float
    bytes_per_pixel: float | None

    def seconds(self, images: int, evaluations: int) -> float:
        """Return the seconds for `images` images with `evaluations` evaluations in total."""
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
) -> Speed:
    """Load the model and time it under the settings, which takes a few seconds on a fast device.

    Raises:
        InputError: The model cannot be loaded.
        SamplingError: The model cannot make images.
    """
    full_precision()
    device = environment.best_device()
    note(f"calibration: loading {source.name}")
    began = time.perf_counter()
    model = source.load(device, settings.arithmetic)
    load = time.perf_counter() - began
    note(f"calibration: a few batches on {environment.device_name(device)}")
    size, low = _batch(model, settings, prompts, spec, device)
    every = settings.steps
    steps = min(MORE, every) if low.evaluations else every
    high = _probe(model, settings, prompts[:size], steps)
    if steps < every and high.seconds * every / steps <= WHOLE_BATCH:
        steps, high = every, _probe(model, settings, prompts[:size], every)
    per_evaluation, fixed = _slope(low, high)
    features, without = _features(spec, high, prompts[: high.size], device)
    what = f"{size} image{'s' if size > 1 else ''} at {min(FEW, every)} and {steps} steps"
    after = " after compiling" if settings.compiled else ""
    return Speed(
        device=environment.device_name(device),
        basis=f"{what} of {source.name} {settings.sampler}{after}{without}",
        load=load,
        fixed=fixed + features,
        per_evaluation=per_evaluation,
        bytes_per_pixel=_png(high.images) if steps == every else None,
    )


def _batch(
    model: Model, settings: Settings, prompts: Sequence[Prompt], spec: ExperimentSpec, device: str
) -> tuple[int, _Probe]:
    """Choose a batch size, and probe a batch of that size with few steps.

    A compiled model gets the batch size of a run, because compiling for any other would be wasted. Otherwise
    the size is as large as `PATIENCE` allows.
    """
    limit = min(len(prompts), spec.unit_size if spec.batch_size == "auto" else spec.batch_size)
    if settings.compiled:
        size = untried_size(device, limit) if spec.batch_size == "auto" else limit
        for _ in range(2):  # the first compiles, the second records CUDA graphs; a run does both once
            _probe(model, settings, prompts[:size], FEW)
        return size, _probe(model, settings, prompts[:size], FEW)
    first = _probe(model, settings, prompts[:1], FEW)
    if first.seconds > PATIENCE:
        return 1, first
    warm = _probe(model, settings, prompts[:1], FEW)
    size = max(1, min(limit, int(PATIENCE / warm.seconds)))
    if size > 1:
        _probe(model, settings, prompts[:size], FEW)  # warm-up: each batch size has its own kernels
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
    """Return the seconds of one evaluation and of everything else, for one image."""
    more, each = high.evaluations - low.evaluations, high.seconds / high.size
    if more <= 0:
        return (each / high.evaluations, 0.0) if high.evaluations else (0.0, each)
    per_evaluation = max(0.0, (high.seconds - low.seconds) / more / low.size)
    return per_evaluation, max(0.0, each - per_evaluation * high.evaluations)


def _features(
    spec: ExperimentSpec, probe: _Probe, prompts: Sequence[Prompt], device: str
) -> tuple[float, str]:
    """Return the seconds that the features of an image take, and a note on extractors that are missing."""
    seconds, absent, beside = 0.0, [], Beside([prompt.text for prompt in prompts])
    for name in extractor_names(spec):
        if not is_at_hand(name):
            absent.append(name)
            continue
        try:
            extractor = {name: build_extractor(name, device)}
            image_features(extractor, [probe.images.pixels], beside)
            began = time.perf_counter()
            image_features(extractor, [probe.images.pixels], beside)
        except InputError:  # also of values that take more than images and prompts
            absent.append(name)
            continue
        seconds += (time.perf_counter() - began) / probe.size
    return seconds, f", without the features of {', '.join(absent)}" if absent else ""


def _png(images: Images) -> float:
    return sum(len(as_png(image)) for image in images.pixels) / images.pixels[..., 0].size
