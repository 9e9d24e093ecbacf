"""The files of a diffusers folder, and which of them a model is made of."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from sdbench.errors import InputError, one_line

__all__ = ["INDEX", "needed_files", "read_index"]

INDEX = "model_index.json"
SETTINGS = (".json", ".txt", ".model", ".jinja")
WEIGHTS = ((".safetensors", False), (".bin", False), (".safetensors", True), (".bin", True))
"""Kinds of weights, best first: (ending, whether of a variant such as half precision)."""
# Judges images after they are made; no sweep runs it, and it is as large as the text encoder.
UNUSED = "safety_checker"


def needed_files(names: Iterable[str]) -> list[str]:
    """Those of a repository's files that a model is loaded from, sorted.

    They are the settings of each component and one set of its weights, the first there is of `WEIGHTS`.
    """
    paths = [PurePosixPath(name) for name in names]
    components: dict[str, list[PurePosixPath]] = {}
    for path in paths:
        if len(path.parts) == 2 and path.parts[0] != UNUSED and not path.parts[0].startswith("."):
            components.setdefault(path.parts[0], []).append(path)
    wanted = [path for path in paths if str(path) == INDEX]
    for files in components.values():
        wanted += [path for path in files if path.suffix in SETTINGS]
        sets = ([path for path in files if _is_weights(path, *kind)] for kind in WEIGHTS)
        wanted += next(filter(None, sets), [])
    return sorted(map(str, wanted))


def read_index(folder: Path, name: str) -> dict[str, Any]:
    """What model_index.json says; InputError where `folder`, of the model `name`, is no diffusers folder."""
    path = folder / INDEX
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"checkpoint {name}: {folder} is no diffusers folder: it has no {INDEX}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"checkpoint {name}: {path} cannot be read: {one_line(error)}") from None
    if not isinstance(content, dict) or not isinstance(content.get("_class_name"), str):
        raise InputError(f"checkpoint {name}: {path} names no pipeline of the diffusers library")
    return content


def _is_weights(path: PurePosixPath, suffix: str, variant: bool) -> bool:
    """Of a variant, such as half precision: its name has a second dot, model.fp16.safetensors."""
    return path.suffix == suffix and (path.name.count(".") > 1) == variant
