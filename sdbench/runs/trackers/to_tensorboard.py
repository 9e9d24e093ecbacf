"""Writes results as TensorBoard event files: a run per curve, with steps of 100 times the guidance scale."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sdbench.core.paths import typed_path
from sdbench.runs.trackers.scored import Scored
from sdbench.spec import TensorboardTracker

__all__ = ["STEPS_PER_SCALE", "check", "send"]

STEPS_PER_SCALE = 100
"""Makes guidance scales the whole numbers that TensorBoard's axis takes."""


def check(tracker: TensorboardTracker) -> None:
    """Do nothing: whether the folder can be made shows when it is made."""


def send(tracker: TensorboardTracker, scored: Scored) -> str:
    """Write the event files; return their folder."""
    from torch.utils.tensorboard import SummaryWriter

    folder = typed_path(tracker.folder) / scored.spec.name
    for curve in dict.fromkeys(cell.curve for cell in scored.cells):
        with SummaryWriter(folder / curve.replace(" ", "_")) as writer:
            for cell in scored.cells:
                if cell.curve == curve:
                    step = round(STEPS_PER_SCALE * cell.settings["guidance_scale"])
                    for name, value in cell.metrics("/").items():
                        writer.add_scalar(name, value, step)
    with SummaryWriter(folder / "sweep") as writer:
        writer.add_text("spec", f"```yaml\n{scored.spec.to_yaml()}```")
        for plot in scored.plots:
            with Image.open(plot) as image:
                writer.add_image(plot.stem, np.asarray(image.convert("RGB")), dataformats="HWC")
    return str(folder)
