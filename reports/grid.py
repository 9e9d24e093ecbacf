"""The same-noise image grid: what the figures look like, as one labelled picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reports.drawing import FAINT, INK, draw_gap, font, paste, shortened
from reports.errors import ReportError

__all__ = ["image_grid"]

#: Edge of a field in pixels; smaller images are enlarged by a whole factor, so their pixels stay square.
_EDGE = 128
_GAP = 4
_MARGIN = 16
_BLOCK_GAP = 18

Images = Mapping[tuple[str, float], Sequence[NDArray[np.uint8] | None]]


def image_grid(images: Images, prompts: Sequence[str]) -> Image.Image:
    """Draw a block per prompt, in it a row per checkpoint and a column per guidance scale.

    ``images`` maps (checkpoint, guidance scale) to one uint8 [H, W, 3] array per prompt, in the order of
    ``prompts``; None, or a missing cell, leaves a field that says so. Checkpoints keep their order, scales
    are sorted. Raises ReportError where there is nothing to draw, or the counts differ.
    """
    for (checkpoint, scale), pictures in images.items():
        if len(pictures) != len(prompts):
            raise ReportError(
                f"image grid: {checkpoint} at {scale:g} has {len(pictures)} images for {len(prompts)} prompts"
            )
    if not any(image is not None for pictures in images.values() for image in pictures):
        raise ReportError("image grid: there are no images")
    layout = _Layout.of(images)
    sheet = Image.new("RGB", (layout.width, layout.block_height * len(prompts) + _MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for number, prompt in enumerate(prompts):
        top = number * layout.block_height + _BLOCK_GAP
        _draw_headings(draw, layout, prompt, top)
        for row, checkpoint in enumerate(layout.checkpoints):
            for column, scale in enumerate(layout.scales):
                corner = layout.corner(row, column, top)
                image = images[checkpoint, scale][number] if (checkpoint, scale) in images else None
                if image is None:
                    draw_gap(draw, corner, _EDGE, "not kept")
                else:
                    paste(sheet, image, corner, _EDGE)
    return sheet


@dataclass(frozen=True)
class _Layout:
    """Where things stand, in pixels."""

    checkpoints: tuple[str, ...]
    scales: tuple[float, ...]
    names_width: int

    @classmethod
    def of(cls, images: Images) -> _Layout:
        checkpoints = tuple(dict.fromkeys(checkpoint for checkpoint, _ in images))
        names_width = max(round(font(15).getlength(name)) for name in checkpoints)
        return cls(checkpoints, tuple(sorted({scale for _, scale in images})), names_width)

    @property
    def left(self) -> int:
        return _MARGIN + self.names_width + 12

    @property
    def width(self) -> int:
        return self.left + len(self.scales) * (_EDGE + _GAP) + _MARGIN

    @property
    def heading(self) -> int:
        """Height of the prompt and the scales above the pictures."""
        return 56

    @property
    def block_height(self) -> int:
        return _BLOCK_GAP + self.heading + len(self.checkpoints) * (_EDGE + _GAP)

    def corner(self, row: int, column: int, top: int) -> tuple[int, int]:
        return self.left + column * (_EDGE + _GAP), top + self.heading + row * (_EDGE + _GAP)


def _draw_headings(draw: ImageDraw.ImageDraw, layout: _Layout, prompt: str, top: int) -> None:
    """Write the prompt, the guidance scale over each column and the checkpoint beside each row."""
    room = layout.width - 2 * _MARGIN
    draw.text((_MARGIN, top), shortened(f"“{prompt}”", font(18), room), fill=INK, font=font(18))
    for column, scale in enumerate(layout.scales):
        x, y = layout.corner(0, column, top)
        text = f"scale {scale:g}"
        draw.text((x + _EDGE / 2, y - 6), text, fill=FAINT, font=font(14), anchor="ms")
    for row, checkpoint in enumerate(layout.checkpoints):
        x, y = layout.corner(row, 0, top)
        draw.text((x - 12, y + _EDGE / 2), checkpoint, fill=INK, font=font(15), anchor="rm")
