"""The tables that scoring writes beside the results: comparisons, regions, dominance, images."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from metrics import PROTOCOLS, Estimate, Moments, frechet_estimate
from metrics.compare import compare, pairwise
from metrics.evaluate import prepare
from metrics.regions import PlanePoint, confidence_region, curve_dominance
from reports.rows import first_protocol
from sdbench.data.prompts import Prompt
from sdbench.models.registry import Checkpoint
from sdbench.models.sources import ReferenceSource
from sdbench.runs.plan import Plan
from sdbench.runs.shards import Made, Shard
from sdbench.runs.store import LocalStore
from sdbench.scoring.compare import ids_to_measure, plane_axes
from sdbench.scoring.references import Real
from sdbench.scoring.sample import SampleReader
from sdbench.scoring.score import score, write_scores
from sdbench.spec import ExperimentSpec
from tests.sdbench.synthetic import EXTRACTORS, planned, store_unit

N, DIM = 40, 3
DISTANCE, SCORE = "fid-inception-tf", "clip-score-vit-l-14"
RANDOM = np.random.default_rng(1)
REAL = RANDOM.normal(size=(200, DIM))
NOISE = RANDOM.normal(size=(3, N, DIM))
TEXT = RANDOM.normal(size=(N, DIM))


@pytest.fixture
def spec() -> ExperimentSpec:
    """Two checkpoints at two scales, ten units of four prompts."""
    return ExperimentSpec.model_validate(
        {
            "name": "compare",
            "checkpoints": ["sd-v1-3", "sd-v1-4"],
            "samplers": [{"name": "plms", "steps": 50}],
            "guidance_scales": [2, 4],
            "prompts": ["any"],
            "reference": {"source": "folder", "path": "unused"},
            "image_size": 64,
            "seed": 5,
            "batch_size": 4,
            "unit_size": 4,
            "metrics": [SCORE, DISTANCE],
        }
    )


@pytest.fixture
def plan(spec: ExperimentSpec) -> Plan:
    prompts = [Prompt(f"p{i:02d}", f"prompt {i}") for i in range(N)]
    checkpoints = [
        Checkpoint(ReferenceSource(f"sd-v1-{i}", Path("unused.ckpt")), f"{i}" * 64, "default") for i in (3, 4)
    ]
    return planned(spec, checkpoints, prompts)


def features(cell: int) -> dict[str, np.ndarray]:
    """Return features of all prompts: cells share most of their noise; the second checkpoint is better."""
    worse = 0.9 if cell < 2 else 0.2
    image = NOISE[0] + 0.2 * RANDOM_OF_CELL[cell] + worse
    clip = TEXT + (worse + 0.1 * (cell % 2)) * NOISE[1]
    return {"inception-v3": image.astype(np.float32), "clip-vit-l-14": clip.astype(np.float32)}


RANDOM_OF_CELL = np.random.default_rng(2).normal(size=(4, N, DIM))


USED = {name: EXTRACTORS[name] for name in ("clip-vit-l-14", "inception-v3")}


def write(plan: Plan, folder: Path) -> SampleReader:
    store = LocalStore(folder)
    for unit in plan.units:
        part = slice(unit.chunk.start, unit.chunk.start + len(unit.chunk.prompts))
        numbers = range(part.start, part.stop)
        store_unit(
            store,
            unit,
            Shard(
                sha256=[f"{unit.cell.folder}{i}" for i in numbers],
                thumbnails=np.random.default_rng(part.start).integers(0, 256, (len(numbers), 192), np.uint8),
                flags=["black" if i == 7 else "" for i in numbers],
                made=Made(102, [4], "cpu", "torch=1"),
            ),
            {name: rows[part] for name, rows in features(plan.cells.index(unit.cell)).items()},
            {"clip-vit-l-14": TEXT[part].astype(np.float32)},
        )
    return SampleReader(store, USED)


def reals() -> dict[str, Real]:
    return {DISTANCE: Real(prepare(PROTOCOLS[DISTANCE], REAL), digest="real")}


def scored(spec: ExperimentSpec, plan: Plan, folder: Path) -> Path:
    write_scores(LocalStore(folder), score(spec, plan, write(plan, folder), reals()))
    return folder


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def distance(cell: int, count: int = N) -> Estimate:
    return frechet_estimate(real=Moments.of(REAL), generated=features(cell)["inception-v3"][:count])


def with_counts(plan: Plan, counts: Sequence[int]) -> Plan:
    """Return the plan with only these numbers of units per cell, as a budget leaves it."""
    units = [
        unit for cell, count in zip(plan.cells, counts, strict=True) for unit in plan.units_of(cell)[:count]
    ]
    return Plan(plan.cells, tuple(units))


def test_all_pairs_are_compared_image_by_image(spec: ExperimentSpec, plan: Plan, tmp_path: Path) -> None:
    rows = read(scored(spec, plan, tmp_path), "comparisons.csv")
    cells = [cell.folder for cell in plan.cells]
    pairs = [(a, b) for i, a in enumerate(cells) for b in cells[i + 1 :]]
    assert [(row["protocol"], row["a"], row["b"]) for row in rows] == [
        (protocol, a, b) for protocol in (SCORE, DISTANCE) for a, b in pairs
    ]
    expected = pairwise({cell: distance(i) for i, cell in enumerate(cells)})
    for row, pair in zip(rows[6:], expected, strict=True):
        assert pair.paired
        numbers = {
            "difference": pair.difference,
            "standard_error": pair.standard_error,
            "low": pair.low,
            "high": pair.high,
            "p_value": pair.p_value,
            "p_holm": pair.adjusted_p,
            "detectable": pair.minimum_detectable_effect(),
        }
        assert {name: float(row[name]) for name in numbers} == pytest.approx(numbers, rel=1e-6)
        assert (row["n"], row["note"]) == (str(N), "")


def test_cells_of_unequal_size_are_compared_over_the_prompts_that_both_have(
    spec: ExperimentSpec, plan: Plan, tmp_path: Path
) -> None:
    folder = scored(spec, with_counts(plan, (10, 8, 10, 9)), tmp_path)
    rows = [row for row in read(folder, "comparisons.csv") if row["protocol"] == DISTANCE]
    assert [row["n"] for row in rows] == ["32", "40", "36", "32", "32", "36"]
    assert rows[0]["note"] == "over the 32 prompts that both have"
    assert rows[1]["note"] == ""
    expected = compare(distance(0, 32), distance(1, 32))
    assert float(rows[0]["difference"]) == pytest.approx(expected.difference, rel=1e-6)
    assert float(rows[0]["standard_error"]) == pytest.approx(expected.standard_error, rel=1e-6)
    results = [row for row in read(folder, "results.csv") if row["protocol"] == DISTANCE]
    assert [row["n"] for row in results] == ["40", "32", "40", "36"]
    assert float(results[0]["value"]) == pytest.approx(distance(0).value, rel=1e-6)
    assert {row["n"] for row in read(folder, "dominance.csv")} == {"32"}
    assert len({row["prompts_digest"] for row in results}) == 3
    assert len(pd.read_parquet(folder / "images.parquet")) == 40 + 32 + 40 + 36


def test_cells_that_share_too_few_prompts_are_noted(spec: ExperimentSpec, plan: Plan, tmp_path: Path) -> None:
    first, second = (plan.units_of(cell) for cell in plan.cells[:2])
    lacking = Plan(plan.cells[:2], (*first[:5], *second[5:]))
    folder = scored(spec, lacking, tmp_path)
    for row in read(folder, "comparisons.csv"):
        assert (row["n"], row["note"]) == ("0", "over the 0 prompts that both have; too few for a value")
        assert row["difference"] == row["p_value"] == row["p_holm"] == ""
    assert read(folder, "dominance.csv") == []
    assert [row["n"] for row in read(folder, "results.csv")] == ["20"] * 4


def test_which_prompts_are_measured_again() -> None:
    assert ids_to_measure([("a", "b")] * 3) == {("a", "b"): {("a", "b")}}
    assert ids_to_measure([("a", "b", "c"), ("a", "b"), ("b", "c")]) == {
        ("a", "b", "c"): {("a", "b", "c"), ("a", "b"), ("b", "c"), ("b",)},
        ("a", "b"): {("a", "b"), ("b",)},
        ("b", "c"): {("b", "c"), ("b",)},
    }


def test_regions_and_dominance_are_those_of_the_plane(
    spec: ExperimentSpec, plan: Plan, tmp_path: Path
) -> None:
    folder = scored(spec, plan, tmp_path)
    images = pd.read_parquet(folder / "images.parquet")
    points = []
    for i, cell in enumerate(plan.cells):
        cosines = images.loc[images["cell"] == cell.folder, f"score_{SCORE}"].to_numpy()
        agreement = Estimate(cosines.mean(), cosines.std(ddof=1) / np.sqrt(N), N, cosines)
        points.append(PlanePoint(distance(i), agreement))
    for row, point in zip(read(folder, "regions.csv"), points, strict=True):
        region = confidence_region(point, cells=4)
        assert (row["x_protocol"], row["y_protocol"]) == (SCORE, DISTANCE)
        found = [float(row[name]) for name in ("y", "x", "yy", "xy", "xx", "radius")]
        covariance = region.covariance
        expected = [*region.centre, covariance[0, 0], covariance[0, 1], covariance[1, 1], region.radius]
        assert found == pytest.approx(expected, rel=1e-6)
    curves = {row["a"]: float(row["probability"]) for row in read(folder, "dominance.csv")}
    assert set(curves) == {"sd-v1-3", "sd-v1-4"}
    assert curves["sd-v1-4"] == curve_dominance(points[2:], points[:2], seed=0) > 0.9
    assert curves["sd-v1-3"] == curve_dominance(points[:2], points[2:], seed=0) < 0.1


def test_every_image_has_its_scores_and_influences(spec: ExperimentSpec, plan: Plan, tmp_path: Path) -> None:
    images = pd.read_parquet(scored(spec, plan, tmp_path) / "images.parquet")
    second = images[images["cell"] == plan.cells[1].folder].reset_index(drop=True)
    assert list(second["prompt_id"]) == [f"p{i:02d}" for i in range(N)]
    assert (second["prompt"][3], second["seed"][3]) == ("prompt 3", 5)
    assert list(second.index[second["flags"] == "black"]) == [7]
    rows = features(1)["inception-v3"]
    without = [
        frechet_estimate(real=Moments.of(REAL), generated=np.delete(rows, i, axis=0)).value for i in range(N)
    ]
    influence = np.mean(without) - np.array(without)
    np.testing.assert_allclose(second[f"influence_{DISTANCE}"], influence, rtol=1e-5, atol=1e-7)
    (score_row,) = [r for r in read(tmp_path, "results.csv") if r["protocol"] == SCORE][1:2]
    assert second[f"score_{SCORE}"].mean() == pytest.approx(float(score_row["value"]), rel=1e-8)


def test_the_same_shards_give_the_same_bytes(spec: ExperimentSpec, plan: Plan, tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        folder = scored(spec, plan, tmp_path / name)
        written.append({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})
    assert written[0] == written[1]
    assert set(written[0]) == {
        "best.csv",
        "best_scales.csv",
        "comparisons.csv",
        "curves.csv",
        "dominance.csv",
        "flagged.csv",
        "images.parquet",
        "own_bests.csv",
        "protocols.csv",
        "regions.csv",
        "results.csv",
        "results.parquet",
    }


def test_a_run_without_a_plane_has_neither_regions_nor_dominance(
    spec: ExperimentSpec, plan: Plan, tmp_path: Path
) -> None:
    folder = scored(spec.model_copy(update={"metrics": (DISTANCE,)}), plan, tmp_path)
    assert read(folder, "regions.csv") == read(folder, "dominance.csv") == []
    assert len(read(folder, "comparisons.csv")) == 6


def test_the_plane_has_the_axes_that_reports_draw() -> None:
    names = ("precision-shapes-clip", "kd-shapes-clip", "clip-score-shapes", "fd-shapes-clip")
    protocols = [PROTOCOLS[name] for name in names]
    frame = pd.DataFrame([{"protocol": p.name, "better": p.formula.better} for p in protocols])
    drawn = (first_protocol(frame, "higher"), first_protocol(frame, "lower"))
    assert plane_axes(protocols) == drawn == ("clip-score-shapes", "kd-shapes-clip")
    assert plane_axes(protocols[:1]) is None


def test_results_name_each_cell_as_the_other_tables_do(
    spec: ExperimentSpec, plan: Plan, tmp_path: Path
) -> None:
    folder = scored(spec, plan, tmp_path)
    results = read(folder, "results.csv")
    assert list(results[0])[:2] == ["cell", "curve"]
    cells = [cell.folder for cell in plan.cells]
    assert [row["cell"] for row in results] == [cell for cell in cells for _ in (SCORE, DISTANCE)]
    assert [row["cell"] for row in read(folder, "regions.csv")] == cells
    assert {row["curve"] for row in results} == {row["a"] for row in read(folder, "dominance.csv")}


def test_the_protocols_of_a_run_say_how_they_are_made(
    spec: ExperimentSpec, plan: Plan, tmp_path: Path
) -> None:
    folder = scored(spec, plan, tmp_path)
    clip, fid = read(folder, "protocols.csv")
    assert (clip["protocol"], clip["better"], fid["better"]) == (SCORE, "higher", "lower")
    assert (fid["extractor"], fid["dimension"], fid["quantisation"]) == ("inception-v3", str(DIM), "none")
    assert "bilinear without antialiasing" in fid["resize"]
    results: list[dict[str, Any]] = read(folder, "results.csv")
    assert {row["reference_digest"] for row in results} == {"", "real"}
    assert {len(row["prompts_digest"]) for row in results} == {64}
