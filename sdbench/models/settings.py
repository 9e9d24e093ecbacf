"""What a model is asked to do, beside the prompts."""

from __future__ import annotations

from dataclasses import dataclass

from sdbench.core.precision import FULL, Arithmetic

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """How a batch of prompts becomes images.

    `sampler` is a name that the model understands; `eta` the share of fresh noise at each DDIM step, 0 to 1.
    `height` and `width` are in pixels. The noise of an image depends on `seed` and its prompt's id alone. The
    batch size is not here: it moves no more than the last bit.
    """

    sampler: str
    steps: int
    eta: float
    guidance_scale: float
    height: int
    width: int
    seed: int
    precision: str = FULL.precision
    compiled: bool = FULL.compiled

    @property
    def arithmetic(self) -> Arithmetic:
        """How the model computes."""
        return Arithmetic(self.precision, self.compiled)
