"""Feature extractors: from 8-bit images (and prompts) to float32 vectors.

An extractor is a network together with its preprocessing: a network has several entries if values are
published with several ways of resizing. To add one, write it in a new file and add an entry to EXTRACTORS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from metrics.features.base import Extractor, PromptedValues, TextExtractor
from metrics.features.clip import clip_from_files, published_clip
from metrics.features.dinov2 import dinov2_vit_l_14
from metrics.features.image_reward import image_reward
from metrics.features.inception import by_way_of_256, inception_v3, like_clean_fid, like_tensorflow
from metrics.features.preference import hps_v2_1, laion_aesthetic_v2, pickscore
from metrics.features.statements import StatementReader
from metrics.networks import NETWORKS
from metrics.preprocess import Fit, crop_and_resize, resize_and_crop
from metrics.prompt_accuracy import STATEMENT_KINDS

__all__ = ["EXTRACTORS", "Extractor", "Factory", "PromptedValues", "TextExtractor"]


@dataclass(frozen=True)
class Factory:
    """How to build an extractor, and what is known before it is built.

    Attributes:
        build: Takes an optional path of the weights, those of the networks that NETWORKS names beside it, and
            ``device``; "shapes-clip" takes (config, weights, tokenizer) and ``device``, "shapes-reader" what
            StatementReader takes. Returns an Extractor or PromptedValues.
        dim: Length of a feature vector.
        weights: Name of the file in the folder of weights; None: no file is needed.
        reads_text: Whether it is a TextExtractor.
        with_prompts: Whether it is PromptedValues.
        version: Raised when the preprocessing changes, so that stored features are computed again.
    """

    build: Callable[..., Any]
    dim: int
    weights: str | None = None
    reads_text: bool = False
    with_prompts: bool = False
    version: int = 1


def _clip(name: str, dim: int, fit: Fit = resize_and_crop) -> Factory:
    return Factory(partial(published_clip, name, fit=fit), dim, NETWORKS[name].file, reads_text=True)


def _inception(name: str, resize: Callable[..., Any]) -> Factory:
    return Factory(partial(inception_v3, name, resize), 2048, NETWORKS[name].file)


EXTRACTORS: dict[str, Factory] = {
    "shapes-clip": Factory(clip_from_files, 64, reads_text=True),
    "shapes-reader": Factory(StatementReader, 2 * len(STATEMENT_KINDS), with_prompts=True),
    "clip-vit-b-32": _clip("clip-vit-b-32", 512),
    "clip-vit-l-14": _clip("clip-vit-l-14", 768),
    # Cropped before it is resized, as in CMMD.
    "clip-vit-l-14-336": _clip("clip-vit-l-14-336", 768, crop_and_resize),
    "clip-vit-h-14": _clip("clip-vit-h-14", 1024),
    "dinov2-vit-l-14": Factory(dinov2_vit_l_14, 1024, NETWORKS["dinov2-vit-l-14"].file),
    "hps-v2.1": Factory(hps_v2_1, 1024, NETWORKS["hps-v2.1"].file, reads_text=True),
    "image-reward": Factory(image_reward, 1, NETWORKS["image-reward"].file, with_prompts=True),
    "inception-v3": _inception("inception-v3", like_tensorflow),
    "inception-v3-256": _inception("inception-v3-256", by_way_of_256),
    "inception-v3-clean": _inception("inception-v3-clean", like_clean_fid),
    "laion-aesthetic-v2": Factory(laion_aesthetic_v2, 1, NETWORKS["laion-aesthetic-v2"].file),
    "pickscore": Factory(pickscore, 1024, NETWORKS["pickscore"].file, reads_text=True),
}
