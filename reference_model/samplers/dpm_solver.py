"""DPM-Solver++(2M) (Lu, Zhou, Bao et al. 2022, "DPM-Solver++: fast solver for guided sampling").

The original scripts run it under the name DPM-Solver (Lu et al. 2022): the second-order multistep solver
that predicts x_0. The two differ only in their grids.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from reference_model.guidance import Denoise
from reference_model.samplers._exponential import exponential_step, half_log_snr, predict_x0
from reference_model.samplers._step import Draw, Step, timestep_batch
from reference_model.schedule import Grid

__all__ = ["dpm_solver"]

FEW = 15
"""With fewer steps, the last one is of first order for stability, as in the authors' code."""


def dpm_solver(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None = None) -> Iterator[Step]:
    """Walk the grid from noise x [B, C, h, w] to latents, one denoiser call per step (algorithm 2).

    The first step is of first order, and so is the last one if it ends without noise, because the log-SNR
    is infinite there. ``draw`` is not used.
    """
    starts, ends = half_log_snr(grid.alphas), half_log_snr(grid.alphas_prev)
    x0_before: Tensor | None = None
    for index in reversed(range(len(grid.timesteps))):
        eps = denoise(x, timestep_batch(grid, index, x))
        x0 = extrapolated = predict_x0(grid, index, x, eps)
        plain = index == 0 and (len(grid.timesteps) < FEW or ends[0].isinf())
        if x0_before is not None and not plain:
            ratio = (starts[index] - starts[index + 1]) / (ends[index] - starts[index])
            extrapolated = x0 + (x0 - x0_before) / (2 * ratio)
        x = exponential_step(grid, index, x, extrapolated)
        x0_before = x0
        yield Step(x, x0, eps)
