"""Chooses the pairs that a page shows, and lays out its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from reports.comparison import ShownPair, comparison_page
from sdbench.comparison.closeness import Closeness, psnr
from sdbench.comparison.compare import Compared
from sdbench.comparison.kept import preview
from sdbench.comparison.outputs import HEADINGS, as_lines, as_row, flag_words
from sdbench.comparison.pairing import compositions
from sdbench.comparison.pictures import look_at
from sdbench.comparison.sides import Side
from sdbench.data.image_sets.decoding import decode

__all__ = ["page"]

WORST = 8
"""Pairs shown for each comparison; flagged ones come first."""


def page(comparisons: list[tuple[Compared, Mapping[str, Any]]]) -> str:
    """Return the page of comparisons with their facts."""
    content = [
        {**found, "head": HEADINGS, "rows": _rows(found), "lines": as_lines(found)}
        for _, found in comparisons
    ]
    return comparison_page(content, [_pairs(compared) for compared, _ in comparisons])


def _rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the measures as cells, and each interval as per cent of its bar, cut at the margins."""
    rows = []
    for row in found["measures"]:
        ends = [row[end] / (row["margin"] or 1) for end in ("low", "high")]
        low, high = (50 + 50 * min(max(end, -1), 1) for end in ends)
        cells = as_row(row)
        rows.append(
            {"name": row["name"], "cells": cells, "word": cells[-1], "left": low, "width": high - low}
        )
    return rows


def _pairs(compared: Compared) -> list[ShownPair]:
    a, b = compared.sides
    flagged = {one.key: flag_words({"a": one.a, "b": one.b}) for one in compared.flagged}
    worst = _worst(compared)
    shown: list[ShownPair] = []
    for key in [*flagged, *worst]:
        if len(shown) == WORST:
            break
        before, after = _pixels(a, key), _pixels(b, key)
        if before is None and after is None:
            continue
        if a.kept is not None and before is not None and after is not None:
            after = _as_preview(after)
        before, after = _alike(before, after)
        words = flagged.get(key) or worst[key]
        shown.append(ShownPair(key, compared.prompts.get(key, ""), words, before, after))
    return shown


def _worst(compared: Compared) -> dict[str, str]:
    """Return words for the pairs that differ, the worst first: by their pixels, else by their thumbnails."""
    if compared.closeness:
        lpips = compared.lpips or [None] * len(compared.keys)
        pairs = sorted(
            zip(compared.closeness, lpips, compared.keys, strict=True), key=lambda one: -one[0].rms
        )
        return {key: _pixel_words(close, seen) for close, seen, key in pairs if close.rms > 0}
    first, second = (compared.gathered.pictures[side.name] for side in compared.sides)
    _, _, apart = compositions(compared.keys, first, second)
    order = sorted(range(len(compared.keys)), key=lambda place: -apart[place])
    words = "a preview: the baseline keeps no pixels; 8x8 thumbnails differ by {:.1f} levels"
    keys = [(compared.keys[place], words.format(apart[place])) for place in order]
    return {key: text for key, text in keys if first[key].sha256 != second[key].sha256}


def _pixel_words(close: Closeness, lpips: float | None) -> str:
    words = f"SSIM {close.ssim:.4f}, PSNR {psnr(close.rms):.1f} dB"
    return words if lpips is None else f"{words}, LPIPS {lpips:.4f}"


def _as_preview(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(decode(preview(Image.fromarray(pixels))))


def _pixels(side: Side, key: str) -> np.ndarray | None:
    return look_at(next(iter(side.read([key]))), side.decode)[1]


def _alike(a: np.ndarray | None, b: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return images of one size: grey stands for one that cannot be read, and around a smaller one."""
    shapes = [image.shape for image in (a, b) if image is not None]
    height, width = (max(shape[axis] for shape in shapes) for axis in (0, 1))
    made = []
    for image in (a, b):
        canvas = np.full((height, width, 3), 128, np.uint8)
        if image is not None:
            canvas[: image.shape[0], : image.shape[1]] = image
        made.append(canvas)
    return made[0], made[1]
