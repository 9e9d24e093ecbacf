"""A training loop that can be killed at any moment, and resumes from its last state."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

__all__ = ["Report", "Stateful", "cached", "run_loop", "save_aside", "step_generator", "write_aside"]

SAVE_SECONDS = 60.0

Report = Callable[[str, int, int, float], None]
"""Told (part, steps done, steps in all, latest loss) after every step."""


class Stateful(Protocol):
    """A module or an optimizer."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: Any) -> Any: ...


def step_generator(seed: int, part: str, step: int) -> torch.Generator:
    """The randomness of one step, from its place alone, so that a resumed run repeats it."""
    digest = hashlib.sha256(f"{part}/{seed}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))


def save_aside(content: Any, path: Path) -> None:
    """Save under another name, then rename: a file of this name is always complete."""
    aside = path.with_suffix(".partial")
    torch.save(content, aside)
    os.replace(aside, path)


def write_aside(text: str, path: Path) -> None:
    """Write text as `save_aside` saves tensors."""
    aside = path.with_suffix(".partial")
    aside.write_text(text, encoding="utf-8")
    os.replace(aside, path)


def cached(path: Path, compute: Callable[[], Any]) -> Any:
    """Return what the file holds, mapped into memory; compute and save it first if there is no such file."""
    if not path.exists():
        save_aside(compute(), path)
    return torch.load(path, weights_only=True, mmap=True)


def run_loop(
    part: str,
    total: int,
    objects: Mapping[str, Stateful],
    step: Callable[[int], float],
    folder: Path,
    report: Report,
) -> list[float]:
    """Run ``step`` for 0 .. total - 1 and return all losses.

    The state of ``objects`` is saved to ``folder/part.pt`` about once a minute and at the end, and
    restored from there at the start.
    """
    path = folder / f"{part}.pt"
    losses: list[float] = []
    if path.exists():
        saved = torch.load(path, weights_only=True)
        losses = saved.pop("losses")
        for name, state in saved.items():
            objects[name].load_state_dict(state)

    def save() -> None:
        save_aside({name: item.state_dict() for name, item in objects.items()} | {"losses": losses}, path)

    last = time.monotonic()
    for i in range(len(losses), total):
        losses.append(step(i))
        report(part, i + 1, total, losses[-1])
        if i + 1 == total or time.monotonic() - last > SAVE_SECONDS:
            save()
            last = time.monotonic()
    return losses
