"""Thumbnails of kept images, as WebP in data URIs, within a budget of bytes."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from reports.errors import ReportError

__all__ = ["Key", "Thumbnail", "encode", "encode_prompts"]

Key = tuple[str, str]
"""A cell's folder and a prompt id."""

#: Longest edges in pixels; a smaller one is used if too few prompts would fit.
_EDGES = (256, 192, 128, 96)
#: Images up to this edge are embedded without loss: smaller ones would show nothing.
_TINY = 96
_QUALITY = 80
#: WebP's effort, from 0 to 6: the next higher takes twice the time for 3% fewer bytes.
_EFFORT = 2


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a data URI, with its size; ``pixelated`` ones show hard pixels when enlarged."""

    uri: str
    width: int
    height: int
    pixelated: bool


def encode_prompts(
    paths: Sequence[Mapping[Key, Path]], budget: int, fewest: int
) -> list[dict[Key, Thumbnail]]:
    """Return the thumbnails of the first prompts, as many whole prompts as fit into ``budget`` bytes.

    ``paths`` has a mapping for each prompt, with every cell that kept its image. The edge is the largest at
    which ``fewest`` prompts should fit, judged by the first prompt.

    Raises:
        ReportError: An image is damaged.
    """
    if not paths:
        return []
    for edge in _EDGES:
        first = encode(paths[0], edge)
        if _size(first) * min(fewest, len(paths)) <= budget:
            break
    kept, used = [first], _size(first)
    for mapping in paths[1:]:
        more = encode(mapping, edge)
        used += _size(more)
        if used > budget:
            break
        kept.append(more)
    return kept


def encode(paths: Mapping[Key, Path], edge: int) -> dict[Key, Thumbnail]:
    """Return a thumbnail of at most ``edge`` pixels for every path; uses all processors.

    Raises:
        ReportError: An image is damaged.
    """
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        made = threads.map(lambda path: _thumbnail(path, edge), paths.values())
        return dict(zip(paths, made, strict=True))


def _thumbnail(path: Path, edge: int) -> Thumbnail:
    try:
        with Image.open(path) as image:
            picture = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError) as error:
        raise ReportError(f"{path} cannot be read as an image: {error}") from error
    tiny = max(picture.size) <= _TINY
    if not tiny:
        # Averaging by whole factors before the bicubic rest: 100 pictures a second instead of 60.
        picture.thumbnail((edge, edge), Image.Resampling.BICUBIC, reducing_gap=1.0)
    sink = io.BytesIO()
    picture.save(sink, format="webp", lossless=tiny, quality=_QUALITY, method=_EFFORT)
    uri = f"data:image/webp;base64,{base64.b64encode(sink.getvalue()).decode('ascii')}"
    return Thumbnail(uri, picture.width, picture.height, tiny)


def _size(thumbnails: Mapping[Key, Thumbnail]) -> int:
    return sum(len(thumbnail.uri) for thumbnail in thumbnails.values())
