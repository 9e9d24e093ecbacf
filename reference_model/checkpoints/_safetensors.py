"""Find the tensors in a .safetensors file: a length, a header in JSON, and the bytes of the tensors."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from reference_model.checkpoints._stored import StoredTensor, contiguous_strides, unsupported_type
from reference_model.errors import CheckpointError

__all__ = ["looks_like_safetensors", "read_safetensors"]

PREFIX = 8
LIMIT = 100_000_000
"""Bytes of header that the format allows."""
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def looks_like_safetensors(head: bytes) -> bool:
    """Whether a file that starts with ``head`` (at least nine bytes) is one."""
    return head[PREFIX : PREFIX + 1] == b"{" and int.from_bytes(head[:PREFIX], "little") <= LIMIT


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors by name; types that no weights have are passed over.

    Raises:
        CheckpointError: weights in a floating type that is not supported, such as F8_E4M3.
        ValueError, LookupError, TypeError: a damaged file.
    """
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(PREFIX), "little")
        header = json.loads(file.read(length))
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in DTYPES:
            if str(entry["dtype"]).startswith("F"):
                raise CheckpointError(unsupported_type(path, entry["dtype"]))
            continue
        shape, (start, end) = tuple(entry["shape"]), entry["data_offsets"]
        if not all(isinstance(number, int) and number >= 0 for number in (*shape, start, end)):
            raise ValueError(f"{name} has an impossible shape or place")
        dtype = DTYPES[entry["dtype"]]
        tensor = StoredTensor(path, PREFIX + length + start, dtype, shape, contiguous_strides(shape))
        if tensor.extent != end - start:
            raise ValueError(f"{name} has {end - start} bytes, its shape needs {tensor.extent}")
        tensors[name] = tensor
    return tensors
