"""The folder that holds fetched weights and the user's own models."""

from __future__ import annotations

import os
from pathlib import Path

from sdbench.core.paths import typed_path

__all__ = ["HOME_VARIABLE", "home", "models_folder", "weights_folder"]

HOME_VARIABLE = "SDBENCH_HOME"


def home() -> Path:
    """${SDBENCH_HOME}, else sdbench in ${XDG_CACHE_HOME}, else ~/.cache/sdbench."""
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return typed_path(given)
    return typed_path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "sdbench"


def weights_folder() -> Path:
    """Where fetched weights lie, and where weights are put by hand."""
    return home() / "weights"


def models_folder() -> Path:
    """Where the YAML files of the user's own models lie."""
    return home() / "models"
