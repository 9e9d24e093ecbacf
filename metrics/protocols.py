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
    "frechet_infinity",
    "kernel",
    "cmmd",
    "precision",
    "recall",
    "density",
    "coverage",
    "clip_score",
    "clip_score_x100",
]

_FORMULAS: dict[Metric, str] = {
    "frechet": "Fréchet distance of the two means and covariances (n - 1)",
    "frechet_infinity": "Fréchet distance extrapolated to infinitely many generated images",
    "kernel": "unbiased MMD with the cubic kernel, all pairs",
    "cmmd": "MMD with a Gaussian kernel, sigma 10, times 1000, with its bias",
    "precision": "share of generated images in the real manifold, k = 3",
    "recall": "share of real images in the generated manifold, k = 3",
    "density": "mean number of real balls round a generated image, over k = 5",
    "coverage": "share of real images with a generated one in their ball, k = 5",
    "clip_score": "mean cosine of image and prompt",
    "clip_score_x100": "100 times the mean cosine of image and prompt, not below 0",
}


@dataclass(frozen=True)
class Protocol:
    """How one figure is made.

    ``metric`` names the formula that metrics.evaluate computes, ``extractor`` a key of
    metrics.features.EXTRACTORS. ``resize`` says how the 8-bit RGB images reach the size of the network,
    ``quantisation`` what is rounded on the way, ``features`` what of the network is used, ``label`` is the
    axis title, ``agrees_with`` whose figures it may be put beside.
    """

    name: str
    version: int
    metric: Metric
    extractor: str
    resize: str
    quantisation: str
    features: str
    label: str
    agrees_with: str

    @property
    def formula(self) -> str:
        """What is computed of the features, in words."""
        return _FORMULAS[self.metric]

    @property
    def better(self) -> Literal["lower", "higher"]:
        """The direction of improvement."""
        return "lower" if self.metric in ("frechet", "frechet_infinity", "kernel", "cmmd") else "higher"

    @property
    def needs_reference(self) -> bool:
        """Whether the figure compares with real images."""
        return self.metric not in ("clip_score", "clip_score_x100")

    @property
    def moments_suffice(self) -> bool:
        """Whether mean and covariance are all that the formula needs of the real features."""
        return self.metric in ("frechet", "frechet_infinity")

    @property
    def is_mean(self) -> bool:
        """Whether the figure is the mean of a value that each generated image has by itself."""
        return self.metric in ("clip_score", "clip_score_x100", "precision", "density")


@dataclass(frozen=True)
class _Input:
    """An extractor, the words for what happens before and after it, and its name on an axis."""

    extractor: str
    resize: str
    quantisation: str
    features: str
    words: str


_ROUNDED = "to 8 bits after the resize"
_RESIZED = "shortest edge to {0}, centre {0}x{0} cut out, bicubic antialiased (Pillow)"
_TF1 = "to 299x299, bilinear without antialiasing, as TensorFlow 1"
_TRUNK = "(x - 128) / 128; last pooling layer"


def _clip(extractor: str, resize: str, mean_of: str, words: str) -> _Input:
    layer = (
        f"normalised by {mean_of}'s mean and deviation; projected; prompts cut to 77 tokens, end token kept"
    )
    return _Input(extractor, resize, _ROUNDED, layer, words)


_SHAPES = _clip("shapes-clip", _RESIZED.format(64), "the model", "shapes-CLIP")
_VIT_L_14 = _clip("clip-vit-l-14", _RESIZED.format(224), "OpenAI", "OpenAI ViT-L/14")
_VIT_B_32 = _clip("clip-vit-b-32", _RESIZED.format(224), "OpenAI", "OpenAI ViT-B/32")
_VIT_H_14 = _clip("clip-vit-h-14", _RESIZED.format(224), "OpenAI", "OpenCLIP ViT-H/14 laion2b")
_VIT_L_14_336 = _clip(
    "clip-vit-l-14-336",
    "central square cut out, to 336x336, bicubic antialiased (Pillow)",
    "OpenAI",
    "OpenAI ViT-L/14@336",
)
_INCEPTION_TF = _Input("inception-v3", _TF1, "none", _TRUNK, "Inception v3, torch-fidelity protocol")
_INCEPTION_CLEAN = _Input(
    "inception-v3-clean",
    "to 299x299 channel by channel, bicubic antialiased (Pillow)",
    "none: float32, clipped to 0..255",
    _TRUNK,
    "Inception v3, clean-fid protocol",
)
_INCEPTION_256 = _Input(
    "inception-v3-256",
    f"central square cut out, to 256x256, bicubic antialiased (Pillow); then {_TF1}",
    "to 8 bits at 256x256",
    _TRUNK,
    "Inception v3, 256 pixels first",
)
_DINOV2 = _Input(
    "dinov2-vit-l-14",
    "to 224x224 whatever the aspect, bicubic antialiased (Pillow)",
    _ROUNDED,
    "normalised by ImageNet's mean and deviation; class token after the last norm",
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
        resize=source.resize,
        quantisation=source.quantisation,
        features=source.features,
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


def _frechet(name: str, source: _Input, label: str, agrees_with: str) -> list[tuple[str, Protocol]]:
    """Return a Frechet distance, and beside it the one that is free of the bias of a finite n."""
    place = "({})" if label == "FID" else "({} features)"
    limit = f"{name}'s limit; the idea of FID-infinity (Chong and Forsyth) without its random subsets"
    return [
        _named(name, "frechet", source, f"{label} {place}", agrees_with),
        _named(f"{name}-infinity", "frechet_infinity", source, f"{label} at infinite n {place}", limit),
    ]


def _clip_score(variant: str, source: _Input, agrees_with: str) -> list[tuple[str, Protocol]]:
    """Return a CLIP score in its two conventions."""
    raw, scaled = "CLIP score ({}, raw cosine)", "CLIP score ({}, x100 and clipped)"
    return [
        _named(f"clip-score-{variant}", "clip_score", source, raw, agrees_with),
        _named(f"clip-score-x100-{variant}", "clip_score_x100", source, scaled, _X100),
    ]


_NOTHING = "no published protocol: these are the embedded family's own features"
_KID = "torch-fidelity and torchmetrics with one subset of all images"
_X100 = "torchmetrics, for prompts of up to 77 tokens"
_FID_TF = "torch-fidelity; the original TensorFlow code; pytorch-fid and ADM to about 0.1"

PROTOCOLS: dict[str, Protocol] = dict(
    [
        *_frechet("fd-shapes-clip", _SHAPES, "Fréchet distance", _NOTHING),
        _named("kd-shapes-clip", "kernel", _SHAPES, "Kernel distance, unbiased ({} features)", _NOTHING),
        _named("clip-score-shapes", "clip_score", _SHAPES, "CLIP score ({}, raw cosine)", _NOTHING),
        *_neighbourhoods("shapes-clip", _SHAPES),
        *_frechet("fid-inception-tf", _INCEPTION_TF, "FID", _FID_TF),
        *_frechet("fid-inception-clean", _INCEPTION_CLEAN, "FID", "clean-fid, mode clean"),
        *_frechet("fid-inception-256", _INCEPTION_256, "FID", "papers that evaluate at 256x256"),
        _named("kid-inception-tf", "kernel", _INCEPTION_TF, "KID, unbiased ({})", _KID),
        _named(
            "kid-inception-clean", "kernel", _INCEPTION_CLEAN, "KID, unbiased ({})", "clean-fid, all images"
        ),
        *_neighbourhoods("inception-tf", _INCEPTION_TF),
        *_frechet("fid-clip-vit-l-14", _VIT_L_14, "Fréchet distance", "FID-CLIP with OpenAI's resize"),
        *_frechet("fd-dinov2-vit-l-14", _DINOV2, "Fréchet distance", "dgm-eval without clean resize"),
        *_neighbourhoods("dinov2-vit-l-14", _DINOV2),
        _named(
            "cmmd-clip-vit-l-14-336", "cmmd", _VIT_L_14_336, "CMMD ({})", "the authors' code, with its bias"
        ),
        *_clip_score("vit-l-14", _VIT_L_14, "Stable Diffusion v1's plot"),
        *_clip_score("vit-b-32", _VIT_B_32, "open_clip itself"),
        *_clip_score("vit-h-14", _VIT_H_14, "MLPerf's text-to-image"),
    ]
)
