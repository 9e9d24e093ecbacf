"""Run a case and keep its trajectory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from numpy.typing import NDArray
from torch import Tensor

from reference_model.noise import start_noise
from sdbench.regression.cases import Case
from sdbench.regression.subject import Subject
from sdbench.regression.testbeds import Testbed

__all__ = ["TRACED", "Trace", "run"]

TRACED = 8
"""Number of prompts, from the first on, whose trajectory is kept; of the others only images count."""


@dataclass(frozen=True, eq=False)
class Trace:
    """One run of a case, with K steps, n prompts and P traced prompts.

    Attributes:
        x: Latents after each step [K, P, C, h, w], in the precision of the run.
        pred_x0: The predicted x_0 of each step [K, P, C, h, w].
        decoded: Decoded images [n, 3, H, W], about [-1, 1].
        images: 8-bit images [n, H, W, 3]; values that are not finite are black.
        calls: Denoiser calls per image.
        finite: Whether all images are finite.
        predicts: As in `Subject`.
    """

    x: Tensor
    pred_x0: Tensor
    decoded: Tensor
    images: NDArray
    calls: int
    finite: bool
    predicts: bool


@torch.inference_mode()
def run(
    testbed: Testbed,
    case: Case,
    subject: Subject,
    seed: int,
    *,
    count: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> Trace:
    """Run a case on the first ``count`` prompts of its testbed (default: all).

    Raises:
        ValueError: The sampler cannot use the case's steps or eta.
    """
    count = count or len(testbed.prompts)
    batches = [
        _run_batch(testbed, case, subject, seed, range(first, min(first + subject.batch_size, count)), dtype)
        for first in range(0, count, subject.batch_size)
    ]
    x, pred_x0, decoded = (torch.cat(parts, dim=-4) for parts in _columns(batches))
    finite = bool(decoded.isfinite().all())
    shown = _at_least_float32(decoded.nan_to_num(nan=-1.0, posinf=-1.0, neginf=-1.0))
    return Trace(
        x[:, :TRACED],
        pred_x0[:, :TRACED],
        decoded,
        subject.to_pixels(shown).cpu().numpy(),
        batches[0].calls,
        finite,
        subject.predicts,
    )


def _at_least_float32(images: Tensor) -> Tensor:
    """Convert half precision to float32, because it cannot resolve neighbouring pixel levels."""
    return images.to(torch.promote_types(images.dtype, torch.float32))


@dataclass(frozen=True, eq=False)
class _Batch:
    x: Tensor
    pred_x0: Tensor
    decoded: Tensor
    calls: int


def _columns(batches: list[_Batch]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    return [b.x for b in batches], [b.pred_x0 for b in batches], [b.decoded for b in batches]


def _run_batch(
    testbed: Testbed, case: Case, subject: Subject, seed: int, rows: range, dtype: torch.dtype
) -> _Batch:
    ids = [str(row) for row in rows]
    context, uncond = testbed.contexts(dtype)
    denoise = subject.guide(testbed.unet(dtype), context[rows.start : rows.stop], uncond, case.guidance_scale)
    calls = 0

    def counted(x: Tensor, t: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return denoise(x, t.to(x.device))

    noise = torch.stack([start_noise(seed, id_, testbed.shape) for id_ in ids]).to(context.device, dtype)
    grid = subject.sampler.grid(testbed.schedule, case.steps, case.eta)
    draw = subject.step_noise(seed, ids, testbed.shape)
    steps = list(subject.sampler.run(counted, noise, grid, draw))
    return _Batch(
        x=torch.stack([step.x for step in steps]),
        pred_x0=torch.stack([step.pred_x0 for step in steps]),
        decoded=testbed.decode(steps[-1].x),
        calls=calls,
    )
