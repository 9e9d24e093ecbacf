"""The model that `--ckpt`, `--config` and `--laion400m` choose."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from reference_model import CheckpointError, LatentDiffusion, load_checkpoint
from reference_model.config import LAION_400M, ModelConfig
from sdbench.errors import InputError
from sdbench.models.entry import ModelEntry
from sdbench.models.sources import ReferenceSource
from sdbench.paths import existing_file
from sdbench.registry import known_names, locate_all
from sdbench.scripts.arguments import CKPT, CONFIG
from sdbench.scripts.settings import Settings

__all__ = ["ModelSource", "model_source", "open_model", "precision_scope"]

LAION_CONFIG = "configs/latent-diffusion/txt2img-1p4B-eval.yaml"
LAION_CKPT = "models/ldm/text2img-large/model.ckpt"
LAION_PAGE = "https://ommer-lab.com/files/latent-diffusion/nitro/txt2img-f8-large/model.ckpt"


@dataclass(frozen=True)
class ModelSource:
    """Weights that are there, and what describes them.

    `config` None: what a folder says; Stable Diffusion v1 for a file.
    """

    weights: Path
    config: Path | ModelConfig | None


def model_source(ckpt: str | None, config: str | None, *, laion400m: bool = False) -> ModelSource:
    """Find the files. Explicit paths win over `laion400m`, which the original lets override them.

    Raises InputError, in one line that says where to get the weights, when they are not there.
    """
    described = existing_file(config, "--config") if config is not None else None
    found = _default_weights(laion400m) if ckpt is None else _named_weights(ckpt)
    if described or found.config:
        return ModelSource(found.path, described or found.config)
    default = Path(LAION_CONFIG if laion400m else CONFIG)
    if found.path.is_file() and not found.catalogued and default.is_file():
        return ModelSource(found.path, default)
    return ModelSource(found.path, LAION_400M if laion400m else None)


def _named_weights(ckpt: str) -> ReferenceSource:
    named = ckpt in known_names()
    entry = ModelEntry(name=ckpt) if named else ModelEntry(name="ckpt", path=ckpt)
    found = locate_all([entry])[0]
    if not isinstance(found, ReferenceSource):
        raise InputError(f"--ckpt {ckpt}: holds no weights for the reference model")
    return found


def _default_weights(laion400m: bool) -> ReferenceSource:
    path = Path(LAION_CKPT if laion400m else CKPT)
    if path.is_file():
        return ReferenceSource("ckpt", path)
    if laion400m:
        raise InputError(f"{path} not found: download it from {LAION_PAGE}, or name another with --ckpt")
    raise InputError(
        f"{path} not found: name weights with --ckpt: shapes-v1-4 needs no download, "
        "sd-v1-4 comes with 'sdbench models fetch sd-v1-4', or give a file"
    )


def open_model(source: ModelSource, settings: Settings, device: str) -> LatentDiffusion:
    """Load the model; InputError where the file holds none, or where `C` and `f` are not the model's."""
    try:
        model = load_checkpoint(source.weights, source.config, device)
    except CheckpointError as error:
        raise InputError(f"--ckpt: {error}") from None
    channels, f = model.config.unet.in_channels, model.config.autoencoder.downsampling
    if (settings.C, settings.f) != (channels, f):
        raise InputError(
            f"--C {settings.C} --f {settings.f} do not fit the model, which has {channels} latent channels "
            f"and {f} pixels a latent"
        )
    return model


def precision_scope(precision: str, device: str) -> AbstractContextManager[object]:
    """Half precision for "autocast" on a GPU, as in the original; float32 otherwise."""
    return torch.autocast("cuda") if precision == "autocast" and device == "cuda" else nullcontext()
