"""What a name from outside stands for, and what identifies it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint
from typing import Any

from sdbench.core.digest import SHORT
from sdbench.core.errors import InputError
from sdbench.core.outside import Kind, error_words, find_outside, load_outside, origin, source_digest

__all__ = ["EXTRACTOR", "FORMULA", "METRIC", "Found", "called", "find", "parameters"]

METRIC = Kind("metric", "sdbench.metrics")
FORMULA = Kind("formula", "sdbench.formulas")
EXTRACTOR = Kind("extractor", "sdbench.extractors")


@dataclass(frozen=True)
class Found:
    """A part from outside.

    Attributes:
        name: Its name without arguments.
        kind: What it is.
        thing: The function, class or object.
        origin: Its package and version, or its file.
        digest: The sha256 of the files that define it.
    """

    name: str
    kind: Kind
    thing: Any
    origin: str
    digest: str

    @property
    def where(self) -> str:
        """The start of every error message."""
        return f"{self.kind.word} {self.name!r}"

    @property
    def identity(self) -> str:
        """Package, version and digest in words, for tables."""
        return f"{self.origin} sha256:{self.digest}"

    @property
    def words(self) -> str:
        """The same with a short digest, for labels."""
        return f"{self.origin}, {self.digest[:SHORT]}"

    @property
    def title(self) -> str:
        """Its `label`, or else the last part of its name."""
        return str(
            getattr(self.thing, "label", "") or self.name.replace("/", ".").replace(":", ".").split(".")[-1]
        )

    @property
    def better(self) -> Any:
        """The direction of improvement that it declares.

        Raises:
            InputError: It declares none.
        """
        better = getattr(self.thing, "better", None)
        if better not in ("lower", "higher"):
            raise InputError(
                f"{self.where} does not say which direction is better: "
                'give it an attribute better = "higher" or "lower"'
            )
        return better


_TORCHMETRICS = re.compile(r"^torchmetrics:(\w+(?:\.\w+)*)\.(?=\w+$)")
"""Its modules are not imported by the package itself: torchmetrics:image.TotalVariation is in its `image`."""


@cache
def find(name: str, kind: Kind) -> Found:
    """Return the part of this name; InputError if there is none or it cannot be imported."""
    written = _TORCHMETRICS.sub(r"torchmetrics.\1:", name)
    point = find_outside(name, kind) if written == name else EntryPoint(name, written, kind.group)
    thing = load_outside(point, kind)
    if not callable(thing):
        raise InputError(f"{kind.word} {name!r} is neither a function nor a class: {thing!r:.60}")
    modules = (point.module, getattr(thing, "__module__", None))
    return Found(name, kind, thing, origin(point), source_digest(modules))


def parameters(found: Found, function: Any) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a function or class; InputError if they cannot be read."""
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise InputError(f"{found.where}: its parameters cannot be read: {error_words(error)}") from None


def called(found: Found, args: Mapping[str, Any], device: str, *, now: bool) -> Any:
    """Return the part with its arguments, and the device if it takes one.

    Args:
        found: The part.
        args: Its arguments.
        device: A torch device.
        now: Whether to call it, as a class or factory is; a function is called later, with images.

    Raises:
        InputError: The arguments do not fit, or it raises.
    """
    known = parameters(found, found.thing)
    given = {**({"device": device} if "device" in known else {}), **args}
    try:
        inspect.signature(found.thing).bind_partial(**given)
        return found.thing(**given) if now else partial(found.thing, **given)
    except Exception as error:  # foreign code may raise anything
        raise InputError(f"{found.where} with {dict(args)!r:.200} raises {error_words(error)}") from None
