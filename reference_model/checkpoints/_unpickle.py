"""Read a pickle as data: what it would import or call is recorded, never imported or called.

Why this is safe. A pickle is a program for a small stack machine. Python's own machine runs it here, but
every instruction that reaches code is replaced: a name becomes a `Global`, which holds two strings; a call
becomes a `Call`, which holds what would have been called; BUILD, which calls `__setstate__`, does nothing.
`Global` is therefore the only thing on the stack that can be called.

Why this stays small. The machine is the pure-Python one: its memo is a dictionary, so an index of two billion
costs nothing. Tuples hash by identity, because hashing deeply nested ones would overflow the C stack. Each
instruction adds at most one value, so memory is linear in the size of the pickle, which `LIMIT` bounds.

Why not `torch.load(weights_only=True)`. It refuses a file that mentions a name from `os` or `sys`, an object
of an unknown class that was filled like a list, or a pickle protocol other than 2; deeply nested keys crash
it; and with the file mapped into memory, loading a model takes twice the memory.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, ClassVar, NoReturn

__all__ = ["LIMIT", "Call", "Global", "read_pickle"]

LIMIT = 16 * 2**20
"""Largest pickle to read, in bytes. That of a Stable Diffusion file with optimizer has about one million."""


@dataclass(frozen=True, eq=False)
class Global:
    """A name that the pickle asks to import."""

    module: str
    name: str

    def __call__(self, *args: Any) -> Any:
        """Record a call; an ordered dictionary becomes a plain one."""
        return {} if (self.module, self.name) == ("collections", "OrderedDict") else Call(self, args)


@dataclass(frozen=True, eq=False)
class Call:
    """A call that the pickle asks to make. Items that the pickle adds to its result are dropped."""

    target: Global
    args: tuple[Any, ...]

    def _drop(self, *_: Any) -> None:
        pass

    append = extend = add = __setitem__ = _drop


class _Tuple(tuple[Any, ...]):
    __slots__ = ()
    __hash__ = object.__hash__


def _hashed_by_identity(instruction: Callable[[Any], None]) -> Callable[[Any], None]:
    def build(machine: _Replay) -> None:
        instruction(machine)
        machine.stack[-1] = _Tuple(machine.stack[-1])

    return build


_PYTHON: dict[int, Callable[[Any], None]] = {**pickle._Unpickler.dispatch}
_CALL = _PYTHON[pickle.REDUCE[0]]


class _Replay(pickle._Unpickler):
    """Python's unpickler without the instructions that reach code."""

    stack: list[Any]

    def __init__(self, file: IO[bytes], persistent: Callable[[Any], Any]) -> None:
        super().__init__(file, encoding="latin-1")  # decodes any bytes
        self._persistent = persistent

    def find_class(self, module: str, name: str) -> Global:
        return Global(module, name)

    def persistent_load(self, pid: Any) -> Any:
        return self._persistent(pid)

    def get_extension(self, code: int) -> NoReturn:
        raise ValueError(f"extension code {code}")

    def _drop_state(self) -> None:
        del self.stack[-1]

    def _call_without_keywords(self) -> None:
        del self.stack[-1]
        _CALL(self)

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **_PYTHON,
        pickle.BUILD[0]: _drop_state,
        pickle.NEWOBJ[0]: _CALL,
        pickle.NEWOBJ_EX[0]: _call_without_keywords,
        **{
            code[0]: _hashed_by_identity(_PYTHON[code[0]])
            for code in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3)
        },
    }


def read_pickle(file: IO[bytes], persistent: Callable[[Any], Any] = lambda id_: None) -> Any:
    """Read one pickle as plain data, with `Global` and `Call` for everything else.

    Args:
        file: its position moves to the end of the pickle.
        persistent: turns the id of something outside the pickle (in torch's files, a storage) into a value.

    Raises:
        ValueError: the bytes are not a complete pickle.
    """
    try:
        return _Replay(file, persistent).load()
    except Exception as error:  # damaged bytes make the machine raise almost anything
        raise ValueError("its pickle is damaged") from error
