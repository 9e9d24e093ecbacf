"""The folder of scores: whose they are, so that those of other images are never replaced."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sdbench.core.errors import InputError, encodable
from sdbench.core.json import load_json
from sdbench.core.paths import typed_path

__all__ = ["RECORD", "check_place", "record"]

RECORD = "scored.json"


def check_place(root: Path, images: str, note: Callable[[str], None]) -> None:
    """Refuse a folder that holds a run or the scores of other images; `note` is told if scores are replaced.

    Raises:
        InputError: The folder is taken.
    """
    if any((root / name).exists() for name in ("spec.yaml", "manifest.json")):
        raise InputError(
            f"{root} is a run, and scores would replace its tables: name another folder by --out"
        )
    if not (root / "results.csv").exists():
        return
    earlier = _scored(root)
    if earlier != _full(images):
        whose = f"the scores of {earlier}" if earlier else "results of something else"
        raise InputError(f"{root} holds {whose}: name another folder by --out, or delete it")
    note(f"replaces the earlier scores of these images in {root}")


def record(images: str, facts: Mapping[str, Any]) -> bytes:
    """The content of scored.json: the path of the images, and the facts of the scoring."""
    content = {"images": _full(images), **facts}
    return (encodable(json.dumps(content, indent=2, ensure_ascii=False)) + "\n").encode()


def _scored(root: Path) -> str:
    """The path of the images that the folder's scores are of; "" if it is unknown."""
    try:
        return str(load_json((root / RECORD).read_bytes())["images"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _full(images: str) -> str:
    return encodable(str(typed_path(images).resolve()))
