"""Files with two sets of the denoiser's weights, compared with the original's results for each."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reference_model import CheckpointError, load_checkpoint
from reference_model.guidance import guided
from reference_model.samplers import SAMPLERS

from .conftest import GOLDENS, Goldens

CKPT, YAML = GOLDENS / "tiny" / "v1-tiny-full.ckpt", GOLDENS / "tiny" / "v1-tiny-full.yaml"
ONE_SET = GOLDENS / "tiny" / "v1-tiny.ckpt", GOLDENS / "tiny" / "v1-tiny.yaml"


@pytest.fixture(scope="module")
def full():
    return Goldens(GOLDENS / "tiny" / "goldens-full.npz")


@pytest.fixture(scope="module")
def state():
    return torch.load(CKPT, weights_only=True)["state_dict"]


@pytest.fixture(scope="module")
def models():
    return {
        "raw": load_checkpoint(CKPT, YAML, use_ema=False),
        "ema": load_checkpoint(CKPT, YAML, use_ema=True),
    }


@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_the_denoiser_is_the_original_one(models, full, weights):
    eps = torch.stack(
        [models[weights].unet(full["x"], t.expand(len(full["x"])), full["c"]) for t in full["t"]]
    )
    torch.testing.assert_close(eps, full[f"{weights}/eps"], rtol=0, atol=2e-5)


# With the EMA weights this short trajectory amplifies rounding a thousandfold: the original's float32 result
# and this one are both 1e-3 away from the same trajectory in float64, in different directions.
@pytest.mark.parametrize(("weights", "tolerance"), [("raw", 5e-4), ("ema", 4e-3)])
def test_sampling_ends_where_the_original_does(models, full, weights, tolerance):
    model, sampler = models[weights], SAMPLERS["plms"]
    denoise = guided(model.unet, full["c"], full["uc"][:1], 7.5)
    *_, last = sampler.run(denoise, full["x_T"], sampler.grid(model.schedule, 10, 0.0), None)
    torch.testing.assert_close(last.x, full[f"{weights}/plms_S10_scale7.5_final"], rtol=0, atol=tolerance)
    torch.testing.assert_close(model.decode(last.x), full[f"{weights}/image"], rtol=0, atol=tolerance)


def test_the_two_sets_differ(models):
    assert models["raw"].weights_digest != models["ema"].weights_digest


def test_the_config_chooses_when_nobody_else_does(models, tmp_path):
    assert load_checkpoint(CKPT, YAML).weights_digest == models["raw"].weights_digest
    text = YAML.read_text(encoding="utf-8").replace("use_ema: false", "use_ema: true")
    config = tmp_path / "c.yaml"
    config.write_text(text.replace("clip-text-tiny-full", str(YAML.parent / "clip-text-tiny-full")))
    assert load_checkpoint(CKPT, config).weights_digest == models["ema"].weights_digest
    assert load_checkpoint(CKPT, config, use_ema=False).weights_digest == models["raw"].weights_digest


def saved(tensors: dict[str, torch.Tensor], path: Path) -> Path:
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    return path


def test_a_file_of_ema_weights_alone(models, state, tmp_path):
    kept = {name: value for name, value in state.items() if not name.startswith("model.")}
    path = saved(kept, tmp_path / "ema.safetensors")
    assert load_checkpoint(path, YAML).weights_digest == models["ema"].weights_digest
    with pytest.raises(CheckpointError, match="holds EMA weights alone"):
        load_checkpoint(path, YAML, use_ema=False)


def test_a_file_without_ema_weights():
    with pytest.raises(CheckpointError, match="has no EMA weights under model_ema"):
        load_checkpoint(*ONE_SET, use_ema=True)


def test_an_ema_set_with_a_gap(state, tmp_path):
    kept = {name: value for name, value in state.items() if name != "model_ema.diffusion_modelout2bias"}
    path = saved(kept, tmp_path / "m.safetensors")
    with pytest.raises(
        CheckpointError, match=r"1 missing keys \(first: model\.diffusion_model\.out\.2\.bias\)"
    ):
        load_checkpoint(path, YAML, use_ema=True)
    load_checkpoint(path, YAML, use_ema=False)


def test_known_extras_are_passed_over(models, state, tmp_path):
    extras = ("lvlb_weights", "logvar", "first_stage_model.loss.logvar", "optimizer_states.0", "global_step")
    path = saved(state | {name: torch.zeros(1) for name in extras}, tmp_path / "m.safetensors")
    assert load_checkpoint(path, YAML).weights_digest == models["raw"].weights_digest
