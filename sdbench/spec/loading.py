"""Reading a spec from its YAML file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from sdbench.core.errors import SpecError, did_you_mean, one_line
from sdbench.core.yaml import YamlError, line_of, load_yaml
from sdbench.spec import prompts, records, references
from sdbench.spec.budget import Budget
from sdbench.spec.errors import Problem, problems_of
from sdbench.spec.experiment import ExperimentSpec, MetricText, SweepSpec
from sdbench.spec.guidance import GuidanceEntry
from sdbench.spec.models import CheckpointEntry, CheckpointSpec, SamplerSpec
from sdbench.spec.overrides import OPTION, Override, with_overrides
from sdbench.spec.shipped import shipped_names, shipped_spec

__all__ = ["PARTS", "Names", "load_spec", "names_in", "spec_of"]

PARTS: dict[str, type[BaseModel]] = {
    "": ExperimentSpec,
    "checkpoints": CheckpointSpec,
    "samplers": SamplerSpec,
    "guidance": GuidanceEntry,
    "prompts.shapes": prompts.ShapesPrompts,
    "prompts.file": prompts.FilePrompts,
    "prompts.coco": prompts.CocoPrompts,
    "prompts.list": prompts.ListPrompts,
    "prompts.parti": prompts.PartiPrompts,
    "prompts.drawbench": prompts.DrawBenchPrompts,
    "prompts.csv": prompts.CsvPrompts,
    "prompts.jsonl": prompts.JsonlPrompts,
    "prompts.parquet": prompts.ParquetPrompts,
    "prompts.huggingface": prompts.HuggingFacePrompts,
    "reference.shapes": references.ShapesReference,
    "reference.folder": references.FolderReference,
    "reference.coco": references.CocoReference,
    "reference.stats": references.StatsReference,
    "budget": Budget,
    "records.mlflow": records.MlflowTracker,
    "records.wandb": records.WandbTracker,
    "records.tensorboard": records.TensorboardTracker,
}
"""The class of each mapping in a spec, by its place; tagged ones by place and tag."""


@dataclass(frozen=True)
class Names:
    """The names in a spec that only a machine can explain, by their index; invalid entries are left out.

    Attributes:
        checkpoints: The models.
        samplers: The samplers with their steps.
        metrics: The names of protocols.
        has_reference: Whether there are real images.
    """

    checkpoints: Mapping[int, CheckpointSpec]
    samplers: Mapping[int, SamplerSpec]
    metrics: Mapping[int, str]
    has_reference: bool


Check = Callable[[Names], Iterable[Problem]]


def load_spec(path: Path, overrides: Sequence[Override] = (), check: Check | None = None) -> ExperimentSpec:
    """Read and validate a spec.

    Args:
        path: A YAML file, or the name of a spec that comes with the package.
        overrides: Values that replace those of the file.
        check: Finds problems with the names in the spec; none are looked up without it.

    Raises:
        SpecError: It is not a valid spec; a line for each problem gives file, line and key.
        InputError: An override has no place in the spec.
    """
    path = _file(path)
    text = _text(path)
    try:
        content = load_yaml(text)
    except YamlError as error:
        raise SpecError(f"{_at(path, error.line)}: not valid YAML: {error.words}") from None
    if not isinstance(content, dict):
        raise SpecError(f"{path}: an experiment spec is a mapping of keys such as name: and checkpoints:")
    content = with_overrides(content, overrides)
    try:
        spec = ExperimentSpec.model_validate(content)
    except ValidationError as error:
        problems = problems_of(error, PARTS)
        problems += check(_valid_names(content)) if check else ()
    else:
        problems = list(check(names_in(spec))) if check else []
        if not problems:
            return spec
    raise SpecError(_listing(path, text, problems, overrides))


def spec_of(content: Mapping[str, Any]) -> ExperimentSpec:
    """Return the spec with these keys, as in a YAML file; SpecError has a line for each problem."""
    try:
        return ExperimentSpec.model_validate(dict(content))
    except ValidationError as error:
        problems = problems_of(error, PARTS)
        raise SpecError("\n".join(f"spec: {one_line(problem)}" for problem in problems)) from None


def names_in(spec: SweepSpec) -> Names:
    """Return the names in a valid spec."""
    metrics = spec.metrics if isinstance(spec, ExperimentSpec) else ()
    has_reference = isinstance(spec, ExperimentSpec) and spec.reference is not None
    return Names(
        dict(enumerate(spec.checkpoints)),
        dict(enumerate(spec.samplers)),
        dict(enumerate(metrics)),
        has_reference,
    )


def _file(path: Path) -> Path:
    """Return the file, which may be one that comes with the package: a file of the user's has precedence."""
    found = None if path.exists() else shipped_spec(str(path))
    return found or path


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        hint = did_you_mean(path.stem, shipped_names()).replace("known:", "specs that come with sdbench:")
        raise SpecError(
            f"{path}: no such experiment spec (relative paths start at {Path.cwd()}); {hint}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as text: {one_line(error)}") from None


def _valid_names(content: Mapping[str, Any]) -> Names:
    return Names(
        _valid(TypeAdapter(CheckpointEntry), content.get("checkpoints")),
        _valid(TypeAdapter(SamplerSpec), content.get("samplers")),
        _valid(TypeAdapter(MetricText), content.get("metrics")),
        content.get("reference") is not None,
    )


def _valid(kind: TypeAdapter[Any], items: Any) -> dict[int, Any]:
    """Return the items of a list that are valid, by their index."""
    found = {}
    for index, item in enumerate(items if isinstance(items, list) else ()):
        with suppress(ValidationError):
            found[index] = kind.validate_python(item)
    return found


def _listing(path: Path, text: str, problems: Sequence[Problem], overrides: Sequence[Override]) -> str:
    """Return a line for each problem with the option or the line of the file that it comes from.

    Misspelt keys come first, because they may explain others; the rest is in the order of the file.
    """
    lines = []
    for problem in problems:
        if any(problem.place[: len(override.place)] == override.place for override in overrides):
            lines.append((not problem.misspelt, 0, f"{OPTION} {problem}"))
        else:
            number = line_of(text, problem.place)
            lines.append((not problem.misspelt, number or 0, f"{_at(path, number)}: {problem}"))
    return "\n".join(one_line(words) for *_, words in sorted(lines, key=lambda line: line[:2]))


def _at(path: Path, line: int | None) -> str:
    return str(path) if line is None else f"{path}:{line}"
