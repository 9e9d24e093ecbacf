"""Validation errors of a spec, in terms of the YAML file instead of the classes behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sdbench.core.errors import did_you_mean, one_line

__all__ = ["describe"]

_NUMBERS = {"float_parsing", "float_type", "int_parsing", "int_type", "int_from_float", "finite_number"}


def describe(error: ValidationError, parts: Mapping[str, type[BaseModel]]) -> str:
    """Return one line for a failed validation: the key, what is wrong, what is allowed.

    Args:
        error: What pydantic found.
        parts: The class of each mapping by its place: "" for the top level, "prompts.shapes" for a tagged
            one. Used to name the allowed keys after an unknown one.
    """
    # pydantic also reports a list with invalid items as too short, which would only confuse.
    details = [d for d in error.errors(include_url=False) if not (d["type"] == "too_short" and d["input"])]
    first = details[0]
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    path = _key_path(first["loc"], parts)
    return one_line(f"{path}{': ' if path else ''}{_problem(first, parts)}{more}")


def _key_path(location: tuple[int | str, ...], parts: Mapping[str, type[BaseModel]]) -> str:
    # A discriminated union adds its tag to the location; the YAML file has no such level.
    names = [part for part in location if isinstance(part, str)]
    tag = names[1] if len(names) > 1 and f"{names[0]}.{names[1]}" in parts else None
    return ".".join(str(part) for i, part in enumerate(location) if not (part == tag and i in (1, 2)))


def _problem(detail: ErrorDetails, parts: Mapping[str, type[BaseModel]]) -> str:
    kind, given = detail["type"], detail["input"]
    context: Mapping[str, Any] = detail.get("ctx", {})
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


def _first_tag(location: tuple[int | str, ...], parts: Mapping[str, type[BaseModel]]) -> str:
    return next(place.split(".")[1] for place in parts if place.startswith(f"{location[0]}."))


def _keys_beside(location: tuple[int | str, ...], parts: Mapping[str, type[BaseModel]]) -> list[str]:
    place = ".".join(part for part in location[:-1] if isinstance(part, str))
    return list(parts[place].model_fields)
