"""Validation errors of a spec, in terms of the YAML file instead of the classes behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sdbench.core.errors import did_you_mean, nearest, one_line

__all__ = ["Problem", "describe", "problems_of"]

_NUMBERS = {"float_parsing", "float_type", "int_parsing", "int_type", "int_from_float", "finite_number"}

Parts = Mapping[str, type[BaseModel]]


@dataclass(frozen=True)
class Problem:
    """What is wrong in a spec.

    Attributes:
        place: The keys and indices that lead there in the YAML file.
        words: What is wrong and what is allowed.
        misspelt: Whether it is an unknown key that resembles a known one.
    """

    place: tuple[int | str, ...]
    words: str
    misspelt: bool = False

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.place))}: {self.words}" if self.place else self.words


def describe(error: ValidationError, parts: Parts) -> str:
    """Return one line for a failed validation: the key, what is wrong, what is allowed.

    Args:
        error: What pydantic found.
        parts: The class of each mapping by its place: "" for the top level, "prompts.shapes" for a tagged
            one. Used to name the allowed keys after an unknown one.
    """
    first, *others = problems_of(error, parts)
    return f"{first} (and {len(others)} more)" if others else str(first)


def problems_of(error: ValidationError, parts: Parts) -> list[Problem]:
    """Return everything that a validation found, misspelt keys first. Takes the arguments of `describe`.

    A key that is missing because it is misspelt is no problem of its own.
    """
    # pydantic also reports a list with invalid items as too short, which would only confuse.
    details = [d for d in error.errors(include_url=False) if not (d["type"] == "too_short" and d["input"])]
    near: dict[tuple[int | str, ...], str] = {}
    for detail in details:
        if detail["type"] == "extra_forbidden":
            *_, key = place = detail["loc"]
            meant = nearest(str(key), _keys_beside(place, parts))
            if meant:
                near[place] = meant
    meant_places = {(*place[:-1], meant) for place, meant in near.items()}
    kept = [d for d in details if not (d["type"] == "missing" and d["loc"] in meant_places)]
    kept.sort(key=lambda detail: detail["loc"] not in near)
    return [Problem(_yaml_place(d["loc"], parts), one_line(_words(d, parts)), d["loc"] in near) for d in kept]


def _yaml_place(location: tuple[int | str, ...], parts: Parts) -> tuple[int | str, ...]:
    # A discriminated union adds its tag to the location; the YAML file has no such level.
    names = [part for part in location if isinstance(part, str)]
    tag = names[1] if len(names) > 1 and f"{names[0]}.{names[1]}" in parts else None
    return tuple(part for i, part in enumerate(location) if not (part == tag and i in (1, 2)))


def _words(detail: ErrorDetails, parts: Parts) -> str:
    kind, given = detail["type"], detail["input"]
    context: Mapping[str, Any] = detail.get("ctx", {})
    if kind == "extra_forbidden" and detail["loc"] == ("seeds",):
        return "unknown key; images_per_prompt makes several images of each prompt, each from other noise"
    if kind == "extra_forbidden":
        return f"unknown key; {did_you_mean(str(detail['loc'][-1]), _keys_beside(detail['loc'], parts))}"
    if kind == "missing":
        return "missing"
    if kind in _NUMBERS:
        return f"{given!r} is not a {'whole number' if kind.startswith('int') else 'number'}"
    if kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
        return f"{given!r} is out of range: {detail['msg'].removeprefix('Input should be ')}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{given!r} is not a mapping of keys"
    if kind == "tuple_type":
        return f"{given!r} is not a list"
    if kind == "string_type":
        return f"{given!r} is not text"
    if kind == "too_short":
        return "is empty; give at least one"
    if kind == "union_tag_invalid":
        key, known = context["discriminator"].strip("'"), one_line(context["expected_tags"])
        return f"unknown {key} {context['tag']!r}; allowed: {known}"
    if kind == "union_tag_not_found":
        key = context["discriminator"].strip("'")
        return f"needs the key {key}, as in {key}: {_first_tag(detail['loc'], parts)}"
    if kind == "literal_error":
        return f"{given!r}; allowed: {context['expected']}"
    if kind == "string_pattern_mismatch" and detail["loc"][-1] == "images":
        return f"{given!r}; allowed: all, none, or sample:N"
    if kind == "string_pattern_mismatch":
        return f"{given!r}; allowed: letters, digits, '.', '_' and '-', starting with a letter or digit"
    if kind == "value_error":
        return str(context["error"])
    return f"{given!r}: {detail['msg']}"


def _first_tag(location: Sequence[int | str], parts: Parts) -> str:
    return next(place.split(".")[1] for place in parts if place.startswith(f"{location[0]}."))


def _keys_beside(location: Sequence[int | str], parts: Parts) -> list[str]:
    place = ".".join(part for part in location[:-1] if isinstance(part, str))
    return list(parts[place].model_fields)
