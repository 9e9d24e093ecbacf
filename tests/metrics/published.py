"""Published weights for the tests marked `weights`: from the weights folder, or the test is skipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from metrics.networks import NETWORKS
from sdbench.models.home import weights_folder

__all__ = ["published_weights"]


def published_weights(network: str) -> Path:
    """Return the file of a network's published weights; skips the test where it is not there."""
    path = weights_folder() / NETWORKS[network].file
    if not path.is_file():
        pytest.skip(f"the weights of {network} are not there: {path}")
    return path
