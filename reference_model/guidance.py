"""Classifier-free guidance as a wrapper around the denoiser (Ho and Salimans 2022, equation 6)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Denoise", "guided"]

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(x [B, C, h, w], timesteps [B], integer or fractional) -> eps [B, C, h, w]."""


def guided(
    unet: Callable[[Tensor, Tensor, Tensor], Tensor],
    context: Tensor,
    uncond_context: Tensor,
    guidance_scale: float,
    *,
    shared: bool = False,
) -> Denoise:
    """Bind the UNet to its context: eps = eps(empty) + s (eps(text) - eps(empty)).

    Shapes: context [B, L, D]; uncond_context [1, L, D] or [B, L, D]. Both halves go through the UNet
    in one batch, the empty one first. At a scale of 1 the empty half has no effect and is skipped.
    ``shared``: the UNet takes x and timesteps only once for both halves of the context.
    """
    if guidance_scale == 1.0:
        return lambda x, t: unet(x, t, context)
    both = torch.cat([uncond_context.expand_as(context), context])

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        inputs = (x, t) if shared else (torch.cat([x, x]), torch.cat([t, t]))
        eps_uncond, eps = unet(*inputs, both).chunk(2)
        return eps_uncond + guidance_scale * (eps - eps_uncond)

    return denoise
