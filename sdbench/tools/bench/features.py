"""Images to features: our extractor against torch-fidelity's and torchmetrics', with the same weights."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from metrics.features import EXTRACTORS
from sdbench.tools.bench.clock import Work, interleaved
from sdbench.tools.bench.machine import Bench
from sdbench.tools.bench.rows import Row, rows_of

__all__ = ["measure", "save_random_inception"]

SIDE = 256
FIDELITY = "torch-fidelity"
CPU_BATCH, GPU_BATCH = 4, 64


def measure(bench: Bench) -> list[Row]:
    """Time Inception v3 with random weights, from 8-bit 256-pixel images to features in CPU memory."""
    size = CPU_BATCH if bench.device == "cpu" else GPU_BATCH
    pictures = np.random.default_rng(0).integers(0, 256, (size, SIDE, SIDE, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "inception.pth"
        save_random_inception(weights)
        extractor = EXTRACTORS["inception-v3"].build(weights, device=bench.device)
        works = {"sdbench": lambda: extractor.images(pictures)} | _others(weights, pictures, bench.device)
    timings = interleaved(works, bench.rounds, bench.say)
    apart = np.abs(timings["sdbench"].output - timings[FIDELITY].output).max()
    notes = {"sdbench": f"largest difference {apart:.1e}"}
    return rows_of("features: inception-v3", "image", size, timings, against=FIDELITY, notes=notes)


def _others(weights: Path, pictures: np.ndarray, device: str) -> dict[str, Work]:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    classes = {FIDELITY: FeatureExtractorInceptionV3}
    if find_spec("torchmetrics") is not None:
        from torchmetrics.image.fid import NoTrainInceptionV3

        classes["torchmetrics"] = NoTrainInceptionV3
    given = torch.from_numpy(pictures).permute(0, 3, 1, 2)

    def work(network: torch.nn.Module) -> Work:
        @torch.inference_mode()
        def features() -> np.ndarray:
            found = network(given.to(device))
            return (found[0] if isinstance(found, tuple) else found).cpu().numpy()

        return features

    path = str(weights)
    return {
        name: work(kind("other", ["2048"], feature_extractor_weights_path=path).eval().to(device))
        for name, kind in classes.items()
    }


def save_random_inception(path: Path) -> None:
    """Write random weights of Inception v3 in the format of torch-fidelity's file."""
    from torch_fidelity import feature_extractor_inceptionv3 as port

    torch.manual_seed(0)
    with _nothing_loaded(port):
        torch.save(port.FeatureExtractorInceptionV3("random", ["2048"]).state_dict(), path)


@contextmanager
def _nothing_loaded(port: object) -> Iterator[None]:
    """Keep the constructor from downloading the published weights; random ones take the same time."""
    network = port.FeatureExtractorInceptionV3  # type: ignore[attr-defined]
    with (
        mock.patch.object(port, "load_state_dict_from_url", return_value={}),
        mock.patch.object(network, "load_state_dict"),
    ):
        yield
