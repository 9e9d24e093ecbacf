"""The unified predictor-corrector of second order (Zhao, Bai, Rao, Zhou and Lu 2023, "UniPC")."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from reference_model.guidance import Denoise
from reference_model.samplers._exponential import exponential_step, half_log_snr, predict_x0
from reference_model.samplers._step import Draw, Step, timestep_batch
from reference_model.schedule import Grid

__all__ = ["unipc"]


def unipc(denoise: Denoise, x: Tensor, grid: Grid, draw: Draw | None = None) -> Iterator[Step]:
    """Walk the grid from noise x [B, C, h, w] to latents, one denoiser call per step.

    Data prediction with B(h) = exp(h) - 1 (section 3). The prediction at the end of a step first corrects
    that step (UniC), then drives the next one (UniP, which at this order is DPM-Solver++(2M)). The first and
    the last step are of first order. ``draw`` is not used.
    """
    lambdas, ends = half_log_snr(grid.alphas), half_log_snr(grid.alphas_prev)
    x_start = x
    history: list[Tensor] = []
    for index in reversed(range(len(grid.timesteps))):
        eps = denoise(x, timestep_batch(grid, index, x))
        x0 = predict_x0(grid, index, x, eps)
        if history:
            corrected = _corrected(lambdas[index : index + 3], x0, history)
            x = exponential_step(grid, index + 1, x_start, corrected)
        x_start, target = x, x0
        if history and index > 0:
            ratio = (lambdas[index] - lambdas[index + 1]) / (ends[index] - lambdas[index])
            target = x0 + (x0 - history[0]) / (2 * ratio)
        x = exponential_step(grid, index, x, target)
        history = [x0, *history][:2]
        yield Step(x, x0, eps)


def _corrected(lambdas: Tensor, x0: Tensor, history: list[Tensor]) -> Tensor:
    """The x_0 to step towards, once the prediction at the end of the step is known, too.

    ``lambdas`` and the predictions (x0, *history) correspond: at the end of the step, at its start and
    before it. The weights solve the order conditions (section 3) for one or two differences.
    """
    start = history[0]
    if len(history) == 1:
        return start + (x0 - start) / 2
    h = lambdas[0] - lambdas[1]
    before = (lambdas[2] - lambdas[1]) / h
    decay = (-h).expm1()
    first = -1 / h - 1 / decay
    second = 2 * (1 / h**2 + 1 / (h * decay) - 1 / (2 * decay))
    weight = (first - second) / (1 - before)
    return start + weight / before * (history[1] - start) + (first - weight) * (x0 - start)
