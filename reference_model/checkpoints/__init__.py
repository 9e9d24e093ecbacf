"""Load a latent diffusion model from the formats in common use."""

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
from reference_model.checkpoints.lora import Lora, merge
from reference_model.config import ModelConfig
from reference_model.config_file import load_config
from reference_model.errors import CheckpointError
from reference_model.folder_files import REFERENCE_PARTS
from reference_model.hub import hub_folder, is_hub_id
from reference_model.latent_diffusion import LatentDiffusion

__all__ = ["Lora", "load_checkpoint", "locate", "read_config", "reload_checkpoint"]

SUFFIXES = (".ckpt", ".safetensors", ".pt", ".pth", ".bin")


def load_checkpoint(
    source: str | Path,
    config: str | Path | ModelConfig | None = None,
    device: str = "cpu",
    use_ema: bool | None = None,
    lora: Lora | None = None,
) -> LatentDiffusion:
    """Build the model that ``config`` describes and load ``source`` into it: float32, ready to sample.

    Nothing in a file is executed.

    Args:
        source: a file in the original key layout (.ckpt or .safetensors), a diffusers folder, or a hub id
            "organisation/name", whose files are downloaded to the Hugging Face cache.
        config: an original-format YAML file or a configuration; None means Stable Diffusion v1. A folder
            has its own.
        device: the model's device.
        use_ema: if a file holds both sets of weights, True takes the EMA ones and False the plain ones; None
            follows the config, or takes the EMA weights if the file holds no others.
        lora: a change that is merged into the weights.

    Raises:
        CheckpointError: one line on what does not fit.
    """
    path = locate(source)
    settings = read_config(path, config)
    model = _skeleton(
        settings, str(source) if isinstance(config, ModelConfig) or not config else f"config {config}"
    )
    fill(model, _stored(path, model, use_ema, lora, str(source)), device, str(source))
    return model.eval().requires_grad_(False)


def reload_checkpoint(
    model: LatentDiffusion, source: str | Path, use_ema: bool | None = None, lora: Lora | None = None
) -> None:
    """Overwrite the weights of ``model`` with those of ``source``, which must have the same configuration.

    Compiled networks stay compiled, and memory never holds a second model. Raises CheckpointError as
    `load_checkpoint` does; the model is unusable afterwards.
    """
    refill(model, _stored(locate(source), model, use_ema, lora, str(source)), str(source))


def _stored(
    path: Path, model: LatentDiffusion, use_ema: bool | None, lora: Lora | None, label: str
) -> dict[str, StoredTensor]:
    """The tensors of a file or folder under the names of the model's weights; checks that they fit."""
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
    return stored if lora is None else merge(stored, lora, wanted, settings)


def locate(source: str | Path) -> Path:
    """The file or folder that ``source`` refers to; a hub id is downloaded unless it is cached.

    Raises:
        CheckpointError: the source does not exist, or the hub cannot be reached.
    """
    path = Path(source)
    if path.exists():
        return path
    if isinstance(source, str) and is_hub_id(source) and path.suffix not in SUFFIXES:
        return hub_folder(source, REFERENCE_PARTS)
    raise CheckpointError(f"no checkpoint at {source}")


def read_config(path: Path, config: str | Path | ModelConfig | None = None) -> ModelConfig:
    """The configuration for loading the weights at ``path``; see `load_checkpoint`.

    Raises:
        CheckpointError: it cannot be read, or ``config`` is given for a folder, which has its own.
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
    """The model without memory for its weights, but with its tokenizer loaded."""
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
