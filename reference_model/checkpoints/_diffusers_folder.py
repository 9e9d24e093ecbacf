"""Open the weights of a diffusers folder."""

from __future__ import annotations

from pathlib import Path

from reference_model.checkpoints._files import open_weights
from reference_model.checkpoints._stored import StoredTensor
from reference_model.checkpoints.diffusers import COMPONENTS
from reference_model.errors import CheckpointError
from reference_model.folder_files import best_weights

__all__ = ["open_folder"]


def open_folder(folder: Path) -> dict[str, StoredTensor]:
    """All weights in a folder, as a mapping from "component/key" to tensor.

    Raises:
        CheckpointError: a component has no weights, damaged ones, or weights split into several files.
    """
    tensors: dict[str, StoredTensor] = {}
    for component in COMPONENTS.values():
        place = folder / component
        weights = best_weights([path.name for path in place.iterdir()] if place.is_dir() else [])
        if len(weights) != 1:
            reason = (
                "its weights are split into several files, which is not supported"
                if weights
                else "it holds no weights (.safetensors or .bin)"
            )
            raise CheckpointError(f"{place}: {reason}")
        tensors |= {f"{component}/{key}": tensor for key, tensor in open_weights(place / weights[0]).items()}
    return tensors
