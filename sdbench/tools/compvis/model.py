"""The model that `--ckpt`, `--config` and `--laion400m` choose."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import torch

from reference_model import CheckpointError, LatentDiffusion, load_checkpoint
from reference_model.config import LAION_400M, ModelConfig
from sdbench.core.errors import InputError
from sdbench.core.paths import existing_file
from sdbench.core.progress import ImageProgress
from sdbench.models.fetched import file_digests, read_origin
from sdbench.models.registry import known_names, locate_all
from sdbench.models.sources import ReferenceSource
from sdbench.spec.model_entry import ModelEntry
from sdbench.tools.compvis.arguments import CKPT, CONFIG
from sdbench.tools.compvis.settings import Options

__all__ = ["ModelSource", "model_source", "open_model", "precision_scope"]

LAION_CONFIG = "configs/latent-diffusion/txt2img-1p4B-eval.yaml"
LAION_CKPT = "models/ldm/text2img-large/model.ckpt"
LAION_PAGE = "https://ommer-lab.com/files/latent-diffusion/nitro/txt2img-f8-large/model.ckpt"

SILENCE = 2.0
"""Seconds of hashing after which a line reports it."""


@dataclass(frozen=True)
class ModelSource:
    """Existing weights and their configuration.

    Attributes:
        weights: A file or a diffusers folder.
        config: None means the folder's own config, or Stable Diffusion v1 for a file.
        use_ema: None means what the config says.
    """

    weights: Path
    config: Path | ModelConfig | None
    use_ema: bool | None = None


def model_source(ckpt: str | None, config: str | None, *, laion400m: bool = False) -> ModelSource:
    """Find the files. Explicit paths win over `laion400m`; in the original it overrides them.

    Raises:
        InputError: A file is missing; the line says where to get the weights.
    """
    described = existing_file(config, "--config") if config is not None else None
    found = _default_weights(laion400m) if ckpt is None else _named_weights(ckpt)
    chosen = described or found.config or _default_config(found, laion400m)
    return ModelSource(found.path, chosen, found.use_ema)


def _named_weights(ckpt: str) -> ReferenceSource:
    named = ckpt in known_names()
    entry = ModelEntry(name=ckpt) if named else ModelEntry(name="ckpt", path=ckpt)
    found = locate_all([entry])[0]
    if not isinstance(found, ReferenceSource):
        raise InputError(f"--ckpt {ckpt}: contains no weights for the reference model")
    return found


def _default_weights(laion400m: bool) -> ReferenceSource:
    path = Path(LAION_CKPT if laion400m else CKPT)
    if path.is_file():
        return ReferenceSource("ckpt", path)
    if laion400m:
        raise InputError(f"{path} not found: download it from {LAION_PAGE}, or choose another with --ckpt")
    raise InputError(
        f"{path} not found: choose weights with --ckpt: shapes-v1-4 (no download), sd-v1-4 (after "
        "'sdbench models fetch sd-v1-4') or a file"
    )


def _default_config(found: ReferenceSource, laion400m: bool) -> Path | ModelConfig | None:
    path = Path(LAION_CONFIG if laion400m else CONFIG)
    if found.path.is_file() and not found.catalogued and path.is_file():
        return path
    return LAION_400M if laion400m else None


def open_model(
    source: ModelSource, options: Options, device: str, progress: ImageProgress
) -> LatentDiffusion:
    """Load the model.

    Raises:
        InputError: The files differ from what was fetched or contain no model, or `C` and `f` do not fit it.
    """
    _check_digests(source.weights, progress)
    try:
        model = load_checkpoint(source.weights, source.config, device, source.use_ema)
    except CheckpointError as error:
        raise InputError(f"--ckpt: {error}") from None
    channels, f = model.config.unet.in_channels, model.config.autoencoder.downsampling
    if (options.C, options.f) != (channels, f):
        raise InputError(
            f"--C {options.C} --f {options.f} do not fit the model, which has {channels} latent channels "
            f"and {f} pixels per latent"
        )
    return model


def _check_digests(weights: Path, progress: ImageProgress) -> None:
    """Compare the weights with the digests stored when they were fetched, if they were."""
    if read_origin(weights) is None:
        return
    line = f"verifying the digests of {weights}"
    slow = Timer(SILENCE, progress.notes, [[line]])
    slow.start()
    try:
        file_digests(weights)
    finally:
        slow.cancel()


def precision_scope(precision: str, device: str) -> AbstractContextManager[object]:
    """Half precision for "autocast" on a GPU, as in the original; float32 otherwise."""
    return torch.autocast("cuda") if precision == "autocast" and device == "cuda" else nullcontext()
