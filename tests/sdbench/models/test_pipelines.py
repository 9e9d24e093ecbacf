"""Diffusers pipelines as models of a sweep: tiny ones with random weights, loaded like real ones."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("diffusers", reason="needs the extra sdbench[diffusers]")

from reference_model.noise import start_noise
from sdbench.core.errors import InputError
from sdbench.core.precision import FULL, Arithmetic
from sdbench.models.sources import PipelineSource, ReferenceSource
from sdbench.sweep.batch_size import BatchSize
from sdbench.sweep.generate import generate_images
from tests.sdbench import tiny_pipelines
from tests.sdbench.tiny_pipelines import PROMPTS, WARNINGS_IGNORED, copied, images, settings

pytestmark = WARNINGS_IGNORED

Run = Callable[[dict[str, Any], Path], Any]


@pytest.fixture(scope="module")
def stable_diffusion_3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.save_stable_diffusion_3(tmp_path_factory.mktemp("sd3") / "tiny-sd3")


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pipelines.save_flux(tmp_path_factory.mktemp("flux") / "tiny-flux")


def test_a_pipeline_is_swept_beside_the_reference_model(
    tiny: dict[str, Any], stable_diffusion: Path, tmp_path: Path, run_tiny: Run
) -> None:
    pipeline = {"name": "tiny-sd", "diffusers": str(stable_diffusion)}
    content = {**tiny, "checkpoints": ["shapes-v1-1", pipeline]}
    outcome = run_tiny(content, tmp_path / "run")
    assert (outcome.images_made, outcome.images_found) == (24, 0)
    with (tmp_path / "run" / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["checkpoint"] for row in rows} == {"shapes-v1-1", "tiny-sd"}
    assert {row["nfe"] for row in rows} == {"6"}  # PLMS makes one call more than steps; guidance doubles it
    assert {row["flagged"] for row in rows} == {"0"}
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())["checkpoints"]
    assert manifest["tiny-sd"]["pipeline"] == "StableDiffusionPipeline"
    assert manifest["shapes-v1-1"]["kind"] == "reference model"
    assert manifest["shapes-v1-1"]["training"][0].startswith("from scratch: ")

    before = {path: path.read_bytes() for path in (tmp_path / "run" / "shards").rglob("*.parquet")}
    lost = sorted(path for path in before if path.parent.name.startswith("tiny-sd"))[0]
    lost.unlink()
    outcome = run_tiny(content, tmp_path / "run")
    assert outcome.images_made == 4
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("sampler", ["plms", "ddim", "dpm-solver++", "euler", "heun", "unipc"])
def test_the_same_weights_give_the_same_images_in_the_reference_model(
    sampler: str, stable_diffusion: Path
) -> None:
    theirs = PipelineSource("theirs", stable_diffusion)
    ours = ReferenceSource("ours", stable_diffusion)
    expected = images(ours, settings(sampler, steps=10))
    assert expected.std() > 20
    assert np.abs(images(theirs, settings(sampler, steps=10)) - expected).max() <= 2


def test_a_pipeline_with_a_unet_gets_the_start_noise_of_seed_and_prompt(
    stable_diffusion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import StableDiffusionPipeline

    prepare = StableDiffusionPipeline.prepare_latents
    seen: list[torch.Tensor] = []

    def spy(self: Any, *args: Any) -> torch.Tensor:
        seen.append(prepare(self, *args))
        return seen[-1]

    monkeypatch.setattr(StableDiffusionPipeline, "prepare_latents", spy)
    source = PipelineSource("tiny", stable_diffusion)
    images(source, settings("default"), batch=2)
    expected = torch.stack([start_noise(1, prompt.id, (4, 16, 16)) for prompt in PROMPTS])
    assert [len(latents) for latents in seen] == [2, 1]
    assert torch.equal(torch.cat(seen), expected)


@pytest.mark.parametrize(
    ("family", "sampler", "eta"),
    [
        ("stable_diffusion", "diffusers:DDIMScheduler", 1.0),
        ("stable_diffusion", "euler-ancestral", 0.0),
        ("stable_diffusion_3", "default", 0.0),
    ],
)
def test_batches_do_not_change_images(
    family: str, sampler: str, eta: float, request: pytest.FixtureRequest
) -> None:
    source = PipelineSource("tiny", request.getfixturevalue(family))
    at = settings(sampler, eta=eta)
    one, many = images(source, at, batch=1), images(source, at, batch=3)
    assert np.abs(one - many).max() <= 1
    assert np.abs(many[0] - many[1]).max() > 10


@pytest.mark.parametrize(("scale", "expected"), [(4.0, 10), (1.0, 5)])
def test_evaluations_are_counted(scale: float, expected: int, stable_diffusion: Path) -> None:
    source = PipelineSource("tiny", stable_diffusion)
    steps: list[tuple[int, int]] = []
    made = source.load("cpu").generate(
        PROMPTS, settings("default", scale=scale), lambda done, total: steps.append((done, total))
    )
    assert made.evaluations == expected  # PNDM makes 5 calls for 4 steps
    assert steps == [(done, 5) for done in range(1, 6)]


def test_another_family_goes_the_same_way(
    stable_diffusion_3: Path, tmp_path: Path, tiny: dict[str, Any], run_tiny: Run
) -> None:
    xl = tiny_pipelines.save_stable_diffusion_xl(tmp_path / "tiny-xl")
    content = {
        **tiny,
        "checkpoints": [
            {"name": "sd3", "diffusers": str(stable_diffusion_3)},
            {"name": "xl", "diffusers": str(xl)},
        ],
        "samplers": [{"name": "euler", "steps": 2}],
        "guidance_scales": [2],
        "image_size": 32,
    }
    assert run_tiny(content, tmp_path / "run").images_made == 12
    with (tmp_path / "run" / "results.csv").open() as stream:
        assert {row["nfe"] for row in csv.DictReader(stream)} == {"4"}


def test_flux_makes_the_same_images_by_its_own_scheduler_and_by_euler(flux: Path) -> None:
    source = PipelineSource("flux", flux)
    own, euler = (source.load("cpu"), settings("euler"))
    source.check(euler)
    made = [own.generate(PROMPTS, at, lambda done, total: None) for at in (settings("default"), euler)]
    assert np.array_equal(made[0].pixels, made[1].pixels)
    assert made[0].pixels.std() > 10
    assert made[0].evaluations == 8  # guided by true_cfg_scale: twice a step


def test_settings_of_a_scheduler_change_the_images(stable_diffusion_3: Path) -> None:
    source, name = PipelineSource("tiny", stable_diffusion_3), "diffusers:FlowMatchEulerDiscreteScheduler"
    own, same, far = (images(source, settings(f"{name}{query}")) for query in ("", "?shift=1", "?shift=9"))
    assert (own == same).all()
    assert np.abs(own - far).max() > 2


def test_heun_serves_flow_matching_where_the_scheduler_chooses_the_noise_levels(
    stable_diffusion_3: Path,
) -> None:
    source = PipelineSource("tiny", stable_diffusion_3)
    at = settings("heun")
    source.check(at)
    made = source.load("cpu").generate(PROMPTS, at, lambda done, total: None)
    assert made.evaluations == 14  # both halves of guidance, twice a step and once at the last


def test_dynamic_shifting_leaves_no_choice_to_heun(stable_diffusion_3: Path, tmp_path: Path) -> None:
    folder = copied(stable_diffusion_3, tmp_path / "shifting")
    file = folder / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "use_dynamic_shifting": True}))
    source = PipelineSource("tiny", folder)
    source.check(settings("euler"))
    with pytest.raises(InputError, match=r"^checkpoint tiny: .* noise levels that its StableDiffusion3Pip"):
        source.check(settings("heun"))


def test_v_prediction_is_the_librarys_to_handle(stable_diffusion: Path, tmp_path: Path) -> None:
    folder = tiny_pipelines.save_stable_diffusion(tmp_path / "v", prediction_type="v_prediction")
    source, noise = PipelineSource("v", folder), PipelineSource("eps", stable_diffusion)
    difference = images(source, settings("ddim")) - images(noise, settings("ddim"))
    assert np.abs(difference).max() > 10  # the same weights, but they predict something else


@pytest.mark.parametrize(
    ("family", "sampler", "eta", "expected"),
    [
        ("stable_diffusion", "dpm-solver", 0.0, "'dpm-solver' has no equivalent .* did you mean 'dpm-solver"),
        ("stable_diffusion", "diffusers:EulerScheduler", 0.0, "diffusers has no scheduler 'EulerScheduler'"),
        ("stable_diffusion", "diffusers:FlowMatchEulerDiscreteScheduler", 0.0, "does not fit its PNDM"),
        ("stable_diffusion", "default", 0.5, "PNDMScheduler takes no eta"),
        (
            "stable_diffusion_3",
            "diffusers:FlowMatchEulerDiscreteScheduler?shfit=5",
            0.0,
            "did you mean 'shift",
        ),
        ("flux", "heun", 0.0, "FlowMatchHeunDiscreteScheduler cannot take the noise levels that its Flux"),
        ("flux", "diffusers:FlowMatchHeunDiscreteScheduler", 0.0, "noise levels that its FluxPipeline"),
        ("stable_diffusion_3", "plms", 0.0, "'plms' has no equivalent .* known: euler, heun, default"),
    ],
)
def test_samplers_without_a_meaning_are_refused_before_the_first_image(
    family: str, sampler: str, eta: float, expected: str, request: pytest.FixtureRequest
) -> None:
    source = PipelineSource("tiny", request.getfixturevalue(family))
    with pytest.raises(InputError, match=f"^checkpoint tiny: .*{expected}"):
        source.check(settings(sampler, eta=eta))


def test_scales_that_the_library_does_not_guide_at_are_refused(stable_diffusion: Path) -> None:
    source = PipelineSource("tiny", stable_diffusion)
    with pytest.raises(InputError, match=r"^checkpoint tiny: diffusers does not support guidance scales b"):
        source.check(settings("ddim", scale=0.5))
    source.check(settings("ddim", scale=1.0))


def test_the_models_own_sampler_is_no_sampler_of_the_reference_model(stable_diffusion: Path) -> None:
    source = ReferenceSource("ours", stable_diffusion)
    with pytest.raises(InputError, match=r"^checkpoint ours: sampler 'default' is for diffusers pipelines"):
        source.check(settings("default"))


def test_an_image_that_is_not_finite_is_black_and_named_so(
    stable_diffusion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import AutoencoderKL

    decode = AutoencoderKL.decode

    def breaking(self: Any, *args: Any, **options: Any) -> Any:
        images = decode(self, *args, **options)[0]
        images[1, 0, 2, 3] = float("nan")
        return (images,)

    source = PipelineSource("tiny", stable_diffusion)
    fine = images(source, settings("default"))
    monkeypatch.setattr(AutoencoderKL, "decode", breaking)
    model, size = source.load("cpu"), BatchSize(3)
    (made,) = generate_images(model, PROMPTS, settings("default"), size, lambda done: None, where="tiny")
    assert made.finite.tolist() == [True, False, True]
    assert made.pixels[1].max() == 0
    assert (made.pixels[[0, 2]] == fine[[0, 2]]).all()


@pytest.mark.parametrize("precision", ["bf16", "autocast"])
def test_a_pipeline_computes_in_the_precision_asked_for(precision: str, stable_diffusion: Path) -> None:
    source = PipelineSource("tiny", stable_diffusion)
    at = settings("ddim", steps=2)
    made = [
        source.load("cpu", arithmetic).generate(PROMPTS[:1], at, lambda done, total: None)
        for arithmetic in (FULL, Arithmetic(precision))
    ]
    exact, lower = (images.pixels.astype(int) for images in made)
    assert 0 < np.abs(lower - exact).max() < 40
    assert made[0].evaluations == made[1].evaluations
