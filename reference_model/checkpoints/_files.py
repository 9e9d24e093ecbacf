"""Read tensors from files without ever running code that a file brings."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from reference_model.errors import CheckpointError

__all__ = ["read_tensors"]

PICKLE_START = b"\x80"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Name -> tensor from a .safetensors or .ckpt file; a ``state_dict`` entry is unwrapped.

    Raises:
        CheckpointError: missing, truncated or foreign file, or one that holds more than plain tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return _unwrapped(_load_pickle(path), path)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than tensors and was not loaded, since it could run code; "
            "convert it to safetensors where you trust it"
        ) from error
    except (EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{path} is damaged or not a checkpoint: {reason}") from error


def _load_pickle(path: Path) -> Any:
    """Unpickle tensors and plain containers only; torch refuses everything else."""
    zipped = zipfile.is_zipfile(path)
    with open(path, "rb") as file:
        if not zipped and file.read(1) != PICKLE_START:
            raise ValueError("neither a zip archive nor a pickle")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about pickle protocols; the outcome is checked here
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    content = content.get("state_dict", content) if isinstance(content, dict) else {}
    entries = content.items() if isinstance(content, dict) else ()
    tensors = {name: value for name, value in entries if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors")
    return tensors
