"""Named, versioned recipes: what a figure is, in words that a reader can check.

A figure without its protocol cannot be compared with another: resizing alone moved a published FID from 16
to 23. The version is raised whenever a change could move the figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["PROTOCOLS", "Metric", "Protocol"]

Metric = Literal[
    "frechet",
    "kernel",
    "cmmd",
    "precision",
    "recall",
    "density",
    "coverage",
    "clip_score",
    "clip_score_x100",
]


@dataclass(frozen=True)
class Protocol:
    """How one figure is made.

    ``metric`` names the formula that metrics.evaluate computes, ``extractor`` a key of
    metrics.features.EXTRACTORS, ``preprocessing`` what happens to the 8-bit images and to the features,
    ``label`` the axis title, ``agrees_with`` whose figures it may be put beside.
    """

    name: str
    version: int
    metric: Metric
    extractor: str
    preprocessing: str
    label: str
    agrees_with: str

    @property
    def better(self) -> Literal["lower", "higher"]:
        """The direction of improvement."""
        return "lower" if self.metric in ("frechet", "kernel", "cmmd") else "higher"

    @property
    def needs_reference(self) -> bool:
        """Whether the figure compares with real images."""
        return self.metric not in ("clip_score", "clip_score_x100")


@dataclass(frozen=True)
class _Input:
    """An extractor, the words for what happens before and after it, and its name on an axis."""

    extractor: str
    preprocessing: str
    words: str


def _clip(size: int, fit: str, mean_of: str) -> str:
    return (
        f"8-bit RGB; {fit} {size}x{size} with Pillow's antialiased bicubic filter, rounded to 8 bits; /255, "
        f"normalised by {mean_of}'s mean and standard deviation; prompts cut to 77 tokens, the end token "
        "kept; features as projected, brought to length one only where the formula does so"
    )


_RESIZED = "shortest edge resized and centre cropped to"
_TRUNK = "(x - 128) / 128; the 2048 features of the last pooling layer"

_SHAPES = _Input("shapes-clip", _clip(64, _RESIZED, "the model"), "shapes-CLIP")
_VIT_L_14 = _Input("clip-vit-l-14", _clip(224, _RESIZED, "OpenAI"), "OpenAI ViT-L/14")
_VIT_B_32 = _Input("clip-vit-b-32", _clip(224, _RESIZED, "OpenAI"), "OpenAI ViT-B/32")
_VIT_H_14 = _Input("clip-vit-h-14", _clip(224, _RESIZED, "OpenAI"), "OpenCLIP ViT-H/14 laion2b")
_VIT_L_14_336 = _Input(
    "clip-vit-l-14-336", _clip(336, "central square cut out and resized to", "OpenAI"), "OpenAI ViT-L/14@336"
)
_INCEPTION_TF = _Input(
    "inception-v3",
    f"8-bit RGB; resized to 299x299 as TensorFlow 1 does (bilinear, not antialiased); {_TRUNK}",
    "Inception v3, torch-fidelity protocol",
)
_INCEPTION_CLEAN = _Input(
    "inception-v3-clean",
    "8-bit RGB; resized to 299x299 channel by channel in float32 with Pillow's antialiased bicubic filter, "
    f"clipped to 0..255, not rounded; {_TRUNK}",
    "Inception v3, clean-fid protocol",
)
_INCEPTION_256 = _Input(
    "inception-v3-256",
    "8-bit RGB; central square cut out and resized to 256x256 with Pillow's antialiased bicubic filter, "
    f"rounded to 8 bits; then to 299x299 as TensorFlow 1 does (bilinear); {_TRUNK}",
    "Inception v3, 256 pixels first",
)
_DINOV2 = _Input(
    "dinov2-vit-l-14",
    "8-bit RGB; resized to 224x224 whatever the aspect with Pillow's antialiased bicubic filter, rounded to "
    "8 bits; /255, normalised by ImageNet's mean and standard deviation; the class token after the last norm",
    "DINOv2 ViT-L/14",
)


def _named(
    name: str, metric: Metric, source: _Input, label: str, agrees_with: str, version: int = 1
) -> tuple[str, Protocol]:
    """Return a line of PROTOCOLS; ``label`` has a place for the words of its features."""
    return name, Protocol(
        name=name,
        version=version,
        metric=metric,
        extractor=source.extractor,
        preprocessing=source.preprocessing,
        label=label.format(source.words),
        agrees_with=agrees_with,
    )


def _neighbourhoods(suffix: str, source: _Input) -> list[tuple[str, Protocol]]:
    """Return precision and recall, k = 3, and density and coverage, k = 5, on one kind of features."""
    pair, other = "torch-fidelity's formula", "the formula of the package prdc"
    return [
        _named(f"precision-{suffix}", "precision", source, "Precision ({})", pair),
        _named(f"recall-{suffix}", "recall", source, "Recall ({})", pair),
        _named(f"density-{suffix}", "density", source, "Density ({})", other),
        _named(f"coverage-{suffix}", "coverage", source, "Coverage ({})", other),
    ]


_NOTHING = "nothing published: the embedded family's own features"
_KID = "torch-fidelity and torchmetrics with one subset of all images"
_X100 = "torchmetrics, for prompts of up to 77 tokens"

PROTOCOLS: dict[str, Protocol] = dict(
    [
        _named("fd-shapes-clip", "frechet", _SHAPES, "Fréchet distance ({} features)", _NOTHING),
        _named("kd-shapes-clip", "kernel", _SHAPES, "Kernel distance, unbiased ({} features)", _NOTHING),
        _named("clip-score-shapes", "clip_score", _SHAPES, "CLIP score ({}, raw cosine)", _NOTHING),
        *_neighbourhoods("shapes-clip", _SHAPES),
        _named(
            "fid-inception-tf",
            "frechet",
            _INCEPTION_TF,
            "FID ({})",
            "torch-fidelity; the original TensorFlow code; pytorch-fid and ADM to about 0.1",
        ),
        _named("fid-inception-clean", "frechet", _INCEPTION_CLEAN, "FID ({})", "clean-fid, mode clean"),
        _named("fid-inception-256", "frechet", _INCEPTION_256, "FID ({})", "papers that evaluate at 256x256"),
        _named("kid-inception-tf", "kernel", _INCEPTION_TF, "KID, unbiased ({})", _KID),
        _named(
            "kid-inception-clean", "kernel", _INCEPTION_CLEAN, "KID, unbiased ({})", "clean-fid, all images"
        ),
        *_neighbourhoods("inception-tf", _INCEPTION_TF),
        _named(
            "fid-clip-vit-l-14",
            "frechet",
            _VIT_L_14,
            "Fréchet distance ({} features)",
            "FID-CLIP with OpenAI's resize",
        ),
        _named(
            "fd-dinov2-vit-l-14",
            "frechet",
            _DINOV2,
            "Fréchet distance ({} features)",
            "dgm-eval without clean resize",
        ),
        *_neighbourhoods("dinov2-vit-l-14", _DINOV2),
        _named(
            "cmmd-clip-vit-l-14-336",
            "cmmd",
            _VIT_L_14_336,
            "CMMD ({})",
            "the authors' formula, with its bias",
        ),
        _named(
            "clip-score-vit-l-14",
            "clip_score",
            _VIT_L_14,
            "CLIP score ({}, raw cosine)",
            "Stable Diffusion v1's plot",
        ),
        _named(
            "clip-score-vit-b-32", "clip_score", _VIT_B_32, "CLIP score ({}, raw cosine)", "open_clip itself"
        ),
        _named(
            "clip-score-vit-h-14",
            "clip_score",
            _VIT_H_14,
            "CLIP score ({}, raw cosine)",
            "MLPerf's text-to-image",
        ),
        _named(
            "clip-score-x100-vit-l-14",
            "clip_score_x100",
            _VIT_L_14,
            "CLIP score ({}, x100 and clipped)",
            _X100,
        ),
        _named(
            "clip-score-x100-vit-b-32",
            "clip_score_x100",
            _VIT_B_32,
            "CLIP score ({}, x100 and clipped)",
            _X100,
        ),
        _named(
            "clip-score-x100-vit-h-14",
            "clip_score_x100",
            _VIT_H_14,
            "CLIP score ({}, x100 and clipped)",
            _X100,
        ),
    ]
)
