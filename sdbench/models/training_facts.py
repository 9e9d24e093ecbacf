"""What the named checkpoints were trained on, and for how long. Shown in reports, not used in computations.

Source for Stable Diffusion v1: the model cards https://huggingface.co/CompVis/stable-diffusion-v1-1 to -v1-4.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Training", "training_facts"]

SHAPES_BUDGET = "cpu-long"
"""The training budget of the weights in the package."""


@dataclass(frozen=True)
class Training:
    """One stage of a training.

    Attributes:
        start: The checkpoint, or words for the weights, that the stage started from.
        steps: Number of training steps.
        resolution: Pixels per side.
        data: The data set.
        dropped_captions: Share of captions replaced by the empty one; None if the source does not say.
        source: Where these facts are published.
    """

    start: str
    steps: int
    resolution: int
    data: str
    dropped_captions: float | None
    source: str

    def __str__(self) -> str:
        share = self.dropped_captions
        dropped = "" if share is None else f", {share:.0%} of captions dropped"
        size = f"{self.resolution} x {self.resolution}"
        return f"from {self.start}: {self.steps:,} steps at {size} on {self.data}{dropped} ({self.source})"


def _sd_v1(
    number: int, start: str, steps: int, data: str, resolution: int = 512, dropped: float | None = None
) -> Training:
    source = f"https://huggingface.co/CompVis/stable-diffusion-v1-{number}"
    return Training(start, steps, resolution, data, dropped, source)


AESTHETICS = "laion-aesthetics v2 5+"

SD_V1: dict[str, tuple[Training, ...]] = {
    "sd-v1-1": (
        _sd_v1(1, "scratch", 237_000, "laion2B-en", resolution=256),
        _sd_v1(1, "the stage before", 194_000, "laion-high-resolution"),
    ),
    "sd-v1-2": (_sd_v1(2, "sd-v1-1", 515_000, AESTHETICS),),
    "sd-v1-3": (_sd_v1(3, "sd-v1-2", 195_000, AESTHETICS, dropped=0.1),),
    "sd-v1-4": (_sd_v1(4, "sd-v1-2", 225_000, AESTHETICS, dropped=0.1),),
}


def training_facts(name: str) -> tuple[Training, ...]:
    """Return the stages of a named checkpoint's training, in order; empty if none are known."""
    return (SD_V1 | _shapes()).get(name, ())


def _shapes() -> dict[str, tuple[Training, ...]]:
    from reference_model.shapes.training.budgets import BUDGETS, EARLY_DROP, LATE_DROP

    budget = BUDGETS[SHAPES_BUDGET]
    source = "docs/shapes-model-card.md"
    sharp = "rendered scenes of high quality"
    best = "rendered scenes with a high aesthetic estimate and no watermark"
    return {
        "shapes-v1-1": (
            Training("scratch", budget.v1_1_low, 32, "all rendered scenes", EARLY_DROP, source),
            Training("the stage before", budget.v1_1_high, 64, sharp, EARLY_DROP, source),
        ),
        "shapes-v1-2": (Training("shapes-v1-1", budget.v1_2, 64, best, EARLY_DROP, source),),
        "shapes-v1-3": (Training("shapes-v1-2", budget.v1_3, 64, best, LATE_DROP, source),),
        "shapes-v1-4": (Training("shapes-v1-2", budget.v1_4, 64, best, LATE_DROP, source),),
    }
