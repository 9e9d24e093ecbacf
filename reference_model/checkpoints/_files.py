"""Open a file of weights in any supported format, or report in one line what is wrong with it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from reference_model.checkpoints._safetensors import looks_like_safetensors, read_safetensors
from reference_model.checkpoints._stored import StoredTensor
from reference_model.checkpoints._torch_files import read_legacy, read_zip
from reference_model.errors import CheckpointError

__all__ = ["DAMAGE", "open_weights"]

DAMAGE = (
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)
"""Exceptions that reading a damaged or foreign file may raise."""

FOREIGN = {
    b"<": "a web page, not weights; download it again",
    b"version https://git-lfs": "a Git LFS pointer, not weights; run 'git lfs pull'",
    b"\x1f\x8b": "a gzip archive; unpack it",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"GGUF": "a GGUF file, which is not supported",
}
"""First bytes of files that people mistake for weights."""


def open_weights(path: Path, *, lora: bool = False) -> dict[str, StoredTensor]:
    """Tensors by name from a file in the format of safetensors or torch.save; executes nothing in it.

    The content decides on the format, not the suffix. An entry "state_dict" is unwrapped; objects other than
    tensors are ignored. ``lora``: whether the metadata may say that the file is a LoRA.

    Raises:
        CheckpointError: the file is missing, damaged or foreign, or holds no tensors.
    """
    if not path.exists():
        raise CheckpointError(f"no checkpoint at {path}")
    if not path.is_file():  # a named pipe would be waited for
        raise CheckpointError(f"{path} is not a file")
    try:
        with open(path, "rb") as file:
            head = file.read(64)
        read = _reader(head)
        tensors = read_safetensors(path, lora=lora) if read is read_safetensors else read(path)
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"{path} is damaged or not a checkpoint: {reason}") from error
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors by name")
    return tensors


def _reader(head: bytes) -> Callable[[Path], dict[str, StoredTensor]]:
    """The function for reading a file that begins with ``head``."""
    if not head:
        raise ValueError("it is empty")
    for start, kind in FOREIGN.items():
        if head.lstrip().startswith(start):
            raise ValueError(kind)
    if looks_like_safetensors(head):
        return read_safetensors
    if head.startswith(b"PK\x03\x04"):
        return read_zip
    if head.startswith(b"\x80"):
        return read_legacy
    raise ValueError("neither safetensors nor a file of torch.save")
