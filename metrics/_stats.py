"""Statistics of a set of real images, and checks of what they can be compared with."""

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
    """Statistics of a set of real images, and how they were made. None means that the file does not say.

    ``protocol`` and ``version`` name an entry of PROTOCOLS; any protocol with the same extractor and version
    can use them. ``moments.n`` is 0 if ``n`` is None. ``features`` are float32 [n, d]. ``image_size`` is
    (height, width) if all images had the same. ``image_digest`` identifies the images, ``weights_digest`` the
    extractor (its ``digest``), ``versions`` the libraries by name. ``origin`` is the kind of file they were
    read from, empty for new ones.
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
        """The input of metrics.evaluate.prepare: the features if they were kept, else the moments."""
        return self.moments if self.features is None else self.features


def check_stats(
    stats: Stats,
    protocol: Protocol,
    *,
    dim: int,
    image_size: tuple[int, int] | None = None,
    weights_digest: str | None = None,
) -> list[str]:
    """Return notes on what remains uncertain if ``protocol`` is evaluated with these statistics.

    Args:
        stats: The statistics of the real images.
        protocol: The protocol to evaluate.
        dim: Feature dimensions of the generated images.
        image_size: (height, width) of the generated images.
        weights_digest: Digest of the extractor's weights.

    Raises:
        MetricsError: The two cannot be compared: extractor, version, dimensions or weights differ, or the
            formula needs features and none were kept.
    """
    _refuse_other_makings(stats, protocol, weights_digest)
    if stats.moments.dim != dim:
        raise MetricsError(
            f"the statistics have {stats.moments.dim} dimensions, {protocol.extractor} gives {dim}: "
            "they come from another extractor"
        )
    if not protocol.formula.moments_suffice and stats.features is None:
        raise MetricsError(f"{protocol.name} needs the real features, but the statistics hold none")
    notes = []
    if stats.protocol is None:
        notes.append(f"the statistics do not name their protocol; {protocol.name} is assumed")
    if stats.n is None:
        notes.append("the statistics do not say how many images they come from")
    elif stats.n <= dim:
        notes.append(f"the statistics come from {stats.n} images, no more than the {dim} dimensions")
    if stats.image_size and image_size and stats.image_size != image_size:
        real, generated = (f"{width}x{height}" for height, width in (stats.image_size, image_size))
        notes.append(f"the real images were {real} pixels, the generated ones are {generated}")
    return notes


def _refuse_other_makings(stats: Stats, protocol: Protocol, weights_digest: str | None) -> None:
    """Raise MetricsError if the statistics say that they were made in another way."""
    if stats.protocol is not None:
        made = PROTOCOLS.get(stats.protocol)
        # The name of a formula of an extractor from outside ends with that of the extractor.
        extractor = made.extractor if made else stats.protocol.rpartition("@")[2]
        if extractor != protocol.extractor:
            raise MetricsError(f"the statistics were made for {stats.protocol}, not for {protocol.name}")
        if stats.version != protocol.version:
            raise MetricsError(
                f"the statistics were made by version {stats.version} of {stats.protocol}, "
                f"{protocol.name} is at version {protocol.version}: make them again"
            )
    if stats.weights_digest and weights_digest and stats.weights_digest != weights_digest:
        raise MetricsError(f"the statistics were made with other weights of {protocol.extractor}")
