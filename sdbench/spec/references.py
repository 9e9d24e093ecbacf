"""What `reference` in a spec may be: the real images that generated ones are compared with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sdbench.spec.values import FEWEST, Part, Seed

__all__ = ["CocoReference", "FolderReference", "ReferenceSpec", "ShapesReference", "StatsReference"]


class ShapesReference(Part):
    """Clean scenes of the embedded family's evaluation distribution."""

    source: Literal["shapes"]
    count: Annotated[int, Field(strict=True, ge=FEWEST)]
    seed: Seed


class FolderReference(Part):
    """All images of a folder, .zip, .tar or .npz, cropped centrally and resized (Lanczos)."""

    source: Literal["folder"]
    path: str


class CocoReference(Part):
    """The images that a COCO captions JSON lists, taken from the folder or archive `path`."""

    source: Literal["coco"]
    path: str
    captions: str


class StatsReference(Part):
    """What `sdbench stats make` or another tool stored of a reference set: a file, or a folder of them."""

    source: Literal["stats"]
    path: str


ReferenceSpec = Annotated[
    ShapesReference | FolderReference | CocoReference | StatsReference, Field(discriminator="source")
]
