"""Text and pictures on a sheet of pixels: what image grids are drawn with."""

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
    """Return the font that ships with matplotlib: the same picture on every machine."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def shortened(text: str, letters: ImageFont.FreeTypeFont, room: int) -> str:
    """Cut a text with an ellipsis where it is wider than ``room`` pixels."""
    if letters.getlength(text) <= room:
        return text
    while text and letters.getlength(text + "…") > room:
        text = text[:-1]
    return text + "…"


def wrapped(text: str, letters: ImageFont.FreeTypeFont, room: int, lines: int) -> list[str]:
    """Break a text between words into at most so many lines of ``room`` pixels; what is too long is cut."""
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
    """Fit an image into its field: a whole factor up, or down with antialiasing; the rest stays white."""
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
    """Fill a field that has no image, and say why."""
    x, y = corner
    draw.rectangle((x, y, x + edge - 1, y + edge - 1), fill=EMPTY)
    draw.text((x + edge / 2, y + edge / 2), words, fill=FAINT, font=font(13), anchor="mm")
