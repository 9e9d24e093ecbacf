"""Classes of torchmetrics, and of other packages in its form, as metrics.

A class that gives each image a value, or whose value over a set is the mean of the values of its images, is
treated as a value per image; any other is a value of sets. Which of these it is is tried on random images.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from metrics import MetricsError
from metrics.features.base import module_digest
from sdbench.core.digest import digest_value
from sdbench.core.errors import InputError
from sdbench.scoring.outside.found import Found, called, parameters
from sdbench.scoring.outside.values import IMAGES, PROMPTS, REFERENCES, ImageValues, as_array, guarded

__all__ = ["REAL", "Mode", "State", "TorchMetric", "is_torchmetrics", "takes_of_class"]

REAL = "real"
_TEXTS = {"text", "texts", "prompt", "prompts", "captions"}
_SIGNED = {"LearnedPerceptualImagePatchSimilarity"}
"""Classes that take floats from -1 to 1 unless `normalize` is true; others with that switch take 8 bits."""
_EIGHT_BITS = {"CLIPScore"}

_TRIAL = (4, 256)
"""Images of the trial, and their side, which is large enough for every class."""

State = Mapping[str, Any]
"""What a metric has added up, by the names of its attributes."""

Mode = Literal["each", "vector", "set"]
"""A value for each image when it is given alone, a vector of values, or one value of the whole set."""


def is_torchmetrics(thing: Any) -> bool:
    """Return whether this is a class derived from torchmetrics.Metric."""
    return isinstance(thing, type) and any(
        f"{base.__module__}.{base.__name__}" == "torchmetrics.metric.Metric" for base in thing.__mro__
    )


class TorchMetric:
    """A metric of torchmetrics on a device.

    Attributes:
        found: Its class.
        takes: What its `update` takes, in order: images, prompts, references, or whether images are real.
        digest: Identifies version, arguments and weights.
    """

    def __init__(self, found: Found, args: Mapping[str, Any], device: str) -> None:
        """Build it; InputError if that fails."""
        self.found = found
        self.takes = takes_of_class(found)
        with _quiet():
            # Lists of numbers are tuples in torchmetrics.
            given = {name: tuple(value) if isinstance(value, list) else value for name, value in args.items()}
            self._metric = called(found, given, device, now=True).to(device)
        self._device = device
        self._range = _range(found.thing, args)
        weights = module_digest(self._metric)
        self.digest = digest_value({"part": found.identity, "args": dict(args), "weights": weights})

    def value(self, given: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return what the metric computes of images and what else it takes, as a vector."""
        self._metric.reset()
        self.update(given)
        return self.compute()

    def update(self, given: Mapping[str, Any]) -> None:
        """Add images and what else the metric takes; whatever it raises is a MetricsError."""
        with _quiet(), torch.no_grad():
            guarded(self._metric.update, *(self._as_given(given[name]) for name in self.takes))

    def compute(self) -> NDArray[np.float64]:
        """Return the value so far as a vector; of a mean and its deviation, the mean."""
        with _quiet(), torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)  # some classes draw subsets; so that the same images give the same value
            found = guarded(self._metric.compute)
        if isinstance(found, Mapping):
            raise MetricsError(f"gives several values, {', '.join(map(str, found))}: choose one by its args")
        return as_array(found[0] if isinstance(found, tuple) else found).reshape(-1)

    def state(self) -> State:
        """Return a copy of what the metric has added up."""
        return {name: _copied(value) for name, value in self._metric.metric_state.items()}

    def load(self, state: State) -> None:
        """Go back to a state that `state` returned; an empty one begins anew."""
        self._metric.reset()
        for name, value in state.items():
            setattr(self._metric, name, _copied(value))

    def each(self, given: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return the value of every image by itself: [B]."""
        parts = []
        for place in range(len(given[IMAGES])):
            value = self.value({name: given[name][place : place + 1] for name in self.takes})
            if value.size != 1:
                raise MetricsError(f"gives {value.size} values for one image")
            parts.append(value)
        return np.concatenate(parts)

    def as_values(self, name: str, mode: Mode) -> ImageValues:
        """Return the metric as an extractor of a value per image."""
        of_batch = self.value if mode == "vector" else self.each
        return ImageValues(name, self.digest, lambda **given: of_batch(given), self.takes)

    def mode(self) -> Mode:
        """Return how the class gives its values, tried on random images; InputError if it fails on them."""
        if REAL in self.takes:
            return "set"
        given = _random()
        try:
            whole = self.value(given)
        except MetricsError as error:
            raise InputError(f"{self.found.where} {error}, on random images") from None
        if whole.size == len(given[IMAGES]):
            return "vector"
        if whole.size != 1:
            raise InputError(f"{self.found.where} gives {whole.size} values for {len(given[IMAGES])} images")
        try:
            each = self.each(given)
        except MetricsError:  # a value of sets need not have one for a single image
            return "set"
        return "each" if np.allclose(each.mean(), whole, rtol=1e-5, atol=1e-7) else "set"

    def _as_given(self, value: Any) -> Any:
        """Return images uint8 [B, H, W, 3] as the class takes them, [B, 3, H, W]; texts as they are."""
        if not isinstance(value, np.ndarray):
            return value
        pixels = torch.from_numpy(value).permute(0, 3, 1, 2).contiguous().to(self._device)
        if self._range is None:
            return pixels
        low, high = self._range
        return pixels.float() / (255 / (high - low)) + low


def _copied(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value.clone()


def takes_of_class(found: Found) -> tuple[str, ...]:
    """Return what `update` takes; InputError if that is not images, and prompts or other images with them."""
    words = list(parameters(found, found.thing.update))[1:]
    if REAL in words:
        return IMAGES, REAL
    reads_text = "multimodal" in found.thing.__module__ or (len(words) > 1 and words[1] in _TEXTS)
    if not 1 <= len(words) <= 2:
        raise InputError(f"{found.where}: its update takes {', '.join(words) or 'nothing'}, not images")
    return (IMAGES, PROMPTS if reads_text else REFERENCES)[: len(words)]


def _range(kind: type, args: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the range of the floats that the class takes; None if it takes 8 bits.

    What torchmetrics documents: the classes over Inception features take 8 bits, or floats from 0 to 1 with
    `normalize`, LPIPS floats from -1 to 1, or from 0 to 1 with `normalize`; the others floats of
    `data_range`, by default 0 to 1.
    """
    if kind.__name__ in _EIGHT_BITS:
        return None
    switch = inspect.signature(kind).parameters.get("normalize")
    if switch is not None and switch.default is False and not args.get("normalize", False):
        return (-1.0, 1.0) if kind.__name__ in _SIGNED else None
    given = args.get("data_range") or 1.0
    low, high = given if isinstance(given, Sequence) else (0.0, given)
    return float(low), float(high)


def _random() -> dict[str, Any]:
    count, side = _TRIAL
    random = np.random.default_rng(0)
    images, references = random.integers(0, 256, (2, count, side, side, 3), dtype=np.uint8)
    # Of different contrast: the mean over alike images could equal the value of the set by chance.
    images = (images * np.linspace(0.25, 1, count).reshape(-1, 1, 1, 1)).astype(np.uint8)
    return {IMAGES: images, PROMPTS: ["a red circle"] * count, REFERENCES: references}


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out the warnings of the library, which are not ours to fix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
