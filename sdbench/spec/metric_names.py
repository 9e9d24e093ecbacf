"""Names of metrics: built-in ones, and those from outside, whose form alone is checked here.

    fid-inception-tf                     a built-in metric
    my_package:sharpness                 a value per image; also file.py:function, ext:package/name
    torchmetrics:image.TotalVariation    a class of torchmetrics
    kernel@my_package:tiles              a formula, built in or from outside, of an extractor's features
    my_package:Metric?size=3&mode=fast   any of these with arguments, as `args` gives them in a spec

The name, with its arguments, is the name of the protocol in all tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import yaml

from sdbench.core.errors import did_you_mean, one_line
from sdbench.core.outside import FORMS, is_outside
from sdbench.core.query import query_settings

__all__ = ["MetricName", "as_metric_name", "parse_metric_name"]

_PLAIN = "/:.[]{}"
"""Characters of values that need no escape."""


@dataclass(frozen=True)
class MetricName:
    """A name from outside in its parts.

    Attributes:
        text: The whole name.
        formula: The formula before the "@"; "" for a metric that is no formula of features.
        target: The metric, or the extractor after the "@".
        query: The arguments of `target`: "" or "?key=value&key=value".
    """

    text: str
    formula: str
    target: str
    query: str

    @property
    def extractor(self) -> str:
        """The name of the extractor whose features the formula takes."""
        return self.target + self.query

    @property
    def args(self) -> dict[str, Any]:
        """The arguments of `target`."""
        return query_settings(self.query[1:]) if self.query else {}


def as_metric_name(value: Any) -> Any:
    """Return the text of an entry of `metrics` in a spec: text as it is, a mapping of name and args as one.

    Raises:
        ValueError: The mapping has other keys, or arguments that cannot be written as text; or the name is
            neither a plain word nor of the form of one from outside.
    """
    if isinstance(value, str) and set(value) & set(":@?"):
        parse_metric_name(value)
    if not isinstance(value, Mapping):
        return value
    for key in value:
        if key not in ("name", "args"):
            raise ValueError(f"unknown key {key!r}; {did_you_mean(str(key), ('name', 'args'))}")
    name, args = value.get("name"), value.get("args") or {}
    if not isinstance(name, str):
        raise ValueError(f"needs the key name, as in name: my_package:sharpness, not {name!r}")
    if not isinstance(args, Mapping) or not all(isinstance(key, str) and key.isidentifier() for key in args):
        raise ValueError(f"args of {name} are not a mapping of names of arguments to values: {args!r:.80}")
    if args and "?" in name:
        raise ValueError(f"{name} has arguments already: give all of them as args")
    return parse_metric_name(name + _query(args)).text


def parse_metric_name(text: str) -> MetricName:
    """Return the parts of a name that is not built in.

    Raises:
        ValueError: The name is not of the form of one from outside; the message says what is allowed.
    """
    name, mark, query = text.partition("?")
    formula, at, target = name.rpartition("@")
    try:
        settings = query_settings(query) if mark else {}
    except ValueError as error:
        raise ValueError(f"{text!r} is not written NAME?key=value&key=value: {one_line(error)}") from None
    if at and not (is_outside(formula) or is_outside(target)):
        raise ValueError(
            f"{text!r}: FORMULA@EXTRACTOR is for a formula or an extractor from outside, {FORMS}"
        )
    if not at and not is_outside(target):
        raise ValueError(f"{text!r} is not of the form {FORMS}, or FORMULA@EXTRACTOR")
    if settings and not is_outside(target):
        raise ValueError(f"{text!r}: {target} is built in and takes no arguments")
    return MetricName(text, formula, target, mark + query)


def _query(args: Mapping[str, Any]) -> str:
    if not args:
        return ""
    return "?" + "&".join(
        f"{key}={quote(_written(key, value), safe=_PLAIN)}" for key, value in sorted(args.items())
    )


def _written(key: str, value: Any) -> str:
    """Return a value as text that YAML reads as the same value, in the shortest form."""
    if isinstance(value, str) and yaml.safe_load(value) == value:
        return value
    try:
        written = json.dumps(value, separators=(", ", ": "), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"argument {key}: {one_line(error)}") from None
    return written
