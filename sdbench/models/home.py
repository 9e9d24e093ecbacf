"""The folder with fetched weights and the user's own models."""

from __future__ import annotations

import os
from pathlib import Path

from sdbench.core.paths import typed_path

__all__ = ["HOME_VARIABLE", "home", "models_folder", "weights_folder"]

HOME_VARIABLE = "SDBENCH_HOME"


def home() -> Path:
    """Return ${SDBENCH_HOME}, or else ${XDG_CACHE_HOME}/sdbench, or else ~/.cache/sdbench."""
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return typed_path(given)
    return typed_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "sdbench"


def weights_folder() -> Path:
    """Return the folder for weights, fetched or put there by hand."""
    return home() / "weights"


def models_folder() -> Path:
    """Return the folder for the YAML files of the user's own models."""
    return home() / "models"
