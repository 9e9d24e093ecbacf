"""Folders of scenes that no code of the project made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdbench.cli import main

SIZE = 32


def scene(number: int) -> np.ndarray:
    """A picture of waves and a disc, float [32, 32, 3]."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    waves = [random.uniform(0.5, 2, 2) @ [x.ravel(), y.ravel()] + random.uniform(0, 1) for _ in range(3)]
    image = np.stack([128 + 90 * np.sin(2 * np.pi * wave) for wave in waves], -1).reshape(SIZE, SIZE, 3)
    centre = random.uniform(0.2, 0.8, 2)
    image[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < 0.04] = random.uniform(0, 255, 3)
    return image


def as_pixels(image: np.ndarray) -> np.ndarray:
    return image.clip(0, 255).round().astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder of n scenes, each changed by a function of (image, number)."""

    def write(name: str, n: int = 24, change=lambda image, number: image) -> Path:
        place = tmp_path / name
        place.mkdir()
        for number in range(n):
            Image.fromarray(as_pixels(change(scene(number), number))).save(place / f"{number:03d}.png")
        return place

    return write


@pytest.fixture(autouse=True)
def _own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDBENCH_HOME", str(tmp_path / "home"))


@pytest.fixture
def compare(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command; returns its exit code and everything that it said."""

    def run(*arguments: object) -> tuple[int, str]:
        code = main(["compare", *map(str, arguments)])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out + said.err

    return run
