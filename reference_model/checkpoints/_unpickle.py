"""Read a pickle as data: what it describes is written down, and nothing of it is built or called.

Why this is safe. Python's unpickler is a small stack machine, and code runs in it through a few instructions
only: those that import a name (GLOBAL, STACK_GLOBAL, INST, EXT), those that call what was imported (REDUCE,
OBJ, NEWOBJ, INST) and BUILD, which calls `__setstate__`. This machine imports nothing and calls nothing: an
imported name becomes a `Global` that holds two strings, a call becomes a `Call` that holds what would have
been called and the arguments, BUILD drops its argument. No value on the stack has a method that a file could
have chosen, so a file with `os.system` in it yields the record of a call that never takes place. Dictionaries
keep only entries with text as their key, so that no hash of nested data is ever taken.

Why it stays small. The instructions are decoded by the standard library's `pickletools`, which checks that
every length fits into the file. An instruction adds at most one value, and values are shared, never copied,
joined or printed: the memory is linear in the size of the pickle, which `LIMIT` bounds.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

__all__ = ["LIMIT", "Call", "Global", "read_pickle"]

LIMIT = 16 * 2**20
"""Bytes of pickle that are read; a Stable Diffusion checkpoint with its optimizer has about one million."""


@dataclass(frozen=True, eq=False)
class Global:
    """A name that the pickle wants imported."""

    module: str
    name: str

    def is_(self, module: str, name: str) -> bool:
        """Whether it is this name of this module."""
        return self.module == module and self.name == name


@dataclass(frozen=True, eq=False)
class Call:
    """A call that the pickle wants made."""

    target: Any
    args: Any


CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
LITERALS = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    }
)
IGNORED = frozenset({"PROTO", "FRAME"})


class Machine:
    """The stack machine of pickle, without the instructions' side effects."""

    def __init__(self, persistent: Callable[[Any], Any]) -> None:
        self.persistent = persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, file: IO[bytes]) -> Any:
        """Replay one pickle from ``file``, which is left just behind it."""
        for opcode, argument, _ in pickletools.genops(file):
            self.step(opcode.name, argument)
        return self.stack.pop()

    def step(self, name: str, argument: Any) -> None:
        if name in LITERALS:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in INSTRUCTIONS:
            INSTRUCTIONS[name](self, argument)
        elif name not in IGNORED and name != "STOP":
            raise ValueError(f"unexpected pickle instruction {name}")

    def pop_to_mark(self) -> list[Any]:
        """The values above the latest mark, taken off the stack."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def pop_pair(self) -> tuple[Any, Any]:
        """The topmost two values, the deeper one first."""
        second = self.stack.pop()
        return self.stack.pop(), second

    def call(self, target: Any, args: Any) -> None:
        ordered = isinstance(target, Global) and target.is_("collections", "OrderedDict")
        self.stack.append({} if ordered else Call(target, args))

    def import_name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("an imported name that is no text")
        self.stack.append(Global(module, name))

    def set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            pairs = zip(values[::2], values[1::2], strict=True)
            target.update((key, value) for key, value in pairs if isinstance(key, str))

    def extend(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)


def _instance(m: Machine, argument: str) -> None:
    args = m.pop_to_mark()
    m.import_name(*argument.split(" ", 1))
    m.call(m.stack.pop(), tuple(args))


def _object(m: Machine, _: Any) -> None:
    target, *args = m.pop_to_mark()
    m.call(target, tuple(args))


def _call_with_keywords(m: Machine, _: Any) -> None:
    m.stack.pop()
    m.call(*m.pop_pair())


def _set(m: Machine, _: Any) -> None:
    m.stack.append(Call(Global("builtins", "set"), ()))


def _frozenset(m: Machine, _: Any) -> None:
    m.pop_to_mark()
    _set(m, _)


def _pop(m: Machine, _: Any) -> None:
    if m.marks and m.marks[-1] == len(m.stack):
        m.marks.pop()
    else:
        m.stack.pop()


def _tuple_of(count: int) -> Callable[[Machine, Any], None]:
    def instruction(m: Machine, _: Any) -> None:
        if len(m.stack) < count:
            raise IndexError("a tuple of more values than there are")
        m.stack[-count:] = [tuple(m.stack[-count:])]

    return instruction


def _dict(m: Machine, _: Any) -> None:
    values = m.pop_to_mark()
    m.stack.append({})
    m.set_items(values)


def _put(m: Machine, index: int) -> None:
    m.memo[index] = m.stack[-1]


def _get(m: Machine, index: int) -> None:
    m.stack.append(m.memo[index])


INSTRUCTIONS: dict[str, Callable[[Machine, Any], Any]] = {
    "GLOBAL": lambda m, argument: m.import_name(*argument.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m.import_name(*m.pop_pair()),
    "INST": _instance,
    "OBJ": _object,
    "REDUCE": lambda m, _: m.call(*m.pop_pair()),
    "NEWOBJ": lambda m, _: m.call(*m.pop_pair()),
    "NEWOBJ_EX": _call_with_keywords,
    "BUILD": lambda m, _: m.stack.pop(),
    "PERSID": lambda m, argument: m.stack.append(m.persistent(argument)),
    "BINPERSID": lambda m, _: m.stack.append(m.persistent(m.stack.pop())),
    "MARK": lambda m, _: m.marks.append(len(m.stack)),
    "POP": _pop,
    "POP_MARK": lambda m, _: m.pop_to_mark(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.pop_to_mark())),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "LIST": lambda m, _: m.stack.append(m.pop_to_mark()),
    "APPEND": lambda m, _: m.extend([m.stack.pop()]),
    "APPENDS": lambda m, _: m.extend(m.pop_to_mark()),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "DICT": _dict,
    "SETITEM": lambda m, _: m.set_items(list(m.pop_pair())),
    "SETITEMS": lambda m, _: m.set_items(m.pop_to_mark()),
    "EMPTY_SET": _set,
    "FROZENSET": _frozenset,
    "ADDITEMS": lambda m, _: m.pop_to_mark(),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _put),
    "MEMOIZE": lambda m, _: _put(m, len(m.memo)),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
}


def read_pickle(file: IO[bytes], persistent: Callable[[Any], Any] = lambda id_: None) -> Any:
    """What one pickle describes: plain data, with `Global` and `Call` for all else.

    Args:
        file: is left just behind the pickle.
        persistent: turns the id of something outside of the pickle (in torch's files: a storage) into the
            value that stands for it.

    Raises:
        ValueError, LookupError: bytes that are no whole pickle.
    """
    return Machine(persistent).run(file)
