"""What fast settings change: each one against float32, in the latents, the pixels and the test metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reference_model import load_checkpoint, shapes
from reference_model.computation import PRECISIONS
from reference_model.guidance import guided
from reference_model.noise import start_noise
from reference_model.pipeline import to_pixels
from reference_model.samplers import SAMPLERS
from sdbench.regression.equivalence import Equivalence, equivalence
from sdbench.regression.testbeds import ShapesTestbed
from sdbench.tools.bench.machine import SCALE, UNCOMPILED, Bench, LeftOut, setting_name

__all__ = ["Fidelity", "Walk", "compiled", "eager", "make_walk"]

SAMPLER, SEED = "plms", 0
QUARTERS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Fidelity:
    """One setting compared with float32 over the prompts of the embedded testbed.

    Attributes:
        name: The setting.
        errors: Root mean square difference of the latents relative to the float32 latents, after a quarter,
            a half, three quarters and all of the steps.
        levels: Mean and largest difference of the 8-bit pixels.
        lost: Number of images that were not finite; they count as black.
        comparisons: The two metrics of the regression test, paired, with its verdicts.
    """

    name: str
    errors: tuple[float, ...]
    levels: tuple[float, int]
    lost: int
    comparisons: tuple[Equivalence, ...]

    def __str__(self) -> str:
        errors = " ".join(f"{error:.1e}" for error in self.errors)
        metrics = "; ".join(f"{c}: {self._verdict(c)}" for c in self.comparisons)
        mean, largest = self.levels
        return f"{self.name}: latents {errors}; pixels {mean:.3f} levels, {largest} at most; {metrics}"

    def _verdict(self, comparison: Equivalence) -> str:
        """A setting that loses images is never harmless: a black image may score like a poor one."""
        if self.lost:
            return f"not harmless, {self.lost} images lost"
        return "harmless" if comparison.equivalent else "not shown"


@dataclass(frozen=True)
class Walk:
    """One trajectory.

    Attributes:
        latents: Latents after each step.
        pixels: 8-bit images [B, H, W, 3].
        lost: Number of images that were not finite; they are black in `pixels`.
    """

    latents: list[Tensor]
    pixels: np.ndarray
    lost: int = 0


def eager(bench: Bench) -> list[Fidelity]:
    """Compare every precision but `full`, uncompiled, on the embedded family's last checkpoint."""
    return _all(bench, [precision for precision in PRECISIONS if precision != "full"], compiled=False)


def compiled(bench: Bench) -> list[Fidelity]:
    """Compare every precision, compiled, on the embedded family's last checkpoint."""
    if not bench.compiled:
        raise LeftOut(UNCOMPILED)
    return _all(bench, PRECISIONS, compiled=True)


def _all(bench: Bench, precisions: Sequence[str], *, compiled: bool) -> list[Fidelity]:
    testbed = ShapesTestbed()
    exact = make_walk(testbed, bench, "full", compiled=False)
    found = []
    for precision in precisions:
        name = setting_name(precision, compiled=compiled)
        bench.say(f"fidelity: {name}")
        found.append(_compared(name, exact, make_walk(testbed, bench, precision, compiled=compiled), testbed))
    return found


@torch.inference_mode()
def make_walk(testbed: ShapesTestbed, bench: Bench, precision: str, *, compiled: bool) -> Walk:
    """Sample the testbed's prompts in the given precision; the noise is the same for every call."""
    model = load_checkpoint(shapes.CHECKPOINTS["shapes-v1-4"], shapes.CONFIG, bench.device)
    model.compute_in(precision, compiled=compiled)
    context, empty = model.encode_prompts(list(testbed.prompts)), model.encode_prompts([""])
    noise = [start_noise(SEED, str(i), testbed.shape) for i in range(len(context))]
    sampler = SAMPLERS[SAMPLER]
    denoise = guided(model.denoise, context, empty, SCALE, shared=True)
    grid = sampler.grid(model.schedule, bench.steps, 0.0)
    latents = [step.x for step in sampler.run(denoise, torch.stack(noise).to(bench.device), grid, None)]
    images = model.decode(latents[-1])
    finite = torch.isfinite(images).flatten(1).all(dim=1)
    pixels = to_pixels(torch.where(finite[:, None, None, None], images, -1.0))
    return Walk(latents, pixels.cpu().numpy(), int((~finite).sum()))


def _compared(name: str, exact: Walk, fast: Walk, testbed: ShapesTestbed) -> Fidelity:
    steps = [round(share * len(exact.latents)) - 1 for share in QUARTERS]
    errors = tuple(_relative(fast.latents[i], exact.latents[i]) for i in steps)
    apart = np.abs(fast.pixels.astype(int) - exact.pixels)
    before, after = testbed.features(exact.pixels), testbed.features(fast.pixels)
    comparisons = (
        equivalence("score", testbed.scores(before), testbed.scores(after)),
        equivalence("distance", testbed.distances(before), testbed.distances(after)),
    )
    return Fidelity(name, errors, (float(apart.mean()), int(apart.max())), fast.lost, comparisons)


def _relative(fast: Tensor, exact: Tensor) -> float:
    return float((fast - exact).square().mean().sqrt() / exact.square().mean().sqrt())
