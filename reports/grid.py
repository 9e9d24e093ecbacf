"""The same-noise image grid: what the figures look like, as one labelled picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from reports.errors import ReportError

__all__ = ["image_grid"]

#: Edge of a field in pixels; smaller images are enlarged by a whole factor, so their pixels stay square.
_EDGE = 128
_GAP = 4
_MARGIN = 16
_BLOCK_GAP = 18

_INK = "#222222"
_FAINT = "#666666"
_EMPTY = "#ececec"

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
                    _draw_gap(draw, corner)
                else:
                    _paste(sheet, image, corner)
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
        names_width = max(round(_font(15).getlength(name)) for name in checkpoints)
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
    draw.text((_MARGIN, top), _shortened(f"“{prompt}”", _font(18), room), fill=_INK, font=_font(18))
    for column, scale in enumerate(layout.scales):
        x, y = layout.corner(0, column, top)
        text = f"scale {scale:g}"
        draw.text((x + _EDGE / 2, y - 6), text, fill=_FAINT, font=_font(14), anchor="ms")
    for row, checkpoint in enumerate(layout.checkpoints):
        x, y = layout.corner(row, 0, top)
        draw.text((x - 12, y + _EDGE / 2), checkpoint, fill=_INK, font=_font(15), anchor="rm")


def _draw_gap(draw: ImageDraw.ImageDraw, corner: tuple[int, int]) -> None:
    x, y = corner
    draw.rectangle((x, y, x + _EDGE - 1, y + _EDGE - 1), fill=_EMPTY)
    draw.text((x + _EDGE / 2, y + _EDGE / 2), "not kept", fill=_FAINT, font=_font(13), anchor="mm")


def _paste(sheet: Image.Image, image: NDArray[np.uint8], corner: tuple[int, int]) -> None:
    """Fit an image into its field: a whole factor up, or down with antialiasing; the rest stays white."""
    picture = Image.fromarray(image)
    factor = _EDGE // max(picture.size)
    if factor >= 1:
        size = (picture.width * factor, picture.height * factor)
        picture = picture.resize(size, Image.Resampling.NEAREST)
    else:
        picture.thumbnail((_EDGE, _EDGE), Image.Resampling.LANCZOS)
    x, y = corner
    sheet.paste(picture, (x + (_EDGE - picture.width) // 2, y + (_EDGE - picture.height) // 2))


def _shortened(text: str, font: ImageFont.FreeTypeFont, room: int) -> str:
    """Cut a text with an ellipsis where it is wider than ``room`` pixels."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text + "…"


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font that ships with matplotlib: the same picture on every machine."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)
