"""Load a latent diffusion model from the files that people have."""

from __future__ import annotations

from pathlib import Path

import torch

from reference_model.checkpoints._diffusers_config import read_folder_config
from reference_model.checkpoints._diffusers_folder import open_folder
from reference_model.checkpoints._files import open_weights
from reference_model.checkpoints._fill import check_fit, check_schedule, fill, refill
from reference_model.checkpoints._stored import StoredTensor
from reference_model.checkpoints.compvis import choose_weights, is_known_extra
from reference_model.checkpoints.diffusers import original_layout
from reference_model.config import ModelConfig
from reference_model.config_file import load_config
from reference_model.errors import CheckpointError
from reference_model.folder_files import REFERENCE_PARTS
from reference_model.hub import hub_folder, is_hub_id
from reference_model.latent_diffusion import LatentDiffusion

__all__ = ["load_checkpoint", "locate", "read_config", "reload_checkpoint"]

SUFFIXES = (".ckpt", ".safetensors", ".pt", ".pth", ".bin")


def load_checkpoint(
    source: str | Path,
    config: str | Path | ModelConfig | None = None,
    device: str = "cpu",
    use_ema: bool | None = None,
) -> LatentDiffusion:
    """Build the model that ``config`` describes and fill it from ``source``, float32, ready to sample.

    Nothing in a file is executed.

    Args:
        source: a file in the original key layout (.ckpt or .safetensors), a diffusers folder, or a hub id
            "organisation/name", whose files are downloaded to the Hugging Face cache.
        config: an original-format YAML file or a configuration; None means Stable Diffusion v1. A folder
            brings its own.
        device: where the model goes.
        use_ema: True takes the EMA weights of a file that holds both sets, False the plain ones; None takes
            what the config says, and the EMA weights of a file that holds no others.

    Raises:
        CheckpointError: one line that says what does not fit.
    """
    path = locate(source)
    settings = read_config(path, config)
    model = _skeleton(
        settings, str(source) if isinstance(config, ModelConfig) or not config else f"config {config}"
    )
    fill(model, _stored(path, model, use_ema, str(source)), device, str(source))
    return model.eval().requires_grad_(False)


def reload_checkpoint(model: LatentDiffusion, source: str | Path, use_ema: bool | None = None) -> None:
    """Write the weights of ``source`` over those of ``model``, whose configuration they must have.

    What was compiled stays so, and no second model is in memory. Raises CheckpointError as
    `load_checkpoint`; the model is of no use afterwards.
    """
    refill(model, _stored(locate(source), model, use_ema, str(source)), str(source))


def _stored(path: Path, model: LatentDiffusion, use_ema: bool | None, label: str) -> dict[str, StoredTensor]:
    """The tensors of a file or folder by the names of the model's weights, which they fit."""
    wanted, settings = model.state_dict(), model.config
    if path.is_dir():
        if use_ema:
            raise CheckpointError(
                f"{label} is a diffusers folder, which has one set of weights: no EMA to choose"
            )
        stored = original_layout(open_folder(path), wanted, settings)
    else:
        stored = choose_weights(open_weights(path), wanted, use_ema, settings.use_ema, label)
    check_fit(stored, wanted, is_known_extra, label)
    check_schedule(stored, model.schedule, label)
    return stored


def locate(source: str | Path) -> Path:
    """The file or folder that ``source`` means; a hub id is downloaded, or found in the cache.

    Raises:
        CheckpointError: there is nothing, or the hub cannot be reached.
    """
    path = Path(source)
    if path.exists():
        return path
    if isinstance(source, str) and is_hub_id(source) and path.suffix not in SUFFIXES:
        return hub_folder(source, REFERENCE_PARTS)
    raise CheckpointError(f"no checkpoint at {source}")


def read_config(path: Path, config: str | Path | ModelConfig | None = None) -> ModelConfig:
    """The configuration that the weights at ``path`` are loaded with; see `load_checkpoint`.

    Raises:
        CheckpointError: it cannot be read, or a folder is given another one than its own.
    """
    if path.is_dir():
        settings = read_folder_config(path)
        if config is not None:
            raise CheckpointError(f"{path} is a diffusers folder and brings its own config: leave config out")
        return settings
    if isinstance(config, ModelConfig):
        return config
    return load_config(Path(config)) if config else ModelConfig()


def _skeleton(settings: ModelConfig, label: str) -> LatentDiffusion:
    """The model without memory for its weights, its tokenizer read."""
    try:
        with torch.device("meta"):
            model = LatentDiffusion(settings)
        tokens = len(model.tokenizer)
    except (ArithmeticError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{label}: describes no model that can be built: {error!r}") from error
    if tokens > settings.text_encoder.vocab_size:
        raise CheckpointError(
            f"{label}: the vocabulary has {tokens} tokens, vocab_size is {settings.text_encoder.vocab_size}"
        )
    return model
