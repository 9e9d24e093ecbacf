"""PLMS, DDIM and DPM-Solver++ rewritten: the same formulas with another order of operations.

Keywords plant faults inside the loop, out of reach of a wrapper. `store` is applied to the state after every
step.
"""

from __future__ import annotations

from reference_model.samplers import Step


def keep(x):
    return x


def ask(denoise, x, grid, index):
    return denoise(x, grid.timesteps[index].expand(len(x)))


def ddim_step(grid, index, x, eps, draw=None):
    """x' = c x + d eps with both coefficients in float64, instead of going through pred_x0."""
    alpha, alpha_prev = grid.alphas[index].double(), grid.alphas_prev[index]
    sigma = grid.sigmas[index]
    scale = (alpha_prev / alpha).sqrt()
    shift = (1 - alpha_prev - sigma**2).sqrt() - (alpha_prev * (1 - alpha) / alpha).sqrt()
    x_prev = scale * x + shift * eps
    if sigma > 0:
        x_prev = sigma * draw().to(x) + x_prev
    return x_prev, x / alpha.sqrt() - (1 / alpha - 1).sqrt() * eps


def ddim(denoise, x, grid, draw, *, store=keep):
    for index in reversed(range(len(grid.timesteps))):
        eps = ask(denoise, x, grid, index)
        x, pred_x0 = ddim_step(grid, index, x, eps, draw)
        x = store(x)
        yield Step(x, pred_x0, eps)


NUMERATORS = {0: ((1,), 1), 1: ((3, -1), 2), 2: ((23, -16, 5), 12), 3: ((55, -59, 37, -9), 24)}


def plms(denoise, x, grid, draw, *, store=keep, late=False, corrected=True):
    """`late`: the history lags one step behind. `corrected`: the first step asks at both ends."""
    history, seen = [], []
    for index in reversed(range(len(grid.timesteps))):
        eps = ask(denoise, x, grid, index)
        if index == len(grid.timesteps) - 1 and corrected:
            ahead, _ = ddim_step(grid, index, x, eps)
            combined = 0.5 * eps + 0.5 * ask(denoise, ahead, grid, index - 1)
        else:
            numerators, denominator = NUMERATORS[len(history)]
            combined = sum(n * e for n, e in zip(numerators, [eps, *history], strict=True)) / denominator
        x, pred_x0 = ddim_step(grid, index, x, combined)
        x = store(x)
        seen = [eps, *seen]
        history = seen[1:4] if late else seen[:3]
        yield Step(x, pred_x0, eps)


def dpm_solver(denoise, x, grid, draw, *, store=keep, late=False):
    """`late`: the prediction from two steps ago is used as that from one step ago."""
    lambdas = (grid.alphas / (1 - grid.alphas)).sqrt().log()
    seen = []
    for index in reversed(range(len(grid.timesteps))):
        eps = ask(denoise, x, grid, index)
        alpha, end = grid.alphas[index], grid.alphas_prev[index]
        x0 = x / alpha.sqrt() - (1 / alpha - 1).sqrt() * eps
        before = seen[1 if late else 0 :][:1]
        towards = x0
        if before and index > 0:
            stride = lambdas[index - 1] - lambdas[index]
            weight = stride / (lambdas[index] - lambdas[index + 1]) / 2
            towards = (1 + weight) * x0 - weight * before[0]
        shrink = ((1 - end) / (1 - alpha)).sqrt()
        x = store(shrink * x + (end.sqrt() - shrink * alpha.sqrt()) * towards)
        seen = [x0, *seen]
        yield Step(x, x0, eps)


REWRITTEN = {"ddim": ddim, "plms": plms, "dpm-solver++": dpm_solver}


def flow_euler(denoise, x, grid, draw, *, store=keep):
    """By way of the predicted x_0 and eps, instead of along the velocity."""
    for index in reversed(range(len(grid.timesteps))):
        level, end = grid.levels[index], grid.levels_next[index]
        velocity = ask(denoise, x, grid, index)
        x0 = x - velocity * level
        x = store((1 - end) * x0 + end * (velocity + x0))
        yield Step(x, x0, velocity)


def flow_heun(denoise, x, grid, draw, *, store=keep):
    for index in reversed(range(len(grid.timesteps))):
        level, end = grid.levels[index], grid.levels_next[index]
        velocity = ask(denoise, x, grid, index)
        x0 = x - velocity * level
        ahead = (1 - end) * x0 + end * (velocity + x0)
        if index > 0:
            half = (end - level) / 2
            ahead = x + half * velocity + half * ask(denoise, ahead, grid, index - 1)
        x = store(ahead)
        yield Step(x, x0, velocity)


def flow_dpm_solver(denoise, x, grid, draw, *, store=keep):
    snr = grid.levels / (1 - grid.levels)
    seen = []
    for index in reversed(range(len(grid.timesteps))):
        level, end = grid.levels[index], grid.levels_next[index]
        velocity = ask(denoise, x, grid, index)
        x0 = x - velocity * level
        towards = x0
        if seen and index > 0 and snr[index + 1].isfinite():
            stride = (snr[index] / snr[index - 1]).log()
            weight = stride / (snr[index + 1] / snr[index]).log() / 2
            towards = (1 + weight) * x0 - weight * seen[0]
        x = store((end / level) * (x - (1 - level) * towards) + (1 - end) * towards)
        seen = [x0]
        yield Step(x, x0, velocity)


REWRITTEN |= {"flow-euler": flow_euler, "flow-heun": flow_heun, "flow-dpm-solver++": flow_dpm_solver}
