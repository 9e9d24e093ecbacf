"""Pseudo linear multistep sampling (Liu, Ren, Lin and Zhao 2022, "Pseudo numerical methods")."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from reference_model.guidance import Denoise
from reference_model.samplers._step import Draw, Step, ddim_update, timestep_batch
from reference_model.schedule import Grid

__all__ = ["plms"]

# Adams-Bashforth weights of eps, newest first, by the number of earlier values (equation 12, starters).
WEIGHTS: dict[int, tuple[float, ...]] = {
    1: (3 / 2, -1 / 2),
    2: (23 / 12, -16 / 12, 5 / 12),
    3: (55 / 24, -59 / 24, 37 / 24, -9 / 24),
}


def plms(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None = None) -> Iterator[Step]:
    """Walk a deterministic grid from noise x [B, C, h, w] to latents.

    The first step averages eps at both of its ends (improved Euler), which costs one extra call: N
    steps make N + 1 denoiser calls. ``draw`` is not used.

    Raises:
        ValueError: the grid is stochastic (eta > 0), which makes the multistep history meaningless.
    """
    if (grid.sigmas > 0).any():
        raise ValueError("PLMS is deterministic: eta must be 0")
    history: list[Tensor] = []
    for index in reversed(range(len(grid.timesteps))):
        eps = denoise(x, timestep_batch(grid, index, x))
        if history:
            first, *rest = WEIGHTS[len(history)]
            combined = first * eps
            for weight, earlier in zip(rest, history, strict=True):
                combined = combined + weight * earlier
        else:
            x_ahead, _ = ddim_update(grid, index, x, eps)
            combined = (eps + denoise(x_ahead, timestep_batch(grid, max(index - 1, 0), x))) / 2
        x, pred_x0 = ddim_update(grid, index, x, combined)
        history = [eps, *history][:3]
        yield Step(x, pred_x0, eps)
