"""The feature extractors of a run: built by name once per process, and the identity of their features."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from metrics import PROTOCOLS, MetricsError
from metrics.features import EXTRACTORS, Extractor
from sdbench.core.digest import digest_value
from sdbench.core.errors import InputError
from sdbench.models.networks import network_file, require_networks
from sdbench.spec import ExperimentSpec

__all__ = [
    "Build",
    "build_extractor",
    "build_extractors",
    "build_same",
    "extractor_names",
    "features_identity",
    "is_at_hand",
]

Build = Callable[[str], Extractor]
"""Returns the loaded extractor of a name."""


def extractor_names(spec: ExperimentSpec) -> tuple[str, ...]:
    """Return the names of the extractors that the spec's metrics need, sorted."""
    return tuple(sorted({PROTOCOLS[name].extractor for name in spec.metrics}))


def is_at_hand(name: str) -> bool:
    """Return whether the extractor needs no file of weights, or the file is on this machine."""
    return EXTRACTORS[name].weights is None or network_file(name) is not None


def build_extractors(names: Iterable[str], device: str) -> dict[str, Extractor]:
    """Return each extractor by its name; an InputError names all whose weights are missing."""
    wanted = sorted(set(names))
    require_networks([name for name in wanted if not is_at_hand(name)])
    return {name: build_extractor(name, device) for name in wanted}


@cache
def build_extractor(name: str, device: str) -> Extractor:
    """Return the extractor `name` on `device`; raise InputError if its weights are missing or damaged."""
    if name == "shapes-clip":
        return _shapes_clip(device)
    factory = EXTRACTORS[name]
    path = None
    if not is_at_hand(name):
        require_networks([name])
    elif factory.weights is not None:
        path = network_file(name)
    try:
        return factory.build(path, device=device)
    except MetricsError as error:
        raise InputError(f"{error}") from None


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
