"""The feature extractors of a run: built by name, once a process, and what identifies their features."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from metrics import PROTOCOLS, MetricsError
from metrics.features import EXTRACTORS, Extractor
from sdbench.digest import digest_value
from sdbench.errors import InputError
from sdbench.models.home import weights_folder
from sdbench.spec import ExperimentSpec

__all__ = ["build_extractor", "extractor_names", "features_identity"]

WEIGHTS_FILES = {
    "clip-vit-l-14": "open_clip_model.safetensors",
    "inception-v3": "weights-inception-2015-12-05-6726825d.pth",
}
"""File names, as their authors publish them, that are taken from the weights folder where they lie there.

CLIP's is that of timm/vit_large_patch14_clip_224.openai: OpenAI's own ViT-L-14.pt is a program, not tensors.
"""


def extractor_names(spec: ExperimentSpec) -> tuple[str, ...]:
    """The extractors that the spec's metrics need, each once, sorted."""
    return tuple(sorted({PROTOCOLS[name].extractor for name in spec.metrics}))


@cache
def build_extractor(name: str, device: str) -> Extractor:
    """The extractor `name` on `device`; InputError in one line where its weights cannot be had."""
    try:
        if name == "shapes-clip":
            from reference_model import shapes

            return EXTRACTORS[name](
                shapes.CLIP_CONFIG, shapes.CLIP_WEIGHTS, shapes.load_tokenizer(), device=device
            )
        return EXTRACTORS[name](_local_weights(name), device=device)
    except MetricsError as error:
        raise InputError(f"{error}") from None


def features_identity(extractor: Extractor) -> str:
    """What determines an image's features: the weights, and the version of the recipes round them."""
    version = max(p.version for p in PROTOCOLS.values() if p.extractor == extractor.name)
    return digest_value({"weights": extractor.digest, "version": version})


def _local_weights(name: str) -> Path | None:
    path = weights_folder() / WEIGHTS_FILES[name]
    return path if path.is_file() else None
