"""Writes results as TensorBoard event files: a run per curve, with steps of 100 times the guidance scale.

Images of a prompt share a tag: TensorBoard shows the curves side by side, with a slider over the scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sdbench.core.paths import typed_path
from sdbench.runs.trackers.scored import Scored, ScoredCell, Sheet
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
    sheets = scored.sheets()
    for curve in dict.fromkeys(cell.curve for cell in scored.cells):
        with SummaryWriter(folder / curve.replace(" ", "_")) as writer:
            for cell in scored.cells:
                if cell.curve == curve:
                    _write_cell(writer, cell, sheets)
    with SummaryWriter(folder / "sweep") as writer:
        writer.add_text("spec", f"```yaml\n{scored.spec.to_yaml()}```")
        for plot in scored.plots:
            writer.add_image(plot.stem, _pixels(plot), dataformats="HWC")
    return str(folder)


def _write_cell(writer: Any, cell: ScoredCell, sheets: Sequence[Sheet]) -> None:
    step = round(STEPS_PER_SCALE * cell.settings["guidance_scale"])
    for name, value in cell.metrics("/").items():
        writer.add_scalar(name, value, step)
    for number, sheet in enumerate(sheets, start=1):
        if cell.name in sheet.images:
            pixels = _pixels(sheet.images[cell.name])
            writer.add_image(f"images/{number} {sheet.prompt}", pixels, step, dataformats="HWC")


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
