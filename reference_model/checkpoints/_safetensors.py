"""Find the tensors in a .safetensors file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from safetensors import safe_open
from torch import Tensor

from reference_model.checkpoints._metadata import check_metadata
from reference_model.checkpoints._stored import StoredTensor, unsupported_type
from reference_model.errors import CheckpointError

__all__ = ["looks_like_safetensors", "metadata_of", "read_safetensors"]

HEADER = 8
"""Offset of the JSON header."""
FLOATS = ("F64", "F32", "F16")
MAPPED = 16 * 2**20
"""Bytes to read before mapping the file again: what was read stays in memory as long as its mapping."""


def looks_like_safetensors(head: bytes) -> bool:
    """Whether a file that starts with ``head`` (at least nine bytes) looks like a .safetensors file."""
    return head[HEADER : HEADER + 1] == b"{"


def read_safetensors(path: Path, *, lora: bool = False) -> dict[str, StoredTensor]:
    """The tensors by name. ``lora``: whether the metadata may say that the file is a LoRA.

    Raises:
        CheckpointError: the weights are of an unsupported kind or floating type, such as F8_E4M3.
        SafetensorError: the file is damaged.
    """
    reader, tensors = _Reader(path), {}
    with safe_open(path, "pt") as file:
        check_metadata(path, file.metadata() or {}, lora=lora)
        for name in file.keys():  # noqa: SIM118 - not a mapping
            entry = file.get_slice(name)
            dtype, shape = entry.get_dtype(), tuple(entry.get_shape())
            if dtype.startswith("F") and dtype not in FLOATS:
                raise CheckpointError(unsupported_type(path, dtype))
            tensors[name] = StoredTensor(shape, partial(reader.read, name))
    return tensors


def metadata_of(path: Path) -> dict[str, str]:
    """The metadata of a readable .safetensors file; empty for another format."""
    with open(path, "rb") as file:
        if not looks_like_safetensors(file.read(HEADER + 1)):
            return {}
    with safe_open(path, "pt") as file:
        return file.metadata() or {}


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._unread = 0

    def read(self, name: str) -> Tensor:
        if self._unread <= 0:
            self._file, self._unread = safe_open(self._path, "pt"), MAPPED
        tensor = self._file.get_tensor(name)
        self._unread -= tensor.nbytes
        return tensor.clone()
