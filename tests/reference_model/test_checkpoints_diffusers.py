"""Diffusers folders: the same weights give the same values in diffusers' and transformers' own code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from reference_model import CheckpointError, LatentDiffusion, load_checkpoint
from reference_model.checkpoints import read_config
from reference_model.checkpoints.diffusers import their_names
from reference_model.config import ModelConfig

from .diffusers_peer import VAE, Peer


@pytest.fixture(scope="module")
def model(peer):
    return load_checkpoint(peer.folder)


def assert_same_unet(model: LatentDiffusion, peer: Peer) -> None:
    generator = torch.Generator().manual_seed(1)
    x, context = (torch.randn(shape, generator=generator) for shape in ((2, 4, 16, 8), (2, 77, 16)))
    for t in (1, 500, 999):
        theirs = peer.unet(x, t, context).sample
        torch.testing.assert_close(model.unet(x, torch.tensor([t, t]), context), theirs, rtol=0, atol=2e-5)


def test_the_denoiser_gives_the_same_noise(model, peer):
    assert_same_unet(model, peer)


def test_the_autoencoder_gives_the_same_images_and_moments(model, peer):
    generator = torch.Generator().manual_seed(2)
    latents = torch.randn((2, 4, 8, 8), generator=generator)
    images = torch.rand((1, 3, 32, 32), generator=generator) * 2 - 1
    torch.testing.assert_close(
        model.decode(latents), peer.vae.decode(latents / 0.5).sample, rtol=0, atol=2e-5
    )
    theirs = peer.vae.encode(images).latent_dist
    torch.testing.assert_close(model.encode(images).mean, theirs.mean, rtol=0, atol=2e-5)
    torch.testing.assert_close(model.encode(images).logvar, theirs.logvar, rtol=0, atol=2e-5)


def test_the_text_encoder_gives_the_same_embeddings(model, peer):
    tokens = model.tokenizer(["a red circle", "", "a cat " * 60])
    theirs = peer.text(tokens).last_hidden_state
    torch.testing.assert_close(model.cond_stage_model(tokens), theirs, rtol=0, atol=2e-5)


def test_linear_projections_are_convolutions(tmp_path):
    peer = Peer(tmp_path, use_linear_projection=True)
    assert_same_unet(load_checkpoint(tmp_path), peer)


def test_the_config_is_read_from_the_folder(model):
    config = model.config
    assert config.scale_factor == 0.5
    assert config.unet.channel_mult == (1, 2, 1.5)
    assert config.unet.attention_resolutions == (2, 1)
    assert config.unet.num_heads == 4
    assert config.text_encoder.merges is None
    assert config.schedule == ModelConfig().schedule


def test_names_of_the_full_size_model_are_those_of_diffusers():
    """Every weight maps to exactly one in diffusers' modules of the published size, and none is left over."""
    with torch.device("meta"):
        ours = LatentDiffusion(ModelConfig()).state_dict()
        parts = {
            "unet": UNet2DConditionModel(cross_attention_dim=768),
            "vae": AutoencoderKL(
                **VAE | {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2}
                | {key: VAE[key][:1] * 4 for key in ("down_block_types", "up_block_types")}
            ),
            "text_encoder": CLIPTextModel(CLIPTextConfig(vocab_size=49408, hidden_size=768,
                intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)),
        }  # fmt: skip
    theirs = {f"{part}/{key}": v for part, module in parts.items() for key, v in module.state_dict().items()}
    theirs = {key: v for key, v in theirs.items() if not key.endswith("position_ids")}
    published = json.loads((Path(__file__).parents[1] / "goldens/full/sd-v1-keys.json").read_text())
    names = {name for name, _, _ in published["state_dict"]} & set(ours)
    names = {name for name in names if not name.endswith("position_ids")}
    places = {name: [key for key in their_names(name, ModelConfig()) if key in theirs] for name in names}
    assert all(len(set(found)) == 1 for found in places.values())
    assert {found[0] for found in places.values()} == set(theirs)
    assert len(names) == len(theirs)
    assert all(ours[name].numel() == theirs[found[0]].numel() for name, found in places.items())


def test_attention_names_from_before_2023(folder, model):
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = load_file(file)
    for name in [name for name in tensors if "attentions" in name]:
        renamed = name
        for new, before in old.items():
            renamed = renamed.replace(new, before)
        tensors[renamed] = tensors.pop(name)
    assert any("query" in name for name in tensors)
    save_file(tensors, file)
    assert load_checkpoint(folder).weights_digest == model.weights_digest


def test_pickled_and_half_precision_weights(folder, peer, model):
    for part in ("unet", "vae", "text_encoder"):
        (file,) = (folder / part).glob("*.safetensors")
        tensors = load_file(file)
        file.unlink()
        torch.save({name: value.half() for name, value in tensors.items()}, file.with_suffix(".fp16.bin"))
    loaded = load_checkpoint(folder)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().to(value.dtype)), name


def test_text_encoders_with_and_without_the_outer_module(folder, model):
    (file,) = (folder / "text_encoder").glob("*.safetensors")
    tensors = load_file(file)
    outer = any(name.startswith("text_model.") for name in tensors)
    renamed = {
        name.removeprefix("text_model.") if outer else f"text_model.{name}": value
        for name, value in tensors.items()
    }
    save_file(renamed | {"text_model.embeddings.position_ids": torch.arange(77)[None]}, file)
    assert load_checkpoint(folder).weights_digest == model.weights_digest


def refused(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("file", "options", "expected"),
    [
        (
            "scheduler/scheduler_config.json",
            {"prediction_type": "v_prediction"},
            "'v_prediction' is not supported",
        ),
        ("scheduler/scheduler_config.json", {"beta_schedule": "linear"}, "beta_schedule 'linear'"),
        ("scheduler/scheduler_config.json", {"beta_start": None}, "NoneType"),
        ("unet/config.json", {"attention_head_dim": [5, 10, 20]}, "SD 2.x"),
        ("unet/config.json", {"in_channels": 9}, "inpainting"),
        ("unet/config.json", {"block_out_channels": []}, "index out of range"),
        ("unet/config.json", {"addition_embed_type": "text_time"}, "addition_embed_type 'text_time'"),
        ("unet/config.json", {"down_block_types": ["AttnDownBlock2D"] * 3}, "AttnDownBlock2D"),
        ("unet/config.json", {"cross_attention_dim": 24}, "another shape"),
        ("vae/config.json", {"shift_factor": 0.1}, "shift_factor '0.1'"),
        ("text_encoder/config.json", {"hidden_act": "tanh"}, "no model that can be built"),
        ("text_encoder/config.json", {"vocab_size": 49000}, "the vocabulary has 49408 tokens"),
    ],
)
def test_options_that_are_not_implemented(folder, file, options, expected):
    values = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(values | options))
    assert expected in refused(folder)


def test_folders_that_are_incomplete(folder):
    (folder / "text_encoder_2").mkdir()
    assert "SDXL" in refused(folder)
    (folder / "text_encoder_2").rmdir()
    (folder / "vae" / "config.json").write_text("{nope")
    assert "vae/config.json" in refused(folder)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "vae" / "config.json").unlink()
    assert "cannot read" in refused(folder)
    assert "not a diffusers folder" in refused(folder / "unet")


def test_weights_that_are_missing_or_too_many(folder):
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["down_blocks.7.bias"] = tensors.pop("conv_out.bias")
    save_file(tensors, file)
    assert "model.diffusion_model.out.2.bias" in refused(folder)
    assert "unet/down_blocks.7.bias" in refused(folder)
    file.unlink()
    assert "it holds no weights" in refused(folder)


def test_a_folder_has_its_own_config_and_no_ema(peer):
    with pytest.raises(CheckpointError, match="leave config out"):
        load_checkpoint(peer.folder, ModelConfig())
    with pytest.raises(CheckpointError, match="no EMA to choose"):
        load_checkpoint(peer.folder, use_ema=True)


def write_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> None:
    vocabulary = ["a", "b", "c", "ab</w>", "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(exist_ok=True)
    (folder / "merges.txt").write_text("#version: 0.2\na b</w>\n")
    numbers = {token: i for i, token in enumerate(vocabulary, start=512 + 1 - 4)}
    (folder / "vocab.json").write_text(json.dumps(numbers))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": pad}))


def test_a_vocabulary_of_its_own(folder):
    write_tokenizer(folder / "tokenizer")
    config = read_config(folder)
    assert config.text_encoder.merges == folder / "tokenizer" / "merges.txt"
    write_tokenizer(folder / "tokenizer", pad="!")
    assert "pads with '!'" in refused(folder)
    write_tokenizer(folder / "tokenizer")
    (folder / "tokenizer" / "vocab.json").write_text("{}")
    assert "does not number its tokens" in refused(folder)
