"""Numbers and a tiny checkpoint from the original code; see tests/goldens/README.md."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch

from reference_model import CheckpointError, LatentDiffusion, load_checkpoint
from reference_model.checkpoints._files import open_weights

GOLDENS = Path(__file__).parents[1] / "goldens"
TINY_CKPT, TINY_YAML = GOLDENS / "tiny" / "v1-tiny.ckpt", GOLDENS / "tiny" / "v1-tiny.yaml"


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors in a file of weights, by name."""
    return {name: tensor.read() for name, tensor in open_weights(path).items()}


def refused(path: Path, config: Path | None = TINY_YAML) -> str:
    """The one line with which loading the file is refused; it names the file or its config."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path, config)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message or (config and str(config) in message)
    return message


class Goldens:
    """Arrays by name, as tensors."""

    def __init__(self, path: Path) -> None:
        self._file = np.load(path)

    def __getitem__(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self._file[name])

    def __contains__(self, name: str) -> bool:
        return name in self._file


@pytest.fixture(scope="session")
def goldens() -> Goldens:
    return Goldens(GOLDENS / "tiny" / "goldens.npz")


@pytest.fixture(scope="session")
def tiny() -> LatentDiffusion:
    return load_checkpoint(TINY_CKPT, TINY_YAML)


@pytest.fixture(scope="session")
def peer(tmp_path_factory):
    """The same kind of model from another implementation, saved as a diffusers folder."""
    from .diffusers_peer import Peer

    return Peer(tmp_path_factory.mktemp("peer"))


@pytest.fixture
def folder(peer, tmp_path):
    """A copy of the peer's folder that a test may change."""
    return copytree(peer.folder, tmp_path / "copy")


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield
