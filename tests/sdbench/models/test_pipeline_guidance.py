"""Each pipeline is guided by the argument that it really uses; one that uses none is refused."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra sdbench[diffusers]")

from sdbench.core.errors import InputError
from sdbench.data.prompts import Prompt
from sdbench.models import library_warnings
from sdbench.models.sources import PipelineSource
from sdbench.spec import ExperimentSpec
from sdbench.sweep.forecast.counts import count, find
from tests.sdbench import tiny_pipelines
from tests.sdbench.tiny_pipelines import PROMPTS, WARNINGS_IGNORED, settings

pytestmark = WARNINGS_IGNORED


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guidance")


@pytest.fixture(scope="module")
def true_cfg(folder: Path) -> Path:
    return tiny_pipelines.save_flux(folder / "true-cfg")


def made(source: PipelineSource, **changes: Any) -> tuple[np.ndarray, int | None]:
    at = replace(settings("default", steps=2), **changes)
    images = source.load("cpu").generate(PROMPTS, at, lambda done, total: None)
    return images.pixels, images.evaluations


def test_two_kinds_of_guidance_are_swept_and_named(
    true_cfg: Path, folder: Path, tmp_path: Path, tiny: dict[str, Any], run_tiny: Callable[..., Any]
) -> None:
    embedded = tiny_pipelines.save_flux(folder / "embedded", distilled=True)
    content = {
        **tiny,
        "checkpoints": [
            {"name": "true", "diffusers": str(true_cfg)},
            {"name": "embedded", "diffusers": str(embedded)},
        ],
        "samplers": [{"name": "default", "steps": 2}],
        "guidance_scales": [1, 4],
        "image_size": 32,
        "prompts": tiny["prompts"][:2],
        "metrics": ["clip-score-vit-l-14"],
    }
    assert run_tiny(content, tmp_path / "run").images_made == 8
    with (tmp_path / "run" / "results.csv").open() as stream:
        rows = [
            tuple(row[key] for key in ("checkpoint", "nfe", "guided_by")) for row in csv.DictReader(stream)
        ]
    by_true = "true_cfg_scale with a negative prompt, empty unless the spec gives one"
    by_input = "guidance_scale, an input of the network"
    assert rows == [("true", "2", by_true), ("true", "4", by_true), *[("embedded", "2", by_input)] * 2]
    spec = ExperimentSpec.model_validate(content)
    planned = {curve.checkpoint: curve for curve in count(spec, find(spec))}
    assert [planned[name].evaluations for name in ("true", "embedded")] == [(2, 4), (2, 2)]
    assert planned["embedded"].guided_by == by_input
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())["checkpoints"]
    assert manifest["embedded"]["guided_by"] == by_input
    with pytest.raises(InputError, match=r"^checkpoint embedded: its FluxPipeline ignores negative prompts"):
        run_tiny({**content, "negative_prompt": ["", "blurry"]}, tmp_path / "negative")


def test_a_pipeline_that_ignores_the_scale_is_refused_before_it_is_loaded(folder: Path) -> None:
    source = PipelineSource("klein", tiny_pipelines.save_step_distilled(folder / "klein"))
    with pytest.raises(InputError, match=r"^checkpoint klein: its Flux2KleinPipeline ignores .* \[1\]$"):
        source.check(settings("default"))
    source.check(settings("default", scale=1.0))
    with pytest.raises(InputError, match=r"^checkpoint klein: a pipeline guides in its own way; guid"):
        source.check(replace(settings("default"), guidance="apg"))
    index = folder / "klein" / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "is_distilled": False}))
    source.check(settings("default"))


def test_a_negative_prompt_leads_away_from_it(true_cfg: Path, stable_diffusion: Path) -> None:
    for source in (PipelineSource("true", true_cfg), PipelineSource("sd", stable_diffusion)):
        plain, other = made(source), made(source, negative_prompt="a blue square")
        assert plain[1] == other[1]
        assert (plain[0] != other[0]).any(axis=(1, 2, 3)).all()
    own = [replace(PROMPTS[0], negative="a blue square"), *PROMPTS[1:]]
    at = replace(settings("default", steps=2))
    mixed = source.load("cpu").generate(own, at, lambda done, total: None).pixels
    assert np.abs(mixed[0].astype(int) - other[0][0]).max() <= 1
    assert np.abs(mixed[1:].astype(int) - plain[0][1:]).max() <= 1


def test_a_librarys_warning_is_kept_once() -> None:
    library_warnings.listen()
    library_warnings.taken()
    for value in (1, 2):
        logging.getLogger("diffusers.pipelines.any").warning("guidance_scale %s\nis ignored", value)
    logging.getLogger("transformers.any").warning("You have disabled the safety checker")
    assert library_warnings.taken() == ("diffusers: guidance_scale 1 is ignored",)
    assert library_warnings.taken() == ()


def test_a_negative_prompt_of_its_own_belongs_to_a_units_identity() -> None:
    prompt = Prompt("a", "a circle")
    assert settings("ddim").negatives([prompt, replace(prompt, negative="no")]) == ["", "no"]
    assert not settings("ddim").has_negatives([prompt])
    assert settings("ddim").has_negatives([replace(prompt, negative="")])
