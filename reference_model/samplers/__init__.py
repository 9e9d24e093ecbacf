"""Samplers: each walks a grid of timesteps and yields its state after every step.

A sampler is one function ``(denoise, x, grid, draw) -> Iterator[Step]``. It knows nothing of prompts,
guidance or progress. A new one is a new file and a line in ``SAMPLERS`` and in ``EXTRA_CALLS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from reference_model.guidance import Denoise
from reference_model.samplers._step import Draw, Step
from reference_model.samplers.ddim import ddim
from reference_model.samplers.plms import plms
from reference_model.schedule import Grid

__all__ = ["SAMPLERS", "Draw", "Sampler", "Step", "ddim", "nfe", "plms"]

Sampler = Callable[[Denoise, Tensor, Grid, Draw | None], Iterator[Step]]

SAMPLERS: dict[str, Sampler] = {"ddim": ddim, "plms": plms}

# Denoiser calls of a whole trajectory beyond one per grid point.
EXTRA_CALLS = {"ddim": 0, "plms": 1}


def nfe(sampler: str, grid_points: int) -> int:
    """Number of denoiser calls per image along a grid; guidance doubles the UNet evaluations."""
    return grid_points + EXTRA_CALLS[sampler]
