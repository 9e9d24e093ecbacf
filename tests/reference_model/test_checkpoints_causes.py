"""Files of other kinds are recognised for what they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reference_model import CheckpointError, load_checkpoint

from .conftest import GOLDENS, read_tensors

CKPT, YAML = GOLDENS / "tiny" / "v1-tiny.ckpt", GOLDENS / "tiny" / "v1-tiny.yaml"
UNET = "model.diffusion_model."
ATTENTION = f"{UNET}input_blocks.1.1"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The tiny checkpoint as tensors that tests may copy and change."""
    path = tmp_path_factory.mktemp("whole") / "m.safetensors"
    save_file(read_tensors(CKPT), path)
    return load_file(path)


def refused(tensors: dict[str, torch.Tensor], folder: Path) -> str:
    save_file(tensors, folder / "m.safetensors")
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder / "m.safetensors", YAML)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("lora_unet_down_blocks_0.lora_up.weight", "LoRA"),
        ("transformer.base_model.lora_A.weight", "LoRA"),
        ("emb_params", "textual inversion"),
        ("control_model.input_hint_block.0.weight", "ControlNet"),
        ("conditioner.embedders.0.transformer.text_model.final_layer_norm.weight", "SDXL"),
        (f"{UNET}label_emb.0.0.weight", "SDXL"),
        ("cond_stage_model.model.positional_embedding", "Stable Diffusion 2.x"),
        (f"{UNET}double_blocks.0.img_attn.qkv.weight", "Flux"),
        ("v_pred", "v-prediction"),
        ("down_blocks.0.resnets.0.conv1.weight", "diffusers folder"),
        ("encoder.down.0.block.0.conv1.weight", "autoencoder alone"),
        ("text_model.final_layer_norm.weight", "text encoder alone"),
        ("input_blocks.0.0.weight", "denoiser alone"),
        ("cond_stage_model.transformer.attn_layers.layers.0.0.weight", "LAION-400M"),
        ("something.else", "holds no denoiser"),
    ],
)
def test_other_kinds_are_named(tmp_path, key, expected):
    message = refused({key: torch.zeros(2)}, tmp_path)
    assert expected in message
    assert key in message


def test_context_and_projection_of_sd2(whole, tmp_path):
    wide = {f"{ATTENTION}.transformer_blocks.0.attn2.to_k.weight": torch.zeros(32, 1024)}
    assert "Stable Diffusion 2.x (context of 1024" in refused(whole | wide, tmp_path)
    linear = {f"{ATTENTION}.proj_in.weight": torch.zeros(32, 32)}
    assert "Stable Diffusion 2.x (linear proj_in)" in refused(whole | linear, tmp_path)


def test_inpainting_models(whole, tmp_path):
    message = refused(whole | {f"{UNET}input_blocks.0.0.weight": torch.zeros(32, 9, 3, 3)}, tmp_path)
    assert "inpainting" in message
    assert "(32, 9, 3, 3), expected (32, 4, 3, 3)" in message


def test_missing_parts(whole, tmp_path):
    kept = {name: value for name, value in whole.items() if not name.startswith("first_stage_model.")}
    assert "it holds no autoencoder" in refused(kept, tmp_path)
    kept = {name: value for name, value in whole.items() if not name.startswith(f"{UNET}output_blocks.")}
    message = refused(kept, tmp_path)
    assert "missing keys (first: model.diffusion_model.output_blocks.0.0.emb_layers.1.bias" in message
    assert "the file is incomplete" in message


def test_an_unknown_extra_key(whole, tmp_path):
    message = refused(whole | {"model.something.weight": torch.zeros(1)}, tmp_path)
    assert "1 unexpected keys (first: model.something.weight); check the config" in message
