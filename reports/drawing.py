"""Text and images on a sheet of pixels: the parts of an image grid."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["EMPTY", "FAINT", "INK", "draw_gap", "font", "paste", "shortened", "wrapped"]

INK = "#222222"
FAINT = "#666666"
EMPTY = "#ececec"


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return matplotlib's own font, so that a grid looks the same on every machine."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def shortened(text: str, letters: ImageFont.FreeTypeFont, room: int) -> str:
    """Cut a text wider than ``room`` pixels and end it with an ellipsis."""
    if letters.getlength(text) <= room:
        return text
    while text and letters.getlength(text + "…") > room:
        text = text[:-1]
    return text + "…"


def wrapped(text: str, letters: ImageFont.FreeTypeFont, room: int, lines: int) -> list[str]:
    """Break a text between words into at most ``lines`` lines of ``room`` pixels; cut what does not fit."""
    done: list[str] = []
    words = text.split()
    while words and len(done) < lines - 1:
        take = 1
        while take < len(words) and letters.getlength(" ".join(words[: take + 1])) <= room:
            take += 1
        done.append(shortened(" ".join(words[:take]), letters, room))
        words = words[take:]
    return [*done, shortened(" ".join(words), letters, room)] if words else done


def paste(sheet: Image.Image, image: NDArray[np.uint8], corner: tuple[int, int], edge: int) -> None:
    """Centre an image in its field: enlarged by a whole factor, or reduced with antialiasing."""
    picture = Image.fromarray(image)
    factor = edge // max(picture.size)
    if factor >= 1:
        size = (picture.width * factor, picture.height * factor)
        picture = picture.resize(size, Image.Resampling.NEAREST)
    else:
        picture.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    x, y = corner
    sheet.paste(picture, (x + (edge - picture.width) // 2, y + (edge - picture.height) // 2))


def draw_gap(draw: ImageDraw.ImageDraw, corner: tuple[int, int], edge: int, words: str) -> None:
    """Fill the field of a missing image with ``words`` that say why."""
    x, y = corner
    draw.rectangle((x, y, x + edge - 1, y + edge - 1), fill=EMPTY)
    draw.text((x + edge / 2, y + edge / 2), words, fill=FAINT, font=font(13), anchor="mm")
