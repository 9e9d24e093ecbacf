"""Find the tensors in files that `torch.save` wrote, without torch and without running anything.

Two formats: since 1.6 a zip archive that holds a pickle and one record per storage; before it, five pickles
in a row and then the storages.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from reference_model.checkpoints._stored import StoredTensor, unsupported_type
from reference_model.checkpoints._unpickle import LIMIT, Call, Global, read_pickle
from reference_model.errors import CheckpointError

__all__ = ["read_legacy", "read_zip"]

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LOCAL_HEADER = 30
DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class Storage:
    """A storage as the pickle names it; ``dtype`` is None for types that no weights have."""

    key: str
    dtype: torch.dtype | None


Place = tuple[int, int]
"""Offset and length of a storage in its file, in bytes."""


def read_zip(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a zip archive by name.

    Raises:
        CheckpointError: weights in float8.
        ValueError, LookupError, zipfile.BadZipFile: not such an archive, or a damaged one.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError("a zip archive whose end is missing; download or copy it again")
    with zipfile.ZipFile(path) as archive:
        records = {info.filename: info for info in archive.infolist()}
        names = [name for name in records if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ValueError("a zip archive, but not one that torch.save wrote")
        root = names[0].removesuffix("data.pkl")
        if any(info.compress_type != zipfile.ZIP_STORED for info in records.values()):
            raise ValueError("its records are compressed, which torch.save never does")
        if records[names[0]].file_size > LIMIT:
            raise ValueError(f"its pickle has more than {LIMIT:,} bytes, too many for a checkpoint")
        if f"{root}byteorder" in records and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("its numbers are big-endian, which is not supported")
        content = read_pickle(io.BytesIO(archive.read(names[0])), _storage)

    with open(path, "rb") as file:

        def find(storage: Storage) -> Place:
            info = records[f"{root}data/{storage.key}"]
            return _record_offset(file, info.header_offset), info.file_size

        return _tensors(content, path, find)


def _record_offset(file: IO[bytes], header_offset: int) -> int:
    """Where a record's bytes start: behind the local header, whose padding the directory does not know."""
    file.seek(header_offset)
    header = file.read(LOCAL_HEADER)
    if len(header) < LOCAL_HEADER or not header.startswith(b"PK\x03\x04"):
        raise ValueError("its zip directory points to the wrong places")
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return header_offset + LOCAL_HEADER + name + extra


def read_legacy(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a file from before 1.6 by name.

    Raises:
        ValueError, LookupError: not such a file, or a damaged one.
    """
    itemsizes: dict[str, int] = {}

    def note(id_: Any) -> Storage | None:
        storage = _storage(id_)
        if storage and storage.dtype:
            itemsizes[storage.key] = storage.dtype.itemsize
        return storage

    places: dict[str, Place] = {}
    with open(path, "rb") as file:
        head = io.BytesIO(file.read(LIMIT))
        if read_pickle(head) != LEGACY_MAGIC:
            raise ValueError("a pickle, but not one that torch.save wrote")
        _version, _system, content, keys = (read_pickle(head, note) for _ in range(4))
        offset = head.tell()
        for key in keys if isinstance(keys, list) else ():
            if not isinstance(key, str):
                raise ValueError("its list of storages is damaged")
            file.seek(offset)
            nbytes = int.from_bytes(file.read(8), "little") * itemsizes[key]
            places[key] = offset + 8, nbytes
            offset += 8 + nbytes
    return _tensors(content, path, lambda storage: places[storage.key])


def _storage(id_: Any) -> Storage | None:
    """The storage that a persistent id means: ("storage", type, key, device, length, ...)."""
    match id_:
        case ("storage", Global(module="torch", name=name), str(key), *_):
            return Storage(key, DTYPES.get(name))
    return None


def _tensors(content: Any, path: Path, find: Callable[[Storage], Place]) -> dict[str, StoredTensor]:
    """The tensors of ``content``, or of its entry "state_dict"; what else it holds is passed over."""
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    entries = content if isinstance(content, dict) else {}
    found = {name: _tensor(value, path, find) for name, value in entries.items()}
    return {name: tensor for name, tensor in found.items() if tensor}


def _tensor(value: Any, path: Path, find: Callable[[Storage], Place]) -> StoredTensor | None:
    match value:
        case Call(target=Global(module="torch._utils", name="_rebuild_parameter"), args=(data, *_)):
            # A parameter wraps a tensor, never another parameter: no recursion beyond one level.
            return _tensor(data, path, find) if not _is_parameter(data) else None
        case Call(
            target=Global(module="torch._utils", name="_rebuild_tensor_v2" | "_rebuild_tensor"),
            args=(
                Storage(dtype=torch.dtype() as dtype) as storage,
                int(start),
                tuple(shape),
                tuple(strides),
                *_,
            ),
        ):
            return _stored(path, find(storage), dtype, start, shape, strides)
        case Call(
            target=Global(module="torch._utils", name="_rebuild_tensor_v3"),
            args=(_, _, _, _, _, _, Global(module="torch", name=dtype_name), *_),
        ) if dtype_name.startswith("float8"):
            raise CheckpointError(unsupported_type(path, dtype_name))
    return None


def _is_parameter(value: Any) -> bool:
    return isinstance(value, Call) and isinstance(value.target, Global) and "parameter" in value.target.name


def _stored(
    path: Path, place: Place, dtype: torch.dtype, start: int, shape: tuple[Any, ...], strides: tuple[Any, ...]
) -> StoredTensor:
    numbers = (start, *shape, *strides)
    if len(shape) != len(strides) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise ValueError("a tensor of impossible shape")
    offset, nbytes = place
    tensor = StoredTensor(path, offset + start * dtype.itemsize, dtype, shape, strides)
    if start * dtype.itemsize + tensor.extent > nbytes:
        raise ValueError("a tensor that is larger than its storage")
    return tensor
