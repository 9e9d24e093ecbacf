"""Train the UNet of one checkpoint on latents (Rombach et al. 2022, equation 3)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reference_model.schedule import Schedule
from reference_model.shapes.training.loop import Report, Stateful, run_loop, step_generator
from reference_model.shapes.training.optim import Ema, learning_rate, muon_and_adam
from reference_model.shapes.training.precision import mixed_precision
from reference_model.unet import UNet

__all__ = ["Leg", "train_leg"]

WARMUP = 100
MOST_SIGNAL = 5.0


@dataclass(frozen=True)
class Leg:
    """One stretch of training.

    ``latents`` [n, 2, C, h, w] are posterior means and deviations with a standard deviation of one, and
    ``scale`` what the UNet sees them multiplied with; ``contexts`` [n, L, D] are the encoded captions,
    ``rows`` the indices of the subset to learn from, ``empty`` [L, D] the encoded empty prompt, which
    replaces a caption with probability ``drop``.
    """

    part: str
    latents: Tensor
    scale: float
    contexts: Tensor
    rows: Tensor
    empty: Tensor
    drop: float
    steps: int
    batch: int


def train_leg(
    leg: Leg, unet: UNet, ema: Ema, schedule: Schedule, folder: Path, seed: int, device: str, report: Report
) -> list[float]:
    """Train ``unet`` and its average in place; return the loss of every step."""
    optimizers = muon_and_adam(unet)
    cumprod = schedule.alphas_cumprod.float()
    # Timesteps with little noise weigh less (Hang et al. 2023, "Efficient diffusion training via min-SNR
    # weighting strategy", section 3.4), since eps is hard to tell there and decides little; those with much
    # noise weigh more, half-way to a loss in v (Salimans and Ho 2022), which divides by alphas_cumprod: there
    # the captions decide, and eps is nearly x_t. So all timesteps have about the same share of a late loss.
    # Both papers take latents with a deviation of one, for which alphas_cumprod is 1 / (1 + 1 / signal).
    signal = leg.scale**2 * cumprod / (1 - cumprod)
    weights = signal.clamp(max=MOST_SIGNAL) / signal * (1 + 1 / signal).sqrt()
    weights /= weights.mean()

    def step(i: int) -> float:
        generator = step_generator(seed, leg.part, i)
        rows = leg.rows[torch.randint(len(leg.rows), (leg.batch,), generator=generator)]
        mean, std = leg.latents[rows].unbind(1)
        x_0 = leg.scale * (mean + std * torch.randn(mean.shape, generator=generator))
        # Evenly spaced from a random start: the loss varies less (Kingma et al. 2021, appendix I.1).
        starts = torch.rand(1, generator=generator) + torch.arange(leg.batch) / leg.batch
        t = (starts % 1 * len(cumprod)).long()
        noise = torch.randn(mean.shape, generator=generator)
        alpha = cumprod[t][:, None, None, None]
        x_t = alpha.sqrt() * x_0 + (1 - alpha).sqrt() * noise
        dropped = torch.rand(leg.batch, generator=generator) < leg.drop
        context = torch.where(dropped[:, None, None], leg.empty, leg.contexts[rows])
        x_t = x_t.to(device).contiguous(memory_format=torch.channels_last)
        with mixed_precision(device):
            error = unet(x_t, t.to(device), context.to(device)) - noise.to(device)
        loss = (weights[t].to(device) * error.square().mean(dim=(1, 2, 3))).mean()
        value = optimizers.update(loss, learning_rate(i, leg.steps, WARMUP))
        ema.follow(unet)
        return value

    unet.train().requires_grad_(True)
    objects: dict[str, Stateful] = {"unet": unet, "ema": ema, "optimizers": optimizers}
    return run_loop(leg.part, leg.steps, objects, step, folder, report)
