"""X/Y/Z grids: images along any number of axes in one labelled picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from reports.drawing import FAINT, INK, draw_gap, font, paste, wrapped
from reports.errors import ReportError

__all__ = ["Axis", "xyz_grid"]

_SMALLEST, _LARGEST = 128, 256
_GAP, _MARGIN = 4, 16
_TITLE, _LABEL = 18, 14
_LINE = 1.35
_NAMES_WIDTH = 210


@dataclass(frozen=True)
class Axis:
    """One direction of the grid: a label for each of its values."""

    labels: tuple[str, ...]


def xyz_grid(
    axes: Sequence[Axis], images: Mapping[tuple[int, ...], NDArray[np.uint8]], title: str
) -> Image.Image:
    """Draw a block for each place on the outer axes, with the two inner axes as its rows and columns.

    Args:
        axes: From the outermost to the innermost; an axis of one value is not drawn.
        images: A place on all axes -> uint8 [H, W, 3]. A missing image leaves a field that says so.
        title: What all images have in common.

    Raises:
        ReportError: There are no images.
    """
    if not images:
        raise ReportError("image grid: no images were given")
    drawn = [place for place, axis in enumerate(axes) if len(axis.labels) > 1]
    sheet = _Sheet.of([axes[place] for place in drawn], images, title)
    picture = Image.new("RGB", (sheet.width, sheet.height), "white")
    draw = ImageDraw.Draw(picture)
    _write(draw, sheet.title, (_MARGIN, _MARGIN), _TITLE, INK)
    shown = {tuple(key[place] for place in drawn): image for key, image in images.items()}
    for number, block in enumerate(product(*(range(len(axis.labels)) for axis in sheet.outer))):
        top = sheet.block_top(number)
        names = [axis.labels[value] for axis, value in zip(sheet.outer, block, strict=True)]
        _write(draw, wrapped(" · ".join(names), font(_TITLE), sheet.room, 1), (_MARGIN, top), _TITLE, INK)
        _draw_block(
            picture,
            draw,
            sheet,
            top,
            {key[len(block) :]: image for key, image in shown.items() if key[: len(block)] == block},
        )
    return picture


def _draw_block(
    picture: Image.Image,
    draw: ImageDraw.ImageDraw,
    sheet: _Sheet,
    top: int,
    images: Mapping[tuple[int, ...], NDArray[np.uint8]],
) -> None:
    for column, lines in enumerate(sheet.column_names):
        x, y = sheet.corner(0, column, top)
        for place, line in enumerate(reversed(lines)):
            at = (x + sheet.edge / 2, y - 6 - place * _LABEL * _LINE)
            draw.text(at, line, fill=FAINT, font=font(_LABEL), anchor="ms")
    for row, lines in enumerate(sheet.row_names or [[]]):
        x, y = sheet.corner(row, 0, top)
        middle = y + sheet.edge / 2 - (len(lines) - 1) * _LABEL * _LINE / 2
        for place, line in enumerate(lines):
            at = (x - 12, middle + place * _LABEL * _LINE)
            draw.text(at, line, fill=INK, font=font(_LABEL), anchor="rm")
        for column in range(max(len(sheet.column_names), 1)):
            key = (*([row] if sheet.row_names else []), *([column] if sheet.column_names else []))
            corner = sheet.corner(row, column, top)
            if key in images:
                paste(picture, images[key], corner, sheet.edge)
            else:
                draw_gap(draw, corner, sheet.edge, "not made")


@dataclass(frozen=True)
class _Sheet:
    """The layout in pixels. ``outer`` are the axes of the blocks."""

    edge: int
    outer: tuple[Axis, ...]
    row_names: list[list[str]]
    column_names: list[list[str]]
    names_width: int
    title: list[str]

    @classmethod
    def of(
        cls, axes: Sequence[Axis], images: Mapping[tuple[int, ...], NDArray[np.uint8]], title: str
    ) -> _Sheet:
        side = max(max(image.shape[:2]) for image in images.values())
        edge = min(max(_SMALLEST, side), _LARGEST)
        columns = axes[-1].labels if axes else ()
        rows = axes[-2].labels if len(axes) > 1 else ()
        row_names = [wrapped(name, font(_LABEL), _NAMES_WIDTH, 5) for name in rows]
        widest = max((font(_LABEL).getlength(line) for lines in row_names for line in lines), default=0)
        left = _MARGIN + (round(widest) + 12 if row_names else 0)
        room = left + max(len(columns), 3) * (edge + _GAP) - _MARGIN
        return cls(
            edge,
            tuple(axes[:-2]),
            row_names,
            [wrapped(name, font(_LABEL), edge, 4) for name in columns],
            left,
            wrapped(title, font(_TITLE), room, 4),
        )

    @property
    def room(self) -> int:
        """Width inside the margins."""
        return self.names_width + max(len(self.column_names), 3) * (self.edge + _GAP) - _MARGIN

    @property
    def width(self) -> int:
        return self.room + 2 * _MARGIN

    @property
    def heading(self) -> int:
        """Height of a block's title and of the column titles above its images."""
        lines = max((len(lines) for lines in self.column_names), default=0)
        return round((_TITLE * _LINE if self.outer else 0) + lines * _LABEL * _LINE + 14)

    @property
    def height(self) -> int:
        blocks = int(np.prod([len(axis.labels) for axis in self.outer], dtype=int))
        return self.block_top(blocks) + _MARGIN

    def block_top(self, number: int) -> int:
        rows = max(len(self.row_names), 1)
        block = self.heading + rows * (self.edge + _GAP) + _MARGIN
        return 2 * _MARGIN + round(len(self.title) * _TITLE * _LINE) + number * block

    def corner(self, row: int, column: int, top: int) -> tuple[int, int]:
        step = self.edge + _GAP
        return self.names_width + column * step, top + self.heading + row * step


def _write(
    draw: ImageDraw.ImageDraw, lines: Sequence[str], corner: tuple[int, int], size: int, ink: str
) -> None:
    for place, line in enumerate(lines):
        draw.text((corner[0], corner[1] + place * size * _LINE), line, fill=ink, font=font(size))
