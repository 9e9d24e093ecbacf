"""The checkpoints that have names of their own, and where the published ones are kept."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LAYOUTS", "OPENRAIL_M", "SD_V1", "SHAPES", "Licence", "Published"]

SHAPES = ("shapes-v1-1", "shapes-v1-2", "shapes-v1-3", "shapes-v1-4")
"""The embedded family: its weights come with the package."""

LAYOUTS = ("original", "diffusers")
"""What a published checkpoint can be fetched as: one file, or a diffusers folder."""


@dataclass(frozen=True)
class Licence:
    """The terms of a model: their name, and the page to read them on."""

    name: str
    url: str


OPENRAIL_M = Licence(
    "CreativeML OpenRAIL-M", "https://huggingface.co/spaces/CompVis/stable-diffusion-license"
)


@dataclass(frozen=True)
class Published:
    """A checkpoint on the Hugging Face hub, in the original layout (one file) and in that of diffusers."""

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
