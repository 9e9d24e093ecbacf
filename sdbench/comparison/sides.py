"""The two sides of a comparison: where their images are, and the prompts that they show.

A side is a folder or an archive of images, a cell of a run (RUN:CELL), a run, whose cells are matched with
those of the other side, a compact baseline (`kept`), or a model (`made`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath

from PIL import Image

from sdbench.comparison.kept import SUFFIX, Kept, read_kept
from sdbench.core.errors import InputError, did_you_mean
from sdbench.core.paths import existing_file, typed_path
from sdbench.data.captions import BESIDE, captions_of
from sdbench.data.image_sets import ImageSet, open_image_set
from sdbench.data.image_sets.decoding import decode
from sdbench.runs.images import image_key
from sdbench.runs.plan import Cell
from sdbench.runs.plan_file import PlanFile, read_plan_file
from sdbench.runs.store import Store, existing_store, is_run, is_url, listing_once

__all__ = ["Side", "is_kept", "open_one", "open_pairs"]


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        name: What messages call it.
        names: Name of each image's file by the key that pairs it with the other side's: a prompt id, or a
            path without suffix.
        read: Yields the bytes of images, given by their keys.
        decode: Turns the bytes into RGB; ValueError says why that fails.
        prompts: The prompt of each key, as far as known.
        salt: What must be known beside the bytes to decode them.
        notes: What the user should know, such as files that are passed over.
        shapes: Whether a model of the embedded family made the images.
        seed: Seed of the noise, if it is known.
        kept: What is known of the images, if it is a compact baseline; `read` yields its previews.
    """

    name: str
    names: Mapping[str, str]
    read: Callable[[Sequence[str]], Iterator[bytes]]
    decode: Callable[[bytes], Image.Image] = decode
    prompts: Mapping[str, str] = field(default_factory=dict)
    salt: str = ""
    notes: tuple[str, ...] = ()
    shapes: bool = False
    seed: int | None = None
    kept: Kept | None = None

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys of its images, in order."""
        return tuple(self.names)


def is_kept(text: str) -> bool:
    """Return whether a side is a compact baseline."""
    return typed_path(text).suffix == SUFFIX


_Opened = Side | ImageSet | list[tuple[Cell, Side]]


def open_pairs(a: str, b: str, prompts: str | None, mapping: str) -> list[tuple[str, Side, Side]]:
    """Return the comparisons of A with B: a label and two sides each; several if both are whole runs.

    Raises:
        InputError: A side cannot be read, or nothing of them fits together.
    """
    if is_kept(b):
        raise InputError(f"{b} is a baseline without images: it can only be A")
    first, second = _opened(a, "A"), _opened(b, "B")
    if isinstance(first, list) and isinstance(second, list):
        if prompts is not None:
            raise InputError("runs know their prompts: leave --prompts away")
        return _matched(a, first, b, second)
    return [("", _described(first, a, prompts, mapping), _single(second, b))]


def open_one(text: str, what: str, prompts: str | None = None, mapping: str = "index") -> Side:
    """Return a folder, an archive or a cell of a run as a side.

    Raises:
        InputError: It cannot be read, or knows its prompts and others are given.
    """
    if is_kept(text):
        raise InputError(f"{what}: {text} is a baseline without images")
    return _described(_opened(text, what), text, prompts, mapping)


def _described(opened: _Opened, text: str, prompts: str | None, mapping: str) -> Side:
    """Return a single side with its prompts."""
    side = _single(opened, text)
    if isinstance(opened, ImageSet):
        return _with_prompts(side, opened, prompts, mapping)
    if prompts is not None and side.prompts:
        raise InputError(f"{text} knows its prompts: leave --prompts away")
    if prompts is not None:
        raise InputError(f"{text} was recorded without prompts: record it with --prompts")
    return side


def _with_prompts(side: Side, images: ImageSet, prompts: str | None, mapping: str) -> Side:
    """Return the side with prompts, if a file or a mapping that needs none gives them."""
    if prompts is None and mapping not in BESIDE:
        return side
    captions = captions_of(images, mapping, prompts)
    by_name = dict(zip(images.names, (caption.prompt for caption in captions), strict=True))
    found = {key: by_name[name] for key, name in side.names.items()}
    return replace(side, prompts=found)


def _opened(text: str, what: str) -> _Opened:
    run, colon, cell = text.rpartition(":")
    path = typed_path(text)
    if colon and not path.exists() and is_run(run):
        return _chosen(run, _cells(run), cell)
    if is_run(text):
        return _cells(text)
    if is_kept(text):
        return _of_kept(text, read_kept(existing_file(text, what)))
    return open_image_set(text, what, 1)


def _single(opened: _Opened, text: str) -> Side:
    if isinstance(opened, Side):
        return opened
    if isinstance(opened, ImageSet):
        return _of_images(text, opened)
    if len(opened) > 1:
        cells = [cell.folder for cell, _ in opened]
        raise InputError(
            f"{text} has {len(opened)} cells: name one as {text}:CELL, such as {text}:{cells[0]}"
        )
    return opened[0][1]


def _of_images(text: str, images: ImageSet) -> Side:
    names: dict[str, str] = {}
    is_array = typed_path(text).suffix.lower() == ".npz"
    for name in images.names:
        key = name if is_array else str(PurePosixPath(name).with_suffix(""))
        if key in names:
            raise InputError(
                f"{images.where}: {names[key]} and {name} differ in their suffix alone, and images "
                "are paired by name without suffix: rename or remove one"
            )
        names[key] = name

    def read(keys: Sequence[str]) -> Iterator[bytes]:
        return images.read([names[key] for key in keys])

    salt = "{}x{}".format(*images.image_size()) if is_array else ""
    notes = (f"{images.where}: {images.note}",) if images.note else ()
    return Side(text, names, read, images.decode, salt=salt, notes=notes)


def _of_kept(text: str, kept: Kept) -> Side:
    def read(keys: Sequence[str]) -> Iterator[bytes]:
        return (kept.previews.get(key, b"") for key in keys)

    note = f"{text} keeps no pixels: SSIM, PSNR and the verdict rounding need its images"
    return Side(
        text,
        {key: key for key in kept.pictures},
        read,
        prompts=kept.prompts,
        notes=(note,),
        shapes=kept.shapes,
        seed=kept.seed,
        kept=kept,
    )


def _cells(text: str) -> list[tuple[Cell, Side]]:
    store = existing_store(text if is_url(text) else typed_path(text))
    plan = read_plan_file(store)
    is_stored = listing_once(store)
    return [(cell, _of_cell(text, store, plan, cell, is_stored)) for cell in plan.cells]


def _of_cell(text: str, store: Store, plan: PlanFile, cell: Cell, is_stored: Callable[[str], bool]) -> Side:
    prompts = [prompt for unit in plan.plan.units_of(cell) for prompt in unit.chunk.prompts]
    keys = {prompt.id: image_key(cell.folder, prompt.id) for prompt in prompts}
    kept = {id_: key for id_, key in keys.items() if is_stored(key)}
    name = f"{text}:{cell.folder}"

    def read(ids: Sequence[str]) -> Iterator[bytes]:
        return (store.read(kept[id_]) for id_ in ids)

    lacking = len(prompts) - len(kept)
    notes = (f"{name}: {lacking} of {len(prompts)} images are not kept (images: all keeps them)",)
    texts = {prompt.id: prompt.text for prompt in prompts if prompt.id in kept}
    shapes = cell.checkpoint.startswith("shapes-")
    return Side(
        name,
        kept,
        read,
        prompts=texts,
        notes=notes if lacking else (),
        shapes=shapes,
        seed=cell.settings.seed,
    )


def _chosen(run: str, cells: list[tuple[Cell, Side]], wanted: str) -> list[tuple[Cell, Side]]:
    """Return the cell whose name is, or alone begins with, `wanted`."""
    exact = [one for one in cells if one[0].folder == wanted]
    found = exact or [one for one in cells if one[0].folder.startswith(wanted)]
    names = [cell.folder for cell, _ in cells]
    if not found:
        raise InputError(f"{run} has no cell {wanted!r}; {did_you_mean(wanted, names)}")
    if len(found) > 1:
        fitting = ", ".join(cell.folder for cell, _ in found)
        raise InputError(f"{run}: {wanted!r} begins the names of {len(found)} cells: {fitting}; write more")
    return found


def _matched(
    a: str, first: list[tuple[Cell, Side]], b: str, second: list[tuple[Cell, Side]]
) -> list[tuple[str, Side, Side]]:
    """Match the cells of two runs by the settings that vary within one of them, as `sdbench diff` does."""
    keys = [[_settings(cell) for cell, _ in cells] for cells in (first, second)]
    varying = [name for name in keys[0][0] if max(len({key[name] for key in side}) for side in keys) > 1]
    labels = [[" ".join(key[name] for name in varying) for key in side] for side in keys]
    partners = dict(zip(labels[1], (side for _, side in second), strict=True))
    found = [
        (label, side, partners[label])
        for label, (_, side) in zip(labels[0], first, strict=True)
        if label in partners
    ]
    if not found:
        raise InputError(f"{a} and {b} have no cell in common; compare cells by name, as {a}:CELL {b}:CELL")
    return found


def _settings(cell: Cell) -> dict[str, str]:
    asked = cell.settings
    steps = f"{asked.sampler} {asked.steps} eta {asked.eta:g}"
    return {"checkpoint": cell.checkpoint, "sampler": steps, "scale": f"scale {asked.guidance_scale:g}"}
