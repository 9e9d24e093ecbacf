"""The files of a diffusers folder, and which of them a model is made of."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from sdbench.core.errors import InputError, one_line

__all__ = ["INDEX", "REFERENCE_PARTS", "file_names", "is_whole", "needed_files", "only_variant", "read_index"]

INDEX = "model_index.json"
SETTINGS = (".json", ".txt", ".model", ".jinja")
WEIGHTS = ((".safetensors", False), (".bin", False), (".safetensors", True), (".bin", True))
"""Kinds of weights, best first: (ending, whether of a variant such as half precision)."""
# Judges images after they are made; no sweep runs it, and it is as large as the text encoder.
UNUSED = "safety_checker"
REFERENCE_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
"""What the reference model reads of a folder."""


def file_names(folder: Path) -> list[str]:
    """The files under `folder`, relative to it."""
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


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


def only_variant(names: Collection[str]) -> str | None:
    """The variant, such as fp16, that the library must be told to load the needed files; None: of none.

    None too where it would load others than the needed ones, which are what a model is identified by.
    """
    found = {
        name
        for name in names
        if _is_weights(PurePosixPath(name), ".safetensors", variant=True)
        and name.count("/") == 1
        and not name.startswith(f"{UNUSED}/")
    }
    variants = {name.split(".")[-2].split("-")[0] for name in found}
    return variants.pop() if len(variants) == 1 and found <= set(needed_files(names)) else None


def is_whole(folder: Path, parts: Collection[str] | None = None) -> bool:
    """Whether a folder holds each component that its index names; of `parts`, where they are given.

    A model has a config.json and weights, all pieces of them; schedulers and the like have settings of
    another name. Raises InputError as read_index.
    """
    index = read_index(folder, folder.name)
    files = needed_files(file_names(folder))
    return all(
        _is_there([PurePosixPath(file).name for file in files if file.startswith(f"{part}/")])
        for part, value in index.items()
        if isinstance(value, list) and value[:1] != [None] and part != UNUSED and part in (parts or index)
    )


def _is_there(names: list[str]) -> bool:
    weights = [name for name in names if name.endswith((".safetensors", ".bin"))]
    pieces = max((int(found[1]) for name in weights if (found := re.search(r"-of-(\d+)", name))), default=1)
    if "config.json" in names:
        return len(weights) >= pieces
    return not weights and any(name.endswith("config.json") for name in names)


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
