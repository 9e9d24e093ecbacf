"""Writes the spec of a first comparison: from a few answers to commented YAML that `sdbench run` takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sdbench.core.errors import InputError, did_you_mean
from sdbench.core.paths import existing_file, existing_path
from sdbench.data.prompts import load_prompts
from sdbench.data.rows import csv_rows, json_rows
from sdbench.models.catalogue import SHAPES
from sdbench.models.hub import is_hub_id
from sdbench.models.registry import known_names
from sdbench.models.weights_entry import plain_name, weights_entry
from sdbench.spec import ExperimentSpec, spec_of
from sdbench.spec.model_entry import WEIGHTS_SUFFIXES
from sdbench.spec.sampler_names import DEFAULT_SAMPLER
from sdbench.spec.schema import SCHEMA_LINE
from sdbench.sweep.names import check_names

__all__ = ["Answers", "compose"]

EMBEDDED = "shapes"
"""Stands for the prompts or the reference images of the embedded family."""

_COLUMNS = ("prompt", "caption", "text", "Prompt", "Prompts")
"""Columns and keys that usually hold the prompts."""

_KINDS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".parquet": "parquet", ".txt": "file"}

_DISTANCES = {True: "kd-shapes-clip", False: "kid-inception-tf"}
_SCORES = {True: "clip-score-shapes", False: "clip-score-vit-l-14"}
"""Metrics by whether all is of the embedded family. Kernel distances have no bias from a small n."""


@dataclass(frozen=True)
class Answers:
    """What a user says about a comparison; None and empty values leave the choice to sdbench.

    Attributes:
        name: The name of the experiment.
        checkpoints: Names, weights files, diffusers folders or hub ids.
        prompts: A file of prompts, or "shapes".
        column: The column or key of the prompts in that file.
        reference: A folder, an archive or statistics of real images, or "shapes".
        metrics: Names of metrics.
        sampler: Name of the sampler.
        steps: Number of sampling steps.
        guidance_scales: Guidance scales.
    """

    name: str
    checkpoints: Sequence[str]
    prompts: str
    column: str | None
    reference: str | None
    metrics: Sequence[str]
    sampler: str | None
    steps: int
    guidance_scales: Sequence[float]


def compose(answers: Answers) -> tuple[str, ExperimentSpec, int]:
    """Return the text of the spec, the spec, and the number of its prompts.

    Raises:
        InputError: A file is missing, a column is not clear, a name is unknown, or an answer is no value for
            its key.
    """
    checkpoints = _unique([_checkpoint(text) for text in answers.checkpoints])
    pipelines = any(isinstance(entry, Mapping) and "diffusers" in entry for entry in checkpoints)
    embedded = set(answers.checkpoints) <= set(SHAPES)
    sampler = answers.sampler or (DEFAULT_SAMPLER if pipelines else "plms")
    content: dict[str, Any] = {
        "name": plain_name(answers.name),
        "checkpoints": checkpoints,
        "samplers": [{"name": sampler, "steps": answers.steps}],
        "guidance_scales": [int(s) if s.is_integer() else s for s in answers.guidance_scales],
        "prompts": _prompts(answers.prompts, answers.column),
        "metrics": list(answers.metrics) or [_SCORES[embedded]],
    }
    if answers.reference:
        content["reference"] = _reference(answers.reference)
        if not answers.metrics:
            content["metrics"] = [_DISTANCES[embedded], _SCORES[embedded]]
    spec = spec_of(content)
    check_names(spec)
    return _text(content), spec, len(load_prompts(spec.prompts))


def _checkpoint(text: str) -> str | dict[str, str]:
    """Return the entry of a checkpoint: a known name as it is, weights under a name made from their path."""
    if text in known_names():
        return text
    if is_hub_id(text) and not text.endswith(WEIGHTS_SUFFIXES) and not Path(text).exists():
        return {"name": plain_name(text.split("/")[1]), "diffusers": text}
    if "/" not in text and not text.endswith(WEIGHTS_SUFFIXES) and not Path(text).exists():
        raise InputError(f"--checkpoints {text}: {did_you_mean(text, known_names())}; or give a path")
    return weights_entry(text, "--checkpoints")


def _unique(entries: Sequence[str | dict[str, str]]) -> list[str | dict[str, str]]:
    """Return the entries; files of one name in several folders are named after the folder too."""
    names = [entry if isinstance(entry, str) else entry["name"] for entry in entries]
    made: list[str | dict[str, str]] = []
    for entry in entries:
        if isinstance(entry, dict) and names.count(entry["name"]) > 1:
            place = Path(entry.get("path") or entry["diffusers"]).parent.name
            entry = {**entry, "name": plain_name(f"{place}-{entry['name']}")}
        made.append(entry)
    return made


def _prompts(text: str, column: str | None) -> dict[str, Any]:
    if text == EMBEDDED:
        return {"source": EMBEDDED, "count": 64, "seed": 1}
    path = existing_file(text, "--prompts")
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"--prompts {text}: not one of {', '.join(_KINDS)}; docs/specs.md has other sources")
    if kind == "file":
        return {"source": kind, "path": text}
    key = "key" if kind == "jsonl" else "column"
    return {"source": kind, "path": text, key: column or _column(path, kind, f"--prompts {text}")}


def _column(path: Path, kind: str, where: str) -> str:
    """Return the column or key that holds the prompts: the only one, or the one with a usual name."""
    if kind == "parquet":
        import pyarrow.parquet as pq

        try:
            names = list(pq.read_schema(path).names)
        except (OSError, ValueError) as error:
            raise InputError(f"{where}: not a Parquet file: {error}") from None
    else:
        blob = path.read_bytes()
        tabs = path.suffix.lower() == ".tsv"
        rows = json_rows(blob, where, "prompt") if kind == "jsonl" else csv_rows(blob, where, tabs=tabs)
        first = next(rows, None)
        names = list(first.values) if first else []
    usual = [name for name in _COLUMNS if name in names]
    if len(names) == 1 or usual:
        return (usual or names)[0]
    raise InputError(
        f"{where}: which column holds the prompts? give --column; {', '.join(names) or 'no rows'}"
    )


def _reference(text: str) -> dict[str, Any]:
    if text == EMBEDDED:
        return {"source": EMBEDDED, "count": 1024, "seed": 2}
    path = existing_path(text, "--reference")
    return {"source": "stats" if path.suffix == ".safetensors" else "folder", "path": text}


def _text(content: Mapping[str, Any]) -> str:
    """Return the spec as YAML: a comment and the value of each key, and the other keys as comments."""
    fields = ExperimentSpec.model_fields
    lines = [SCHEMA_LINE, "# Paths are relative to the folder in which sdbench is called.", ""]
    for key in _in_order(content):
        flow = False if isinstance(content[key], str) else None  # None: only the innermost lists and mappings
        value = yaml.safe_dump({key: content[key]}, default_flow_style=flow, sort_keys=False, width=100)
        lines += [f"# {fields[key].description}", value]
    lines.append("# Keys that may be left out, with their defaults:")
    for key, field in fields.items():
        if key not in content and key not in ("budget", "records"):
            default = "that of the models" if key == "image_size" else field.default
            lines.append(f"# {key}: {'none' if default is None else default}   # {field.description}")
    return "\n".join(lines) + "\n"


def _in_order(content: Mapping[str, Any]) -> Iterable[str]:
    """Return the keys in the order in which people read: the prompts and real images beside each other."""
    order = ["name", "checkpoints", "samplers", "guidance_scales", "prompts", "reference", "metrics"]
    return [key for key in order if key in content]
