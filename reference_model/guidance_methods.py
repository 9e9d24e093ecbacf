"""Ways of guiding beside plain classifier-free guidance: one function each, with the paper in its docstring.

A method is made anew for every walk, ``method(scale, ...) -> combine``, so it may remember earlier steps;
``combine(uncond, cond, moment)`` returns the guided prediction from both halves, [B, C, h, w] each. It works
on eps and on velocities alike, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from reference_model.guidance import Denoise
from reference_model.guidance_log import ScaleLog
from reference_model.schedule import Grid, Schedule

__all__ = [
    "METHODS",
    "Combine",
    "Guidance",
    "Moment",
    "apg",
    "autoguidance",
    "cfg",
    "cfg_plus_plus",
    "guided_by",
    "pag",
    "rescale",
]


@dataclass(frozen=True)
class Moment:
    """Where a walk is: the signal power of the latents, and that at the end of the step; float64 scalars.

    ``perturbed`` is the prediction with the prompt and perturbed self-attention, for guidance that has one.
    """

    alpha: Tensor
    alpha_next: Tensor
    perturbed: Tensor | None = None


Combine = Callable[[Tensor, Tensor, Moment], Tensor]
"""(prediction without the prompt, with it, moment) -> guided prediction."""


@dataclass(frozen=True)
class Guidance:
    """A way of guiding with its settings.

    Attributes:
        method: Makes the function that combines both halves, from the scale and ``settings``.
        settings: Further arguments of the method.
        start: Share of the noise schedule that has passed when guidance begins; 0 is pure noise.
        stop: Share at which it ends. Outside, only the half with the prompt is evaluated (Kynkaanniemi et
            al. 2024, "Applying guidance in a limited interval").
        weak: A weaker model's prediction with the prompt, which takes the place of the unconditional half.
        perturbed: The prediction with the prompt and perturbed self-attention, for ``Moment``. If it is
            given, a scale of 1 needs no unconditional half.
    """

    method: Callable[..., Combine]
    settings: dict[str, Any] = field(default_factory=dict)
    start: float = 0.0
    stop: float = 1.0
    weak: Denoise | None = None
    perturbed: Denoise | None = None

    def guides(self, passed: float) -> bool:
        """Return whether the method guides when this share of the noise schedule has passed."""
        return self.start <= passed < self.stop


def cfg(scale: float) -> Combine:
    """Classifier-free guidance (Ho and Salimans 2022, equation 6)."""
    return lambda uncond, cond, moment: uncond + scale * (cond - uncond)


def rescale(scale: float, phi: float = 0.7) -> Combine:
    """Guidance with the standard deviation of the conditional half (Lin et al. 2024, equations 15 and 16).

    Args:
        scale: Guidance scale.
        phi: Share of the rescaled prediction, 0 to 1; the rest is plain guidance.
    """
    if not 0 <= phi <= 1:
        raise ValueError(f"phi must lie in 0..1, got {phi:g}")

    def combine(uncond: Tensor, cond: Tensor, moment: Moment) -> Tensor:
        guided = uncond + scale * (cond - uncond)
        spread = cond.std(dim=(1, 2, 3), keepdim=True) / guided.std(dim=(1, 2, 3), keepdim=True)
        return guided * (phi * spread + 1 - phi)

    return combine


def apg(scale: float, eta: float = 0.0, norm: float = 15.0, momentum: float = -0.5) -> Combine:
    """Adaptive projected guidance (Sadat, Hilliges and Weber 2025, section 4), on predictions.

    Args:
        scale: Guidance scale.
        eta: Share of the update that is parallel to the conditional prediction; 0 removes it, 1 keeps it.
        norm: Largest norm of an image's update; 0 for no limit.
        momentum: Share of the last update that is added, negative in the paper; 0 for none.
    """
    if norm < 0:
        raise ValueError(f"norm must not be negative, got {norm:g}")
    last: list[Tensor] = []

    def combine(uncond: Tensor, cond: Tensor, moment: Moment) -> Tensor:
        update = cond - uncond
        if last:
            update = update + momentum * last.pop()
        last.append(update)
        if norm:
            size = torch.linalg.vector_norm(update, dim=(1, 2, 3), keepdim=True)
            update = update * (norm / size).clamp(max=1)
        along = cond / torch.linalg.vector_norm(cond, dim=(1, 2, 3), keepdim=True)
        parallel = (update * along).sum(dim=(1, 2, 3), keepdim=True) * along
        # From the conditional half, as in the paper: a scale of 1 changes nothing.
        return cond + (scale - 1) * (update + (eta - 1) * parallel)

    return combine


def cfg_plus_plus(scale: float) -> Combine:
    """CFG++ (Chung et al. 2025, algorithm 2): x_0 is guided, but the noise added back is unconditional.

    A DDIM step is linear in eps, so this equals plain guidance with a scale that varies along the walk
    (section 3.2): x_0 takes scale sqrt(1 - a) / sqrt(a) of the difference, the noise none. Exact for the
    update of `ddim` at eta 0; for noise prediction only.

    Args:
        scale: The paper's lambda, 0 to 1 by its intent.
    """

    def combine(uncond: Tensor, cond: Tensor, moment: Moment) -> Tensor:
        pull = (moment.alpha_next * (1 - moment.alpha) / moment.alpha).sqrt()
        weight = scale * pull / (pull - (1 - moment.alpha_next).sqrt())
        return uncond + weight.to(cond.dtype).to(cond.device) * (cond - uncond)

    return combine


def autoguidance(scale: float) -> Combine:
    """Guidance by a worse version of the model (Karras et al. 2024, "Guiding a diffusion model with a bad
    version of itself", section 4): away from the weak model's prediction with the same prompt.

    Args:
        scale: The paper's w; 1 is the model alone.
    """
    return lambda weak, cond, moment: weak + scale * (cond - weak)


def pag(scale: float, pag_scale: float = 3.0) -> Combine:
    """Perturbed-attention guidance (Ahn et al. 2024, section 4), on top of classifier-free guidance.

    Args:
        scale: Scale of classifier-free guidance; 1 for none.
        pag_scale: The paper's s, by which the prediction moves away from that with perturbed attention.
    """

    def combine(uncond: Tensor, cond: Tensor, moment: Moment) -> Tensor:
        if moment.perturbed is None:
            raise ValueError("pag needs a prediction with perturbed attention")
        return uncond + scale * (cond - uncond) + pag_scale * (cond - moment.perturbed)

    return combine


METHODS: dict[str, Callable[..., Combine]] = {
    "cfg": cfg,
    "interval": cfg,
    "rescale": rescale,
    "apg": apg,
    "cfg++": cfg_plus_plus,
    "autoguidance": autoguidance,
    "pag": pag,
}
"""`interval` is `cfg` for part of the walk; each of them can be limited to an interval."""


def guided_by(
    guidance: Guidance,
    unet: Callable[[Tensor, Tensor, Tensor], Tensor],
    context: Tensor,
    uncond_context: Tensor,
    guidance_scale: float,
    schedule: Schedule,
    grid: Grid,
    log: ScaleLog | None = None,
) -> Denoise:
    """Bind a denoiser to its context, guided by a method, for one walk along the grid.

    Shapes: context [B, L, D]; uncond_context [1, L, D] or [B, L, D]. Both halves go through the denoiser in
    one batch, the unconditional one first; outside the interval the conditional half alone. What a method
    has no use for is not evaluated, except for the log.
    """
    combine = guidance.method(guidance_scale, **guidance.settings)
    empty = uncond_context.expand_as(context)
    both = torch.cat([empty, context])
    times = grid.timesteps.double().cpu()
    powers, ends = grid.alphas.double(), grid.alphas_prev.double()

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        time = float(t[0])
        if not guidance.guides(schedule.passed(time)):
            if log is not None:
                log.unguided(len(x))
            return unet(x, t, context)
        index = int((times - time).abs().argmin())
        plain = None
        if guidance.weak is not None:
            uncond, cond = guidance.weak(x, t), unet(x, t, context)
        elif guidance.perturbed is not None and guidance_scale == 1:
            uncond = cond = unet(x, t, context)
        else:
            uncond, cond = unet(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
            plain = uncond
        perturbed = guidance.perturbed(x, t) if guidance.perturbed is not None else None
        made = combine(uncond, cond, Moment(powers[index], ends[index], perturbed))
        if log is not None:
            log.guided(made, cond, plain, lambda: unet(x, t, empty))
        return made

    return denoise
