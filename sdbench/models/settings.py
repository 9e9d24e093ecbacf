"""What a model is asked to do, apart from the prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sdbench.core.precision import FULL, Arithmetic
from sdbench.data.prompts import Prompt
from sdbench.spec.guidance import PLAIN

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """How images are made from prompts.

    The batch size is not a setting: in float32 it changes no more than the last bits of an image. In half
    precision it moves some values by a level or two of 255, less than half precision itself does, so images
    of different batch sizes may be mixed; shards record the sizes.

    Attributes:
        sampler: A name that the model understands.
        steps: Number of sampling steps.
        eta: Share of fresh noise in each step of DDIM, 0 to 1.
        guidance_scale: Scale of classifier-free guidance.
        height: In pixels.
        width: In pixels.
        seed: The noise of an image depends only on this seed and the id of its prompt.
        precision: As in `Arithmetic`.
        compiled: As in `Arithmetic`.
        negative_prompt: Guidance leads away from this text, unless a prompt has its own.
        guidance: A way of guiding with its settings, as `models.guidance` takes it.
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
    negative_prompt: str = ""
    guidance: str = PLAIN

    @property
    def arithmetic(self) -> Arithmetic:
        """How the model computes."""
        return Arithmetic(self.precision, self.compiled)

    def has_negatives(self, prompts: Sequence[Prompt]) -> bool:
        """Return whether the spec gives these prompts a negative prompt, even an empty one."""
        return bool(self.negative_prompt) or any(prompt.negative is not None for prompt in prompts)

    def negatives(self, prompts: Sequence[Prompt]) -> list[str]:
        """Return the negative prompt of each prompt, "" for none."""
        return [self.negative_prompt if p.negative is None else p.negative for p in prompts]

    def image_seed(self, prompt_id: str) -> int:
        """Return the seed of one image, 63 bits, for models that draw their own noise."""
        digest = hashlib.sha256(f"image/{self.seed}/{prompt_id}".encode()).digest()
        return int.from_bytes(digest[:8], "little") >> 1
