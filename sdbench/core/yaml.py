"""YAML with plain values only, in which a key given twice is an error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from sdbench.core.errors import InputError, encodable, one_line

__all__ = ["YamlError", "line_of", "load_yaml", "read_yaml"]

# libyaml's parser is fifteen times as fast, which shows in specs that hold thousands of prompts.
_Base: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

_HALF = "half a character (a lone surrogate); write it in full"


class YamlError(ValueError):
    """A text is not valid YAML: `words` say why, `line` counts from 1 and may be unknown."""

    def __init__(self, words: str, line: int | None) -> None:
        super().__init__(words if line is None else f"{words}, line {line}")
        self.words = words
        self.line = line


class _Loader(_Base):
    """Refuses a key given twice, by YAML's own rule, and half characters, which no file can hold."""

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value = super().construct_scalar(node)
        if isinstance(value, str) and encodable(value) != value:
            raise yaml.constructor.ConstructorError(problem=_HALF, problem_mark=node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key} is given twice", problem_mark=key_node.start_mark
                )
            seen.append(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def load_yaml(text: str) -> Any:
    """Return the value that `text` describes.

    Raises:
        YamlError: `text` is not valid YAML, holds something else than plain values, or is nested too deeply.
    """
    try:
        return _with_loader(text, lambda loader: loader.get_single_data())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(words for words in (error.context, error.problem) if words)
        words = _HALF if "invalid Unicode character escape" in words else words
        raise YamlError(one_line(words), mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise YamlError(one_line(error), None) from None


def read_yaml(path: Path, what: str) -> Any:
    """Return the value that a file describes; `what` is its word in messages.

    Raises:
        InputError: The file cannot be read, or is not valid YAML.
    """
    try:
        return load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{what} {path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{what} {path}: not YAML: {one_line(error)}") from None


def _with_loader(text: str, ask: Callable[[Any], Any]) -> Any:
    loader = _Loader(text)
    try:
        return ask(loader)
    finally:
        loader.dispose()


def line_of(text: str, place: Sequence[int | str]) -> int | None:
    """Return the line, counted from 1, of the value that keys and indices lead to in valid YAML.

    Of a value that is not there, the line of the innermost part that is; None if there is none.
    """
    node, line = _with_loader(text, lambda loader: loader.get_single_node()), None
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = node.value[part], node.value[part]
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
