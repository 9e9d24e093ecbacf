"""The page of a comparison of images: verdict, measures, and the worst pairs side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from reports.html import content_policy, template_environment

__all__ = ["ShownPair", "comparison_page"]

_EDGE = 512
_TINY = 128
_SCRIPT = """
for (const pair of document.querySelectorAll('.slide')) {
  const bar = pair.querySelector('input');
  const top = pair.querySelector('.top');
  const move = () => { top.style.clipPath = `inset(0 0 0 ${bar.value}%)`; };
  bar.addEventListener('input', move);
  move();
}
"""


@dataclass(frozen=True, eq=False)
class ShownPair:
    """A pair to show: images uint8 [H, W, 3] of one size, and what to say of them."""

    name: str
    prompt: str
    words: str
    a: NDArray[np.uint8]
    b: NDArray[np.uint8]


def comparison_page(comparisons: Sequence[Mapping[str, Any]], pairs: Sequence[Sequence[ShownPair]]) -> str:
    """Return an HTML page that needs no other file.

    Args:
        comparisons: For each comparison its verdict, measures and lines, as plain values.
        pairs: For each comparison the pairs to show.
    """
    return (
        template_environment()
        .get_template("comparison.html.j2")
        .render(
            comparisons=[
                {**found, "shown": [_shown(pair) for pair in shown]}
                for found, shown in zip(comparisons, pairs, strict=True)
            ],
            passed=all(found["passed"] for found in comparisons),
            script=Markup(_SCRIPT),
            policy=content_policy([_SCRIPT]),
        )
    )


def _shown(pair: ShownPair) -> dict[str, Any]:
    apart = np.abs(pair.b.astype(np.int16) - pair.a)
    factor = max(1, 255 // max(1, int(apart.max())))
    difference = (apart * factor).astype(np.uint8)
    height, width = pair.a.shape[:2]
    return {
        "name": pair.name,
        "prompt": pair.prompt,
        "words": pair.words,
        "a": _uri(pair.a),
        "b": _uri(pair.b),
        "difference": _uri(difference),
        "factor": factor,
        "pixelated": max(height, width) <= _TINY,
    }


def _uri(pixels: NDArray[np.uint8]) -> str:
    """Return an image as a data URI: without loss if it is small, since there every pixel shows."""
    picture = Image.fromarray(pixels)
    tiny = max(picture.size) <= _TINY
    picture.thumbnail((_EDGE, _EDGE))
    sink = io.BytesIO()
    picture.save(sink, format="webp", lossless=tiny, quality=90)
    return f"data:image/webp;base64,{base64.b64encode(sink.getvalue()).decode('ascii')}"
