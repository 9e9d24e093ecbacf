"""The reference model in a sweep: precision, new weights in place of old ones, prompts encoded once."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from reference_model import LatentDiffusion, shapes
from sdbench.core.errors import InputError
from sdbench.core.precision import Arithmetic
from sdbench.data.prompts import Prompt
from sdbench.models.reference import ReferenceModel
from sdbench.models.settings import Settings
from sdbench.models.sources import ReferenceSource
from sdbench.runs.plan import Cell, Chunk, Unit
from sdbench.scoring.extractors import build_extractor, features_identity
from sdbench.sweep.worker import Job, Worker

PROMPTS = (Prompt("a", "a red circle"), Prompt("b", "a blue square"))
HALF = Arithmetic("bf16")


def source(name: str) -> ReferenceSource:
    return ReferenceSource(name, shapes.CHECKPOINTS[name], shapes.CONFIG)


def settings(scale: float) -> Settings:
    return Settings("ddim", 2, 0.0, scale, 64, 64, 1)


def pixels(model: object, scale: float = 2.0) -> np.ndarray:
    assert isinstance(model, ReferenceModel)
    return model.generate(PROMPTS, settings(scale), lambda done, total: None).pixels


def test_the_next_checkpoint_takes_the_place_of_the_last() -> None:
    first = source("shapes-v1-1").load("cpu")
    alone = source("shapes-v1-2").load("cpu")
    assert not np.array_equal(pixels(first), pixels(alone))
    second = source("shapes-v1-2").load("cpu", reuse=first)
    assert second is first
    assert second.digest == alone.digest
    assert np.array_equal(pixels(second), pixels(alone))


def test_other_arithmetic_is_another_model_of_the_same_weights() -> None:
    exact = source("shapes-v1-1").load("cpu")
    half = source("shapes-v1-1").load("cpu", HALF, reuse=exact)
    assert half is not exact
    assert half.digest == source("shapes-v1-1").load("cpu").digest
    with pytest.raises(AttributeError):
        pixels(exact)  # its weights have been freed


def test_images_beyond_float16_are_decoded_again_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What float16 loses, bfloat16 has; the other image is left alone."""
    model = source("shapes-v1-1").load("cpu", Arithmetic("fp16"))
    assert isinstance(model, ReferenceModel)
    decode = LatentDiffusion.decode
    asked = replace(settings(2.0), precision="fp16")
    plain = model.generate(PROMPTS, asked, lambda done, total: None)

    def overflowing(self: LatentDiffusion, latents: Tensor) -> Tensor:
        images = decode(self, latents)
        return torch.stack([images[0], images[1] * float("inf")])

    monkeypatch.setattr(LatentDiffusion, "decode", overflowing)
    mended = model.generate(PROMPTS, asked, lambda done, total: None)
    assert mended.decoded_again is not None
    assert mended.decoded_again.tolist() == [False, True]
    assert mended.finite.all()
    assert np.array_equal(mended.pixels[0], plain.pixels[0])
    assert 0 < np.abs(mended.pixels[1].astype(int) - plain.pixels[1]).mean() < 4
    other = model.generate(PROMPTS, settings(2.0), lambda done, total: None)  # of another precision: lost
    assert (other.finite.tolist(), other.decoded_again) == ([True, False], None)


@pytest.mark.parametrize(("scale", "expected"), [(1.0, 2), (2.0, 4)])
def test_evaluations_are_counted_for_each_image(scale: float, expected: int) -> None:
    model = source("shapes-v1-1").load("cpu")
    assert model.generate(PROMPTS, settings(scale), lambda done, total: None).evaluations == expected


def test_prompts_are_encoded_once_for_all_cells_and_checkpoints(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    encoded: list[list[str]] = []
    encode = LatentDiffusion.encode_prompts

    def noted(model: LatentDiffusion, prompts: list[str]) -> object:
        encoded.append(prompts)
        return encode(model, prompts)

    monkeypatch.setattr(LatentDiffusion, "encode_prompts", noted)
    model = source("shapes-v1-1").load("cpu")
    for scale in (2.0, 3.0):
        pixels(model, scale)
    once = [["a red circle", "a blue square"], [""]]
    assert encoded == once
    model = source("shapes-v1-2").load("cpu", reuse=model)
    pixels(model)
    assert encoded == once

    state = load_file(shapes.CHECKPOINTS["shapes-v1-2"])
    name = "cond_stage_model.transformer.text_model.final_layer_norm.bias"
    save_file(state | {name: state[name] + 1}, tmp_path / "other.safetensors")
    other = replace(source("shapes-v1-2"), path=tmp_path / "other.safetensors")
    pixels(other.load("cpu", reuse=model))
    assert encoded == [*once, *once]  # the text encoder is a different one


def test_a_configuration_that_changed_is_refused(tmp_path: Path) -> None:
    shutil.copytree(shapes.CONFIG.parent, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors"))
    config = tmp_path / "copy" / shapes.CONFIG.name
    text = config.read_text()
    mine = ReferenceSource("mine", shapes.CHECKPOINTS["shapes-v1-1"], config)
    mine.config_digest()
    changed = re.sub(r"scale_factor: .*", "scale_factor: 0.5", text)
    assert changed != text
    config.write_text(changed)
    with pytest.raises(InputError, match="mine: its configuration changed during the run"):
        mine.load("cpu")


@pytest.mark.parametrize("stale", ["weights", "config", "extractor"])
def test_a_worker_refuses_what_the_plan_does_not_name(stale: str, tmp_path: Path) -> None:
    """Another machine of a cluster may have different files, or a different library, under the same names."""
    mine = source("shapes-v1-1")
    digests = {
        "weights": mine.identify(),
        "config": mine.config_digest(),
        "extractor": features_identity(build_extractor("shapes-clip", "cpu")),
    } | {stale: "of another machine"}
    cell = Cell(mine.name, settings(2.0), digests["weights"], digests["config"])
    unit = Unit(cell, Chunk(0, PROMPTS))
    expected = "not those of the plan" if stale == "extractor" else "shapes-v1-1 changed during the run"
    extractors = {"shapes-clip": digests["extractor"]}
    job = Job(str(tmp_path), {mine.name: mine}, extractors, "cpu", 1, 2, 0, 2)
    with Worker(job) as worker, pytest.raises(InputError, match=expected):
        worker.do(unit, lambda unit, done: None)
    # Images do not depend on the extractor and may be stored; features of another one never are.
    stored = [path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.parquet")]
    assert stored == (["shards"] if stale == "extractor" else [])
