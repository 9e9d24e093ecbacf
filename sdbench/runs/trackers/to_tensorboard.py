"""Results as TensorBoard event files: a run per curve, whose steps are 100 times the guidance scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sdbench.core.paths import typed_path
from sdbench.runs.trackers.scored import Scored
from sdbench.spec import TensorboardRecord

__all__ = ["STEPS_PER_SCALE", "check", "send"]

STEPS_PER_SCALE = 100
"""TensorBoard's axis takes whole numbers only."""


def check(record: TensorboardRecord) -> None:
    """A folder that cannot be made is found out when it is."""


def send(record: TensorboardRecord, scored: Scored) -> str:
    """Write the event files; returns their folder."""
    from torch.utils.tensorboard import SummaryWriter

    folder = typed_path(record.folder) / scored.spec.name
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
