"""The pictures of a page: each is encoded once and embedded once, however often it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from reports.runs import Run
from reports.thumbnails import Key, Thumbnail, encode, encode_prompts

__all__ = ["Album", "Shot", "Wanted"]

#: Bytes of data URIs for the grid, and for all pictures. A page may take 15 MB, of which 5 MB are scripts.
_GRID_BUDGET, _BUDGET = 5_500_000, 8_000_000
#: Prompts of the grid, at most and at least: thumbnails shrink before the grid gets fewer than the second.
_MOST, _FEWEST = 16, 6
#: Longest edge of the pictures outside the grid, in pixels.
_SMALL_EDGE = 128


@dataclass(frozen=True)
class Wanted:
    """An image that a section wants to show, with its caption."""

    cell: str
    prompt_id: str
    prompt: str
    note: str = ""


@dataclass(frozen=True)
class Shot:
    """A picture in the page.

    ``uri`` is "" if the page already has this picture under the id ``ident``. ``original`` is the address of
    the image file, relative to the page, or "" without a link to it.
    """

    ident: str
    uri: str
    width: int
    height: int
    pixelated: bool
    alt: str
    name: str
    prompt: str
    note: str
    original: str


class Album:
    """The kept images of a run, as many as fit into the page."""

    def __init__(self, run: Run, *, originals: bool = True) -> None:
        self._run = run
        self._originals = originals
        self._idents: dict[Key, str] = {}

    @cached_property
    def prompts(self) -> list[tuple[str, str]]:
        """(prompt id, prompt) of the grid: the first prompts with kept images, not hand-picked."""
        return self._with_images[: len(self._grid)]

    def shot(self, wanted: Wanted) -> Shot | None:
        """Return the picture for its next use in the page; None if it was not kept or does not fit.

        Ask in the order of the page: the first use embeds the bytes, the later ones refer to it.
        """
        key = (wanted.cell, wanted.prompt_id)
        thumbnail = self._thumbnails.get(key)
        if thumbnail is None:
            return None
        known = key in self._idents
        ident = self._idents.setdefault(key, f"shot-{len(self._idents)}")
        name = self._run.names[wanted.cell]
        return Shot(
            ident=ident,
            uri="" if known else thumbnail.uri,
            width=thumbnail.width,
            height=thumbnail.height,
            pixelated=thumbnail.pixelated,
            alt=f"{name}: {wanted.prompt}",
            name=name,
            prompt=wanted.prompt,
            note=wanted.note,
            original=self.original(wanted.cell, wanted.prompt_id),
        )

    def original(self, cell: str, prompt_id: str) -> str:
        """Return the address of a kept image, relative to the page; "" if the page is to have no links."""
        return quote(f"../images/{cell}/{prompt_id}.png") if self._originals else ""

    def add(self, wanted: Sequence[Wanted]) -> None:
        """Add small pictures of these images, in their order, until the page is full."""
        paths = {
            key: path
            for one in wanted
            if (key := (one.cell, one.prompt_id)) not in self._thumbnails
            and (path := self._run.image(*key)).is_file()
        }
        room = _BUDGET - sum(len(thumbnail.uri) for thumbnail in self._thumbnails.values())
        for key, thumbnail in encode(paths, _SMALL_EDGE).items():
            room -= len(thumbnail.uri)
            if room < 0:
                break
            self._thumbnails[key] = thumbnail

    @cached_property
    def _with_images(self) -> list[tuple[str, str]]:
        return self._run.with_images(_MOST)

    @cached_property
    def _grid(self) -> list[dict[Key, Thumbnail]]:
        paths = [
            {
                (cell, name): path
                for cell in self._run.names
                if (path := self._run.image(cell, name)).is_file()
            }
            for name, _ in self._with_images
        ]
        return encode_prompts(paths, _GRID_BUDGET, _FEWEST)

    @cached_property
    def _thumbnails(self) -> dict[Key, Thumbnail]:
        return {key: thumbnail for prompt in self._grid for key, thumbnail in prompt.items()}
