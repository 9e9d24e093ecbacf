"""The specs that come with the package: each has a name, which commands take in the place of a path."""

from __future__ import annotations

from pathlib import Path

__all__ = ["SHIPPED", "shipped_names", "shipped_spec"]

SHIPPED = Path(__file__).parents[2] / "experiments"
"""Their folder, in a checkout and beside the installed package."""


def shipped_names() -> list[str]:
    """Return their names, sorted."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def shipped_spec(name: str) -> Path | None:
    """Return the file of the spec `name`; None if there is no such spec."""
    return SHIPPED / f"{name}.yaml" if name in shipped_names() else None
