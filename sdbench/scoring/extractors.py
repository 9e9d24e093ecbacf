"""The feature extractors of a run: built by name once per process, and the identity of their features."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from metrics import MetricsError, Protocol
from metrics.features import EXTRACTORS, Extractor
from sdbench.core.digest import digest_value
from sdbench.core.environment import best_device
from sdbench.core.errors import InputError
from sdbench.models.networks import network_files, require_networks
from sdbench.scoring.outside import ImageValues, outside_extractor
from sdbench.scoring.outside.values import IMAGES, PROMPTS
from sdbench.scoring.pictures import PICTURES
from sdbench.scoring.protocols import protocols_of
from sdbench.spec import ExperimentSpec

__all__ = [
    "Build",
    "build_extractor",
    "build_extractors",
    "build_same",
    "extractor_names",
    "extractors_of",
    "features_identity",
    "floats_of",
    "is_at_hand",
    "takes_prompts",
    "takes_references",
]

Build = Callable[[str], Extractor]
"""Returns the loaded extractor of a name."""


def extractor_names(spec: ExperimentSpec) -> tuple[str, ...]:
    """Return the names of the extractors that the spec's metrics need, sorted."""
    return extractors_of(protocols_of(spec.metrics))


def extractors_of(protocols: Iterable[Protocol]) -> tuple[str, ...]:
    """Return the names of the extractors that the protocols need, sorted."""
    return tuple(sorted({protocol.extractor for protocol in protocols} - {PICTURES}))


def is_at_hand(name: str) -> bool:
    """Return whether the extractor needs no file of weights, or its files are on this machine."""
    return name not in EXTRACTORS or EXTRACTORS[name].weights is None or network_files(name) is not None


def build_extractors(names: Iterable[str], device: str) -> dict[str, Extractor]:
    """Return each extractor by its name; an InputError names all whose weights are missing."""
    wanted = sorted(set(names))
    require_networks([name for name in wanted if not is_at_hand(name)])
    return {name: build_extractor(name, device) for name in wanted}


@cache
def build_extractor(name: str, device: str) -> Extractor:
    """Return the extractor `name` on `device`; raise InputError if its weights are missing or damaged."""
    if name not in EXTRACTORS:
        return outside_extractor(name, device)
    factory = EXTRACTORS[name]
    if not is_at_hand(name):
        require_networks([name])
    paths = network_files(name) if factory.weights is not None else None
    try:
        if name in _EMBEDDED:
            built = _EMBEDDED[name](device)
        else:
            built = factory.build(*(paths or (None,)), device=device)
    except MetricsError as error:
        raise InputError(f"{error}") from None
    if not factory.with_prompts:
        return built
    return ImageValues(name, built.digest, built, (IMAGES, PROMPTS), factory.dim)


def floats_of(name: str) -> int:
    """Return how many numbers are stored for an image and its prompt; one from outside is built."""
    if name in EXTRACTORS:
        factory = EXTRACTORS[name]
        return factory.dim * (2 if factory.reads_text else 1)
    extractor = build_extractor(name, best_device())
    return extractor.dim * (2 if hasattr(extractor, "texts") else 1)


def features_identity(extractor: Extractor, reference: str = "") -> str:
    """Return a digest of what determines features.

    Args:
        extractor: Its weights, and the version of its preprocessing; code and arguments from outside.
        reference: Identifies the reference images, which some values per image depend on.
    """
    version = EXTRACTORS[extractor.name].version if extractor.name in EXTRACTORS else 1
    identity = {"weights": extractor.digest, "version": version}
    if takes_references(extractor):
        identity["reference"] = reference
    return digest_value(identity)


def takes_prompts(extractor: Extractor) -> bool:
    """Return whether the extractor gives each image with its prompt a value."""
    return isinstance(extractor, ImageValues) and PROMPTS in extractor.takes


def takes_references(extractor: Extractor) -> bool:
    """Return whether the extractor compares each image with a reference image of its own."""
    return isinstance(extractor, ImageValues) and extractor.takes_references


def build_same(build: Build, name: str, identity: str, reference: str = "") -> Extractor:
    """Return the extractor `name`; raise InputError if its features would not have `identity`."""
    extractor = build(name)
    if features_identity(extractor, reference) != identity:
        what = "weights" if name in EXTRACTORS else "code or weights"
        raise InputError(f"extractor {name}: the {what} on this machine are not those of the plan")
    return extractor


def _shapes_clip(device: str) -> Any:
    from reference_model import shapes

    return EXTRACTORS["shapes-clip"].build(
        shapes.CLIP_CONFIG, shapes.CLIP_WEIGHTS, shapes.load_tokenizer(), device=device
    )


def _shapes_reader(device: str) -> Any:
    from reference_model.shapes.reading import judge, statements
    from reference_model.shapes.scenes import IMAGE_SIZE

    return EXTRACTORS["shapes-reader"].build(judge, statements, IMAGE_SIZE)


_EMBEDDED: dict[str, Callable[[str], Any]] = {"shapes-clip": _shapes_clip, "shapes-reader": _shapes_reader}
"""Those of the embedded family, whose parts come from `reference_model`."""
