"""Which files of a diffusers folder, or of a repository on the hub, are the model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reference_model.checkpoints._files import open_weights
from reference_model.checkpoints._stored import StoredTensor
from reference_model.checkpoints.diffusers import COMPONENTS
from reference_model.errors import CheckpointError

__all__ = ["needed_files", "open_folder"]

CONFIGS = {"config.json", "scheduler_config.json", "model_index.json"}
TOKENIZER = {"merges.txt", "vocab.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.json"}
WEIGHTS = tuple(
    f"{stem}{variant}{suffix}"
    for variant in ("", ".fp16")
    for suffix in (".safetensors", ".bin")
    for stem in ("diffusion_pytorch_model", "model", "pytorch_model")
)
"""Names of weights, best first: full precision before half, safetensors before pickle."""


def open_folder(folder: Path) -> dict[str, StoredTensor]:
    """ "component/key" -> tensor of all weights in a folder.

    Raises:
        CheckpointError: a component without weights, or with damaged ones.
    """
    tensors: dict[str, StoredTensor] = {}
    for component in COMPONENTS.values():
        names = (
            [path.name for path in (folder / component).iterdir()] if (folder / component).is_dir() else []
        )
        weights = open_weights(folder / component / _best(names, f"{folder}/{component}"))
        tensors |= {f"{component}/{key}": tensor for key, tensor in weights.items()}
    return tensors


def needed_files(repo: str, names: Iterable[str]) -> list[str]:
    """The files to fetch of those that a repository holds.

    Raises:
        CheckpointError: it is no diffusers repository.
    """
    names = set(names)
    if not any(name.startswith("unet/") for name in names):
        single = sorted(
            name for name in names if name.endswith((".ckpt", ".safetensors")) and "/" not in name
        )
        hint = f"; download {single[0]} from there and give its path" if single else ""
        raise CheckpointError(f"https://huggingface.co/{repo} holds no diffusers folder with a unet{hint}")
    folders: dict[str, set[str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        folders.setdefault(folder, set()).add(file)
    chosen = [
        f"{folder}/{_best(folders.get(folder, ()), f'{repo}/{folder}')}" for folder in COMPONENTS.values()
    ]
    for folder in ("", "scheduler", *COMPONENTS.values()):
        chosen += [f"{folder}/{file}".lstrip("/") for file in folders.get(folder, set()) & CONFIGS]
    chosen += [f"tokenizer/{file}" for file in folders.get("tokenizer", set()) & TOKENIZER]
    return sorted(chosen)


def _best(names: Iterable[str], folder: str) -> str:
    names = set(names)
    for name in WEIGHTS:
        if name in names:
            return name
    split = any(name.endswith(".index.json") for name in names)
    reason = (
        "its weights are split into several files, which is not supported" if split else "it holds no weights"
    )
    raise CheckpointError(f"{folder}: {reason} (expected one of {', '.join(WEIGHTS[:1] + WEIGHTS[1:2])})")
