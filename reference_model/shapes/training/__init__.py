"""Train the embedded family from rendered scenes: autoencoder, CLIP, then the four checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reference_model.shapes.training.budgets import BUDGETS, Budget

if TYPE_CHECKING:
    from reference_model.shapes.training.recipe import train

__all__ = ["BUDGETS", "Budget", "train"]


def __getattr__(name: str) -> Any:
    """Import `train` on first use, so that the budgets are read without torch."""
    if name != "train":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from reference_model.shapes.training.recipe import train

    return train
