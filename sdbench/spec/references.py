"""The kinds of `reference` that a spec may have: the real images that generated ones are compared with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sdbench.spec.values import FEWEST, Part, Seed

__all__ = ["CocoReference", "FolderReference", "ReferenceSpec", "ShapesReference", "StatsReference"]


class ShapesReference(Part):
    """Clean scenes drawn from the evaluation distribution of the embedded family."""

    source: Literal["shapes"]
    count: Annotated[int, Field(strict=True, ge=FEWEST)]
    seed: Seed


class FolderReference(Part):
    """All images in a folder, .zip, .tar or .npz, cropped to the centre and resized (Lanczos)."""

    source: Literal["folder"]
    path: str


class CocoReference(Part):
    """The images listed in a COCO captions JSON, read from the folder or archive `path`."""

    source: Literal["coco"]
    path: str
    captions: str


class StatsReference(Part):
    """Statistics of a reference set, stored by `sdbench stats make` or another tool: a file or a folder."""

    source: Literal["stats"]
    path: str


ReferenceSpec = Annotated[
    ShapesReference | FolderReference | CocoReference | StatsReference, Field(discriminator="source")
]
