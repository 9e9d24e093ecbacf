"""The whole spec: a sweep, and what is measured in it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, StringConstraints, field_validator, model_validator

from sdbench.core.digest import digest_value
from sdbench.core.errors import did_you_mean
from sdbench.core.precision import compiles
from sdbench.spec.budget import Budget
from sdbench.spec.model_entry import ModelEntry, Name
from sdbench.spec.models import CheckpointEntry, SamplerSpec
from sdbench.spec.prompts import PromptsSpec
from sdbench.spec.records import RecordSpec
from sdbench.spec.references import ReferenceSpec
from sdbench.spec.values import BatchSize, Count, Part, Scale, Seed, Switch

__all__ = ["ExperimentSpec", "SweepSpec"]


def _height_width(value: Any) -> Any:
    return [value, value] if isinstance(value, int) else value


def _no_repeats(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the items; ValueError if one is given twice. Checkpoints are compared by name."""
    names = [item.name if isinstance(item, ModelEntry) else item for item in items]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ValueError(f"{name!s} is given twice")
    return items


class SweepSpec(Part):
    """Every combination of checkpoint, sampler and guidance scale, over the same prompts and noise."""

    name: Name
    checkpoints: Annotated[tuple[CheckpointEntry, ...], Field(min_length=1)]
    samplers: Annotated[tuple[SamplerSpec, ...], Field(min_length=1)]
    guidance_scales: Annotated[tuple[Scale, ...], Field(min_length=1)]
    prompts: PromptsSpec
    image_size: Annotated[tuple[Count, Count], BeforeValidator(_height_width)]
    seed: Seed

    @field_validator("checkpoints", "samplers", "guidance_scales")
    @classmethod
    def _each_once(cls, items: tuple[Any, ...]) -> tuple[Any, ...]:
        return _no_repeats(items)


class ExperimentSpec(SweepSpec):
    """An experiment: a sweep, the metrics of its images, and how the work is done."""

    reference: ReferenceSpec | None = None
    precision: Literal["full", "autocast", "bf16", "fp16"] = "full"
    compile: Switch = "auto"
    batch_size: BatchSize
    unit_size: Count
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    images: Annotated[str, StringConstraints(pattern=r"^(all|none|sample:[1-9][0-9]*)$")] = "all"
    budget: Budget | None = None
    records: tuple[RecordSpec, ...] = ()

    @field_validator("metrics")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from metrics.protocols import PROTOCOLS

        for name in names:
            if name not in PROTOCOLS:
                raise ValueError(f"unknown metric {name!r}: {did_you_mean(name, PROTOCOLS)}")
        return _no_repeats(names)

    @model_validator(mode="after")
    def _reference_where_needed(self) -> ExperimentSpec:
        if self.distances and self.reference is None:
            raise ValueError(f"reference: missing, and {self.distances[0]} compares against reference images")
        return self

    @model_validator(mode="after")
    def _budget_by_a_metric_of_the_spec(self) -> ExperimentSpec:
        if self.budget is not None:
            self.budget.protocol_of(self.metrics)
        return self

    @property
    def distances(self) -> tuple[str, ...]:
        """The metrics that compare images with a reference set."""
        from metrics.protocols import PROTOCOLS

        return tuple(name for name in self.metrics if PROTOCOLS[name].formula.needs_reference)

    @property
    def digest(self) -> str:
        """The sha256 of all values of the spec except `records`, which changes no result."""
        return digest_value(self.model_dump(mode="json", exclude={"records"}))

    def compiled_on(self, device: str) -> bool:
        """Return whether models are compiled on `device`."""
        return compiles(self.compile, device)

    def images_kept(self, count: int) -> int:
        """Return how many of a cell's `count` images are kept as PNG: the first ones in prompt order."""
        if self.images == "all":
            return count
        return 0 if self.images == "none" else min(count, int(self.images.removeprefix("sample:")))

    def with_count(self, count: int) -> ExperimentSpec:
        """Return the same experiment over `count` prompts."""
        return self.model_copy(update={"prompts": self.prompts.model_copy(update={"count": count})})

    def to_yaml(self) -> str:
        """Return the resolved spec as YAML that `load_spec` reads: every key with its value."""
        return yaml.safe_dump(self.model_dump(mode="json", exclude_none=True), sort_keys=False, width=100)
