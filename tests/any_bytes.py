"""A way to damage files, and the check that a reader gives a result or an error of one line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from metrics import MetricsError
from reference_model.errors import CheckpointError
from reports.errors import ReportError
from sdbench.core.errors import SdbenchError, SpecError

ERRORS = (SdbenchError, MetricsError, CheckpointError, ReportError)

PIECES = [
    *(b"null", b"true", b"-1", b"0", b"1e999", b"NaN", b"999999999999999999999", b"[]", b"{}", b'""', b'"'),
    *(
        b"\\ud83d",
        b"\\u0000",
        b"\xed\xa0\xbd",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\0",
        b"\r",
        b"\n",
        b"\t",
        b",",
    ),
    *(b"\xe2\x80\xa8", b"'", b":", b"- ", b"&a ", b"*a", b"!!python/object:os.system ", b"[" * 20_000),
    *(b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0\0\0\0\0", b"/", b"../", b"\\", b"a" * 300),
]
"""What readers stumble over: values of other types, half characters, encodings, sizes, depth."""


def damaged(random: Random, whole: bytes) -> bytes:
    """Bytes near `whole`: some overwritten, inserted, replaced, repeated, changed a little or cut off."""
    data = bytearray(whole)
    for _ in range(random.randint(1, 4)):
        start = random.randint(0, len(data))
        end = min(len(data), start + random.randint(0, 16))
        known = random.randint(0, 1)
        piece = random.choice(PIECES) if known else random.randbytes(random.randint(1, 8))
        match random.choice(["overwrite", "insert", "replace", "repeat", "change", "cut"]):
            case "overwrite":
                data[start : start + len(piece)] = piece
            case "insert":
                data[start:start] = piece
            case "replace":
                data[start:end] = piece
            case "repeat":
                data[start:start] = data[start:end] * random.randint(1, 4)
            case "change":
                for place in range(start, end):
                    data[place] = (data[place] + random.choice([1, 255, 128])) % 256
            case "cut":
                del data[start:]
    return bytes(data)


@dataclass(frozen=True)
class Reader:
    """Reads the file `name` in a folder of its own; `whole` is a valid one, `read` checks what it accepts."""

    name: str
    whole: bytes
    read: Callable[[Path], object]

    def check(self, data: bytes) -> None:
        """Check that the bytes give a result, or an error of one line (of a spec: a line per problem)."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / self.name
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_bytes(data)
            messages = _messages(self.read, path)
        assert all(message.strip() and "\n" not in message for message in messages), messages


def _messages(read: Callable[[Path], object], path: Path) -> list[str]:
    """The messages of an error of this reader; none for a result."""
    try:
        read(path)
    except SpecError as error:
        return str(error).split("\n")
    except ERRORS as error:
        return [str(error)]
    return []
