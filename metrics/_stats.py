"""The statistics of a set of real images, and what they may be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from metrics.errors import MetricsError
from metrics.moments import Moments
from metrics.protocols import PROTOCOLS, Protocol

__all__ = ["Stats", "check_stats"]


@dataclass(frozen=True, eq=False)
class Stats:
    """The statistics of a set of real images, and what is known of their making; None: the file does not say.

    ``protocol`` and ``version`` name an entry of PROTOCOLS; any protocol with the same extractor and version
    can use them. ``moments.n`` is 0 where ``n`` is None. ``features`` are float32 [n, d]. ``image_size`` is
    (height, width) where all images had one. ``image_digest`` identifies the images, ``weights_digest`` the
    extractor (its ``digest``), ``versions`` the libraries by name. ``origin`` is the kind of file that they
    were read from, empty for new ones.
    """

    moments: Moments
    protocol: str | None = None
    version: int | None = None
    n: int | None = None
    features: NDArray[np.float32] | None = None
    image_size: tuple[int, int] | None = None
    image_digest: str | None = None
    weights_digest: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""

    @property
    def best(self) -> NDArray[np.float32] | Moments:
        """What metrics.evaluate.prepare takes: the features where they were kept, else the moments."""
        return self.moments if self.features is None else self.features


def check_stats(
    stats: Stats,
    protocol: Protocol,
    *,
    dim: int,
    image_size: tuple[int, int] | None = None,
    weights_digest: str | None = None,
) -> list[str]:
    """Return what a figure of ``protocol`` with these statistics leaves open, in words for a note beside it.

    ``dim``, ``image_size`` (height, width) and ``weights_digest`` are those of the generated images and their
    extractor. Raises MetricsError where the two cannot be compared: another extractor, version, dimension or
    weights, or a formula that needs features where none were kept.
    """
    _refuse_other_makings(stats, protocol, weights_digest)
    if stats.moments.dim != dim:
        raise MetricsError(
            f"the statistics have {stats.moments.dim} dimensions, {protocol.extractor} gives {dim}: "
            "they are of another extractor"
        )
    if not protocol.moments_suffice and stats.features is None:
        raise MetricsError(f"{protocol.name} needs the real features, the statistics hold none")
    notes = []
    if stats.protocol is None:
        notes.append(f"the statistics do not say their protocol, {protocol.name} is taken on trust")
    if stats.n is None:
        notes.append("the statistics do not say of how many images they are")
    elif stats.n <= dim:
        notes.append(f"the statistics are of {stats.n} images, no more than the {dim} dimensions")
    if stats.image_size and image_size and stats.image_size != image_size:
        real, generated = (f"{width}x{height}" for height, width in (stats.image_size, image_size))
        notes.append(f"the real images were {real} pixels, the generated ones are {generated}")
    return notes


def _refuse_other_makings(stats: Stats, protocol: Protocol, weights_digest: str | None) -> None:
    """Raise MetricsError where the statistics say that they were made in another way."""
    if stats.protocol is not None:
        made = PROTOCOLS.get(stats.protocol)
        if made is None or made.extractor != protocol.extractor:
            raise MetricsError(f"the statistics were made for {stats.protocol}, not for {protocol.name}")
        if stats.version != protocol.version:
            raise MetricsError(
                f"the statistics are of version {stats.version} of {stats.protocol}, "
                f"{protocol.name} is at version {protocol.version}: make them again"
            )
    if stats.weights_digest and weights_digest and stats.weights_digest != weights_digest:
        raise MetricsError(f"the statistics were made with other weights of {protocol.extractor}")
