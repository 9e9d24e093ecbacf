"""The files of a diffusers folder; see `reference_model.folder_files`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from reference_model import folder_files
from reference_model.folder_files import INDEX, REFERENCE_PARTS, UNUSED, file_names, needed_files
from sdbench.core.errors import InputError, one_line
from sdbench.core.json import load_json

__all__ = ["INDEX", "REFERENCE_PARTS", "file_names", "is_whole", "needed_files", "only_variant", "read_index"]


def only_variant(names: Collection[str]) -> str | None:
    """The variant, such as fp16, to pass to diffusers so that it loads the needed files; None for no variant.

    Also None if diffusers would load other files than the needed ones, by which a model is identified.
    """
    found = {
        name
        for name in names
        if name.endswith(".safetensors")
        and name.count("/") == 1
        and name.rpartition("/")[2].count(".") > 1
        and not name.startswith(f"{UNUSED}/")
    }
    variants = {name.split(".")[-2].split("-")[0] for name in found}
    return variants.pop() if len(variants) == 1 and found <= set(needed_files(names)) else None


def is_whole(folder: Path, parts: Collection[str] | None = None) -> bool:
    """Whether a folder holds each component, or each of `parts`, that its index names.

    Raises InputError as read_index.
    """
    read_index(folder, folder.name)
    return folder_files.is_whole(folder, parts)


def read_index(folder: Path, name: str) -> dict[str, Any]:
    """What model_index.json says; InputError if `folder`, of the model `name`, is not a diffusers folder."""
    path = folder / INDEX
    try:
        content = load_json(path.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"checkpoint {name}: {folder} is not a diffusers folder: it has no {INDEX}"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"checkpoint {name}: {path} cannot be read: {one_line(error)}") from None
    if not isinstance(content, dict) or not isinstance(content.get("_class_name"), str):
        raise InputError(f"checkpoint {name}: {path} names no pipeline of the diffusers library")
    return content
