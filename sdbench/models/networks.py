"""The networks of metrics: their files on this machine. `sdbench models fetch` brings what is missing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from metrics.networks import NETWORKS
from sdbench.core.errors import InputError
from sdbench.core.paths import typed_path
from sdbench.models.home import weights_folder
from sdbench.models.hub import cached_file

__all__ = ["NETWORKS", "missing_networks", "network_file", "network_files", "require_networks"]


def network_file(name: str) -> Path | None:
    """Return the weights of a network in the weights folder or the cache of a library; None without any."""
    network = NETWORKS[name]
    fetched = weights_folder() / network.file
    if fetched.is_file():
        return fetched
    if network.repository is not None:
        return cached_file(network.repository, network.published)
    cached = _torch_hub() / network.file
    return cached if cached.is_file() else None


def network_files(name: str) -> list[Path] | None:
    """Return the weights of a network and of those it needs beside it; None if a file is missing."""
    found = [network_file(each) for each in (name, *NETWORKS[name].also)]
    here = [path for path in found if path is not None]
    return here if len(here) == len(found) else None


def missing_networks(names: Iterable[str]) -> list[str]:
    """Return those of the networks, and of those they need beside them, that are not on this machine."""
    wanted = [each for name in names if name in NETWORKS for each in (name, *NETWORKS[name].also)]
    return [name for name in dict.fromkeys(wanted) if network_file(name) is None]


def require_networks(names: Iterable[str]) -> None:
    """Raise InputError with the command that fetches the networks that are not on this machine, if any."""
    missing = missing_networks(names)
    if missing:
        raise InputError(
            f"metrics: the weights of {', '.join(missing)} are not on this machine; "
            f"fetch with: sdbench models fetch {' '.join(missing)}"
        )


def _torch_hub() -> Path:
    """Return the folder in which torch hub keeps files; asking torch itself would take seconds."""
    home = os.environ.get("TORCH_HOME")
    if not home:
        home = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch")
    return typed_path(home) / "hub" / "checkpoints"
