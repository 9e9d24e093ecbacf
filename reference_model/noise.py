"""Random numbers that depend only on the seed and the prompt id.

Batch size, device, order, worker count and resuming do not change them: every image has its own generator on
the CPU, and tensors move to the device afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["StepNoise", "start_noise"]


def _generator(purpose: str, seed: int, prompt_id: str) -> np.random.Generator:
    """A counter-based generator keyed by a digest.

    Philox takes a key of 128 bits; torch's CPU generator uses only 32 bits of its seed, so among
    30,000 prompts two would share their noise with a probability of 10%.
    """
    digest = hashlib.sha256(f"{purpose}/{seed}/{prompt_id}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def start_noise(seed: int, prompt_id: str, shape: Sequence[int]) -> Tensor:
    """Standard normal start latents x_T of one image, float32 [*shape], on the CPU."""
    return torch.from_numpy(
        _generator("start", seed, prompt_id).standard_normal(tuple(shape), dtype=np.float32)
    )


class StepNoise:
    """Fresh noise for each stochastic sampler step of a batch; each image has its own stream.

    Each call draws the next tensor, float32 [B, *shape], on the CPU.
    """

    def __init__(self, seed: int, prompt_ids: Sequence[str], shape: Sequence[int]) -> None:
        self._shape = tuple(shape)
        self._generators = [_generator("steps", seed, prompt_id) for prompt_id in prompt_ids]

    def __call__(self) -> Tensor:
        draws = [g.standard_normal(self._shape, dtype=np.float32) for g in self._generators]
        return torch.from_numpy(np.stack(draws))
