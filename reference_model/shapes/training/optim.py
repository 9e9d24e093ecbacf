"""Learning-rate schedule and weight averaging shared by all parts."""

from __future__ import annotations

import math
from copy import deepcopy

import torch
from torch import nn

__all__ = ["Ema", "learning_rate", "update"]


def learning_rate(step: int, total: int, peak: float, warmup: int, floor: float = 0.05) -> float:
    """Linear warm-up, then a cosine from ``peak`` to ``floor`` x ``peak`` (Loshchilov and Hutter 2017)."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


def update(optimizer: torch.optim.Optimizer, loss: torch.Tensor, rate: float) -> float:
    """One optimizer step with the gradient norm clipped to 1; returns the loss."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    return float(loss.detach())


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
        for mean, value in zip(self.average.parameters(), module.parameters(), strict=True):
            mean.lerp_(value, 1 - decay)
