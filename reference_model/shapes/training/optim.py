"""Optimizers, learning-rate schedule and weight averaging shared by all parts."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Ema", "Muon", "Optimizers", "learning_rate", "muon_and", "muon_and_adam"]

MUON_RATE, ADAM_RATE = 2e-2, 1e-3
SMALLEST_MATRIX = 16  # thinner ones lie next to pixels, latents and eps


def learning_rate(step: int, total: int, warmup: int, floor: float = 0.05) -> float:
    """The share of the peak rate: linear warm-up, then a cosine to ``floor`` (Loshchilov and Hutter 2017)."""
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal (Jordan et al. 2024, "Muon: an optimizer for hidden layers").

    A parameter of any number of dimensions counts as the matrix [first, product of the others], so
    convolution kernels take part; torch's own Muon takes matrices only.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter by ``lr`` along its orthogonalised Nesterov momentum."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                mean = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                ahead = parameter.grad.lerp(mean, group["momentum"]).flatten(1)
                alike[ahead.shape].append((parameter, ahead))
            for shape, pairs in alike.items():
                tall = max(1.0, shape[0] / shape[1]) ** 0.5
                moves = _orthogonalise(torch.stack([ahead for _, ahead in pairs]))
                for (parameter, _), move in zip(pairs, moves, strict=True):
                    parameter.add_(move.reshape(parameter.shape), alpha=-group["lr"] * tall)


def _orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Bring all singular values of matrices [n, a, b] near 1 by the quintic iteration of the Muon authors."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.mT if tall else x


class Optimizers:
    """The optimizers of one module, each for some of its parameters and with its peak rate."""

    def __init__(self, *parts: tuple[torch.optim.Optimizer, float]) -> None:
        self.parts = parts
        self.parameters = [p for optimizer, _ in parts for g in optimizer.param_groups for p in g["params"]]

    def update(self, loss: Tensor, rate: float) -> float:
        """One step at ``rate`` x the peak rates with the gradient norm clipped to 1; returns the loss."""
        for optimizer, peak in self.parts:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = peak * rate
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer, _ in self.parts:
            optimizer.step()
        return float(loss.detach())

    def state_dict(self) -> dict[str, Any]:
        return {type(optimizer).__name__: optimizer.state_dict() for optimizer, _ in self.parts}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for optimizer, _ in self.parts:
            optimizer.load_state_dict(state_dict[type(optimizer).__name__])


def muon_and_adam(module: nn.Module) -> Optimizers:
    """Muon for a convolutional module's hidden kernels and matrices; Adam for its ends and vectors."""
    hidden = [p for p in module.parameters() if p.ndim > 1 and min(p.shape[:2]) >= SMALLEST_MATRIX]
    return muon_and(module, hidden, partial(torch.optim.Adam, betas=(0.9, 0.99)), ADAM_RATE)


def muon_and(
    module: nn.Module,
    hidden: Sequence[Tensor],
    other: Callable[[list[Tensor]], torch.optim.Optimizer],
    rate: float,
    muon_rate: float = MUON_RATE,
) -> Optimizers:
    """Muon for the ``hidden`` parameters of a module, ``other`` at the peak ``rate`` for the rest."""
    chosen = {id(p) for p in hidden}
    rest = other([p for p in module.parameters() if id(p) not in chosen])
    return Optimizers((Muon(hidden, muon_rate), muon_rate), (rest, rate))


class Ema(nn.Module):
    """Exponential moving average of a module's weights, with a short memory at the start."""

    updates: torch.Tensor

    def __init__(self, module: nn.Module, decay: float = 0.999) -> None:
        super().__init__()
        self.average = deepcopy(module).eval().requires_grad_(False)
        self.decay = decay
        self.register_buffer("updates", torch.tensor(0))

    @torch.no_grad()
    def follow(self, module: nn.Module) -> None:
        """Move the average towards the module's weights."""
        self.updates += 1
        count = int(self.updates)
        decay = min(self.decay, (1 + count) / (10 + count))
        torch._foreach_lerp_(list(self.average.parameters()), list(module.parameters()), 1 - decay)
