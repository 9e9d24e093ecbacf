"""Builds extractors from outside, and values per image, on a device."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from inspect import Parameter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics import MetricsError
from metrics.features import Extractor
from sdbench.core.digest import digest_value
from sdbench.core.errors import InputError
from sdbench.scoring.outside.found import EXTRACTOR, METRIC, Found, called, find, parameters
from sdbench.scoring.outside.from_torchmetrics import Mode, TorchMetric, is_torchmetrics
from sdbench.scoring.outside.values import IMAGES, PROMPTS, REFERENCES, ImageValues, as_array, guarded
from sdbench.spec.metric_names import MetricName, parse_metric_name

__all__ = ["VALUES", "mode_of", "outside_extractor", "takes_of"]

VALUES = "values@"
"""Before the name of a metric, names the extractor of its values per image."""

_NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class OutsideExtractor:
    """An extractor from outside whose results are checked.

    Attributes:
        name: Its name with its arguments.
        digest: Identifies its code, arguments and weights.
        dim: Length of a feature vector.
    """

    def __init__(self, name: str, digest: str, extractor: Any) -> None:
        self.name = name
        self.digest = digest
        self.dim = int(extractor.dim)
        self._extractor = extractor

    def images(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features [B, dim] of images uint8 [B, H, W, 3]; MetricsError for other results."""
        return self._checked(guarded(self._extractor.images, images.copy()), len(images))

    def _checked(self, found: Any, n: int) -> NDArray[np.float32]:
        rows = as_array(found)
        if rows.shape != (n, self.dim):
            raise MetricsError(f"returns an array {list(rows.shape)}, not {[n, self.dim]}")
        wrong = int((~np.isfinite(rows).all(axis=1)).sum())
        if wrong:
            raise MetricsError(f"returns NaN or infinity for {wrong} of {n}")
        return rows.astype(np.float32)


class OutsideTextExtractor(OutsideExtractor):
    """An extractor from outside that reads texts too."""

    def texts(self, texts: list[str]) -> NDArray[np.float32]:
        """Return the features [B, dim] of B texts; MetricsError for other results."""
        return self._checked(guarded(self._extractor.texts, list(texts)), len(texts))


def outside_extractor(text: str, device: str) -> Extractor:
    """Return an extractor from outside, or, after the prefix VALUES, the values that a metric gives images.

    Raises:
        InputError: It cannot be built.
    """
    name = parse_metric_name(text.removeprefix(VALUES))
    if text.startswith(VALUES):
        found = find(name.target, METRIC)
        if is_torchmetrics(found.thing):
            return TorchMetric(found, name.args, device).as_values(text, mode_of(name))
        function = called(found, name.args, device, now=isinstance(found.thing, type))
        return ImageValues(text, _digest(found, function, name), function, takes_of(found, name.args))
    found = find(name.target, EXTRACTOR)
    made = called(found, name.args, device, now=True)
    for attribute in ("images", "dim"):
        if not hasattr(made, attribute):
            raise InputError(f"{found.where} has no {attribute!r}: an extractor has images(images) and dim")
    kind = OutsideTextExtractor if hasattr(made, "texts") else OutsideExtractor
    return kind(text, _digest(found, made, name), made)


@cache
def mode_of(name: MetricName) -> Mode:
    """Return how a class of torchmetrics gives its values; InputError if it fails on random images."""
    return TorchMetric(find(name.target, METRIC), name.args, "cpu").mode()


def takes_of(found: Found, args: Mapping[str, Any]) -> list[str]:
    """Return which of images, prompts and references a metric takes.

    Raises:
        InputError: It takes no images, or something that nothing gives it.
    """
    is_class = isinstance(found.thing, type)
    known = dict(parameters(found, found.thing.__call__ if is_class else found.thing))
    if is_class:
        known.pop(next(iter(known)), None)  # self
    takes = [name for name in (IMAGES, PROMPTS, REFERENCES) if name in known and name not in args]
    if IMAGES not in takes:
        raise InputError(f"{found.where} takes no 'images': its parameters are {', '.join(known) or 'none'}")
    for name, parameter in known.items():
        given = name in takes or (not is_class and (name in args or name == "device"))
        if not given and parameter.default is parameter.empty and parameter.kind in _NAMED:
            raise InputError(f"{found.where} needs a value for its parameter {name!r}: give it in args")
    return takes


def _digest(found: Found, made: Any, name: MetricName) -> str:
    """Return a digest of the code, the arguments and, if the part has one, its own digest of its weights."""
    own = str(getattr(made, "digest", ""))
    return digest_value({"part": found.identity, "args": name.query, "own": own})
