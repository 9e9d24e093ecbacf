"""Reading a spec from its YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from sdbench.core.errors import SpecError, one_line
from sdbench.core.yaml import load_yaml
from sdbench.spec import prompts, records, references
from sdbench.spec.budget import Budget
from sdbench.spec.errors import describe
from sdbench.spec.experiment import ExperimentSpec
from sdbench.spec.model_entry import ModelEntry
from sdbench.spec.models import SamplerSpec

__all__ = ["PARTS", "load_spec", "spec_of"]

PARTS: dict[str, type[BaseModel]] = {
    "": ExperimentSpec,
    "checkpoints": ModelEntry,
    "samplers": SamplerSpec,
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


def load_spec(path: Path) -> ExperimentSpec:
    """Read and validate the YAML file `path`; SpecError, in one line, if it is not a valid spec."""
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
        raise SpecError(f"{path}: {describe(error, PARTS)}") from None


def spec_of(content: Mapping[str, Any]) -> ExperimentSpec:
    """Return the spec with these keys, as in a YAML file; SpecError, in one line, if it is not valid."""
    try:
        return ExperimentSpec.model_validate(dict(content))
    except ValidationError as error:
        raise SpecError(f"spec: {describe(error, PARTS)}") from None
