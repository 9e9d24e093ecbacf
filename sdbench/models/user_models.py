"""Models added by users: YAML files in ${SDBENCH_HOME}/models, and entry points of installed packages."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from pydantic import ValidationError, model_validator

from sdbench.core.errors import InputError, one_line
from sdbench.core.yaml import load_yaml
from sdbench.models.catalogue import SD_V1, SHAPES
from sdbench.models.home import models_folder
from sdbench.models.hub import is_hub_id
from sdbench.spec.errors import describe
from sdbench.spec.model_entry import ModelEntry, entry_of_text

__all__ = ["GROUP", "UserModel", "installed_models", "user_models"]

GROUP = "sdbench.models"


class UserModel(ModelEntry):
    """A model described by the user's YAML file. `sdbench models` shows `licence` before a download."""

    licence: str | None = None

    @model_validator(mode="after")
    def _names_weights(self) -> UserModel:
        if self.path is None and self.diffusers is None and self.base is None:
            raise ValueError("needs path, diffusers or base, which say where the weights are")
        return self


def user_models() -> dict[str, UserModel]:
    """Return the models of the YAML files by name; InputError names a file that is wrong.

    Relative paths in a file start at its folder.
    """
    found: dict[str, UserModel] = {}
    for file in sorted(models_folder().glob("[!.]*.yaml")):
        model = _read(file)
        if model.name in found or model.name in (*SHAPES, *SD_V1):
            raise InputError(f"{file}: the name {model.name!r} is taken")
        found[model.name] = model
    return found


@cache
def installed_models() -> dict[str, EntryPoint]:
    """Return the entry points of the group by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _read(file: Path) -> UserModel:
    try:
        model = UserModel.model_validate(load_yaml(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise InputError(f"{file}: {describe(error, {'': UserModel})}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read: {one_line(error)}") from None
    places = {key: getattr(model, key) for key in ("path", "config", "diffusers", "lora")}
    if model.base is not None and "path" in entry_of_text(model.base):
        places["base"] = model.base
    return model.model_copy(update={key: _beside(file, text) for key, text in places.items() if text})


def _beside(file: Path, text: str) -> str:
    """Return `text` as a path relative to the folder of `file`, unless it is absolute or a hub id."""
    here = file.parent / text
    if text.startswith(("/", "~", "$")) or (is_hub_id(text) and not here.exists()):
        return text
    return str(here)
