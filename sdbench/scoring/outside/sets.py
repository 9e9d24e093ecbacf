"""Values of whole sets by classes of torchmetrics, with a jackknife over blocks of images as their error."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from metrics import Estimate, Formula, MetricsError
from metrics.blocks import BLOCKS, FEWEST_BLOCKS, block_estimate, blocks_of, without_each
from sdbench.core.environment import best_device
from sdbench.core.errors import InputError
from sdbench.scoring.outside.found import Found
from sdbench.scoring.outside.from_torchmetrics import REAL, State, TorchMetric
from sdbench.scoring.outside.values import IMAGES, PROMPTS
from sdbench.scoring.pictures import HasBatches, Pictures
from sdbench.spec.metric_names import MetricName

__all__ = ["set_formula"]


class SetMetric:
    """A class of torchmetrics with its arguments; built when it is first needed."""

    def __init__(self, found: Found, name: MetricName) -> None:
        self._found = found
        self._name = name
        self._metric: TorchMetric | None = None

    @property
    def metric(self) -> TorchMetric:
        """The metric on the best device."""
        if self._metric is None:
            self._metric = TorchMetric(self._found, self._name.args, best_device())
        return self._metric

    def of_real(self, real: HasBatches) -> State:
        """Return the state that holds the real images; a formula's `prepare`."""
        self.metric.load({})
        for images in real.batches():
            self.metric.update({IMAGES: images, REAL: True})
        return self.metric.state()

    def estimate(self, *, generated: Pictures, real: State | None = None) -> Estimate:
        """Return the value of a set with its error.

        Raises:
            MetricsError: The metric fails on the whole set.
        """
        members = blocks_of(len(generated), generated.prompts)
        count = int(members.max()) + 1
        start = real or {}

        def add(state: State, block: int) -> State:
            return self._with(state, generated[members == block])

        whole = start
        for block in range(count):
            whole = add(whole, block)
        value = self._value(whole)
        if not np.isfinite(value):
            raise MetricsError(f"gives {value} for {len(generated)} images")
        if count < FEWEST_BLOCKS:
            note = f"no standard error: {count} prompts, at least {FEWEST_BLOCKS} are needed"
            return Estimate(value, None, len(generated), None, note=note)
        try:
            return block_estimate(value, without_each(start, count, add, self._value), members)
        except MetricsError as error:
            note = f"no standard error: without one of {count} blocks of images the metric {error}"
            return Estimate(value, None, len(generated), None, note=note)

    def _with(self, state: State, pictures: Pictures) -> State:
        """Return the state with these images more."""
        self.metric.load(state)
        start = 0
        for images in pictures.batches():
            prompts = pictures.prompts[start : start + len(images)]
            self.metric.update({IMAGES: images, REAL: False, PROMPTS: list(prompts)})
            start += len(images)
        return self.metric.state()

    def _value(self, state: State) -> float:
        self.metric.load(state)
        value = self.metric.compute()
        if value.size != 1:
            raise MetricsError(f"gives {value.size} values for a set")
        return float(value[0])


def set_formula(found: Found, name: MetricName, better: Literal["lower", "higher"], takes: Any) -> Formula:
    """Return the formula of a class whose value is that of a set.

    Raises:
        InputError: The class compares each image with its own, which no value of sets here can.
    """
    if not set(takes) <= {IMAGES, PROMPTS, REAL}:
        raise InputError(
            f"{found.where} gives no value for each image alone, and compares images with their own: choose "
            "arguments with which it does, such as dim or reduction"
        )
    metric = SetMetric(found, name)
    words = f"{name.text}, a value of the whole set; error from leaving out each of up to {BLOCKS} blocks"
    return Formula(
        words,
        metric.estimate,
        better,
        prepare=metric.of_real if REAL in takes else None,
        by_blocks=True,
    )
