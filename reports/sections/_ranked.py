"""Images in order of a value of their own, for the sections on single images."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.album import Album, Shot, Wanted

__all__ = ["Ranked", "ranked"]


@dataclass(frozen=True)
class Ranked:
    """An image with its value; ``shot`` is None if it was not kept or does not fit into the page."""

    prompt: str
    value: str
    shot: Shot | None


def ranked(album: Album, wanted: list[Wanted]) -> list[Ranked]:
    """Return the images with their pictures; call Album.add with them first."""
    return [Ranked(one.prompt, one.note, album.shot(one)) for one in wanted]


def as_wanted(rows: pd.DataFrame, notes: list[str]) -> list[Wanted]:
    """Return rows of images.parquet as pictures to show, each with its caption."""
    columns = zip(rows["cell"], rows["prompt_id"], rows["prompt"], notes, strict=True)
    return [Wanted(str(cell), str(prompt_id), str(prompt), note) for cell, prompt_id, prompt, note in columns]
