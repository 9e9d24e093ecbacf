"""Files of other kinds are recognised, and so are variants of the supported kind."""

from __future__ import annotations

import re
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
    """Tensors of the tiny checkpoint, which tests may copy and change."""
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
        ("unet.down_blocks.0.attentions.0.attn1.processor.to_q_lora.down.weight", "LoRA"),
        ("text_encoder.text_model.encoder.layers.0.self_attn.k_proj.lora_linear_layer.up.weight", "LoRA"),
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


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("modelspec.prediction_type", "v", "v-prediction"),
        ("modelspec.prediction_type", "v_prediction", "v-prediction"),
        ("modelspec.architecture", "stable-diffusion-v1/lora", "LoRA"),
        ("modelspec.architecture", "stable-diffusion-xl-v1-base", "another architecture"),
        ("modelspec.architecture", "Flux-1-dev", "another architecture"),
        ("ss_network_module", "networks.lora", "LoRA"),
        ("ss_v2", "True", "another architecture"),
        ("ss_base_model_version", "sdxl_base_v1-0", "another architecture"),
    ],
)
def test_what_a_file_says_of_itself_counts(whole, tmp_path, key, value, expected):
    save_file(whole, tmp_path / "m.safetensors", metadata={"format": "pt", key: value})
    with pytest.raises(CheckpointError, match=rf"{expected}.*\({re.escape(key)}: {re.escape(value)}\)$"):
        load_checkpoint(tmp_path / "m.safetensors", YAML)


def test_a_file_that_says_what_it_is_loads(whole, tiny, tmp_path):
    claims = {
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.prediction_type": "epsilon",
        "modelspec.resolution": "512x512",
        "ss_base_model_version": "sd_v1",
        "ss_v2": "False",
        "ss_network_module": "None",
    }
    save_file(whole, tmp_path / "m.safetensors", metadata=claims)
    assert load_checkpoint(tmp_path / "m.safetensors", YAML).weights_digest == tiny.weights_digest


def test_what_samplers_and_trainers_leave_behind_is_passed_over(whole, tiny, tmp_path):
    leftovers = (
        "ddim_sigmas",
        "ddim_alphas_prev",
        "embedding_manager.string_to_param_dict.x",
        "lvlb_weights",
    )
    save_file(whole | {name: torch.ones(50) for name in leftovers}, tmp_path / "m.safetensors")
    assert load_checkpoint(tmp_path / "m.safetensors", YAML).weights_digest == tiny.weights_digest


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"module": state, "global_steps": 10},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {"model_state_dict": {f"module.{name}": value for name, value in state.items()}},
    ],
    ids=["DeepSpeed", "nested", "data parallel"],
)
def test_weights_a_level_down_are_found(whole, tiny, tmp_path, wrap):
    torch.save(wrap(dict(whole)), tmp_path / "m.ckpt")
    assert load_checkpoint(tmp_path / "m.ckpt", YAML).weights_digest == tiny.weights_digest


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"string_to_token": {"*": 265}, "string_to_param": {"*": torch.ones(1, 16)}}, "textual inversion"),
        ({"epoch": 3, "optimizer": {"lr": 0.1}}, "its entries are epoch, optimizer$"),
    ],
)
def test_files_without_weights_say_what_they_hold(tmp_path, content, expected):
    torch.save(content, tmp_path / "m.ckpt")
    with pytest.raises(CheckpointError, match=f"holds no tensors by name; .*{expected}"):
        load_checkpoint(tmp_path / "m.ckpt", YAML)


TEXT = "cond_stage_model.transformer."


def without_text_model(key: str) -> str:
    return key.replace(f"{TEXT}text_model.", TEXT)


def test_text_encoders_without_their_inner_prefix(whole, tiny, tmp_path):
    save_file({without_text_model(key): tensor for key, tensor in whole.items()}, tmp_path / "m.safetensors")
    assert load_checkpoint(tmp_path / "m.safetensors", YAML).weights_digest == tiny.weights_digest


def test_text_encoders_with_both_spellings(whole, tmp_path):
    extra = f"{TEXT}final_layer_norm.weight"
    message = refused(whole | {extra: torch.zeros(16)}, tmp_path)
    assert f"1 unexpected keys (first: {extra})" in message


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_float8_is_named(whole, tmp_path, dtype):
    small = {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in whole.items()}
    stored_as = {torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2"}[dtype]
    assert f"holds weights of type {stored_as}, which is not supported" in refused(small, tmp_path)
    torch.save({"state_dict": small}, tmp_path / "m.ckpt")
    with pytest.raises(CheckpointError, match=f"weights of type {str(dtype).removeprefix('torch.')}, which"):
        load_checkpoint(tmp_path / "m.ckpt", YAML)


POWERS = "alphas_cumprod"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_rounded_schedules_are_the_same_schedule(whole, tmp_path, dtype):
    save_file(whole | {POWERS: whole[POWERS].to(dtype)}, tmp_path / "m.safetensors")
    assert load_checkpoint(tmp_path / "m.safetensors", YAML)


def test_files_without_a_schedule(whole, tmp_path):
    save_file({key: tensor for key, tensor in whole.items() if key != POWERS}, tmp_path / "m.safetensors")
    assert load_checkpoint(tmp_path / "m.safetensors", YAML)


def test_schedules_of_another_training(whole, tmp_path):
    linear = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), dim=0)
    zero_terminal = whole[POWERS].clone()
    zero_terminal[-1] = 0
    undefined = whole[POWERS].clone()
    undefined[7] = float("nan")
    expected = {
        "is 0 at timestep 0, expected 0.9991": torch.zeros(1000),
        "is 0 at timestep 999, expected 0.00466": zero_terminal,
        "is nan at timestep 7": undefined,
        "at timestep": linear,
        "has shape (500,), expected (1000,)": whole[POWERS][::2].contiguous(),
    }
    for fault, powers in expected.items():
        message = refused(whole | {POWERS: powers}, tmp_path)
        assert "its alphas_cumprod " in message
        assert fault in message
        assert "give the config that it was trained with" in message
