"""Changes to a spec on the command line: KEY=VALUE, with dots between nested keys and YAML as the value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sdbench.core.errors import InputError
from sdbench.core.yaml import YamlError, load_yaml

__all__ = ["OPTION", "Override", "parse_override", "with_overrides"]

OPTION = "--set"


@dataclass(frozen=True)
class Override:
    """A value, and the keys and indices that lead to it in a spec."""

    place: tuple[int | str, ...]
    value: Any

    @property
    def option(self) -> str:
        """The option that it came from, for messages."""
        return f"{OPTION} {'.'.join(map(str, self.place))}"


def parse_override(text: str) -> Override:
    """Read "KEY=VALUE", such as "prompts.count=8"; InputError if it has another form."""
    key, equals, value = text.partition("=")
    place = tuple(int(part) if part.isdecimal() else part.strip() for part in key.split("."))
    if not equals or "" in place:
        raise InputError(f"{OPTION} {text}: not of the form KEY=VALUE, as in {OPTION} prompts.count=8")
    try:
        return Override(place, load_yaml(value))
    except YamlError as error:
        raise InputError(f"{OPTION} {text}: the value is not valid YAML: {error.words}") from None


def with_overrides(content: Any, overrides: Sequence[Override]) -> Any:
    """Return the content of a spec with each override put in its place; later ones win.

    Raises:
        InputError: An override leads into a value that is neither a mapping nor a list, or beyond a list.
    """
    for override in overrides:
        content = _put(content, override.place, override)
    return content


def _put(content: Any, place: Sequence[int | str], override: Override) -> Any:
    if not place:
        return override.value
    part, rest = place[0], place[1:]
    if isinstance(content, list):
        if not isinstance(part, int) or part >= len(content):
            places = f"0 to {len(content) - 1}" if content else "none"
            raise InputError(f"{override.option}: {part} is not a place in the list; its places: {places}")
        return [_put(each, rest, override) if n == part else each for n, each in enumerate(content)]
    if content is not None and not isinstance(content, dict):
        raise InputError(f"{override.option}: {content!r} in the spec has no key {part}")
    return {**(content or {}), str(part): _put((content or {}).get(str(part)), rest, override)}
