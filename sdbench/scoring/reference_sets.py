"""Reference sets: real images that generated ones are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from sdbench.core.digest import digest_bytes, digest_value
from sdbench.core.errors import InputError
from sdbench.data.captions import captions_of
from sdbench.data.coco import captions_by_file, image_files
from sdbench.data.image_sets import ImageSet, open_image_set
from sdbench.scoring.pairs import Files, OfPrompts, files_by_caption, files_by_stem, paired
from sdbench.spec import (
    FEWEST,
    CocoReference,
    FolderReference,
    ReferenceSpec,
    ShapesReference,
    StatsReference,
)

__all__ = ["ReferenceSet", "find_reference", "load_reference", "reference_of"]

PROBE = 16
"""Number of images hashed to identify a rendered set; a change to the renderer changes them too."""


@dataclass(frozen=True)
class ReferenceSet:
    """A set of real images: its identity as a JSON value, and a function from batch size to batches.

    `passed_over` counts what its folder or archive holds besides, by rule; `about` says it in words, and
    `note` says what values must say of it. `of_prompts` returns the images of single prompts; None
    if images of the set belong to no prompt. `captions` returns each image's caption, in order; InputError if
    one has none.
    """

    identity: dict[str, Any]
    batches: Callable[[int], Iterator[np.ndarray]]
    captions: Callable[[], Sequence[str]]
    passed_over: Mapping[str, int] = field(default_factory=dict)
    about: str = ""
    note: str = ""
    of_prompts: OfPrompts | None = None

    @property
    def digest(self) -> str:
        """The sha256 of the identity."""
        return digest_value(self.identity)


def find_reference(spec: ReferenceSpec | None, image_size: tuple[int, int]) -> ReferenceSet | None:
    """Return the reference set of `spec`, as `load_reference` does; None for statistics and for nothing."""
    return None if spec is None or isinstance(spec, StatsReference) else load_reference(spec, image_size)


def load_reference(
    spec: ShapesReference | FolderReference | CocoReference, image_size: tuple[int, int]
) -> ReferenceSet:
    """Return the reference set of `spec`. Hashes the files but decodes none of them yet.

    Args:
        spec: The `reference` of an experiment spec.
        image_size: (height, width) that the images are fitted to.

    Raises:
        InputError: Files are missing or hold no images.
    """
    match spec:
        case ShapesReference():
            return _shapes(spec)
        case FolderReference():
            return reference_of(open_image_set(spec.path, "reference.path", FEWEST), image_size)
        case CocoReference():
            images = _coco(spec)
            captions = partial(_coco_captions, images, spec.captions)
            return reference_of(images, image_size, files_by_caption(spec.captions), captions)


def _shapes(spec: ShapesReference) -> ReferenceSet:
    from reference_model import shapes

    probe, _ = shapes.reference_set(min(PROBE, spec.count), spec.seed)

    def batches(size: int) -> Iterator[np.ndarray]:
        images, _ = shapes.reference_set(spec.count, spec.seed)
        for start in range(0, len(images), size):
            yield images[start : start + size]

    identity = {**spec.model_dump(mode="json"), "probe": digest_bytes(probe.tobytes())}
    return ReferenceSet(identity, batches, partial(shapes.reference_captions, spec.count, spec.seed))


def reference_of(
    images: ImageSet,
    image_size: tuple[int, int],
    files: Files = files_by_stem,
    captions: Callable[[], Sequence[str]] | None = None,
) -> ReferenceSet:
    """Return the reference set of real images, fitted to (height, width).

    `files` finds those of prompts. `captions` are by default the texts beside the images, IMAGE.txt.
    """
    height, width = image_size
    identity = {"source": "folder", "height": height, "width": width, "content": images.digest()}
    return ReferenceSet(
        identity,
        lambda batch_size: images.fitted(height, width, batch_size),
        captions or (lambda: [caption.prompt for caption in captions_of(images, "sidecar", None)]),
        images.counts,
        images.about,
        images.note,
        lambda ids: paired(images, files(images, ids), image_size),
    )


def _coco(spec: CocoReference) -> ImageSet:
    images = open_image_set(spec.path, "reference.path", FEWEST)
    wanted = image_files(spec.captions, "reference.captions")
    chosen = images.only(lambda name: PurePosixPath(name).name in wanted)
    chosen = replace(chosen, passed_over={})  # the captions name what counts
    missing = wanted - {PurePosixPath(name).name for name in chosen.names}
    if missing:
        lacking = f"{len(missing)} of {len(wanted)} images, the first is {min(missing)}"
        raise InputError(f"{images.where} lacks {lacking}")
    if len(chosen.names) < FEWEST:
        raise InputError(
            f"reference.captions: {spec.captions} lists {len(wanted)} images, {FEWEST} are needed"
        )
    return chosen


def _coco_captions(images: ImageSet, path: str) -> list[str]:
    """Return the first caption of each image."""
    known = captions_by_file(path, "reference.captions")
    names = [PurePosixPath(name).name for name in images.names]
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(
            f"reference.captions: {path} has no caption for {len(missing)} images, first {missing[0]}"
        )
    return [known[name] for name in names]
