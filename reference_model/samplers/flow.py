"""Samplers of rectified flow: Euler, Heun, and DPM-Solver++(2M). The denoiser predicts the velocity."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from reference_model.guidance import Denoise
from reference_model.samplers._flow import FlowGrid
from reference_model.samplers._step import Draw, Step, timestep_batch
from reference_model.schedule import Grid

__all__ = ["flow_dpm_solver", "flow_euler", "flow_heun"]


def flow_euler(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None = None) -> Iterator[Step]:
    """Walk a `FlowGrid` from noise x [B, C, h, w] to latents by Euler's method (Liu et al. 2023, section 2).

    One denoiser call per step. ``eps`` of the steps is the velocity. ``draw`` is not used.
    """
    grid = _flow(grid)
    for index in reversed(range(len(grid.timesteps))):
        level, end = grid.levels[index], grid.levels_next[index]
        velocity = denoise(x, timestep_batch(grid, index, x))
        x0 = x - level * velocity
        x = x + (end - level) * velocity
        yield Step(x, x0, velocity)


def flow_heun(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None = None) -> Iterator[Step]:
    """Walk a `FlowGrid` from noise x [B, C, h, w] to latents by Heun's method (Karras et al., algorithm 1).

    Each step averages the velocity at both of its ends, except the last one: N steps make 2 N - 1 denoiser
    calls. ``draw`` is not used.
    """
    grid = _flow(grid)
    for index in reversed(range(len(grid.timesteps))):
        level, end = grid.levels[index], grid.levels_next[index]
        slope = velocity = denoise(x, timestep_batch(grid, index, x))
        x0 = x - level * velocity
        if index > 0:
            ahead = x + (end - level) * velocity
            slope = (velocity + denoise(ahead, timestep_batch(grid, index - 1, x))) / 2
        x = x + (end - level) * slope
        yield Step(x, x0, velocity)


def flow_dpm_solver(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None = None) -> Iterator[Step]:
    """Walk a `FlowGrid` from noise x [B, C, h, w] to latents by DPM-Solver++(2M) (Lu et al. 2022b).

    One denoiser call per step. lambda = log((1 - sigma) / sigma) is infinite at both ends, so the first and
    the last step are of first order, which is exact for a constant x_0. ``draw`` is not used.
    """
    grid = _flow(grid)
    lambdas, ends = (((1 - levels) / levels).log() for levels in (grid.levels, grid.levels_next))
    before: Tensor | None = None
    for index in reversed(range(len(grid.timesteps))):
        level, end = grid.levels[index], grid.levels_next[index]
        velocity = denoise(x, timestep_batch(grid, index, x))
        x0 = target = x - level * velocity
        if before is not None and index > 0 and lambdas[index + 1].isfinite():
            ratio = (lambdas[index] - lambdas[index + 1]) / (ends[index] - lambdas[index])
            target = x0 + (x0 - before) / (2 * ratio)
        shrink = end / level
        x = shrink * x + (1 - end - shrink * (1 - level)) * target
        before = x0
        yield Step(x, x0, velocity)


def _flow(grid: Grid) -> FlowGrid:
    if not isinstance(grid, FlowGrid):
        raise ValueError("a flow sampler walks the noise levels of a FlowGrid")
    return grid
