"""A tiny experiment of real weights and an extractor that averages pixels; images to score; a hub."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import fsspec
import huggingface_hub
import numpy as np
import pytest
import yaml
from PIL import Image

from metrics.features import EXTRACTORS
from metrics.networks import NETWORKS
from reference_model import LatentDiffusion, load_checkpoint
from reference_model.checkpoints import Lora
from sdbench.cli import main
from sdbench.models.home import weights_folder
from sdbench.scoring.extractors import build_extractor
from tests.sdbench.fake_hub import REPOSITORIES, Hub, serving
from tests.sdbench.tiny_runs import content, no_page

DIM = 3
N = 12
"""Images to score, and prompts."""


@pytest.fixture(autouse=True)
def no_reference_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share no features of reference sets, unless they ask for the cache."""
    monkeypatch.setenv("SDBENCH_CACHE_GB", "0")


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The URL of an empty bucket on an S3 server of our own."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "none")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        fsspec.filesystem("s3").mkdir("bucket")
        yield "s3://bucket"
    server.stop()


@pytest.fixture(params=["local", "memory", "s3", "renaming"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a run may lie: a folder, two object stores, and a file system that fsspec renames files in."""
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/{tmp_path.name}"
    return {
        "local": str(tmp_path / "run"),
        "memory": f"memory://{tmp_path.name}",
        "renaming": f"local://{tmp_path}/renaming",
    }[request.param]


def loaded_once(
    path: Path, config: Path | None, device: str, use_ema: bool | None, lora: Lora | None = None
) -> LatentDiffusion:
    """A copy, since a run writes other weights over it: loading is most of a tiny run's time."""
    if lora is not None:
        return load_checkpoint(path, config, device, use_ema, lora)
    return deepcopy(_loaded(path, config, device, use_ema))


@cache
def _loaded(path: Path, config: Path | None, device: str, use_ema: bool | None) -> LatentDiffusion:
    return load_checkpoint(path, config, device, use_ema)


@dataclass
class PixelExtractor:
    """Mean colour as image features; a text's features are drawn from its own digest."""

    name: str
    digest: str = "pixels"
    dim: int = DIM
    calls: list[int] = field(default_factory=list)

    def images(self, images: np.ndarray) -> np.ndarray:
        self.calls.append(len(images))
        return (images.mean(axis=(1, 2)) / 255 + 0.01).astype(np.float32)

    def texts(self, texts: list[str]) -> np.ndarray:
        rows = [np.frombuffer(hashlib.sha256(text.encode()).digest()[:DIM], np.uint8) for text in texts]
        return (np.stack(rows) / 255 + 0.01).astype(np.float32)


@pytest.fixture
def pixels(monkeypatch: pytest.MonkeyPatch) -> Iterator[PixelExtractor]:
    """Stands in for the extractors that need downloads; its `calls` are the sizes of image batches."""
    extractor = PixelExtractor("clip-vit-l-14")
    inception = PixelExtractor("inception-v3", calls=extractor.calls)
    for network in (extractor, inception):
        factory = replace(EXTRACTORS[network.name], build=lambda weights, device, built=network: built)
        monkeypatch.setitem(EXTRACTORS, network.name, factory)
    monkeypatch.setattr("sdbench.scoring.extractors.require_networks", lambda names: None)
    build_extractor.cache_clear()
    yield extractor
    build_extractor.cache_clear()


class Lengths:
    """Stands in for a network of images and prompts: mean level plus length of the prompt.

    `seen` is how many pairs it was given.
    """

    digest = "lengths"
    seen = 0

    def __call__(self, images: np.ndarray, prompts: Sequence[str]) -> np.ndarray:
        self.seen += len(images)
        return images.mean(axis=(1, 2, 3)) + np.array([len(prompt) for prompt in prompts])


@pytest.fixture
def reward(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lengths]:
    """Stands in for ImageReward, whose files in the weights folder are empty; SDBENCH_HOME must be set."""
    weights_folder().mkdir(parents=True, exist_ok=True)
    for name in ("image-reward", *NETWORKS["image-reward"].also):
        (weights_folder() / NETWORKS[name].file).touch()
    network = Lengths()
    factory = replace(EXTRACTORS["image-reward"], build=lambda weights, vocabulary, device: network)
    monkeypatch.setitem(EXTRACTORS, "image-reward", factory)
    build_extractor.cache_clear()
    yield network
    build_extractor.cache_clear()


@pytest.fixture
def reference_folder(tmp_path: Path) -> Path:
    """Twelve images of random colours, not all of one size."""
    folder = tmp_path / "reference"
    folder.mkdir()
    random = np.random.default_rng(7)
    for i in range(12):
        sink = io.BytesIO()
        image = np.broadcast_to(random.integers(0, 256, 3, dtype=np.uint8), (64 + i, 70, 3))
        Image.fromarray(np.ascontiguousarray(image)).save(sink, "PNG")
        (folder / f"{i:02d}.png").write_bytes(sink.getvalue())
    return folder


@pytest.fixture
def tiny(pixels: PixelExtractor, reference_folder: Path) -> dict[str, Any]:
    """The content of a spec: 2 cells of 6 images in units of 4, checkpoint, prompts and reference at hand."""
    return content(
        prompts=["a red circle", "a blue square", "a green cross", "a ring", "a moon", "a star on white"],
        reference={"source": "folder", "path": str(reference_folder)},
        batch_size=3,
        unit_size=4,
        metrics=["fid-inception-tf", "clip-score-vit-l-14"],
    )


@pytest.fixture
def spec_file(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Write a spec's content as YAML and return its path."""

    def write(content: dict[str, Any]) -> Path:
        path = tmp_path / "spec.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return write


@pytest.fixture
def run_tiny(
    monkeypatch: pytest.MonkeyPatch, spec_file: Callable[[dict[str, Any]], Path]
) -> Callable[..., Any]:
    """Run a spec's content into a folder, without drawing its page, and return the outcome."""
    from sdbench.models import reference
    from sdbench.spec import load_spec
    from sdbench.sweep import runner
    from sdbench.sweep.executors import EXECUTORS
    from sdbench.sweep.progress import RunProgress

    monkeypatch.setattr(reference, "load_checkpoint", loaded_once)

    def run(content: dict[str, Any], root: Path, executor: Any = None, draw: Any = no_page) -> Any:
        executors = EXECUTORS if executor is None else {"inline": executor}
        spec = load_spec(spec_file(content))
        return runner.run_experiment(spec, root, RunProgress(), executors=executors, draw=draw)

    return run


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    """Twelve images of 9x7 pixels."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for i, pixels in enumerate(np.random.default_rng(4).integers(0, 256, (N, 7, 9, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")
    return folder


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A file of twelve prompts."""
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(f"prompt {i}" for i in range(N)))
    return path


@pytest.fixture
def score(
    generated: Path, prompts: Path, reference_folder: Path, tmp_path: Path, pixels: Any
) -> Callable[..., int]:
    """Run the command on `images` with other arguments than the usual ones; None leaves one away."""

    def run(images: Path = generated, **changes: Any) -> int:
        usual = {
            "prompts": prompts,
            "reference": reference_folder,
            "metrics": "fid-inception-tf,clip-score-vit-l-14",
            "out": tmp_path / "scores",
        }
        given = {name: value for name, value in {**usual, **changes}.items() if value is not None}
        return main(["score", str(images), *(f"--{name}={value}" for name, value in given.items())])

    return run


def rows(folder: Path, file: str = "results.csv") -> list[dict[str, str]]:
    """A table that scoring wrote."""
    with (folder / file).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def features(folder: Path, pixels: Any) -> np.ndarray:
    """Those of the images of a folder, in the order of their names."""
    return pixels.images(np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and an empty Hugging Face cache."""
    monkeypatch.setenv("SDBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "home"


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine, which the library's client asks."""
    with serving(Hub(REPOSITORIES)) as hub:
        client = functools.partial(huggingface_hub.HfApi, endpoint=hub.endpoint)
        monkeypatch.setattr(huggingface_hub, "HfApi", client)
        yield hub


@pytest.fixture(scope="session")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a diffusers pipeline, for tests that only read it."""
    from tests.sdbench import tiny_pipelines

    return tiny_pipelines.save_stable_diffusion(tmp_path_factory.mktemp("sd") / "tiny-sd")
