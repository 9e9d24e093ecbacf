"""The feature extractors of a run: built by name once per process, and the identity of their features."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from metrics import PROTOCOLS, MetricsError
from metrics.features import EXTRACTORS, Extractor
from sdbench.core.digest import digest_value
from sdbench.core.errors import InputError
from sdbench.models.home import weights_folder
from sdbench.spec import ExperimentSpec

__all__ = ["Build", "build_extractor", "build_same", "extractor_names", "features_identity", "is_at_hand"]

Build = Callable[[str], Extractor]
"""Returns the loaded extractor of a name."""

_INCEPTION = "weights-inception-2015-12-05-6726825d.pth"

WEIGHTS_FILES = {
    "clip-vit-b-32": "vit_base_patch32_clip_224.openai.safetensors",
    "clip-vit-h-14": "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors",
    "clip-vit-l-14": "vit_large_patch14_clip_224.openai.safetensors",
    "clip-vit-l-14-336": "vit_large_patch14_clip_336.openai.safetensors",
    "dinov2-vit-l-14": "dinov2-large.safetensors",
    "inception-v3": _INCEPTION,
    "inception-v3-256": _INCEPTION,
    "inception-v3-clean": _INCEPTION,
}
"""Files of the weights folder by extractor; docs/protocols.md says where to get them.

Each is named after its repository on the hub, where all CLIP files have the same name. OpenAI's own .pt files
are not read: they are programs, not tensors.
"""


def extractor_names(spec: ExperimentSpec) -> tuple[str, ...]:
    """Return the names of the extractors that the spec's metrics need, sorted."""
    return tuple(sorted({PROTOCOLS[name].extractor for name in spec.metrics}))


def is_at_hand(name: str) -> bool:
    """Return whether the extractor's weights are in the package or in the weights folder."""
    return name == "shapes-clip" or (weights_folder() / WEIGHTS_FILES[name]).is_file()


@cache
def build_extractor(name: str, device: str) -> Extractor:
    """Return the extractor `name` on `device`; raise InputError if its weights cannot be loaded."""
    if name == "shapes-clip":
        return _shapes_clip(device)
    path = weights_folder() / WEIGHTS_FILES[name]
    found = path.is_file()
    try:
        return EXTRACTORS[name](path if found else None, device=device)
    except MetricsError as error:
        raise InputError(f"{error}" if found else f"{error} (sdbench looks for it as {path})") from None


def features_identity(extractor: Extractor) -> str:
    """Return a digest of what determines features: the weights, and the protocols' version."""
    version = max(p.version for p in PROTOCOLS.values() if p.extractor == extractor.name)
    return digest_value({"weights": extractor.digest, "version": version})


def build_same(build: Build, name: str, identity: str) -> Extractor:
    """Return the extractor `name`; raise InputError if its features would not have `identity`."""
    extractor = build(name)
    if features_identity(extractor) != identity:
        raise InputError(f"extractor {name}: the weights on this machine are not those of the plan")
    return extractor


def _shapes_clip(device: str) -> Extractor:
    from reference_model import shapes

    try:
        return EXTRACTORS["shapes-clip"](
            shapes.CLIP_CONFIG, shapes.CLIP_WEIGHTS, shapes.load_tokenizer(), device=device
        )
    except MetricsError as error:
        raise InputError(f"{error}") from None
