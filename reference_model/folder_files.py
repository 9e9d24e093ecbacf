"""Which files of a diffusers folder or of a hub repository make up a model."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

__all__ = ["INDEX", "REFERENCE_PARTS", "UNUSED", "best_weights", "file_names", "is_whole", "needed_files"]

INDEX = "model_index.json"
SETTINGS = (".json", ".txt", ".model", ".jinja")
WEIGHTS = ((".safetensors", False), (".bin", False), (".safetensors", True), (".bin", True))
"""Kinds of weights, best first: (suffix, whether they are a variant such as half precision)."""
UNUSED = "safety_checker"
"""Checks generated images. Nothing here runs it, and it is as large as the text encoder."""
REFERENCE_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
"""Components that the reference model reads from a folder."""


def file_names(folder: Path) -> list[str]:
    """The files under ``folder``, relative to it."""
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def needed_files(names: Iterable[str], parts: Collection[str] | None = None) -> list[str]:
    """Select from ``names`` the files that loading a model needs, sorted.

    These are the index and, for each component (or each of ``parts``), its settings and its best weights.
    """
    names = list(names)
    components: dict[str, list[str]] = {}
    for path in map(PurePosixPath, names):
        part = path.parts[0]
        if len(path.parts) == 2 and part != UNUSED and part[0] != "." and (parts is None or part in parts):
            components.setdefault(part, []).append(str(path))
    wanted = [INDEX] if INDEX in names else []
    for files in components.values():
        wanted += [file for file in files if file.endswith(SETTINGS)] + best_weights(files)
    return sorted(wanted)


def best_weights(files: Collection[str]) -> list[str]:
    """The weight files of one component, of the best kind available; several if the weights are split."""
    for suffix, variant in WEIGHTS:
        # The name of a variant has a second dot: model.fp16.safetensors.
        found = [f for f in files if f.endswith(suffix) and (f.rpartition("/")[2].count(".") > 1) == variant]
        if found:
            return found
    return []


def is_whole(folder: Path, parts: Collection[str] | None = None, loose: Collection[str] = ()) -> bool:
    """Whether ``folder`` holds every component that its index names; if given, only ``parts`` count.

    A model needs a config.json and all pieces of its weights; schedulers and the like have settings under
    another name. For components in ``loose``, any file suffices.

    Raises:
        OSError, ValueError: the index cannot be read.
    """
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    if not isinstance(index, dict):
        raise ValueError("it is not a JSON object")
    files = needed_files(file_names(folder), parts)
    return all(
        _is_complete([file for file in files if file.startswith(f"{part}/")], part in loose)
        for part, value in index.items()
        if isinstance(value, list) and value[:1] != [None] and part != UNUSED and part in (parts or index)
    )


def _is_complete(names: list[str], loose: bool) -> bool:
    if loose:
        return bool(names)
    weights = best_weights(names)
    pieces = max((int(found[1]) for name in weights if (found := re.search(r"-of-(\d+)", name))), default=1)
    if any(name.endswith("/config.json") for name in names):
        return len(weights) >= pieces
    return not weights and any(name.endswith("config.json") for name in names)
