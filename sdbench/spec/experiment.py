"""The whole spec: a sweep, and what is measured in it."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from sdbench.core.digest import digest_value
from sdbench.spec.budget import Budget
from sdbench.spec.guidance import PLAIN, GuidanceEntry
from sdbench.spec.metric_names import as_metric_name
from sdbench.spec.model_entry import ModelEntry, Name
from sdbench.spec.models import CheckpointEntry, CheckpointSpec, SamplerSpec
from sdbench.spec.prompts import PromptsSpec
from sdbench.spec.records import TrackerSpec
from sdbench.spec.references import ReferenceSpec
from sdbench.spec.values import BatchSize, Count, Part, Scale, Seed, Switch, Text

__all__ = ["ExperimentSpec", "MetricText", "SweepSpec"]


def _height_width(value: Any) -> Any:
    if isinstance(value, int):
        return [value, value]
    if isinstance(value, str):
        raise ValueError(f"{value!r}; allowed: a number of pixels, or [height, width]")
    return value


def _no_repeats(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the items; ValueError if one is given twice. Checkpoints are compared by name."""
    names = [item.name if isinstance(item, ModelEntry) else item for item in items]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ValueError(f"{name!s} is given twice")
    return items


def _text_or_texts(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value and value.strip()
    if isinstance(value, list | tuple) and value and all(isinstance(text, str) for text in value):
        return tuple(value)
    raise ValueError(f"{value!r}; allowed: a text for all prompts, or a list with a text for each")


MetricText = Annotated[str, BeforeValidator(as_metric_name)]
"""A metric by its name; one from outside may have its arguments beside it."""


class SweepSpec(Part):
    """Every combination of checkpoint, sampler and guidance scale, over the same prompts and noise."""

    name: Annotated[Name, Field(description="names the run folder, runs/NAME")]
    checkpoints: Annotated[
        tuple[CheckpointEntry, ...],
        Field(min_length=1, description="the models to compare: names, weights files, diffusers folders"),
    ]
    samplers: Annotated[
        tuple[SamplerSpec, ...], Field(min_length=1, description="samplers with their number of steps")
    ]
    guidance_scales: Annotated[
        tuple[Scale, ...],
        Field(min_length=1, description="strengths of classifier-free guidance; 1 means none"),
    ]
    prompts: Annotated[PromptsSpec, Field(description="what the images are to show")]
    image_size: Annotated[
        tuple[Count, Count] | None,
        BeforeValidator(_height_width, json_schema_input_type=Count | tuple[Count, Count] | None),
        Field(description="pixels: one side, or [height, width]; by default the size of the models"),
    ] = None
    seed: Annotated[Seed, Field(description="start noise: the same for every model")] = 42

    @property
    def height_width(self) -> tuple[int, int]:
        """The size of the images in pixels; ValueError if `image_size` is not decided yet."""
        if self.image_size is None:
            raise ValueError("the image size is not decided")
        return self.image_size

    @field_validator("checkpoints", "samplers", "guidance_scales")
    @classmethod
    def _each_once(cls, items: tuple[Any, ...]) -> tuple[Any, ...]:
        return _no_repeats(items)

    @field_validator("checkpoints")
    @classmethod
    def _groups_of_several(cls, items: tuple[CheckpointSpec, ...]) -> tuple[CheckpointSpec, ...]:
        for group, count in Counter(item.group for item in items).items():
            if group is not None and count == 1:
                raise ValueError(
                    f"group {group} has one checkpoint: the spread between training seeds needs two at least"
                )
        names = {item.name for item in items}
        for item in items:
            if item.group in names:
                raise ValueError(f"group {item.group} is the name of a checkpoint: give it another one")
        return items

    @property
    def groups(self) -> dict[str, str]:
        """The recipe of each checkpoint that is one of several, by its name."""
        return {item.name: item.group for item in self.checkpoints if item.group is not None}


class ExperimentSpec(SweepSpec):
    """An experiment: a sweep, the metrics of its images, and how the work is done."""

    reference: Annotated[
        ReferenceSpec | None, Field(description="real images that distances compare with")
    ] = None
    negative_prompt: Annotated[
        str | tuple[str, ...] | None,
        BeforeValidator(_text_or_texts, json_schema_input_type=str | list[str] | None),
        Field(description="guidance leads away from it: a text for all prompts, or a list with one for each"),
    ] = None
    guidance: Annotated[
        tuple[GuidanceEntry, ...],
        Field(description="other ways of guiding than plain scales, each {name, scale} and settings"),
    ] = ()
    precision: Annotated[
        Literal["full", "autocast", "bf16", "fp16"],
        Field(description="arithmetic of the networks; full is float32"),
    ] = "full"
    compile: Annotated[Switch, Field(description="whether to use torch.compile; auto: on GPUs")] = "auto"
    batch_size: Annotated[BatchSize, Field(description="images per batch; auto: what fits the device")] = (
        "auto"
    )
    unit_size: Annotated[
        Count, Field(description="images per stored unit; an interruption loses the unit under way")
    ] = 64
    metrics: Annotated[
        tuple[MetricText, ...],
        Field(min_length=1, description="what to measure: 'sdbench metrics list' has all metrics"),
    ]
    images_per_prompt: Annotated[
        Count, Field(description="images of each prompt, each from noise of its own")
    ] = 1
    by: Annotated[
        tuple[Text, ...],
        Field(description="columns of the prompt file whose categories get results of their own"),
    ] = ()
    images: Annotated[
        str,
        StringConstraints(pattern=r"^(all|none|sample:[1-9][0-9]*)$"),
        Field(description="images to keep as PNG: all, none, or sample:N"),
    ] = "all"
    budget: Annotated[Budget | None, Field(description="when to stop making images")] = None
    records: Annotated[tuple[TrackerSpec, ...], Field(description="trackers that receive the results")] = ()

    @field_validator("metrics", "by")
    @classmethod
    def _no_name_twice(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _no_repeats(names)

    @field_validator("budget")
    @classmethod
    def _budget_by_a_metric_of_the_spec(cls, budget: Budget | None, info: ValidationInfo) -> Budget | None:
        if budget is not None and "metrics" in info.data:
            budget.protocol_of(info.data["metrics"])
        return budget

    @model_validator(mode="after")
    def _each_way_once(self) -> ExperimentSpec:
        ways = [*self._plain, *((entry.method, entry.scale) for entry in self.guidance)]
        for place, entry in enumerate(self.guidance):
            if ways.count((entry.method, entry.scale)) > 1:
                raise ValueError(f"guidance.{place}: {entry.method} at scale {entry.scale:g} is given twice")
        return self

    @property
    def digest(self) -> str:
        """The sha256 of all values of the spec except `records`, which changes no result."""
        return digest_value(self.model_dump(mode="json", exclude={"records"}))

    @property
    def guided(self) -> tuple[tuple[str, float], ...]:
        """Every way of guiding with its scale: plain scales, those of controls, the entries of `guidance`."""
        controls = [(PLAIN, scale) for _, scale in self.controlled]
        entries = [(entry.method, entry.scale) for entry in self.guidance]
        return tuple(dict.fromkeys([*self._plain, *controls, *entries]))

    @property
    def controlled(self) -> tuple[tuple[str, float], ...]:
        """The ways of guiding, with their scale, that plain guidance is the control of."""
        return tuple((entry.method, entry.scale) for entry in self.guidance if entry.control)

    @property
    def _plain(self) -> list[tuple[str, float]]:
        return [(PLAIN, scale) for scale in self.guidance_scales]

    @property
    def negatives(self) -> tuple[str, ...]:
        """The negative prompts: one for all prompts, or one for each."""
        return (
            (self.negative_prompt,) if isinstance(self.negative_prompt, str) else self.negative_prompt or ()
        )

    @property
    def negative_words(self) -> str:
        """The negative prompt for tables: "" for none, and words in place of a list."""
        if isinstance(self.negative_prompt, tuple):
            return "(one for each prompt)"
        return self.negative_prompt or ""

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
