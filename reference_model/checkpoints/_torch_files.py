"""Find the tensors in files that `torch.save` wrote, without executing anything in them.

Two formats exist: since torch 1.6, a zip archive with a pickle and one record per storage; before that, five
consecutive pickles followed by the storages.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from reference_model.checkpoints._stored import StoredTensor, read_span, unsupported_type
from reference_model.checkpoints._unpickle import LIMIT, Call, Global, read_pickle
from reference_model.checkpoints.diagnose import sign_of
from reference_model.errors import CheckpointError

__all__ = ["read_legacy", "read_zip"]

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LOCAL_HEADER = 30
CUT_OFF = "its end is missing; download or copy it again"
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
    """A storage as the pickle names it; ``dtype`` is None for types that weights never have."""

    key: str
    dtype: torch.dtype | None


WRAPPERS = ("module", "model", "model_state_dict", "weights")
"""Entries in which trainers such as DeepSpeed keep the weights; state_dict takes precedence."""

Places = dict[str, tuple[int, int]]
"""Storage key -> offset and length in bytes of the storage in its file."""


def read_zip(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a zip archive by name.

    Raises:
        CheckpointError: the weights are in float8.
        ValueError, LookupError, zipfile.BadZipFile: torch.save did not write the file, or it is damaged.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(f"a zip archive, but {CUT_OFF}")
    with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
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
        places = {
            name.removeprefix(f"{root}data/"): (_record_offset(file, info.header_offset), info.file_size)
            for name, info in records.items()
        }
    return _tensors(content, path, places)


def _record_offset(file: IO[bytes], header_offset: int) -> int:
    """Offset of a record's bytes, after its local header, whose padding the directory does not give."""
    file.seek(header_offset)
    header = file.read(LOCAL_HEADER)
    if len(header) < LOCAL_HEADER or not header.startswith(b"PK\x03\x04"):
        raise ValueError("its zip directory points to the wrong places")
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return header_offset + LOCAL_HEADER + name + extra


def read_legacy(path: Path) -> dict[str, StoredTensor]:
    """The tensors, by name, of a file from before torch 1.6.

    Raises:
        ValueError, LookupError: torch.save did not write the file, or it is damaged.
    """
    itemsizes: dict[str, int] = {}

    def note(id_: Any) -> Storage | None:
        storage = _storage(id_)
        if storage and storage.dtype:
            itemsizes[storage.key] = storage.dtype.itemsize
        return storage

    places: Places = {}
    with open(path, "rb") as file:
        head = io.BytesIO(file.read(LIMIT))
        if read_pickle(head) != LEGACY_MAGIC:
            raise ValueError("a pickle, but not one that torch.save wrote")
        _version, _system, content, keys = (read_pickle(head, note) for _ in range(4))
        offset = head.tell()
        for key in keys if isinstance(keys, list) else ():
            file.seek(offset)
            nbytes = int.from_bytes(file.read(8), "little") * itemsizes[key]
            places[key] = offset + 8, nbytes
            offset += 8 + nbytes
    return _tensors(content, path, places)


def _storage(id_: Any) -> Storage | None:
    """The storage to which a persistent id refers: ("storage", type, key, device, length, ...)."""
    match id_:
        case ("storage", Global(module="torch", name=name), str(key), *_):
            return Storage(key, DTYPES.get(name))
    return None


def _tensors(content: Any, path: Path, places: Places) -> dict[str, StoredTensor]:
    """The tensors, by name, of ``content`` or of its entry that holds the weights; ignores the rest.

    Raises:
        CheckpointError: it holds no tensors; the line names what it holds instead.
    """
    if not isinstance(content, dict):
        return {}
    if isinstance(content.get("state_dict"), dict):
        return _tensors(content["state_dict"], path, places)
    entries = {name: value for name, value in content.items() if isinstance(name, str)}
    found = {name: _tensor(value, path, places) for name, value in entries.items()}
    if not any(found.values()):
        inner = next((entries[name] for name in WRAPPERS if isinstance(entries.get(name), dict)), None)
        if inner is not None:
            return _tensors(inner, path, places)
        if entries:
            raise CheckpointError(f"{path} holds no tensors by name; {sign_of(entries) or _listed(entries)}")
    return {name.removeprefix("module."): tensor for name, tensor in found.items() if tensor}


def _listed(entries: Iterable[str]) -> str:
    names = list(entries)
    return f"its entries are {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}"


def _tensor(value: Any, path: Path, places: Places) -> StoredTensor | None:
    match value:
        case Call(Global("torch._utils", "_rebuild_parameter"), (Call() as data, *_)):
            value = data
    match value:
        case Call(
            Global("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor"),
            (Storage(dtype=torch.dtype()) as storage, int(start), tuple(shape), tuple(strides), *_),
        ):
            return _stored(path, storage, places[storage.key], start, shape, strides)
        case Call(
            Global("torch._utils", "_rebuild_tensor_v3"),
            (_, _, _, _, _, _, Global("torch", dtype), *_),
        ) if dtype.startswith("float8"):
            raise CheckpointError(unsupported_type(path, dtype))
    return None


def _stored(
    path: Path,
    storage: Storage,
    place: tuple[int, int],
    start: int,
    shape: tuple[Any, ...],
    strides: tuple[Any, ...],
) -> StoredTensor:
    """A view of a storage; ``start`` and ``strides`` are in elements."""
    numbers = (start, *shape, *strides)
    if len(shape) != len(strides) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise ValueError("a tensor of impossible shape")
    dtype, (offset, nbytes) = storage.dtype, place
    assert dtype is not None
    last = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    extent = 0 if 0 in shape else (last + 1) * dtype.itemsize
    first = start * dtype.itemsize
    if first + extent > nbytes:
        raise ValueError("a tensor that is larger than its storage")
    if offset + nbytes > path.stat().st_size:
        raise ValueError(CUT_OFF)

    def read() -> Tensor:
        content = read_span(path, offset + first, extent)
        return content.view(dtype).as_strided(shape, strides).contiguous()

    return StoredTensor(shape, read)
