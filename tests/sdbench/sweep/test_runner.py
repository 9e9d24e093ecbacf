"""Runs from spec to results: resume, identity, batch size."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sdbench.core.errors import StoreError
from sdbench.runs.plan import Unit
from sdbench.runs.report import draw_results
from sdbench.sweep.executors import Executor, Gap, Pool, Workforce
from sdbench.sweep.executors.inline import inline_pool
from sdbench.sweep.progress import RunProgress
from sdbench.sweep.worker import Job, Tick, UnitReport
from tests.sdbench.tiny_runs import files

Run = Callable[[dict[str, Any], Path], Any]


def stopping_after(units: int) -> Executor:
    @contextmanager
    def executor(job: Job, workforce: Workforce, note: Any) -> Iterator[Pool]:
        with inline_pool(job, workforce, note) as inner:

            def pool(pending: Sequence[Unit], tick: Tick, stop: Any) -> Iterator[UnitReport | Gap]:
                for done, report in enumerate(inner(pending, tick, stop), start=1):
                    yield report
                    if done == units:
                        raise KeyboardInterrupt

            yield pool

    return executor


def test_results_have_a_row_per_cell_and_protocol(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    outcome = run_tiny(tiny, tmp_path / "run")
    with (tmp_path / "run" / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["guidance_scale"], row["protocol"]) for row in rows] == [
        ("2", "fid-inception-tf"),
        ("2", "clip-score-vit-l-14"),
        ("7.5", "fid-inception-tf"),
        ("7.5", "clip-score-vit-l-14"),
    ]
    assert {row["n"] for row in rows} == {"6"}
    assert {row["nfe"] for row in rows} == {"6"}  # 2 steps make 3 calls, and guidance doubles them
    assert {row["image_size"] for row in rows} == {"64x64"}
    assert all(float(row["value"]) > 0 for row in rows)
    assert all(float(row["standard_error"]) > 0 for row in rows if row["protocol"].startswith("clip"))
    assert all("no standard error" in row["note"] for row in rows if row["protocol"].startswith("fid"))
    assert rows[0]["value"] != rows[2]["value"]
    assert (outcome.images_made, outcome.images_found) == (12, 0)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["spec_digest"] == rows[0]["spec_digest"]
    assert manifest["weights_digests"] == {"tiny": rows[0]["weights_digest"]}
    assert manifest["worker_threads"] == [torch.get_num_threads()]
    assert manifest["seconds"]["work"] > manifest["worker_seconds"]["generate"] > 0


@pytest.mark.parametrize("units", [1, 3])
def test_interrupted_and_resumed_is_byte_for_byte_an_uninterrupted_run(
    units: int, tiny: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    run_tiny(tiny, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run_tiny(tiny, tmp_path / "parts", stopping_after(units))
    shards = sorted((tmp_path / "parts" / "shards").rglob("*.parquet"))
    assert len(shards) == units
    assert not (tmp_path / "parts" / "results.csv").exists()
    leftover = shards[0].with_name(".000000-000003_abc.parquet.123.tmp")
    leftover.write_bytes(b"PAR1 half a file")

    outcome = run_tiny(tiny, tmp_path / "parts")
    assert outcome.images_found == sum({1: [4], 3: [4, 2, 4]}[units])
    assert leftover.read_bytes() == b"PAR1 half a file"
    leftover.unlink()
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_a_finished_run_makes_nothing_and_loads_no_model(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tiny(tiny, tmp_path / "run")
    before = files(tmp_path / "run")
    monkeypatch.delattr("sdbench.models.sources.ReferenceSource.load")
    outcome = run_tiny(tiny, tmp_path / "run")
    assert (outcome.images_made, outcome.images_found) == (0, 12)
    assert files(tmp_path / "run") == before


def test_a_lost_png_is_made_again(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tiny(tiny, tmp_path / "run")
    before = files(tmp_path / "run")
    next((tmp_path / "run" / "images").rglob("*.png")).unlink()
    said: list[str] = []
    monkeypatch.setattr(RunProgress, "note", lambda self, text: said.append(text))
    outcome = run_tiny(tiny, tmp_path / "run")
    assert outcome.images_made == 4
    assert "4 images are made again: PNGs that the spec keeps are missing" in said
    assert files(tmp_path / "run") == before


def test_images_policy_keeps_the_first_ones(tiny: dict[str, Any], tmp_path: Path, run_tiny: Run) -> None:
    run_tiny({**tiny, "images": "sample:5"}, tmp_path / "sample")
    run_tiny({**tiny, "images": "none"}, tmp_path / "none")
    names = sorted(path.name[:6] for path in (tmp_path / "sample" / "images").rglob("*.png"))
    assert names == sorted(2 * ["000000", "000001", "000002", "000003", "000004"])
    assert not (tmp_path / "none" / "images").exists()


def test_another_scale_computes_only_what_is_new(tiny: dict[str, Any], tmp_path: Path, run_tiny: Run) -> None:
    run_tiny(tiny, tmp_path / "run")
    outcome = run_tiny({**tiny, "guidance_scales": [2, 4, 7.5]}, tmp_path / "run")
    assert (outcome.images_made, outcome.images_found) == (6, 12)


def test_what_changes_images_starts_other_cells_beside(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    run_tiny(tiny, tmp_path / "run")
    first = files(tmp_path / "run" / "shards")
    other_seed = run_tiny({**tiny, "seed": 43}, tmp_path / "run")
    assert other_seed.images_found == 0
    other_prompt = run_tiny({**tiny, "prompts": ["a purple moon", *tiny["prompts"][1:]]}, tmp_path / "run")
    assert other_prompt.images_found == 4  # the second unit of each cell has the same prompts
    now = files(tmp_path / "run" / "shards")
    assert {name: now[name] for name in first} == first


def test_shards_of_other_weights_are_not_reused(tiny: dict[str, Any], tmp_path: Path, run_tiny: Run) -> None:
    from safetensors.torch import save_file

    from tests.reference_model.conftest import read_tensors

    run_tiny(tiny, tmp_path / "run")
    tensors = {k: v.clone() for k, v in read_tensors(Path(tiny["checkpoints"][0]["path"])).items()}
    tensors["first_stage_model.decoder.conv_out.bias"] += 0.25
    save_file(tensors, tmp_path / "other.safetensors")
    # The same name and the same configuration: only the content of the weights differs.
    other = {**tiny["checkpoints"][0], "path": str(tmp_path / "other.safetensors")}
    outcome = run_tiny({**tiny, "checkpoints": [other]}, tmp_path / "run")
    assert (outcome.images_made, outcome.images_found) == (12, 0)
    assert len(list((tmp_path / "run" / "shards").iterdir())) == 4


def test_a_changed_configuration_is_another_cell(tiny: dict[str, Any], tmp_path: Path, run_tiny: Run) -> None:
    run_tiny(tiny, tmp_path / "run")
    given = Path(tiny["checkpoints"][0]["config"])
    # The text encoder's folder is named relative to the configuration.
    text = given.read_text().replace("clip-text-tiny", str(given.parent / "clip-text-tiny"))
    (tmp_path / "other.yaml").write_text(text.replace("scale_factor: 0.18215", "scale_factor: 0.2"))
    other = {**tiny["checkpoints"][0], "config": str(tmp_path / "other.yaml")}
    outcome = run_tiny({**tiny, "checkpoints": [other]}, tmp_path / "run")
    assert outcome.images_found == 0


def test_a_foreign_shard_under_the_right_name_is_refused(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    run_tiny(tiny, tmp_path / "run")
    one, two = sorted((tmp_path / "run" / "shards").rglob("000000-*.parquet"))
    two.write_bytes(one.read_bytes())
    with pytest.raises(StoreError, match="is not the file that its name says; delete it and run again"):
        run_tiny(tiny, tmp_path / "run")


def test_a_truncated_shard_is_named(tiny: dict[str, Any], tmp_path: Path, run_tiny: Run) -> None:
    run_tiny(tiny, tmp_path / "run")
    shard = next((tmp_path / "run" / "shards").rglob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(StoreError, match=r"damaged \(") as error:
        run_tiny(tiny, tmp_path / "run")
    assert shard.name in str(error.value)


def test_reference_features_are_computed_once(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, pixels: Any, reference_folder: Path
) -> None:
    run_tiny(tiny, tmp_path / "run")
    pixels.calls.clear()
    run_tiny(tiny, tmp_path / "run")
    assert pixels.calls == []
    image = Image.open(reference_folder / "03.png")
    image.putpixel((0, 0), (1, 2, 3))
    image.save(reference_folder / "03.png")
    run_tiny(tiny, tmp_path / "run")
    assert pixels.calls == [3, 3, 3, 3]
    assert len(list((tmp_path / "run" / "reference").iterdir())) == 2


def test_batch_size_moves_no_pixel_by_more_than_a_level(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    def images(root: Path) -> dict[str, np.ndarray]:
        pngs = sorted((root / "images").rglob("*.png"))
        return {str(path.relative_to(root)): np.asarray(Image.open(path)).astype(int) for path in pngs}

    run_tiny({**tiny, "batch_size": 1}, tmp_path / "one")
    run_tiny({**tiny, "batch_size": 32, "unit_size": 32}, tmp_path / "many")
    one, many = images(tmp_path / "one"), images(tmp_path / "many")
    assert one.keys() == many.keys()
    assert len(one) == 12
    assert max(np.abs(one[name] - many[name]).max() for name in one) <= 1
    # ... and images of different prompts are different, so the comparison means something.
    names = sorted(one)
    assert np.abs(one[names[0]] - one[names[1]]).max() > 10


def test_start_noise_does_not_depend_on_batches_or_units(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sdbench.models import reference as stage

    original = stage.sample_latents
    seen: dict[str, list[bytes]] = {}

    def spy(model: Any, context: Any, uncond: Any, x_T: Any, **options: Any) -> Any:  # noqa: N803
        seen.setdefault(current, []).extend(row.numpy().tobytes() for row in x_T)
        return original(model, context, uncond, x_T, **options)

    monkeypatch.setattr(stage, "sample_latents", spy)
    for current, sizes in {"one": (1, 4), "many": (32, 32), "uneven": (3, 4)}.items():
        run_tiny({**tiny, "batch_size": sizes[0], "unit_size": sizes[1]}, tmp_path / current)
    assert seen["one"] == seen["many"] == seen["uneven"]
    assert seen["one"][:6] == seen["one"][6:]  # the two cells share the noise of a prompt
    assert len(set(seen["one"])) == 6


def test_a_stochastic_sampler_is_reproducible_whatever_the_batch(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    content = {**tiny, "samplers": [{"name": "ddim", "steps": 2, "eta": 1.0}], "guidance_scales": [2]}
    run_tiny({**content, "batch_size": 1}, tmp_path / "one")
    run_tiny({**content, "batch_size": 4}, tmp_path / "four")
    (one,) = (tmp_path / "one" / "images").glob("tiny_ddim2_eta1_s2_*")
    for path in one.iterdir():
        twin = tmp_path / "four" / "images" / one.name / path.name
        gap = np.asarray(Image.open(path)).astype(int) - np.asarray(Image.open(twin)).astype(int)
        assert np.abs(gap).max() <= 1


def test_a_damaged_cache_of_digests_is_named(tiny: dict[str, Any], tmp_path: Path, run_tiny: Run) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints.json").write_text("{half")
    with pytest.raises(StoreError, match=r"checkpoints\.json: damaged; delete it and run again"):
        run_tiny(tiny, tmp_path / "run")


def test_a_run_with_one_kind_of_metric_is_drawn_too(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    run_tiny({**tiny, "metrics": ["clip-score-vit-l-14"]}, tmp_path / "run")
    drawn = draw_results(tmp_path / "run", tmp_path / "plots")
    names = [path.name for path in drawn]
    assert {f"metrics-against-scale.{kind}" for kind in ("png", "svg", "pdf")} <= set(names)
    assert not [name for name in names if name.startswith("distance-against")]
