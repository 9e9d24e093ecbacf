from __future__ import annotations

import json
import subprocess
import sys
from shutil import copytree

import pytest
import torch
from safetensors.torch import save_file

from reference_model import LatentDiffusion, load_checkpoint
from reference_model.checkpoints.compvis import BUFFERS, UNET_PREFIX, ema_name
from reference_model.config import LAION_400M, ModelConfig
from reference_model.config_file import load_config
from reference_model.shapes import CONFIG

from .conftest import GOLDENS, TINY_CKPT, TINY_YAML, refused


@pytest.fixture(scope="module")
def state():
    return torch.load(TINY_CKPT, weights_only=True)["state_dict"]


@pytest.mark.parametrize(
    ("config", "name", "denoiser"),
    [(ModelConfig(), "sd-v1", 859_520_964), (LAION_400M, "laion400m", 872_300_484)],
)
def test_full_size_models_have_every_published_key_and_shape(config, name, denoiser):
    published = json.loads((GOLDENS / "full" / f"{name}-keys.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        model = LatentDiffusion(config)
    ours = {name: list(value.shape) for name, value in model.state_dict().items()}
    assert ours == {name: shape for name, shape, _ in published["state_dict"] if name not in BUFFERS}
    assert {name for name, _, _ in published["state_dict"]} - set(ours) == BUFFERS
    assert sum(p.numel() for p in model.unet.parameters()) == published["param_counts"]["unet"] == denoiser
    assert sum(p.numel() for p in model.parameters()) == published["param_counts"]["total"]


def test_every_weight_of_the_full_size_model_has_its_own_ema_name():
    published = json.loads((GOLDENS / "full" / "sd-v1-keys.json").read_text(encoding="utf-8"))
    pairs = published["ema_extra_when_use_ema_true"]["name_map"]
    with torch.device("meta"):
        names = [name for name in LatentDiffusion(ModelConfig()).state_dict() if name.startswith(UNET_PREFIX)]
    assert {name: ema_name(name) for name in names} == dict(pairs)
    assert len({ema_name(name) for name in names}) == len(names) == 686


def test_weights_are_float32_frozen_and_equal_to_the_file(tiny, state):
    for name, value in tiny.state_dict().items():
        assert torch.equal(value, state[name].to(value.dtype)), name
    assert {p.dtype for p in tiny.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in tiny.parameters())


def test_loading_does_without_torchs_compiler():
    # Importing these takes longer than loading; torch imports them for some operations on the meta device.
    code = f"""
import sys
from reference_model import load_checkpoint
load_checkpoint({str(TINY_CKPT)!r}, {str(TINY_YAML)!r})
assert not {{"torch._dynamo", "sympy"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_safetensors_are_the_same_model(tiny, state, tmp_path):
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "m.safetensors")
    loaded = load_checkpoint(tmp_path / "m.safetensors", TINY_YAML)
    assert loaded.weights_digest == tiny.weights_digest


def test_digest_sees_a_single_weight(tiny, state, tmp_path):
    changed = {name: value.clone().contiguous() for name, value in state.items()}
    changed["model.diffusion_model.out.2.bias"][0] += 1e-2
    save_file(changed, tmp_path / "m.safetensors")
    assert load_checkpoint(tmp_path / "m.safetensors", TINY_YAML).weights_digest != tiny.weights_digest


def test_position_ids_may_be_left_out(tiny, state, tmp_path):
    kept = {name: v.contiguous() for name, v in state.items() if not name.endswith("position_ids")}
    save_file(kept, tmp_path / "m.safetensors")
    assert load_checkpoint(tmp_path / "m.safetensors", TINY_YAML).weights_digest == tiny.weights_digest


def test_missing_and_unexpected_keys_are_named(state, tmp_path):
    broken = {name: value.contiguous() for name, value in state.items()}
    broken["lora.weight"] = broken.pop("model.diffusion_model.out.2.bias")
    save_file(broken, tmp_path / "m.safetensors")
    message = refused(tmp_path / "m.safetensors")
    assert "model.diffusion_model.out.2.bias" in message
    assert "lora.weight" in message


def test_another_config_is_noticed():
    assert "config" in refused(TINY_CKPT, None)


def test_wrong_shape_is_named(state, tmp_path):
    broken = {name: value.contiguous() for name, value in state.items()}
    broken["model.diffusion_model.out.2.bias"] = torch.zeros(5)
    save_file(broken, tmp_path / "m.safetensors")
    assert "(5,), expected (4,)" in refused(tmp_path / "m.safetensors")


def test_weights_that_are_not_finite_are_named(state, tmp_path):
    broken = {name: value.clone().contiguous() for name, value in state.items()}
    broken["model.diffusion_model.out.2.bias"][1] = float("nan")
    save_file(broken, tmp_path / "m.safetensors")
    assert "model.diffusion_model.out.2.bias holds values that are not finite" in refused(
        tmp_path / "m.safetensors"
    )


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"state_dict": [1]}, {1: torch.zeros(1)}, "text"])
def test_files_of_another_structure(tmp_path, content):
    torch.save(content, tmp_path / "odd.ckpt")
    assert "holds no tensors" in refused(tmp_path / "odd.ckpt")


def test_config_digest_is_by_content(tmp_path):
    for name in ("a", "b"):
        copytree(CONFIG.parent, tmp_path / name)
    (tmp_path / "b" / CONFIG.name).write_text("# a comment\n" + CONFIG.read_text(encoding="utf-8"))
    first, second = (load_config(tmp_path / name / CONFIG.name) for name in ("a", "b"))
    assert first.digest == second.digest == load_config(CONFIG).digest
    with open(tmp_path / "b" / "text" / "merges.txt", "a", encoding="utf-8") as file:
        file.write("q q\n")
    assert load_config(tmp_path / "b" / CONFIG.name).digest != first.digest


def test_a_vocabulary_that_does_not_fit_its_tokenizer(tmp_path):
    copytree(CONFIG.parent, tmp_path / "a")
    text = tmp_path / "a" / "text" / "config.json"
    text.write_text(text.read_text().replace('"vocab_size": 626', '"vocab_size": 600'))
    assert "the vocabulary has 626 tokens" in refused(TINY_CKPT, tmp_path / "a" / CONFIG.name)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("ldm.models.autoencoder.AutoencoderKL", "ldm.models.autoencoder.VQModel", "VQModel"),
        ("conditioning_key: crossattn", "parameterization: v", "'v' is not supported"),
        ("legacy: false", "use_scale_shift_norm: true", "use_scale_shift_norm 'True' is not supported"),
        ("linear_start:", "beta_schedule: cosine\n    linear_start:", "'cosine' is not supported"),
        ("model_channels: 32", "model_channels: 40", "no model that can be built"),
        ("scale_factor: 0.18215", "scale_factor: large", "malformed entry"),
        ("version: clip-text-tiny", "version: [1]", "malformed entry"),
        ("unet_config:", "unet_setting:", "unet_config"),
        ("model:", "model: [", "not valid YAML"),
        ("version: clip-text-tiny", "version: nowhere", "text encoder config"),
        ("use_ema: false", "use_ema: maybe", "'use_ema': should be a valid boolean, not maybe"),
    ],
)
def test_configs_that_cannot_be_used(tmp_path, old, new, expected):
    copytree(TINY_YAML.parent / "clip-text-tiny", tmp_path / "clip-text-tiny")
    config = tmp_path / "c.yaml"
    config.write_text(TINY_YAML.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    assert expected in refused(TINY_CKPT, config)
    assert "nowhere.yaml" in refused(TINY_CKPT, tmp_path / "nowhere.yaml")
