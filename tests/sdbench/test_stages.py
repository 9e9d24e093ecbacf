"""The stages by themselves: flags, non-finite images, scoring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metrics import Moments, frechet_distance
from sdbench.errors import SamplingError
from sdbench.models.sources import ReferenceSource
from sdbench.plan import Plan, make_plan
from sdbench.prompts import Prompt
from sdbench.registry import Checkpoint
from sdbench.results import ResultRow
from sdbench.shards import Made, Shard, ShardStore
from sdbench.spec import ExperimentSpec
from sdbench.stages.generate import flag
from sdbench.stages.score import score
from sdbench.store import LocalStore

Run = Callable[[dict[str, Any], Path], Any]


def test_flags() -> None:
    image = np.full((8, 8, 3), (10, 200, 30), np.uint8)
    assert flag(image) == "constant"
    image[4, 4, 2] = 31
    assert flag(image) == ""
    assert flag(np.zeros((8, 8, 3), np.uint8)) == "black"
    assert flag(np.random.default_rng(0).integers(0, 2, (8, 8, 3), dtype=np.uint8)) == "black"


def test_an_image_that_is_not_finite_is_an_error_that_names_it(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reference_model import LatentDiffusion

    decode = LatentDiffusion.decode
    monkeypatch.setattr(LatentDiffusion, "decode", lambda self, latents: decode(self, latents) * float("nan"))
    with pytest.raises(
        SamplingError, match=r"cell tiny_plms2_s2_\w+, prompts 000000-\w+ to 000002-\w+: .*not finite"
    ):
        run_tiny(tiny, tmp_path / "run")
    assert not (tmp_path / "run" / "shards").exists()


class TestScore:
    """Two units of five images with known features."""

    @pytest.fixture
    def spec(self) -> ExperimentSpec:
        return ExperimentSpec.model_validate(
            {
                "name": "score",
                "checkpoints": ["sd-v1-4"],
                "samplers": [{"name": "plms", "steps": 50}],
                "guidance_scales": [2],
                "prompts": ["any"],
                "reference": {"source": "folder", "path": "unused"},
                "image_size": [64, 128],
                "seed": 1,
                "batch_size": 5,
                "unit_size": 5,
                "metrics": ["clip-score-vit-l-14", "fid-inception-tf"],
            }
        )

    @pytest.fixture
    def plan(self, spec: ExperimentSpec) -> Plan:
        file = ReferenceSource("sd-v1-4", Path("unused.ckpt"))
        prompts = [Prompt(f"p{i}", f"prompt {i}") for i in range(10)]
        extractors = {"clip-vit-l-14": "c", "inception-v3": "i"}
        return make_plan(spec, [Checkpoint(file, "w" * 64, "default")], prompts, extractors)

    @pytest.fixture
    def features(self) -> dict[str, np.ndarray]:
        random = np.random.default_rng(3)
        names = ("image", "text", "inception", "real")
        return {name: random.normal(size=(10, 3)).astype(np.float32) for name in names}

    def rows(
        self,
        spec: ExperimentSpec,
        plan: Plan,
        features: dict[str, np.ndarray],
        folder: Path,
        *,
        flags: tuple[str, ...] = ("",) * 10,
        devices: tuple[str, str] = ("cpu", "cpu"),
    ) -> list[ResultRow]:
        shards = ShardStore(LocalStore(folder))
        for unit, device in zip(plan.units, devices, strict=True):
            part = slice(unit.chunk.start, unit.chunk.start + 5)
            shard = Shard(
                sha256=["0" * 64] * 5,
                flags=flags[part],
                clip_scores=None,
                features={
                    "clip-vit-l-14": features["image"][part],
                    "inception-v3": features["inception"][part],
                },
                text_features={"clip-vit-l-14": features["text"][part]},
                made=Made(102, 5, device, "torch=1"),
            )
            shards.write(unit, shard)
        return score(spec, plan, shards, {"inception-v3": features["real"]})

    def test_figures_are_those_of_all_images(
        self, spec: ExperimentSpec, plan: Plan, features: dict[str, np.ndarray], tmp_path: Path
    ) -> None:
        clip, fid = self.rows(spec, plan, features, tmp_path)
        image, text = features["image"].astype(np.float64), features["text"].astype(np.float64)
        cosines = (image * text).sum(1) / np.linalg.norm(image, axis=1) / np.linalg.norm(text, axis=1)
        assert clip.value == pytest.approx(cosines.mean())
        assert clip.standard_error == pytest.approx(cosines.std(ddof=1) / np.sqrt(10))
        real, generated = Moments.of(features["real"]), Moments.of(features["inception"])
        assert fid.value == pytest.approx(frechet_distance(real=real, generated=generated))
        assert (fid.n, fid.flagged, fid.note, fid.nfe, fid.image_size) == (10, 0, "", 102, "64x128")
        assert (clip.better, fid.better) == ("higher", "lower")
        assert fid.spec_digest == spec.digest

    def test_flagged_images_are_counted_included_and_said_to_be(
        self, spec: ExperimentSpec, plan: Plan, features: dict[str, np.ndarray], tmp_path: Path
    ) -> None:
        fine = self.rows(spec, plan, features, tmp_path / "fine")
        flags = ("", "black", "", "", "", "", "", "constant", "", "")
        rows = self.rows(spec, plan, features, tmp_path / "flagged", flags=flags)
        assert [row.flagged for row in rows] == [2, 2]
        assert [row.value for row in rows] == [row.value for row in fine]
        assert all("2 flagged images" in row.note and "included" in row.note for row in rows)

    def test_a_cell_made_on_two_devices_says_so(
        self, spec: ExperimentSpec, plan: Plan, features: dict[str, np.ndarray], tmp_path: Path
    ) -> None:
        rows = self.rows(spec, plan, features, tmp_path, devices=("cpu (x86_64)", "cuda (H100)"))
        assert {row.device for row in rows} == {"cpu (x86_64) + cuda (H100)"}
