"""Load a latent diffusion model from the files that people have."""

from __future__ import annotations

from pathlib import Path

import torch

from reference_model.checkpoints._files import read_tensors
from reference_model.checkpoints.compvis import POSITION_IDS, compare_keys
from reference_model.config import ModelConfig, load_config
from reference_model.errors import CheckpointError
from reference_model.latent_diffusion import LatentDiffusion

__all__ = ["load_checkpoint"]


def load_checkpoint(path: Path, config: Path | None = None, device: str = "cpu") -> LatentDiffusion:
    """Build the model that ``config`` describes and fill it from ``path``, float32, ready to sample.

    Args:
        path: a .ckpt or .safetensors file in the original key layout. Nothing in it is executed.
        config: an original-format YAML file; None means Stable Diffusion v1.
        device: where the model goes.

    Raises:
        CheckpointError: one line that says what does not fit.
    """
    settings = load_config(config) if config else ModelConfig()
    model = _skeleton(settings, config)
    tensors = read_tensors(path)
    # A constant, which newer writers leave out.
    tensors[POSITION_IDS] = torch.arange(settings.text_encoder.max_position_embeddings)[None]
    wanted = model.state_dict()
    missing, unexpected = compare_keys(tensors, wanted)
    if missing or unexpected:
        raise CheckpointError(
            f"{path} does not fit its config: {len(missing)} missing keys{_examples(missing)}, "
            f"{len(unexpected)} unexpected keys{_examples(unexpected)}; check the config"
        )
    loaded = {}
    for name, target in wanted.items():
        tensor = tensors[name]
        if tensor.shape != target.shape:
            raise CheckpointError(
                f"{path} does not fit its config: {name} has shape {tuple(tensor.shape)}, "
                f"expected {tuple(target.shape)}"
            )
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path} is damaged: {name} holds values that are not finite")
        loaded[name] = tensor.to(target.dtype)
    model.load_state_dict(loaded, assign=True)
    if device == "cpu":
        # A third faster there. The decoder keeps its layout, since it amplifies rounding.
        model.unet.to(memory_format=torch.channels_last)
    return model.to(device).eval().requires_grad_(False)


def _skeleton(settings: ModelConfig, config: Path | None) -> LatentDiffusion:
    """The model without memory for its weights, its tokenizer read."""
    try:
        with torch.device("meta"):
            model = LatentDiffusion(settings)
        tokenizer = model.tokenizer
    except (ArithmeticError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"config {config}: describes no model that can be built: {error!r}") from error
    if tokenizer.end >= settings.text_encoder.vocab_size:
        raise CheckpointError(
            f"config {config}: the vocabulary has {tokenizer.end + 1} tokens, "
            f"vocab_size is {settings.text_encoder.vocab_size}"
        )
    return model


def _examples(keys: list[str]) -> str:
    return f" (first: {', '.join(keys[:2])})" if keys else ""
