"""Recorded runs of the original scripts, and a fixture that repeats them with our commands and watches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reference_model import LatentDiffusion, image_to_image, load_checkpoint
from sdbench.cli import main
from sdbench.tools.compvis import img2img, model, txt2img
from sdbench.tools.compvis.noise import BatchNoise

GOLDENS = Path(__file__).parents[3] / "goldens"
TINY = ["--config", str(GOLDENS / "tiny/v1-tiny.yaml"), "--ckpt", str(GOLDENS / "tiny/v1-tiny.ckpt")]
UNCHECKED = ["--safety-checker", "off", "--no-watermark"]
PICTURE = str(GOLDENS / "tiny/init-64x64.png")

load_once = cache(load_checkpoint)


class Golden:
    """A run of an original script."""

    def __init__(self, name: str) -> None:
        self.folder = GOLDENS / "cli" / name
        self.record: dict[str, Any] = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))

    @cached_property
    def trace(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / "trace.npz") as file:
            return dict(file)

    def argv(self, outdir: Path) -> list[str]:
        """The same command for `main`, with the paths of this checkout."""
        script, *flags = self.record["command"][1:]
        flags = [str(GOLDENS / f) if f.startswith(("tiny/", "cli/")) else f for f in flags]
        flags[flags.index("--outdir") + 1] = str(outdir)
        return [Path(script).stem, *flags, *UNCHECKED]


@dataclass
class Watched:
    """What a command did: exit code, files, and per batch the latents, decoded images and UNet calls.

    For img2img also the mean and standard deviation of the picture's latents, the latents sampled from them,
    and per batch those latents with noise.
    """

    outdir: Path
    code: int = 0
    latents: list[torch.Tensor] = field(default_factory=list)
    decoded: list[torch.Tensor] = field(default_factory=list)
    unet_calls: list[int] = field(default_factory=list)
    draws: list[torch.Tensor] = field(default_factory=list)
    moments: dict[str, torch.Tensor] = field(default_factory=dict)
    init_latents: list[torch.Tensor] = field(default_factory=list)
    noised: list[torch.Tensor] = field(default_factory=list)

    @property
    def files(self) -> set[str]:
        return {str(path.relative_to(self.outdir)) for path in self.outdir.rglob("*") if path.is_file()}


def said(capsys: pytest.CaptureFixture[str], start: str) -> list[str]:
    """Lines of stderr that begin with `start`."""
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith(start)]


@pytest.fixture(autouse=True)
def _on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on the CPU: a CPU generator drew the goldens' noise."""
    for command in (txt2img, img2img):
        monkeypatch.setattr(command, "best_device", lambda: "cpu")
    monkeypatch.setattr(model, "load_checkpoint", load_once)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    """Run a command on the tiny model and watch it."""
    tiny = load_once(GOLDENS / "tiny/v1-tiny.ckpt", GOLDENS / "tiny/v1-tiny.yaml", "cpu", None)
    seen = Watched(tmp_path / "out")
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    def decode(self: LatentDiffusion, z: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        seen.unet_calls.append(calls)
        calls = 0
        seen.latents.append(z)
        seen.decoded.append(original_decode(self, z))
        return seen.decoded[-1]

    def draw(self: BatchNoise) -> torch.Tensor:
        seen.draws.append(original_draw(self))
        return seen.draws[-1]

    def encode(self: LatentDiffusion, images: torch.Tensor) -> Any:
        posterior = original_encode(self, images)
        seen.moments = {"mean": posterior.mean, "std": posterior.std}
        return posterior

    def add_noise(z: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen.init_latents.append(z)
        seen.noised.append(original_add_noise(z, *rest))
        return seen.noised[-1]

    original_decode, original_draw = LatentDiffusion.decode, BatchNoise.__call__
    original_encode, original_add_noise = LatentDiffusion.encode, image_to_image.stochastic_encode
    monkeypatch.setattr(LatentDiffusion, "decode", decode)
    monkeypatch.setattr(LatentDiffusion, "encode", encode)
    monkeypatch.setattr(image_to_image, "stochastic_encode", add_noise)
    monkeypatch.setattr(BatchNoise, "__call__", draw)
    hook = tiny.unet.register_forward_pre_hook(count)

    def run(argv: list[str], posterior_noise: np.ndarray | None = None) -> Watched:
        if posterior_noise is not None:
            given = partial(original_command, posterior_noise=torch.from_numpy(posterior_noise))
            monkeypatch.setattr(img2img, "image_to_image", given)
        seen.code = main(argv)
        return seen

    original_command = img2img.image_to_image
    yield run
    hook.remove()


@pytest.fixture
def command(watch: Callable[..., Watched], tmp_path: Path) -> Callable[..., Watched]:
    """Run a command on the tiny model; by default 64 x 64 pixels, 4 steps and one image."""

    def run(name: str, *flags: str) -> Watched:
        small = ["--ddim_steps", "4", "--n_iter", "1", "--n_samples", "1", "--outdir", str(tmp_path / "out")]
        size = ["--H", "64", "--W", "64"] if name == "txt2img" else []
        return watch([name, *TINY, *small, *size, *UNCHECKED, *flags])

    return run
