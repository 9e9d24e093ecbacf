"""The checkpoints that sdbench knows by name, and where the published ones can be downloaded."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LAYOUTS", "OPENRAIL_M", "SD_V1", "SHAPES", "Licence", "Published"]

SHAPES = ("shapes-v1-1", "shapes-v1-2", "shapes-v1-3", "shapes-v1-4")
"""The embedded family; the package includes its weights."""

LAYOUTS = ("original", "diffusers")
"""Layouts in which a published checkpoint can be fetched: one file, or a diffusers folder."""


@dataclass(frozen=True)
class Licence:
    """The licence of a model: its name and the page with its text."""

    name: str
    url: str


OPENRAIL_M = Licence(
    "CreativeML OpenRAIL-M", "https://huggingface.co/spaces/CompVis/stable-diffusion-license"
)


@dataclass(frozen=True)
class Published:
    """A checkpoint on the Hugging Face hub, in the original layout (one file) and in the diffusers layout."""

    original: str
    file: str
    diffusers: str
    licence: Licence


def _sd_v1(number: int) -> Published:
    return Published(
        original=f"CompVis/stable-diffusion-v-1-{number}-original",
        file=f"sd-v1-{number}.ckpt",
        diffusers=f"CompVis/stable-diffusion-v1-{number}",
        licence=OPENRAIL_M,
    )


SD_V1 = {"sd-v1-1": _sd_v1(1), "sd-v1-2": _sd_v1(2), "sd-v1-3": _sd_v1(3), "sd-v1-4": _sd_v1(4)}
