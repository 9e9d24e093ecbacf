"""Named, versioned recipes: what a figure is, in words that a reader can check.

A figure without its protocol cannot be compared with another: resizing alone moved a published FID from 16
to 23. The version is raised whenever a change could move the figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["PROTOCOLS", "Protocol"]


@dataclass(frozen=True)
class Protocol:
    """How one figure is made.

    ``metric`` names the formula ("frechet": metrics.frechet, "kernel": metrics.kernel, "clip_score":
    metrics.clip_score), ``extractor`` a key of metrics.features.EXTRACTORS, ``preprocessing`` what happens to
    the 8-bit images and to the features, ``label`` the axis title, ``better`` the direction of improvement.
    """

    name: str
    version: int
    metric: Literal["frechet", "kernel", "clip_score"]
    extractor: str
    preprocessing: str
    label: str
    better: Literal["lower", "higher"]

    @property
    def needs_reference(self) -> bool:
        """Whether the figure compares with real images."""
        return self.metric != "clip_score"


_SHAPES_CLIP_INPUT = (
    "8-bit RGB; shortest edge resized to the model's 64 pixels with Pillow's antialiased bicubic filter and "
    "centre-cropped, which leaves 64x64 images as they are; /255, normalised by the model's mean and "
    "standard deviation; features as projected, not brought to length one, except by the CLIP score's cosine"
)
_VIT_L_14_INPUT = (
    "8-bit RGB; shortest edge resized to 224 with Pillow's antialiased bicubic filter and centre-cropped; "
    "/255, normalised by OpenAI's mean and standard deviation; prompts cut to 77 tokens, the end token kept; "
    "features as projected, brought to length one by the cosine"
)
_INCEPTION_INPUT = (
    "8-bit RGB; resized to 299x299 inside the network as TensorFlow 1 does (bilinear, not antialiased); "
    "(x - 128) / 128; the 2048 features of the last pooling layer"
)

PROTOCOLS: dict[str, Protocol] = {
    "fd-shapes-clip": Protocol(
        name="fd-shapes-clip",
        version=1,
        metric="frechet",
        extractor="shapes-clip",
        preprocessing=_SHAPES_CLIP_INPUT,
        label="Fréchet distance (shapes-CLIP features)",
        better="lower",
    ),
    "kd-shapes-clip": Protocol(
        name="kd-shapes-clip",
        version=1,
        metric="kernel",
        extractor="shapes-clip",
        preprocessing=_SHAPES_CLIP_INPUT,
        label="Kernel distance, unbiased (shapes-CLIP features)",
        better="lower",
    ),
    "clip-score-shapes": Protocol(
        name="clip-score-shapes",
        version=1,
        metric="clip_score",
        extractor="shapes-clip",
        preprocessing=_SHAPES_CLIP_INPUT,
        label="CLIP score (shapes-CLIP, raw cosine)",
        better="higher",
    ),
    "fid-inception-tf": Protocol(
        name="fid-inception-tf",
        version=1,
        metric="frechet",
        extractor="inception-v3",
        preprocessing=_INCEPTION_INPUT,
        label="FID (Inception v3, torch-fidelity protocol)",
        better="lower",
    ),
    "clip-score-vit-l-14": Protocol(
        name="clip-score-vit-l-14",
        version=1,
        metric="clip_score",
        extractor="clip-vit-l-14",
        preprocessing=_VIT_L_14_INPUT,
        label="CLIP score (OpenAI ViT-L/14, raw cosine)",
        better="higher",
    ),
}
