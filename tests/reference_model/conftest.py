"""Numbers and a tiny checkpoint from the original code; see tests/goldens/README.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from reference_model import LatentDiffusion, load_checkpoint

GOLDENS = Path(__file__).parents[1] / "goldens"


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
    return load_checkpoint(GOLDENS / "tiny" / "v1-tiny.ckpt", GOLDENS / "tiny" / "v1-tiny.yaml")


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield
