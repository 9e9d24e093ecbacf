"""Protocols by name: the built-in ones, and those of metrics from outside."""

from __future__ import annotations

from collections.abc import Iterable

from metrics import PROTOCOLS, Protocol
from sdbench.core.errors import InputError, did_you_mean

__all__ = ["distances_of", "protocol_of", "protocols_of"]


def protocol_of(name: str) -> Protocol:
    """Return the protocol `name`; a built-in name never means anything else.

    Raises:
        InputError: The name is unknown, or the metric from outside cannot be used.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    if not set(name) & set(":@?"):
        raise InputError(f"unknown metric {name!r}: {did_you_mean(name, PROTOCOLS, 'sdbench metrics list')}")
    from sdbench.scoring.outside import outside_protocol  # imports torch

    return outside_protocol(name)


def protocols_of(names: Iterable[str]) -> list[Protocol]:
    """Return the protocols of these names, each once; InputError as `protocol_of`."""
    return [protocol_of(name) for name in dict.fromkeys(names)]


def distances_of(names: Iterable[str]) -> list[Protocol]:
    """Return those of the protocols that compare images with a reference set."""
    return [protocol for protocol in protocols_of(names) if protocol.formula.needs_reference]
