"""The entry of a spec for weights in a file or a folder."""

from __future__ import annotations

import re
from pathlib import Path

from sdbench.core.paths import existing_path
from sdbench.models.diffusers_layout import INDEX, read_index
from sdbench.spec.model_entry import WEIGHTS_SUFFIXES

__all__ = ["plain_name", "weights_entry"]

REFERENCE_PIPELINE = "StableDiffusionPipeline"
"""The only class of pipelines that the reference model can run."""


def plain_name(text: str) -> str:
    """Return the text with the characters of a name in a spec: letters, digits, ".", "_" and "-"."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-") or "model"


def weights_entry(text: str, what: str) -> dict[str, str]:
    """Return the keys of an entry for the weights at a path; they are not opened.

    A YAML file of the same name beside a file of weights is its configuration, as other tools have it.

    Args:
        text: The path as the user gave it.
        what: What it is called in errors.

    Raises:
        InputError: Nothing is there, or a folder's model_index.json cannot be read.
    """
    path = existing_path(text, what)
    name = plain_name(path.stem if path.suffix in WEIGHTS_SUFFIXES else path.name)
    if path.is_dir() and (path / INDEX).is_file():
        pipeline = read_index(path, name)["_class_name"]
        return {"name": name, "path" if pipeline == REFERENCE_PIPELINE else "diffusers": text}
    config = path.with_suffix(".yaml")
    beside = {"config": str(Path(text).with_suffix(".yaml"))} if path.is_file() and config.is_file() else {}
    return {"name": name, "path": text, **beside}
