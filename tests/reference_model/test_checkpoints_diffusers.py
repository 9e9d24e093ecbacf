"""Diffusers folders: the same weights in diffusers' and transformers' own code give the same numbers."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import pytest
import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from reference_model import CheckpointError, LatentDiffusion, hub, load_checkpoint
from reference_model.checkpoints import read_config
from reference_model.checkpoints._diffusers_folder import needed_files
from reference_model.checkpoints.diffusers import their_names
from reference_model.config import ModelConfig

WIDTHS = (32, 64, 48)
UNET = {
    "block_out_channels": WIDTHS,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 16,
    "attention_head_dim": 4,
    "layers_per_block": 2,
    "norm_num_groups": 16,
}
VAE = {
    "block_out_channels": (32, 64, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "scaling_factor": 0.5,
}
TEXT = {
    "vocab_size": 49408,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_act": "quick_gelu",
}


class Peer:
    """A tiny pipeline of random weights as diffusers builds it, saved to a folder."""

    def __init__(self, folder: Path, **unet) -> None:
        torch.manual_seed(0)
        self.folder = folder
        self.unet = UNet2DConditionModel(**UNET | unet).eval()
        self.vae = AutoencoderKL(**VAE).eval()
        self.text = CLIPTextModel(CLIPTextConfig(**TEXT)).eval()
        for module in (self.unet, self.vae, self.text):
            for parameter in module.parameters():
                # Norms start as ones and zeros, which would hide a wrong name.
                parameter.data += 0.05 * torch.randn_like(parameter)
        scheduler = PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
        for module, name in ((self.unet, "unet"), (self.vae, "vae"), (self.text, "text_encoder")):
            module.save_pretrained(folder / name)
        scheduler.save_pretrained(folder / "scheduler")
        (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    return Peer(tmp_path_factory.mktemp("peer"))


@pytest.fixture(scope="module")
def model(peer):
    return load_checkpoint(peer.folder)


@pytest.fixture
def folder(peer, tmp_path):
    return copytree(peer.folder, tmp_path / "copy")


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
    """Every weight has one place in diffusers' modules of the published size, and none is left over."""
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
    assert "no diffusers folder" in refused(folder / "unet")


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


REPOSITORY = [
    "README.md",
    "model_index.json",
    "safety_checker/model.safetensors",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/model.safetensors",
    "text_encoder/pytorch_model.bin",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "v1-4.ckpt",
    "vae/config.json",
    "vae/diffusion_pytorch_model.fp16.bin",
]


def test_only_the_needed_files_of_a_repository_are_fetched():
    assert needed_files("o/n", REPOSITORY) == [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/merges.txt",
        "tokenizer/tokenizer_config.json",
        "tokenizer/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "vae/config.json",
        "vae/diffusion_pytorch_model.fp16.bin",
    ]
    with pytest.raises(CheckpointError, match=r"download sd-v1-4\.ckpt from there"):
        needed_files("o/n", ["README.md", "sd-v1-4.ckpt"])


@pytest.fixture
def hub_without_network(monkeypatch, tmp_path):
    """A cache of its own, and a hub that cannot be reached."""

    def unreachable(*_, **__):
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(hub.HfApi, "list_repo_files", unreachable)
    monkeypatch.setattr(hub, "hf_hub_download", unreachable)
    cached: dict[str, str] = {}
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda repo, name: cached.get(f"{repo}/{name}"))
    return cached


def test_a_hub_id_without_network(hub_without_network, peer, model):
    with pytest.raises(
        CheckpointError, match=r"cannot download it from https://huggingface\.co/some/model"
    ) as caught:
        load_checkpoint("some/model")
    assert "\n" not in str(caught.value)
    hub_without_network["some/model/model_index.json"] = str(peer.folder / "model_index.json")
    assert load_checkpoint("some/model").weights_digest == model.weights_digest


def test_a_cache_that_holds_only_a_part_is_not_enough(hub_without_network, folder):
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    hub_without_network["some/model/model_index.json"] = str(folder / "model_index.json")
    with pytest.raises(CheckpointError, match="no route to host"):
        load_checkpoint("some/model")


def test_offline_is_said(hub_without_network, monkeypatch):
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE is set and the cache does not hold some/model"):
        load_checkpoint("some/model")


def test_repositories_that_are_not_there_or_closed(hub_without_network, monkeypatch):
    def answers(error):
        def ask(*_, **__):
            raise error("no", response=SimpleNamespace(headers={}, request=None))

        monkeypatch.setattr(hub.HfApi, "list_repo_files", ask)

    answers(hub.GatedRepoError)
    with pytest.raises(CheckpointError, match="asks for an accepted licence"):
        load_checkpoint("some/model")
    answers(hub.RepositoryNotFoundError)
    with pytest.raises(CheckpointError, match="does not exist"):
        load_checkpoint("some/model")


def test_a_file_that_is_not_there_is_no_hub_id(hub_without_network):
    for source in ("weights/sd-v1-4.ckpt", Path("some/model"), "one", "a/b/c"):
        with pytest.raises(CheckpointError, match="no checkpoint at"):
            load_checkpoint(source)


def test_the_hub_is_asked_for_what_is_needed(monkeypatch, peer, model):
    asked = {}

    def snapshot(repo, allow_patterns):
        asked[repo] = allow_patterns
        return str(peer.folder)

    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(hub.HfApi, "list_repo_files", lambda self, repo: REPOSITORY)
    monkeypatch.setattr(hub, "snapshot_download", snapshot)
    assert load_checkpoint("some/model").weights_digest == model.weights_digest
    assert asked == {"some/model": needed_files("some/model", REPOSITORY)}
