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


def extractor_names(spec: ExperimentSpec) -> tuple[str, ...]:
    """Return the names of the extractors that the spec's metrics need, sorted."""
    return tuple(sorted({PROTOCOLS[name].extractor for name in spec.metrics}))


def is_at_hand(name: str) -> bool:
    """Return whether the extractor needs no file of weights, or the weights folder holds it."""
    file = EXTRACTORS[name].weights
    return file is None or (weights_folder() / file).is_file()


@cache
def build_extractor(name: str, device: str) -> Extractor:
    """Return the extractor `name` on `device`; raise InputError if its weights cannot be loaded."""
    if name == "shapes-clip":
        return _shapes_clip(device)
    factory = EXTRACTORS[name]
    path = weights_folder() / factory.weights if factory.weights else None
    found = is_at_hand(name)
    try:
        return factory.build(path if found else None, device=device)
    except MetricsError as error:
        raise InputError(f"{error}" if found else f"{error} (sdbench looks for it as {path})") from None


def features_identity(extractor: Extractor) -> str:
    """Return a digest of what determines features: the weights, and the version of the preprocessing."""
    version = EXTRACTORS[extractor.name].version
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
        return EXTRACTORS["shapes-clip"].build(
            shapes.CLIP_CONFIG, shapes.CLIP_WEIGHTS, shapes.load_tokenizer(), device=device
        )
    except MetricsError as error:
        raise InputError(f"{error}") from None
