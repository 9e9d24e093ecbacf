"""Forecasts: counts agree with runs, disk space with written shards, and times with a fake clock."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from metrics.features import EXTRACTORS
from reference_model import shapes
from sdbench.cli import main
from sdbench.data.prompts import Prompt
from sdbench.models import Images
from sdbench.models.registry import Checkpoint
from sdbench.models.settings import Settings
from sdbench.runs.shards import Made, Shard
from sdbench.runs.store import LocalStore
from sdbench.spec import load_spec
from sdbench.sweep.forecast import calibration, counts
from sdbench.sweep.forecast.calibration import calibrate
from sdbench.sweep.forecast.counts import count, find, first_point
from sdbench.sweep.forecast.disk import TYPICAL, disk_of
from sdbench.sweep.forecast.forecast import forecast
from tests.sdbench.synthetic import planned, store_unit

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
Write = Callable[[dict[str, Any]], Path]
Run = Callable[[dict[str, Any], Path], Any]


def quiet(line: str) -> None:
    """Ignore a note."""


def test_evaluations_are_those_that_a_run_counts(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, spec_file: Write
) -> None:
    content = {**tiny, "samplers": [{"name": "heun", "steps": 2}, {"name": "plms", "steps": 2}]}
    content |= {"guidance_scales": [1, 7.5], "prompts": tiny["prompts"][:2], "unit_size": 1}
    content["metrics"] = ["clip-score-vit-l-14"]
    run_tiny(content, tmp_path / "run")
    rows = pd.read_csv(tmp_path / "run" / "results.csv").drop_duplicates(["sampler", "guidance_scale"])
    spec = load_spec(spec_file(content))
    curves = count(spec, find(spec))
    assert [(curve.sampler, curve.evaluations) for curve in curves] == [
        (name, tuple(rows[rows["sampler"] == name]["nfe"])) for name in ("heun", "plms")
    ]
    found = forecast(spec, tmp_path / "run", quiet, measure=False)
    assert (found.cells, found.units, found.images) == (4, 8, 8)
    assert found.evaluations == 2 * rows["nfe"].sum()
    assert not found.assumed


def test_what_is_done_is_counted(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, spec_file: Write
) -> None:
    run_tiny(tiny, tmp_path / "run")
    more = load_spec(spec_file({**tiny, "guidance_scales": [2, 7.5, 9]}))
    found = forecast(more, tmp_path / "run", quiet, measure=True)
    assert (found.images, found.images_done) == (18, 12)
    other = load_spec(spec_file({**tiny, "seed": 43}))
    assert forecast(other, tmp_path / "run", quiet, measure=False).images_done == 0
    assert forecast(more, tmp_path / "new", quiet, measure=False).images_done == 0
    assert not (tmp_path / "new").exists()
    assert forecast(more, f"file://{tmp_path}/run", quiet, measure=False).images_done == 12
    assert found.speed is not None
    assert found.seconds is not None
    whole = found.speed.load + found.speed.seconds(18, found.evaluations or 0)
    assert found.seconds == pytest.approx(found.speed.load + (whole - found.speed.load) / 3)


def test_missing_inputs_are_listed_and_the_rest_is_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SDBENCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    arguments = ["plan", str(EXPERIMENTS / "sd-v1-variants.yaml"), "--out", str(tmp_path / "run")]
    assert main(arguments) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "sd-v1-variants: COCO captions of captions_val2017.json, any caption of an image, seed 1"
    assert "sd-v1-3     plms 50  80,000  102               missing" in out
    assert "32 cells, 320,000 images in 5,024 units" in out
    assert "32,640,000 UNet evaluations, guidance included" in out
    missing = [line.removeprefix("missing: ") for line in out if line.startswith("missing: ")]
    assert sum("fetch with: sdbench models fetch sd-v1-" in line for line in missing) == 4
    assert any("captions_val2017.json not found" in line for line in missing)
    assert any(line.startswith("reference.path: data/coco/val2017 not found") for line in missing)
    assert any(line.startswith("weights of inception-v3") for line in missing)
    assert missing[-1] == "calibration: it needs a checkpoint and the prompts"
    assert not (tmp_path / "run").exists()
    assert main([*arguments, "--json", "--count", "10", "--no-calibrate"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["images"], plan["evaluations"], plan["speed"], plan["seconds"]) == (320, 32640, None, None)
    assert plan["disk"]["images"] == round(320 * 512 * 512 * TYPICAL)
    assert plan["disk"]["basis"] == "an estimate"


def test_evaluations_of_pipelines_are_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(EXPERIMENTS / "mlperf-sdxl.yaml"), "--no-calibrate"]) == 0
    assert "200,000 UNet evaluations, guidance included, assuming one per step" in capsys.readouterr().out


def test_under_a_budget_everything_is_at_most(
    tiny: dict[str, Any], spec_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = spec_file({**tiny, "budget": {"until": "clip-score-vit-l-14 +- 0.1"}})
    assert main(["plan", str(path), "--out", str(tmp_path / "run"), "--no-calibrate"]) == 0
    out = capsys.readouterr().out
    assert "2 cells, at most 12 images in 4 units" in out
    assert "at most 72 UNet evaluations" in out


class Clock:
    """A clock that only the model advances."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class ClockedModel:
    """Takes `fixed` seconds per image and `each` per evaluation; two evaluations per step, and two more."""

    digest = ""

    def __init__(
        self, clock: Clock, fixed: float, each: float, *, counted: bool = True, compiling: float = 0.0
    ) -> None:
        self._clock, self._fixed, self._each, self._counted = clock, fixed, each, counted
        self._compiling = compiling  # seconds, once for each size
        self.calls: list[tuple[int, int]] = []

    def generate(self, prompts: Sequence[Prompt], settings: Settings, on_step: object) -> Images:
        evaluations = 2 * settings.steps + 2
        if len(prompts) not in {size for size, _ in self.calls}:
            self._clock.now += self._compiling
        self.calls.append((len(prompts), settings.steps))
        self._clock.now += len(prompts) * (self._fixed + evaluations * self._each)
        pixels = np.zeros((len(prompts), settings.height, settings.width, 3), np.uint8)
        return Images(pixels, evaluations if self._counted else None, np.ones(len(prompts), bool))


@pytest.fixture
def clocked(
    tiny: dict[str, Any], spec_file: Write, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Any, ClockedModel]]:
    """Calibrate with a clocked model of 50 steps in batches of up to 4; returns the speed and the model."""

    def run(
        fixed: float,
        each: float,
        *,
        counted: bool = True,
        compiling: float = 0.0,
        device: str = "cpu",
        **more: Any,
    ) -> tuple[Any, ClockedModel]:
        clock = Clock()
        monkeypatch.setattr(time, "perf_counter", clock)
        model = ClockedModel(clock, fixed, each, counted=counted, compiling=compiling)
        content = {**tiny, "samplers": [{"name": "plms", "steps": 50}], "batch_size": 4, **more}
        spec = load_spec(spec_file(content))
        found = find(spec)
        monkeypatch.setattr(calibration.environment, "best_device", lambda: device)
        monkeypatch.setattr(calibration.environment, "device_name", str)
        monkeypatch.setattr(counts, "best_device", lambda: device)
        point = first_point(spec, found)
        assert point is not None
        monkeypatch.setattr(type(point[0]), "load", lambda *arguments: model)
        return calibrate(spec, *point, found.prompts, quiet), model

    return run


def test_the_parts_of_an_image_are_told_apart(clocked: Callable[..., tuple[Any, ClockedModel]]) -> None:
    speed, model = clocked(0.05, 0.01)
    assert speed.fixed == pytest.approx(0.05)
    assert speed.per_evaluation == pytest.approx(0.01)
    assert speed.seconds(1000, 102_000) == pytest.approx(1000 * (0.05 + 102 * 0.01))
    assert model.calls[-1] == (4, 50)
    assert speed.basis.startswith("4 images at 2 and 50 steps of tiny plms, without the features of ")
    assert speed.bytes_per_pixel is not None


def test_a_slow_device_makes_single_images_of_few_steps(
    clocked: Callable[..., tuple[Any, ClockedModel]],
) -> None:
    speed, model = clocked(4.0, 3.0)
    assert model.calls == [(1, 2), (1, 5)]
    assert speed.fixed == pytest.approx(4.0)
    assert speed.per_evaluation == pytest.approx(3.0)
    assert speed.bytes_per_pixel is None  # an unfinished image does not predict the PNG of a finished one
    assert speed.basis.startswith("1 image at 2 and 5 steps of tiny plms")


def test_compiling_is_not_timed(
    clocked: Callable[..., tuple[Any, ClockedModel]],
) -> None:
    speed, model = clocked(0.05, 0.01, compiling=90.0, compile="on")
    assert speed.fixed == pytest.approx(0.05)
    assert speed.per_evaluation == pytest.approx(0.01)
    assert {size for size, _ in model.calls} == {4}  # no other size is compiled
    assert model.calls[-1] == (4, 50)
    assert speed.basis.startswith("4 images at 2 and 50 steps of tiny plms after compiling, without")


@pytest.mark.parametrize(("device", "size"), [("cpu", 20), ("cuda", 16)])
def test_compiled_batches_have_the_size_of_a_run(
    clocked: Callable[..., tuple[Any, ClockedModel]], monkeypatch: pytest.MonkeyPatch, device: str, size: int
) -> None:
    monkeypatch.setattr(calibration, "extractor_names", lambda spec: [])
    prompts = [f"prompt {i}" for i in range(24)]
    more = {"compile": "on", "batch_size": "auto", "unit_size": 20, "prompts": prompts}
    _, model = clocked(0.05, 0.01, compiling=90.0, device=device, **more)
    assert {size for size, _ in model.calls} == {size}


def test_a_model_with_uncounted_evaluations_is_timed_as_a_whole(
    clocked: Callable[..., tuple[Any, ClockedModel]],
) -> None:
    for fixed, each in ((0.05, 0.01), (4.0, 3.0)):
        speed, _ = clocked(fixed, each, counted=False)
        assert speed.per_evaluation == 0
        assert speed.seconds(10, 0) == pytest.approx(10 * (fixed + 102 * each))


def test_shards_take_the_forecast_space(tmp_path: Path) -> None:
    spec = load_spec(EXPERIMENTS / "sd-v1-variants.yaml").with_count(128)
    names = ("clip-vit-l-14", "inception-v3")
    prompts = [Prompt(f"coco-{i:07d}", f"a photo of {i} people on a crowded beach") for i in range(128)]
    plan = planned(spec, [shapes_checkpoint()], prompts)
    random = np.random.default_rng(0)
    store = LocalStore(tmp_path)
    for unit in plan.units_of(plan.cells[0]):
        features = {name: random.normal(size=(64, EXTRACTORS[name].dim)).astype(np.float32) for name in names}
        shard = Shard(
            sha256=[f"{i:064x}" for i in range(64)],
            thumbnails=random.integers(0, 256, (64, 192), np.uint8),
            flags=[""] * 64,
            made=Made(102, [8], "cpu (x86_64)", "sdbench=0.1.0"),
        )
        store_unit(store, unit, shard, features, {"clip-vit-l-14": features["clip-vit-l-14"]})
    written = sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    assert disk_of(spec, 1, 128, None).shards == pytest.approx(written, rel=0.02)
    assert disk_of(spec.model_copy(update={"images": "none"}), 1, 128, None).images == 0


def shapes_checkpoint() -> Checkpoint:
    spec = load_spec(EXPERIMENTS / "shapes-demo.yaml")
    source = find(spec).sources["shapes-v1-1"]
    return Checkpoint(source, "w", source.config_digest())


def test_known_dims_are_those_of_the_extractors() -> None:
    own = EXTRACTORS["shapes-clip"].build(
        shapes.CLIP_CONFIG, shapes.CLIP_WEIGHTS, shapes.load_tokenizer(), device="cpu"
    )
    assert own.dim == EXTRACTORS["shapes-clip"].dim
