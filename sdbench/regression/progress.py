"""Progress of a recording or a check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from sdbench.core.console import Display

__all__ = ["announced"]

Item = TypeVar("Item")


def announced(items: Mapping[str, Item], display: Display | None) -> Iterator[Item]:
    """Yield the items one by one, and show the number and name of each on the display, if there is one."""
    total = len(items)
    try:
        for done, (name, item) in enumerate(items.items()):
            if display is not None:
                display.update(f"case {done + 1}/{total} ({name})", done, total)
            yield item
        if display is not None:
            display.update(f"{total} cases run", total, total)
    finally:
        if display is not None:
            display.close()
