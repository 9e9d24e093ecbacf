"""LoRA files of every form make the same weights as diffusers' own merging; what is none is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from reference_model import CheckpointError, LatentDiffusion, load_checkpoint
from reference_model.checkpoints import Lora, reload_checkpoint

pytest.importorskip("peft", reason="diffusers merges LoRA files by peft")
R, ALPHA, WEIGHT = 4, 6.0, 0.8
ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
UNET = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "ff.net.0.proj", "conv1"]
TEXT = ["q_proj", "fc1"]


@pytest.fixture(scope="module")
def trained(peer, tmp_path_factory) -> tuple[Path, LatentDiffusion]:
    """The file of a random LoRA as diffusers saves it, and the model with it merged by diffusers."""
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
    from peft import LoraConfig, inject_adapter_in_model
    from transformers import CLIPTextModel

    folder = tmp_path_factory.mktemp("lora")
    unet = UNet2DConditionModel.from_pretrained(peer.folder / "unet")
    text = CLIPTextModel.from_pretrained(peer.folder / "text_encoder")
    vae = AutoencoderKL.from_pretrained(peer.folder / "vae")
    torch.manual_seed(1)
    states = {}
    with torch.inference_mode(False):
        for part, model, layers in (("unet", unet, UNET), ("text_encoder", text, TEXT)):
            config = LoraConfig(r=R, lora_alpha=ALPHA, target_modules=layers, init_lora_weights=False)
            inject_adapter_in_model(config, model)
            factors = {key: value for key, value in model.state_dict().items() if "lora_" in key}
            states[f"{part}_lora_layers"] = {key.replace(".default", ""): v for key, v in factors.items()}
            states[f"{part}_lora_adapter_metadata"] = {"r": R, "lora_alpha": ALPHA}
    StableDiffusionPipeline.save_lora_weights(folder, **states)
    with torch.inference_mode(False), torch.no_grad():
        for model, name in ((unet, "unet"), (text, "text_encoder"), (vae, "vae")):
            for module in list(model.modules()):
                if hasattr(module, "lora_A"):
                    module.set_scale("default", WEIGHT)
                    module.merge()
            weights = {
                key.replace(".base_layer", ""): value.contiguous()
                for key, value in model.state_dict().items()
                if "lora_" not in key
            }
            (folder / "merged" / name).mkdir(parents=True)
            save_file(weights, folder / "merged" / name / "model.safetensors")
            (folder / "merged" / name / "config.json").write_text(
                (peer.folder / name / "config.json").read_text()
            )
    for file in ("model_index.json", "scheduler/scheduler_config.json"):
        (folder / "merged" / file).parent.mkdir(exist_ok=True)
        (folder / "merged" / file).write_text((peer.folder / file).read_text())
    return folder / "pytorch_lora_weights.safetensors", load_checkpoint(folder / "merged")


def as_saved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors


def as_kohya(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names of kohya's trainers, with an alpha for each layer."""
    named = {}
    for key, tensor in tensors.items():
        part, _, path = key.removesuffix(".weight").partition(".")
        module, _, factor = path.rpartition(".lora")
        prefix = f"lora_{'te' if part == 'text_encoder' else part}_{module.replace('.', '_')}"
        factor = {"_A": "down", "_B": "up", "_linear_layer.down": "down", "_linear_layer.up": "up"}.get(
            factor, factor.strip(".")
        )
        named[f"{prefix}.lora_{factor}.weight"] = tensor
        named[f"{prefix}.alpha"] = torch.tensor(ALPHA)
    return named


def as_first_diffusers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names with `.lora.down` and the like, without alpha: the ratio is part of the factor."""
    named = {}
    for key, tensor in tensors.items():
        old = key.replace("lora_A", "lora.down").replace("lora_B", "lora.up")
        named[old] = tensor * (ALPHA / R) if ".up." in old else tensor
    return named


@pytest.mark.parametrize("form", [as_saved, as_kohya, as_first_diffusers])
def test_every_form_makes_the_weights_that_diffusers_makes(
    form: Callable[[dict[str, Tensor]], dict[str, Tensor]], trained, peer, tmp_path
) -> None:
    file, theirs = trained
    path = file
    if form is not as_saved:  # which has the scale in its metadata
        path = tmp_path / "lora.safetensors"
        save_file({key: value.contiguous() for key, value in form(load_file(file)).items()}, path)
    ours = load_checkpoint(peer.folder, lora=Lora(path, WEIGHT)).state_dict()
    plain = load_checkpoint(peer.folder).state_dict()
    changed = {key for key, value in ours.items() if not torch.equal(value, plain[key])}
    assert len(changed) == len(load_file(file)) // 2
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours[key], value, rtol=0, atol=1e-6, msg=key)


def test_files_of_attention_processors_have_no_prefix(peer, tmp_path) -> None:
    torch.manual_seed(2)
    down, up = torch.randn(R, 32), torch.randn(32, R)
    tensors = {
        f"{ATTENTION}.processor.to_out_lora.{name}.weight": t for name, t in (("down", down), ("up", up))
    }
    save_file(tensors, tmp_path / "lora.safetensors")
    name = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_out.0.weight"
    plain = load_checkpoint(peer.folder).state_dict()[name]
    merged = load_checkpoint(peer.folder, lora=Lora(tmp_path / "lora.safetensors", 2.0)).state_dict()[name]
    torch.testing.assert_close(merged, plain + 2.0 * up @ down)


def test_the_digest_is_that_of_the_merged_weights(trained, peer) -> None:
    file, _ = trained
    plain = load_checkpoint(peer.folder)
    digests = [load_checkpoint(peer.folder, lora=Lora(file, weight)).weights_digest for weight in (0, 1, 2)]
    assert digests[0] == plain.weights_digest
    assert len(set(digests)) == 3
    reload_checkpoint(plain, peer.folder, lora=Lora(file, 2))
    assert plain.weights_digest == digests[2]


LAYER = f"unet.{ATTENTION}.to_q"
GOOD = {f"{LAYER}.lora_A.weight": (R, 32), f"{LAYER}.lora_B.weight": (32, R)}
ELSEWHERE = {key.replace("blocks.0", "blocks.7", 1): shape for key, shape in GOOD.items()}


@pytest.mark.parametrize(
    ("tensors", "metadata", "error"),
    [
        ({f"{LAYER}.lora_A.weight": (R, 32)}, {}, "is incomplete: unet:.*_to_q has no up factor"),
        ({f"{LAYER}.alpha": ()}, {}, "has no down and no up factor"),
        ({**GOOD, f"{LAYER}.alpha": (2,)}, {}, "the alpha of unet:.* cannot be read"),
        ({**GOOD, f"{LAYER}.lora_A.weight": (R, 31)}, {}, r"\(4, 31\) of .* make no \(32, 32\)"),
        ({**GOOD, f"{LAYER}.lora_A.weight": (3, 32)}, {}, r"factors \(32, 4\) and \(3, 32\)"),
        (ELSEWHERE, {}, "the model has no layer unet:down_blocks_7"),
        ({**GOOD, "x.hada_w1_a": (2, 2)}, {}, "is a kind of LyCORIS"),
        ({**GOOD, f"{LAYER}.dora_scale": (2, 2)}, {}, "is a DoRA"),
        ({"lora_te1_a.lora_down.weight": (2, 2)}, {}, "is a LoRA for SDXL"),
        ({"transformer.a.lora_A.weight": (2, 2)}, {}, "is a LoRA for a transformer"),
        ({"model.diffusion_model.out.2.bias": (4,)}, {}, "has the key model.diffusion_model.out.2.bias"),
        (GOOD, {"ss_v2": "True"}, "another architecture"),
        (GOOD, {"modelspec.prediction_type": "v"}, "v-prediction"),
        (GOOD, {"lora_adapter_metadata": "[]"}, "lora_adapter_metadata cannot be read"),
        (GOOD, {"lora_adapter_metadata": json.dumps({"unet.r": 0, "unet.lora_alpha": 1})}, "cannot be read"),
        (GOOD, {"lora_adapter_metadata": json.dumps({"unet.use_rslora": True})}, "sets unet.use_rslora"),
    ],
)  # fmt: skip
def test_what_is_no_lora_of_the_model_is_one_line(tensors, metadata, error, peer, tmp_path) -> None:
    path = tmp_path / "lora.safetensors"
    save_file({key: torch.ones(shape) for key, shape in tensors.items()}, path, metadata=metadata or None)
    with pytest.raises(CheckpointError, match=rf"^[^\n]*lora\.safetensors[^\n]*{error}[^\n]*$"):
        load_checkpoint(peer.folder, lora=Lora(path))


def test_metadata_of_a_lora_are_no_reason_to_refuse_it(peer, tmp_path) -> None:
    path = tmp_path / "lora.safetensors"
    metadata = {"ss_network_module": "networks.lora", "modelspec.architecture": "stable-diffusion-v1/lora"}
    save_file({key: torch.ones(shape) for key, shape in GOOD.items()}, path, metadata=metadata)
    assert load_checkpoint(peer.folder, lora=Lora(path))
    with pytest.raises(CheckpointError, match="give it as 'lora', beside the checkpoint that it changes"):
        load_checkpoint(path)
