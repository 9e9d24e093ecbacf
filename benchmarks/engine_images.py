"""Makes the images of `engine_changes` side by side and keeps them: an interrupted benchmark resumes."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import repeat
from pathlib import Path

import numpy as np
from engine_changes import ENGINES, Engine, engine
from PIL import Image

from reference_model import shapes

PROMPTS = 10_000


@dataclass(frozen=True)
class Part:
    """Images that an engine makes at one go: of prompts from number `start` on, each from its own noise."""

    name: str
    start: int
    count: int
    steps: int

    def folder(self, root: Path) -> Path:
        """The folder of the images, named after the numbers of their prompts."""
        return root / f"{self.steps} steps" / self.name.replace("%", " percent") / f"{self.start:05d}"

    def files(self, root: Path) -> list[Path]:
        """The images in the order of their prompts."""
        return [self.folder(root) / f"{self.start + index:05d}.png" for index in range(self.count)]


@cache
def captions() -> list[str]:
    """Return the prompts by number."""
    return shapes.evaluation_prompts(PROMPTS, 1)


def make_all(root: Path, parts: Iterable[Part]) -> None:
    """Make the images that are missing, with a process per core."""
    missing = [part for part in dict.fromkeys(parts) if not part.folder(root).is_dir()]
    images, made = sum(part.count for part in missing), 0
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a thread that spins takes the other process's core
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        for part, _ in zip(missing, pool.map(_make, repeat(root), missing), strict=True):
            made += part.count
            print(f"\r{made} of {images} images", end="", file=sys.stderr, flush=True)
    if missing:
        print(file=sys.stderr)


def write(folder: Path, files: Iterable[str], images: np.ndarray) -> None:
    """Write images; the folder appears when all are there."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    aside.mkdir(parents=True, exist_ok=True)
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image).save(aside / file, compress_level=1)
    aside.rename(folder)


def _make(root: Path, part: Part) -> None:
    asked = replace(_engine(part.name), steps=part.steps)
    images = asked.images(captions()[part.start : part.start + part.count], part.start)
    write(part.folder(root), [file.name for file in part.files(root)], images)


@lru_cache(maxsize=1)
def _engine(name: str) -> Engine:
    return ENGINES[name](engine())
