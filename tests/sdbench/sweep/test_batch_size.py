"""The automatic batch size."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from sdbench.sweep.batch_size import automatic_size, doubled


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
