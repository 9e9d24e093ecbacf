"""The machinery of training, on a budget of seconds: the pictures mean nothing."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import load_file

from reference_model import load_checkpoint
from reference_model.config_file import load_config
from reference_model.errors import TrainingError
from reference_model.latent_diffusion import LatentDiffusion
from reference_model.pipeline import generate
from reference_model.schedule import Schedule
from reference_model.shapes import CHECKPOINTS, CLIP_CONFIG, CONFIG, load_tokenizer
from reference_model.shapes.training import loop, recipe, train
from reference_model.shapes.training.budgets import BUDGETS
from reference_model.shapes.training.clip import text_tower
from reference_model.shapes.training.denoiser import Leg, train_leg
from reference_model.shapes.training.export import fold_scale, save_half
from reference_model.shapes.training.facts import digest, same_threads
from reference_model.shapes.training.optim import Ema
from reference_model.shapes.training.precision import mixed_precision
from reference_model.text_encoder import TextEncoder


def silent(part: str, done: int, total: int, loss: float) -> None:
    pass


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    with torch.inference_mode(False):
        train(folder, "smoke", silent)
    return folder


def test_every_checkpoint_loads_and_samples(trained):
    for name in CHECKPOINTS:
        model = load_checkpoint(trained / "weights" / f"{name}.safetensors", CONFIG)
        context = model.encode_prompts(["a red circle", "a moon"])
        x_T = torch.zeros(2, *model.config.latent_shape(64, 64))  # noqa: N806
        images = generate(model, context, model.encode_prompts([""]), x_T, steps=4)
        assert images.shape == (2, 64, 64, 3)


def test_checkpoints_share_all_but_the_denoiser(trained):
    first, *others = (load_file(trained / "weights" / f"{name}.safetensors") for name in CHECKPOINTS)
    for other in others:
        changed = {name for name, value in first.items() if not torch.equal(value, other[name])}
        assert changed
        assert all(name.startswith("model.diffusion_model.") for name in changed)


def test_losses_and_facts_are_written(trained):
    with open(trained / "losses.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    work = BUDGETS["smoke"]
    assert sum(row["part"] == "autoencoder" for row in rows) == work.autoencoder_steps
    assert sum(row["part"] == "v1-4" for row in rows) == work.v1_4
    assert (trained / "losses.png").read_bytes().startswith(b"\x89PNG")
    facts = json.loads((trained / "training.json").read_text())
    assert facts["budget"] == "smoke"
    stages = ["scenes", "autoencoder", "contrasts", "clip", "latents"]
    stages += ["v1-1-low", "v1-1", "v1-2", "v1-3", "v1-4"]
    assert list(facts["digests"]) == stages
    assert len(set(facts["digests"].values())) == len(stages)
    (machine,) = facts["machines"]
    assert (machine["device"], machine["threads"]) == ("cpu", torch.get_num_threads())


def test_an_interrupted_training_ends_the_same(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    stops = iter([("autoencoder", 2), ("clip", 3), ("v1-2", 1), ("v1-4", 3)])
    stop = next(stops)

    def interrupting(part: str, done: int, total: int, loss: float) -> None:
        nonlocal stop
        if (part, done) == stop:
            stop = next(stops, ("", 0))
            raise KeyboardInterrupt

    with torch.inference_mode(False):
        for _ in range(4):
            with pytest.raises(KeyboardInterrupt):
                train(tmp_path, "smoke", interrupting)
        train(tmp_path, "smoke", interrupting)
    for path in sorted((trained / "weights").iterdir()):
        assert (tmp_path / "weights" / path.name).read_bytes() == path.read_bytes(), path.name
    assert (tmp_path / "losses.csv").read_text() == (trained / "losses.csv").read_text()


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from reference_model.shapes.training import loop, train

torch.set_num_threads(int(sys.argv[2]))
loop.SAVE_SECONDS = 0.0

def report(part, done, total, loss):
    if (part, done) == ("v1-2", 2):
        os.kill(os.getpid(), signal.SIGKILL)

train(Path(sys.argv[1]), "smoke", report)
"""


def test_a_killed_training_resumes_on_its_threads_and_ends_the_same(trained, tmp_path):
    threads = torch.get_num_threads()
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(threads)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    torch.set_num_threads(threads + 1)
    try:
        with torch.inference_mode(False):
            train(tmp_path, "smoke", silent)
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    ours, theirs = (json.loads((f / "training.json").read_text()) for f in (tmp_path, trained))
    assert ours["digests"] == theirs["digests"]
    assert ours["machines"] == theirs["machines"]


def test_starts_on_other_machines_are_recorded(tmp_path, monkeypatch):
    path = tmp_path / "machines.json"
    with same_threads(path, "cpu") as first:
        assert len(first) == 1
    monkeypatch.setattr(torch, "__version__", "9.9")
    for _ in range(2):
        with same_threads(path, "cpu") as machines:
            assert [m["torch"] for m in machines] == [first[0]["torch"], "9.9"]


def test_a_digest_tells_names_shapes_and_values_apart():
    ones = torch.ones(2, 3)
    others = [{"b": ones}, {"a": ones.T}, {"a": ones.half()}, {"a": 2 * ones}, {"a": ones, "b": ones}]
    assert len({digest(tensors) for tensors in [{"a": ones}, *others]}) == 6
    assert digest({"a": ones, "b": 2 * ones}) == digest({"b": 2 * ones, "a": ones.clone()})


def test_a_folder_of_another_training_is_refused(trained, tmp_path):
    with pytest.raises(TrainingError, match="other settings"):
        train(trained, "smoke", silent, seed=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot hold a training"):
        train(tmp_path / "file", "smoke", silent)


@pytest.mark.parametrize("share", ["EARLY_DROP", "LATE_DROP"])
def test_a_training_that_dropped_other_captions_is_refused(trained, monkeypatch, share):
    monkeypatch.setattr(recipe, share, 0.5)
    with pytest.raises(TrainingError, match="other settings"):
        train(trained, "smoke", silent)


def test_a_given_first_stage_is_kept_as_it_is(trained, tmp_path):
    first_stage = trained / "weights" / "shapes-v1-4.safetensors"
    with torch.inference_mode(False):
        train(tmp_path, "smoke", silent, first_stage=first_stage)
    given, ours = (load_file(f / "weights" / "shapes-v1-4.safetensors") for f in (trained, tmp_path))
    kept = {name for name, value in given.items() if torch.equal(value, ours[name])}
    assert {name for name in given if name.startswith("first_stage_model.")} <= kept
    assert not kept & {name for name in given if name.endswith("attn2.to_k.weight")}
    with open(tmp_path / "losses.csv", encoding="utf-8") as file:
        assert "autoencoder" not in {row["part"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("content", ["", "no weights", None])
def test_a_first_stage_of_another_kind_is_refused(trained, tmp_path, content):
    path = trained / "weights" / "shapes-clip.safetensors"
    if content is not None:
        path = tmp_path / "model.safetensors"
        path.write_text(content)
    with pytest.raises(TrainingError, match=path.name):
        train(tmp_path / "out", "smoke", silent, first_stage=path)


@pytest.mark.parametrize("fast", [True, False])
def test_products_are_bfloat16_where_the_processor_has_amx(monkeypatch, fast):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: fast)
    layer = torch.nn.Linear(2, 2)
    with mixed_precision("cpu"):
        assert layer(torch.ones(1, 2)).dtype is (torch.bfloat16 if fast else torch.float32)
    assert layer(torch.ones(1, 2)).dtype is torch.float32


def test_text_tower_is_open_clips():
    """The context at the end token, projected, is what open_clip's text encoder returns."""
    settings = json.loads(CLIP_CONFIG.read_text(encoding="utf-8"))["model_cfg"]
    clip = open_clip.CLIP(**settings).eval()
    model = TextEncoder(load_config(CONFIG).text_encoder).eval()
    model.load_state_dict(text_tower(clip))
    tokens = load_tokenizer()(["a large red circle above a small blue square", ""])
    pooled = model(tokens)[torch.arange(2), tokens.argmax(dim=-1)]
    torch.testing.assert_close(pooled @ clip.text_projection, clip.encode_text(tokens), rtol=0, atol=1e-5)


def test_a_written_checkpoint_draws_the_same_with_smaller_features(tmp_path):
    """Latents of another scale, features at a 16th of their size at full resolution, the same pictures."""
    torch.manual_seed(0)
    model = LatentDiffusion(load_config(CONFIG)).eval().requires_grad_(False)
    decoder = model.first_stage_model.decoder
    blocks = decoder.up[0].block
    for part in (decoder.up[1].upsample.conv, *(block.conv2 for block in blocks), blocks[0].nin_shortcut):
        part.bias.normal_(std=100)  # as large as training makes them
        if part is not blocks[0].nin_shortcut:
            part.weight *= 300
    folded = deepcopy(model)
    fold_scale(folded.first_stage_model, 0.25)
    save_half(folded.state_dict(), tmp_path / "model.safetensors")
    loaded = load_checkpoint(tmp_path / "model.safetensors", CONFIG)

    sizes = []
    for each in (model, loaded):
        norm = each.first_stage_model.decoder.norm_out
        norm.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].abs().max().item()))
    latents, images = torch.randn(2, 8, 8, 8), torch.rand(2, 3, 64, 64) * 2 - 1
    ours, theirs = (each.first_stage_model.decode(z) for each, z in ((loaded, latents), (model, latents * 4)))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.01)
    assert sizes[1] / sizes[0] == pytest.approx(16, rel=0.01)

    ours, theirs = (each.first_stage_model.encode(images) for each in (loaded, model))
    torch.testing.assert_close(ours.mean, theirs.mean * 0.25, rtol=0, atol=1e-3)
    torch.testing.assert_close(ours.std, theirs.std * 0.25, rtol=0, atol=1e-3)


class HalfBlind(torch.nn.Module):
    """Tells noise from latents of ``value`` up to half-way, and nothing later; writes down its input."""

    def __init__(self, alphas_cumprod: torch.Tensor, value: float) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(16, 16, 1)
        self.means = value * alphas_cumprod.sqrt().float()
        self.sigmas = (1 - alphas_cumprod).sqrt().float()
        self.timesteps: list[torch.Tensor] = []
        self.contexts: list[torch.Tensor] = []

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        self.timesteps.append(t)
        self.contexts.append(context)
        mean, sigma, seen = (each[:, None, None, None] for each in (self.means[t], self.sigmas[t], t < 500))
        return torch.where(seen, (x_t - mean) / sigma, 0.0) + self.convolution(x_t) * 0


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_denoisers_learn_evenly_spaced_timesteps_by_weights_between_eps_and_v(tmp_path, scale):
    latents = torch.stack([torch.ones(50, 16, 32, 32), torch.zeros(50, 16, 32, 32)], 1)
    captions = torch.zeros(50, 1, 1)
    leg = Leg("part", latents, scale, captions, torch.arange(50), captions[0], 0.0, 3, 200)
    schedule = Schedule(load_config(CONFIG).schedule)
    with torch.inference_mode(False):
        unet = HalfBlind(schedule.alphas_cumprod, scale)
        losses = train_leg(leg, unet, Ema(unet), schedule, tmp_path, 0, "cpu", silent)

    signal = scale**2 * schedule.alphas_cumprod / (1 - schedule.alphas_cumprod)
    power = signal / (1 + signal)  # that of latents with a deviation of one
    weights = torch.where(signal > 5, 5 / signal, torch.ones_like(signal)) / power.sqrt()
    assert losses == pytest.approx([(weights[500:].sum() / weights.sum()).item()] * 3, rel=0.01)
    for timesteps in unet.timesteps:
        gaps = timesteps.sort().values.diff()
        assert set(gaps.tolist()) <= {4, 5, 6}
    assert len({tuple(timesteps.sort().values.tolist()) for timesteps in unet.timesteps}) > 1


def test_denoisers_see_the_empty_caption_in_the_share_asked_for(tmp_path):
    latents = torch.zeros(50, 2, 16, 32, 32)
    captions, empty = torch.ones(50, 2, 3), torch.zeros(2, 3)
    leg = Leg("part", latents, 1.0, captions, torch.arange(50), empty, 0.25, 5, 400)
    schedule = Schedule(load_config(CONFIG).schedule)
    with torch.inference_mode(False):
        unet = HalfBlind(schedule.alphas_cumprod, 1.0)
        train_leg(leg, unet, Ema(unet), schedule, tmp_path, 0, "cpu", silent)

    given = torch.cat(unet.contexts)
    assert set(given.flatten(1).sum(1).tolist()) == {0.0, 6.0}  # whole captions, or none of it
    assert (given == 0).float().mean().item() == pytest.approx(0.25, abs=0.04)
