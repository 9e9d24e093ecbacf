"""Protocols: named, versioned recipes for a metric, in words that a reader can check.

A value means little without its protocol: the resize alone moved a published FID from 16 to 23. A version is
raised whenever a change could move the values.
"""

from __future__ import annotations

from dataclasses import dataclass

from metrics.formulas import FORMULAS, Formula

__all__ = ["PROTOCOLS", "Protocol"]


@dataclass(frozen=True)
class Protocol:
    """A recipe for one metric.

    Attributes:
        name: The key in PROTOCOLS, in specs and in results.
        version: Raised whenever a change could move the values.
        formula: What is computed from the features.
        extractor: A key of metrics.features.EXTRACTORS.
        resize: How the 8-bit RGB images are brought to the input size of the network.
        quantisation: What is rounded on the way.
        features: Which output of the network is used.
        label: The title of an axis.
        agrees_with: Whose published values it can be compared with.
        source: Package, version and digest of a metric from outside, which its name does not identify; "" for
            built-in ones.
        with_prompts: Whether the value of an image also depends on the prompt itself, not on its features.
        with_reference: Whether each image is compared with a reference image of its own.
    """

    name: str
    version: int
    formula: Formula
    extractor: str
    resize: str
    quantisation: str
    features: str
    label: str
    agrees_with: str
    source: str = ""
    with_prompts: bool = False
    with_reference: bool = False

    @property
    def needs_prompts(self) -> bool:
        """Whether the prompts of the images must be known."""
        return self.formula.needs_text or self.formula.by_prompt or self.with_prompts

    @property
    def needs_real_images(self) -> bool:
        """Whether images are compared with real ones, all with a set or each with its own."""
        return self.formula.needs_reference or self.with_reference


@dataclass(frozen=True)
class _Input:
    """An extractor, words for what happens before and after it, its name in labels, and `with_prompts`."""

    extractor: str
    resize: str
    quantisation: str
    features: str
    words: str
    with_prompts: bool = False


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
_SHAPES_READER = _Input(
    "shapes-reader",
    "none: images of 64x64 alone",
    "none",
    "shapes, colours, sizes, patterns, places and background, read by matching the family's renderer",
    "shapes reader",
    with_prompts=True,
)
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
    "to 224x224, aspect ratio ignored, bicubic antialiased (Pillow)",
    _ROUNDED,
    "normalised by ImageNet's mean and deviation; class token after the last norm",
    "DINOv2 ViT-L/14",
)
_CLIP_PIXELS = "normalised by OpenAI's mean and deviation"
_PICKSCORE = _Input(
    "pickscore",
    _RESIZED.format(224),
    _ROUNDED,
    f"{_CLIP_PIXELS}; projected, length one, times exp(logit_scale); "
    "prompts cut to 77 tokens, end token kept",
    "PickScore v1",
)
_HPS = _Input(
    "hps-v2.1",
    "longest edge to 224, bicubic antialiased (torch); the other padded with black",
    "none: float32",
    f"{_CLIP_PIXELS}; projected; prompts cut to 77 tokens, end token kept",
    "HPS v2.1",
)
_AESTHETIC = _Input(
    "laion-aesthetic-v2",
    _RESIZED.format(224),
    _ROUNDED,
    f"{_CLIP_PIXELS}; OpenAI ViT-L/14, projected, length one; linear layers to one value",
    "sac+logos+ava1-l14-linearMSE",
)
_IMAGE_REWARD = _Input(
    "image-reward",
    _RESIZED.format(224),
    _ROUNDED,
    f"{_CLIP_PIXELS}; BLIP ViT-L/16, to whose output BERT attends; linear layers to one value, "
    "less 0.167, over 1.033; prompts cut to 35 tokens, end token kept",
    "ImageReward v1.0",
    with_prompts=True,
)


def _named(
    name: str, formula: str, source: _Input, label: str, agrees_with: str, version: int = 1
) -> tuple[str, Protocol]:
    """Return an entry of PROTOCOLS; ``{}`` in ``label`` stands for the input's name."""
    return name, Protocol(
        name=name,
        version=version,
        formula=FORMULAS[formula],
        extractor=source.extractor,
        resize=source.resize,
        quantisation=source.quantisation,
        features=source.features,
        label=label.format(source.words),
        agrees_with=agrees_with,
        with_prompts=source.with_prompts,
    )


def _neighbourhoods(suffix: str, source: _Input) -> list[tuple[str, Protocol]]:
    """Return precision, recall, density and coverage on one kind of features."""
    pair, other = "torch-fidelity's formula", "the formula of the package prdc"
    return [
        _named(f"precision-{suffix}", "precision", source, "Precision ({})", pair),
        _named(f"recall-{suffix}", "recall", source, "Recall ({})", pair),
        _named(f"density-{suffix}", "density", source, "Density ({})", other),
        _named(f"coverage-{suffix}", "coverage", source, "Coverage ({})", other),
    ]


def _frechet(name: str, source: _Input, label: str, agrees_with: str) -> list[tuple[str, Protocol]]:
    """Return a Fréchet distance and its limit at infinite n, which has no bias from a finite n."""
    place = "({})" if label == "FID" else "({} features)"
    limit = f"{name}'s limit; the idea of FID-infinity (Chong and Forsyth) without its random subsets"
    return [
        _named(name, "frechet", source, f"{label} {place}", agrees_with),
        _named(f"{name}-infinity", "frechet_infinity", source, f"{label} at infinite n {place}", limit),
    ]


def _clip_score(variant: str, source: _Input, agrees_with: str) -> list[tuple[str, Protocol]]:
    """Return a CLIP score in both conventions."""
    raw, scaled = "CLIP score ({}, raw cosine)", "CLIP score ({}, x100 and clipped)"
    return [
        _named(f"clip-score-{variant}", "clip_score", source, raw, agrees_with),
        _named(f"clip-score-x100-{variant}", "clip_score_x100", source, scaled, _X100),
    ]


_NOTHING = "no published protocol: these are the embedded family's own features"
_KID = "torch-fidelity and torchmetrics with one subset of all images"
_X100 = "torchmetrics, for prompts of up to 77 tokens"
_UNPUBLISHED = "its authors' formula; not yet compared with the published weights"
_REWARDS = "the package image-reward on random weights; not yet compared with the published weights"
_CFRED = "the paper's formula; published values use other networks"
_VENDI = "the paper's formula with cosine similarity, for equal numbers of images per prompt"
_FID_TF = "torch-fidelity; the original TensorFlow code; pytorch-fid and ADM to about 0.1"

PROTOCOLS: dict[str, Protocol] = dict(
    [
        *_frechet("fd-shapes-clip", _SHAPES, "Fréchet distance", _NOTHING),
        _named("kd-shapes-clip", "kernel", _SHAPES, "Kernel distance, unbiased ({} features)", _NOTHING),
        _named("clip-score-shapes", "clip_score", _SHAPES, "CLIP score ({}, raw cosine)", _NOTHING),
        _named(
            "prompt-accuracy-shapes",
            "prompt_accuracy",
            _SHAPES_READER,
            "Prompt accuracy ({})",
            "no published protocol: GenEval asks the same of other pictures",
        ),
        *_neighbourhoods("shapes-clip", _SHAPES),
        _named("cfred-shapes-clip", "conditional_frechet", _SHAPES, "cFreD ({} features)", _NOTHING),
        _named("vendi-shapes-clip", "vendi", _SHAPES, "Vendi score per prompt ({} features)", _NOTHING),
        *_frechet("fid-inception-tf", _INCEPTION_TF, "FID", _FID_TF),
        *_frechet("fid-inception-clean", _INCEPTION_CLEAN, "FID", "clean-fid, mode clean"),
        *_frechet("fid-inception-256", _INCEPTION_256, "FID", "papers that evaluate at 256x256"),
        _named("kid-inception-tf", "kernel", _INCEPTION_TF, "KID, unbiased ({})", _KID),
        _named(
            "kid-inception-clean", "kernel", _INCEPTION_CLEAN, "KID, unbiased ({})", "clean-fid, all images"
        ),
        *_neighbourhoods("inception-tf", _INCEPTION_TF),
        *_frechet("fid-clip-vit-l-14", _VIT_L_14, "Fréchet distance", "FID-CLIP with OpenAI's resize"),
        _named("cfred-clip-vit-l-14", "conditional_frechet", _VIT_L_14, "cFreD ({} features)", _CFRED),
        *_frechet("fd-dinov2-vit-l-14", _DINOV2, "Fréchet distance", "dgm-eval without clean resize"),
        *_neighbourhoods("dinov2-vit-l-14", _DINOV2),
        _named("vendi-dinov2-vit-l-14", "vendi", _DINOV2, "Vendi score per prompt ({} features)", _VENDI),
        _named(
            "cmmd-clip-vit-l-14-336", "cmmd", _VIT_L_14_336, "CMMD ({})", "the authors' code, with its bias"
        ),
        *_clip_score("vit-l-14", _VIT_L_14, "Stable Diffusion v1's plot"),
        *_clip_score("vit-b-32", _VIT_B_32, "open_clip itself"),
        *_clip_score("vit-h-14", _VIT_H_14, "MLPerf's text-to-image"),
        _named("pickscore", "inner_product", _PICKSCORE, "PickScore ({})", _UNPUBLISHED),
        _named("hps-v2.1", "clip_score", _HPS, "Human preference score ({})", _UNPUBLISHED),
        _named("image-reward", "mean_value", _IMAGE_REWARD, "ImageReward ({})", _REWARDS),
        _named("laion-aesthetic-v2", "mean_value", _AESTHETIC, "LAION aesthetic score ({})", _UNPUBLISHED),
    ]
)
