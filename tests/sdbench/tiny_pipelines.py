"""Pipelines of the diffusers library with random weights, a few hundred kilobytes each, saved and run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reference_model import shapes
from reference_model.config_file import load_config
from reference_model.tokenizer import END, END_OF_WORD, START, byte_symbols, read_merges
from sdbench.data.prompts import Prompt
from sdbench.models.settings import Settings
from sdbench.models.sources import PipelineSource, ReferenceSource
from sdbench.sweep.batch_size import BatchSize
from sdbench.sweep.generate import generate_images

WIDTH = 32
TOKENS = 24
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
PROMPTS = (Prompt("a", "a red circle"), Prompt("b", "a blue square"), Prompt("c", "a green ring"))

# The libraries' own, about each other and NumPy; none comes from here.
WARNINGS_IGNORED = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:diffusers"),
]


def save_stable_diffusion(folder: Path, **scheduler: Any) -> Path:
    """A StableDiffusionPipeline with f = 2; `scheduler` is added to the settings of its PNDMScheduler."""
    import diffusers

    torch.manual_seed(0)
    settings = {"skip_prk_steps": True, "steps_offset": 1, "set_alpha_to_one": False, **SCHEDULE, **scheduler}
    pipeline = diffusers.StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=_text_encoder(),
        tokenizer=_tokenizer(folder),
        unet=_unet(),
        scheduler=diffusers.PNDMScheduler(**settings),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    # The published folders hold both; transformers 5 writes tokenizer.json alone.
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(folder.parent / f"{folder.name}-tokenizer" / name, folder / "tokenizer")
    return folder


def save_stable_diffusion_xl(folder: Path) -> Path:
    """A StableDiffusionXLPipeline with two text encoders."""
    import diffusers

    torch.manual_seed(1)
    pooled, ids = WIDTH, 6
    unet = _unet(
        cross_attention_dim=2 * WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=8 * ids + pooled,
    )
    pipeline = diffusers.StableDiffusionXLPipeline(
        vae=_autoencoder(),
        text_encoder=_text_encoder(),
        text_encoder_2=_text_encoder(projected=True),
        tokenizer=_tokenizer(folder),
        tokenizer_2=_tokenizer(folder),
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(**SCHEDULE),
        add_watermarker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def save_stable_diffusion_3(folder: Path) -> Path:
    """A StableDiffusion3Pipeline without its T5: a transformer and flow matching."""
    import diffusers

    torch.manual_seed(2)
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=16,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=WIDTH,
        joint_attention_dim=2 * WIDTH,
        pooled_projection_dim=2 * WIDTH,
        pos_embed_max_size=32,
    )
    pipeline = diffusers.StableDiffusion3Pipeline(
        vae=_flow_autoencoder(),
        text_encoder=_text_encoder(projected=True),
        text_encoder_2=_text_encoder(projected=True),
        text_encoder_3=None,
        tokenizer=_tokenizer(folder),
        tokenizer_2=_tokenizer(folder),
        tokenizer_3=None,
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )
    pipeline.save_pretrained(folder)
    return folder


def save_flux(folder: Path, *, distilled: bool = False) -> Path:
    """A FluxPipeline with dynamic shifting, whose T5 shares CLIP's tokenizer: it hands over noise levels.

    If `distilled`, the guidance scale is an input of its transformer.
    """
    import diffusers
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(3)
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=distilled,
    )
    t5 = T5Config(
        vocab_size=len(_vocabulary()), d_model=WIDTH, d_ff=2 * WIDTH, d_kv=8, num_layers=1, num_heads=4
    )
    pipeline = diffusers.FluxPipeline(
        vae=_flow_autoencoder(),
        text_encoder=_text_encoder(),
        text_encoder_2=T5EncoderModel(t5),
        tokenizer=_tokenizer(folder),
        tokenizer_2=_tokenizer(folder),
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
    )
    pipeline.save_pretrained(folder)
    return folder


def save_step_distilled(folder: Path) -> Path:
    """A Flux2KleinPipeline without its text encoder: its class ignores the guidance scale if distilled."""
    import diffusers

    transformer = diffusers.Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    pipeline = diffusers.Flux2KleinPipeline(scheduler, None, None, None, transformer, is_distilled=True)
    pipeline.save_pretrained(folder)
    return folder


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


def settings(sampler: str, steps: int = 4, scale: float = 4.0, eta: float = 0.0) -> Settings:
    return Settings(sampler, steps, eta, scale, 32, 32, 1)


def images(source: PipelineSource | ReferenceSource, at: Settings, batch: int = 3) -> np.ndarray:
    model, size = source.load("cpu"), BatchSize(batch)
    batches = generate_images(model, PROMPTS, at, size, lambda done: None, where=source.name)
    return np.concatenate([made.pixels for made in batches]).astype(int)


def _flow_autoencoder() -> Any:
    return _autoencoder(shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False)


def _autoencoder(**settings: Any) -> Any:
    import diffusers

    return diffusers.AutoencoderKL(
        block_out_channels=(WIDTH, WIDTH),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=32,
        **settings,
    )


def _unet(**settings: Any) -> Any:
    import diffusers

    return diffusers.UNet2DConditionModel(
        **{
            "block_out_channels": (WIDTH, 2 * WIDTH),
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
            "layers_per_block": 1,
            "norm_num_groups": 8,
            "attention_head_dim": 4,
            "cross_attention_dim": WIDTH,
            "sample_size": 16,
            **settings,
        }
    )


def _text_encoder(*, projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    size = len(_vocabulary())
    config = CLIPTextConfig(
        vocab_size=size,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        bos_token_id=size - 2,
        eos_token_id=size - 1,
        pad_token_id=size - 1,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def _merges() -> list[tuple[str, str]]:
    merges = load_config(shapes.CONFIG).text_encoder.merges
    assert merges is not None
    return read_merges(merges)


def _vocabulary() -> list[str]:
    singles = list(byte_symbols().values())
    merged = ["".join(pair) for pair in _merges()]
    return [*singles, *(symbol + END_OF_WORD for symbol in singles), *merged, START, END]


def _tokenizer(folder: Path) -> Any:
    """CLIP's tokenizer from files as they are published, with the vocabulary of the embedded family."""
    from transformers import CLIPTokenizer

    source = folder.parent / f"{folder.name}-tokenizer"
    source.mkdir(parents=True, exist_ok=True)
    ids = {token: number for number, token in enumerate(_vocabulary())}
    (source / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in _merges())]
    (source / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return CLIPTokenizer.from_pretrained(source, model_max_length=TOKENS)
