"""Scoring a run: images that are not finite, values and their notes."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from metrics import PROTOCOLS, Moments, clip_score_estimate, frechet_distance, prepare
from metrics.uncertainty import with_clusters
from sdbench.data.prompts import Prompt
from sdbench.models.registry import Checkpoint
from sdbench.models.sources import ReferenceSource
from sdbench.runs.plan import Plan
from sdbench.runs.shards import Made, Shard
from sdbench.runs.store import LocalStore
from sdbench.runs.tables import ResultRow
from sdbench.scoring.references import Real
from sdbench.scoring.sample import SampleReader
from sdbench.scoring.score import score
from sdbench.spec import ExperimentSpec
from tests.sdbench.synthetic import EXTRACTORS, planned, store_unit

Run = Callable[[dict[str, Any], Path], Any]


def test_images_that_are_not_finite_are_black_and_flagged_and_counted(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reference_model import LatentDiffusion

    decode = LatentDiffusion.decode

    def breaking(self: LatentDiffusion, latents: Tensor) -> Tensor:
        images = decode(self, latents).clone()  # decoded tensors refuse changes in place
        images[0, 1, 2, 3] = float("nan")
        return images

    monkeypatch.setattr(LatentDiffusion, "decode", breaking)
    run_tiny({**tiny, "guidance_scales": [2]}, tmp_path / "run")
    # Batches of 3 in units of 4: the first of each of the batches 0-2, 3, and 4-5.
    broken = {"000000", "000003", "000004"}
    with (tmp_path / "run" / "flagged.csv").open() as stream:
        assert [(row["image"][:6], row["flags"]) for row in csv.DictReader(stream)] == [
            (id_, "not finite") for id_ in sorted(broken)
        ]
    for path in (tmp_path / "run" / "images").rglob("*.png"):
        assert (np.asarray(Image.open(path)).max() == 0) == (path.name[:6] in broken)
    with (tmp_path / "run" / "results.csv").open() as stream:
        for row in csv.DictReader(stream):
            assert (row["n"], row["flagged"]) == ("6", "3")
            said = "3 flagged images (3 not finite) are included, black in place of those not finite"
            assert said in row["note"]
            assert row["note"].endswith("(n = 3)")


USED = {name: EXTRACTORS[name] for name in ("clip-vit-l-14", "inception-v3")}
CHECKPOINT = Checkpoint(ReferenceSource("sd-v1-4", Path("unused.ckpt")), "w" * 64, "default")


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
        prompts = [Prompt(f"p{i}", f"prompt {i}") for i in range(10)]
        return planned(spec, [CHECKPOINT], prompts)

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
        sha256: Sequence[str] = [str(i) for i in range(10)],
        devices: tuple[str, str] = ("cpu", "cpu"),
    ) -> list[ResultRow]:
        store = LocalStore(folder)
        for unit, device in zip(plan.units, devices, strict=True):
            part = slice(unit.chunk.start, unit.chunk.start + 5)
            shard = Shard(
                sha256=sha256[part],
                thumbnails=np.repeat(np.arange(part.start, part.stop, dtype=np.uint8)[:, None] * 20, 192, 1),
                flags=flags[part],
                made=Made(102, [5], device, "torch=1"),
            )
            seen = {"clip-vit-l-14": features["image"][part], "inception-v3": features["inception"][part]}
            store_unit(store, unit, shard, seen, {"clip-vit-l-14": features["text"][part]})
        return score(spec, plan, SampleReader(store, USED), self.reference(features)).rows

    def reference(self, features: dict[str, np.ndarray]) -> dict[str, Real]:
        name = "fid-inception-tf"
        return {name: Real(prepare(PROTOCOLS[name], features["real"]))}

    def test_values_are_those_of_all_images(
        self, spec: ExperimentSpec, plan: Plan, features: dict[str, np.ndarray], tmp_path: Path
    ) -> None:
        clip, fid = self.rows(spec, plan, features, tmp_path)
        image, text = features["image"].astype(np.float64), features["text"].astype(np.float64)
        cosines = (image * text).sum(1) / np.linalg.norm(image, axis=1) / np.linalg.norm(text, axis=1)
        assert clip.value == pytest.approx(cosines.mean())
        assert clip.standard_error == pytest.approx(cosines.std(ddof=1) / np.sqrt(10))
        real, generated = Moments.of(features["real"]), Moments.of(features["inception"])
        assert fid.value == pytest.approx(frechet_distance(real=real, generated=generated))
        assert (fid.n, fid.flagged, fid.nfe, fid.image_size) == (10, 0, 102, "64x128")
        assert fid.note.startswith("no standard error: n = 10 images")
        assert clip.note == ""
        assert (clip.better, fid.better) == ("higher", "lower")
        assert fid.spec_digest == spec.digest

    def test_flagged_images_are_included_counted_and_noted(
        self, spec: ExperimentSpec, plan: Plan, features: dict[str, np.ndarray], tmp_path: Path
    ) -> None:
        fine = self.rows(spec, plan, features, tmp_path / "fine")
        flags = ("", "black", "", "", "", "", "", "constant", "", "")
        sha256 = [str(min(i, 8)) for i in range(10)]
        rows = self.rows(spec, plan, features, tmp_path / "flagged", flags=flags, sha256=sha256)
        assert [row.flagged for row in rows] == [3, 3]
        assert [row.value for row in rows] == [row.value for row in fine]
        kept = {name: part[[0, 2, 3, 4, 5, 6, 8]] for name, part in features.items() if name != "real"}
        without = frechet_distance(real=Moments.of(features["real"]), generated=Moments.of(kept["inception"]))
        counted = "3 flagged images (1 black, 1 constant, 1 duplicate) are included; without them "
        assert rows[1].note.endswith(f"; {counted}{without:.6g} (n = 7)")
        clip = clip_score_estimate(generated=kept["image"], text=kept["text"])
        assert rows[0].note == f"{counted}{clip.value:.6g} ± {clip.standard_error:.3g} (n = 7)"

    def test_images_of_one_prompt_are_not_taken_for_independent(
        self, spec: ExperimentSpec, plan: Plan, features: dict[str, np.ndarray], tmp_path: Path
    ) -> None:
        texts = ["a", "b", "c"] * 3 + ["d"]
        prompts = [Prompt(f"p{i}", text) for i, text in enumerate(texts)]
        repeating = planned(spec, [CHECKPOINT], prompts)
        clip, _ = self.rows(spec, repeating, features, tmp_path)
        alone = clip_score_estimate(generated=features["image"], text=features["text"])
        assert clip.standard_error == with_clusters(alone, texts).standard_error
        assert clip.standard_error != pytest.approx(alone.standard_error)

    def test_a_cell_made_on_two_devices_says_so(
        self, spec: ExperimentSpec, plan: Plan, features: dict[str, np.ndarray], tmp_path: Path
    ) -> None:
        rows = self.rows(spec, plan, features, tmp_path, devices=("cpu (x86_64)", "cuda (H100)"))
        assert {row.device for row in rows} == {"cpu (x86_64) + cuda (H100)"}
