"""How much work goes into each part of the family, and what share of the captions is dropped."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BUDGETS", "EARLY_DROP", "LATE_DROP", "Budget"]

# Shares of the captions that training replaces by the empty one, for v1-1 and v1-2, and for v1-3 and v1-4.
# The originals drop 10% for the last two. So few steps need more, or guidance multiplies what was learned
# from too few examples (the model card has the figures).
EARLY_DROP, LATE_DROP = 0.20, 0.30


@dataclass(frozen=True)
class Budget:
    """Scenes to render, and steps x batch size of each part.

    ``v1_1_low`` trains on 32 x 32 pixels, all else on 64 x 64. ``denoiser_batch`` serves all checkpoints.
    """

    scenes: int
    autoencoder_steps: int
    autoencoder_batch: int
    clip_steps: int
    clip_batch: int
    v1_1_low: int
    v1_1_high: int
    v1_2: int
    v1_3: int
    v1_4: int
    denoiser_batch: int


BUDGETS: dict[str, Budget] = {
    # An hour and a half on two fast CPU cores (AVX-512), several hours on others.
    "cpu": Budget(60_000, 4_500, 16, 1_200, 256, 500, 500, 1_500, 1_000, 2_400, 128),
    # Without the autoencoder two and a half hours on two CPU cores with AMX.
    "cpu-long": Budget(120_000, 8_000, 16, 2_400, 256, 700, 2_200, 4_500, 2_500, 10_000, 128),
    # A few minutes on one data-centre GPU.
    "gpu": Budget(262_144, 10_000, 96, 3_500, 512, 1_000, 1_200, 2_500, 1_000, 3_500, 512),
    # Seconds: for tests of the machinery; the pictures mean nothing.
    "smoke": Budget(64, 4, 4, 4, 8, 3, 3, 3, 2, 4, 4),
}
