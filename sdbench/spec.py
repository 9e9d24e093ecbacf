"""The experiment spec: what a YAML file may say, frozen and validated.

Unknown keys fail. An error is one line: the file, the key, what is wrong and what is allowed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from sdbench.digest import digest_value
from sdbench.errors import InputError, SpecError, did_you_mean, one_line
from sdbench.models.entry import ModelEntry, Name
from sdbench.models.sampler_names import belongs_to_model
from sdbench.registry import SUFFIXES, known_names
from sdbench.spec_errors import describe
from sdbench.strict_yaml import load_yaml

__all__ = [
    "FEWEST",
    "CheckpointSpec",
    "CocoPrompts",
    "CocoReference",
    "ExperimentSpec",
    "FilePrompts",
    "FolderReference",
    "ListPrompts",
    "PromptsSpec",
    "ReferenceSpec",
    "SamplerSpec",
    "ShapesPrompts",
    "ShapesReference",
    "StatsReference",
    "load_spec",
]

FEWEST = 2
"""Images without which there is no covariance."""

Count = Annotated[int, Field(strict=True, ge=1)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Scale = Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)]
Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _checkpoint(value: Any) -> Any:
    if isinstance(value, str):
        looks_like_path = "/" in value or value.endswith(SUFFIXES)
        return {"name": _stem(value), "path": value} if looks_like_path else {"name": value}
    return value


def _stem(path: str) -> str:
    """The last part without the ending of a file; a folder such as stable-diffusion-v1.4 keeps its own."""
    last = Path(path)
    return last.stem if last.suffix in SUFFIXES else last.name


def _prompts(value: Any) -> Any:
    return {"source": "list", "prompts": value} if isinstance(value, list) else value


def _height_width(value: Any) -> Any:
    return [value, value] if isinstance(value, int) else value


class CheckpointSpec(ModelEntry):
    """A model of the experiment: a known name, or any name with its weights."""

    @model_validator(mode="after")
    def _is_known(self) -> CheckpointSpec:
        if self.path is None and self.diffusers is None and self.name not in known_names():
            hint = did_you_mean(self.name, known_names())
            raise ValueError(f"unknown checkpoint {self.name!r}: {hint}; or a .ckpt or .safetensors path")
        return self


class SamplerSpec(_Part):
    """A sampler with its number of steps; `eta` is the share of fresh noise at each DDIM step.

    A name of `reference_model.samplers`, an installed sampler, `module:function`, or one of the model's own.
    """

    name: str
    steps: Annotated[int, Field(strict=True, ge=1, le=1000)]
    eta: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] = 0.0

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        from sdbench.samplers import resolve_sampler

        if not belongs_to_model(name):
            try:
                resolve_sampler(name)
            except InputError as error:
                raise ValueError(str(error)) from None
        return name

    @model_validator(mode="after")
    def _eta_where_it_has_a_meaning(self) -> SamplerSpec:
        from sdbench.samplers import resolve_sampler

        if self.eta and not (belongs_to_model(self.name) or resolve_sampler(self.name).takes_eta):
            raise ValueError(f"eta must be 0 for {self.name}; ddim takes eta up to 1")
        return self


class ShapesPrompts(_Part):
    """Captions of the embedded family's evaluation distribution."""

    source: Literal["shapes"]
    count: Count
    seed: Seed


class FilePrompts(_Part):
    """A text file, one prompt a line; blank lines are not prompts. `count` takes the first ones."""

    source: Literal["file"]
    path: str
    count: Count | None = None


class CocoPrompts(_Part):
    """Random captions of a COCO captions JSON: any caption of any image, none twice."""

    source: Literal["coco"]
    path: str
    count: Count
    seed: Seed


class ListPrompts(_Part):
    """Prompts written into the spec. `count` takes the first ones."""

    source: Literal["list"]
    prompts: Annotated[tuple[Prompt, ...], Field(min_length=1)]
    count: Count | None = None


class ShapesReference(_Part):
    """Clean scenes of the embedded family's evaluation distribution."""

    source: Literal["shapes"]
    count: Annotated[int, Field(strict=True, ge=FEWEST)]
    seed: Seed


class FolderReference(_Part):
    """All images of a folder, .zip, .tar or .npz, cropped centrally and resized (Lanczos)."""

    source: Literal["folder"]
    path: str


class CocoReference(_Part):
    """The images that a COCO captions JSON lists, taken from the folder or archive `path`."""

    source: Literal["coco"]
    path: str
    captions: str


class StatsReference(_Part):
    """What `sdbench stats make` or another tool stored of a reference set: a file per protocol."""

    source: Literal["stats"]
    path: str


PromptsSpec = Annotated[
    Annotated[ShapesPrompts | FilePrompts | CocoPrompts | ListPrompts, Field(discriminator="source")],
    BeforeValidator(_prompts),
]
ReferenceSpec = Annotated[
    ShapesReference | FolderReference | CocoReference | StatsReference, Field(discriminator="source")
]


class ExperimentSpec(_Part):
    """One experiment: every checkpoint x sampler x guidance scale over the same prompts and noise."""

    name: Name
    checkpoints: Annotated[
        tuple[Annotated[CheckpointSpec, BeforeValidator(_checkpoint)], ...], Field(min_length=1)
    ]
    samplers: Annotated[tuple[SamplerSpec, ...], Field(min_length=1)]
    guidance_scales: Annotated[tuple[Scale, ...], Field(min_length=1)]
    prompts: PromptsSpec
    reference: ReferenceSpec | None = None
    image_size: Annotated[tuple[Count, Count], BeforeValidator(_height_width)]
    seed: Seed
    precision: Literal["full"] = "full"
    batch_size: Count
    unit_size: Count
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    images: Annotated[str, StringConstraints(pattern=r"^(all|none|sample:[1-9][0-9]*)$")] = "all"

    @field_validator("checkpoints", "samplers", "guidance_scales", "metrics")
    @classmethod
    def _no_twins(cls, items: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [item.name if isinstance(item, CheckpointSpec) else item for item in items]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise ValueError(f"{name!s} stands there twice")
        return items

    @field_validator("metrics")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from metrics.protocols import PROTOCOLS

        for name in names:
            if name not in PROTOCOLS:
                raise ValueError(f"unknown metric {name!r}: {did_you_mean(name, PROTOCOLS)}")
        return names

    @model_validator(mode="after")
    def _reference_where_needed(self) -> ExperimentSpec:
        if self.distances and self.reference is None:
            raise ValueError(f"reference: missing, and {self.distances[0]} compares against reference images")
        return self

    @property
    def distances(self) -> tuple[str, ...]:
        """The metrics that compare with reference images."""
        from metrics.protocols import PROTOCOLS

        return tuple(name for name in self.metrics if PROTOCOLS[name].needs_reference)

    @property
    def digest(self) -> str:
        """The sha256 of everything the spec says; a key that may be left out and is does not count."""
        return digest_value(self.model_dump(mode="json", exclude_none=True))

    def images_kept(self, count: int) -> int:
        """How many of a cell's `count` images are kept as PNG; the first ones by prompt order."""
        if self.images == "all":
            return count
        return 0 if self.images == "none" else min(count, int(self.images.removeprefix("sample:")))

    def with_count(self, count: int) -> ExperimentSpec:
        """The same experiment over `count` prompts."""
        return self.model_copy(update={"prompts": self.prompts.model_copy(update={"count": count})})

    def to_yaml(self) -> str:
        """The resolved spec: every key with its value, readable by `load_spec`."""
        return yaml.safe_dump(self.model_dump(mode="json", exclude_none=True), sort_keys=False, width=100)


_PARTS: dict[str, type[BaseModel]] = {
    "": ExperimentSpec,
    "checkpoints": CheckpointSpec,
    "samplers": SamplerSpec,
    "prompts.shapes": ShapesPrompts,
    "prompts.file": FilePrompts,
    "prompts.coco": CocoPrompts,
    "prompts.list": ListPrompts,
    "reference.shapes": ShapesReference,
    "reference.folder": FolderReference,
    "reference.coco": CocoReference,
    "reference.stats": StatsReference,
}


def load_spec(path: Path) -> ExperimentSpec:
    """Read and validate the YAML file `path`; SpecError carries the one line that says what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"{path}: no such experiment spec (relative paths start at {Path.cwd()})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as text: {one_line(error)}") from None
    try:
        content = load_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError(f"{path}: not valid YAML: {one_line(error)}") from None
    if not isinstance(content, dict):
        raise SpecError(f"{path}: an experiment spec is a mapping of keys such as name: and checkpoints:")
    try:
        return ExperimentSpec.model_validate(content)
    except ValidationError as error:
        raise SpecError(f"{path}: {describe(error, _PARTS)}") from None
