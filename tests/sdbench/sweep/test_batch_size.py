"""The automatic batch size."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from sdbench.data.prompts import Prompt
from sdbench.models import Images
from sdbench.models.settings import Settings
from sdbench.sweep.batch_size import BatchSize, automatic_size, doubled
from sdbench.sweep.generate import generate_images


@pytest.mark.parametrize(
    ("fixed", "most", "expected"),
    [
        (0.0, 64, 1),  # time is proportional to the images, so nothing is gained
        (1.0, 6, 4),  # never more than the prompts
        (1.0, 64, 16),  # 17 / 16 seconds per image; batches of 32 would take 33 / 32, less than 3% better
    ],
)
def test_batches_double_while_that_pays(fixed: float, most: int, expected: int) -> None:
    assert doubled(lambda size: fixed + size, most) == expected


def test_batches_stay_at_what_fits() -> None:
    def attempt(size: int) -> float:
        if size > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1.0

    assert doubled(attempt, 64) == 4


def test_other_errors_are_not_hidden() -> None:
    def attempt(size: int) -> float:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        doubled(attempt, 64)


def test_a_short_unit_does_not_lead_to_a_smaller_batch() -> None:
    """A resumed run may begin with the last unit of a cell."""
    arithmetic = SimpleNamespace(compiled=False)
    unit = SimpleNamespace(
        chunk=SimpleNamespace(prompts=("one",)), cell=SimpleNamespace(arithmetic=arithmetic)
    )
    assert automatic_size(None, unit, "cpu", 64) == 64  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("precision", "compiled", "fills", "sizes"),
    [
        ("full", False, True, [2, 1]),
        ("fp16", False, True, [2, 2]),
        ("full", True, True, [2, 2]),
        ("full", True, False, [2, 1]),
    ],
)
def test_short_batches_are_filled_if_images_depend_on_the_size(
    precision: str, compiled: bool, fills: bool, sizes: list[int]
) -> None:
    asked: list[int] = []

    def generate(prompts: list[Prompt], settings: Settings, on_step: object) -> Images:
        asked.append(len(prompts))
        values = np.array([int(prompt.id) for prompt in prompts], np.uint8)
        return Images(values[:, None, None, None], 7, values < 3)

    model: Any = SimpleNamespace(fills_batches=fills, generate=generate)
    settings = replace(Settings("plms", 2, 0.0, 2.0, 1, 1, 0), precision=precision, compiled=compiled)
    prompts = [Prompt(str(i), "x") for i in range(3)]
    images = list(generate_images(model, prompts, settings, BatchSize(2), lambda done: None, where="x"))
    assert asked == sizes
    assert [len(batch.finite) for batch in images] == [2, 1]
    assert [int(value) for batch in images for value in batch.pixels.ravel()] == [0, 1, 2]
