"""Train the embedded family from rendered scenes: autoencoder, CLIP, then the four checkpoints."""

from __future__ import annotations

from reference_model.shapes.training.budgets import BUDGETS, Budget
from reference_model.shapes.training.recipe import train

__all__ = ["BUDGETS", "Budget", "train"]
