"""Two runs compared: what differs is named, and values are compared prompt by prompt if that is valid."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from metrics import Estimate
from metrics.compare import compare
from sdbench.cli import main
from sdbench.core.errors import InputError
from sdbench.scoring.diff import compare_runs

N = 200
IDS = [f"p{place:03d}" for place in range(N)]
SCORE, DISTANCE = "clip-score-shapes", "fd-shapes-clip"
Make = Callable[..., Path]


def scores_and_parts(seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return scores of N images, which partly depend on the prompt alone, and their parts in a distance."""
    prompts = np.random.default_rng(0).normal(size=N)
    own = np.random.default_rng(seed)
    return prompts + own.normal(size=N) * 0.1 + shift, (prompts + own.normal(size=N) * 0.1) / (N - 1)


def result_rows(name: str, n: int, draw: int, shift: float, changed: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of a cell: a score and a distance of n images."""
    row = {
        **{"cell": f"cell-{name}", "curve": "v1", "checkpoint": "v1"},
        **{"sampler": "plms", "steps": 50, "eta": 0.0, "guidance_scale": 3.0},
        **{"label": "A metric (test)", "note": "", "n": n, "flagged": 0, "nfe": 102, "image_size": "64x64"},
        **{"seed": 42, "precision": "full", "batch_size": "8", "device": "cpu", "versions": "torch=1"},
        **{"weights_digest": "w", "spec_digest": "s", "prompts_digest": "p", "reference_digest": "r"},
        **{"guidance": "cfg", "guided_by": "guidance_scale", "negative_prompt": "", "metric_source": ""},
        **changed,
    }
    score = float(scores_and_parts(draw, shift)[0][:n].mean())
    return [
        {
            **{**row, "protocol": SCORE, "better": "higher", "reference_digest": ""},
            **{"value": score, "standard_error": 0.07},
        },
        {**row, "protocol": DISTANCE, "better": "lower", "value": 4.0 - shift, "standard_error": 0.07},
    ]


def image_rows(name: str, ids: list[str], texts: list[str], draw: int, shift: float) -> pd.DataFrame:
    """Return the table of the cell's images; the first one is the same in every run."""
    scores, influences = scores_and_parts(draw, shift)
    n = len(ids)
    return pd.DataFrame(
        {
            "cell": f"cell-{name}",
            "prompt_id": ids,
            "prompt": texts,
            "seed": 42,
            "flags": "",
            "sha256": [f"{draw if place else 'same'}-{place}" for place in range(n)],
            f"score_{SCORE}": scores[:n],
            f"influence_{DISTANCE}": influences[:n],
        }
    )


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(
        name: str,
        draw: int,
        *,
        shift: float = 0.0,
        ids: list[str] = IDS,
        texts: list[str] | None = None,
        identities: dict[str, str] | None = None,
        **changed: Any,
    ) -> Path:
        run = tmp_path / name
        run.mkdir()
        rows = result_rows(name, len(ids), draw, shift, changed)
        pd.DataFrame(rows).to_csv(run / "results.csv", index=False)
        manifest = {
            "name": name,
            "finished": "2026-01-02T03:04:05+00:00",
            "cells": [{"cell": f"cell-{name}"}],
            "versions": f"torch={draw} numpy=2",
            "threads": 2,
            "seconds": {"score": draw},
            "features_identities": identities or {},
        }
        (run / "manifest.json").write_text(json.dumps(manifest))
        spec = {
            "name": name,
            "samplers": [{"name": rows[0]["sampler"], "steps": rows[0]["steps"]}],
            "seed": rows[0]["seed"],
        }
        (run / "spec.yaml").write_text(yaml.safe_dump(spec))
        images = image_rows(name, ids, texts or [f"a circle, {id_}" for id_ in ids], draw, shift)
        images.sample(frac=1, random_state=draw).to_parquet(run / "images.parquet")
        return run

    return build


def test_spec_and_environment_are_compared_key_by_key(make: Make) -> None:
    found = compare_runs(make("a", 1), make("b", 2, steps=20))
    spec = {change.key: (change.a, change.b) for change in found.spec}
    assert spec == {"name": ("a", "b"), "samplers.plms.steps": ("50", "20")}
    assert [(change.key, change.a, change.b) for change in found.environment] == [
        ("versions.torch", "1", "2")
    ]
    assert (found.common_images, found.same_images) == (N, 1)


def test_values_over_the_same_prompts_and_noise_are_paired(make: Make) -> None:
    score, distance = compare_runs(make("a", 1), make("b", 2, shift=0.05)).values
    (scores_a, parts_a), (scores_b, parts_b) = scores_and_parts(1), scores_and_parts(2, 0.05)
    assert score.paired
    assert distance.paired
    gaps = scores_b - scores_a
    assert score.difference == pytest.approx(gaps.mean())
    half = 1.96 * gaps.std(ddof=1) / np.sqrt(N)
    assert (score.low, score.high) == pytest.approx((gaps.mean() - half, gaps.mean() + half), rel=0.01)
    expected = compare(Estimate(3.95, 0.07, N, parts_b * (N - 1)), Estimate(4.0, 0.07, N, parts_a * (N - 1)))
    assert (distance.low, distance.high) == pytest.approx((expected.low, expected.high))
    assert (score.better, distance.better) == ("b", "b")
    back = compare_runs(Path(make("c", 2, shift=0.05)), make("d", 1)).values
    assert [change.better for change in back] == ["a", "a"]


@pytest.mark.parametrize(
    ("changed", "notes"),
    [
        ({"seed": 7}, ["different start noise, seeds 42 and 7"] * 2),
        ({"image_size": "32x32"}, ["different start noise, image sizes 64x64 and 32x32"] * 2),
        ({"reference_digest": "z"}, ["", "different reference images"]),
    ],
)
def test_what_is_not_paired_says_why(changed: dict[str, Any], notes: list[str], make: Make) -> None:
    found = compare_runs(make("a", 1), make("b", 2, shift=0.05, **changed)).values
    assert [change.note for change in found] == notes
    assert [change.paired for change in found] == [not note for note in notes]
    unpaired = found[1]
    assert unpaired.high is not None
    assert unpaired.high - unpaired.difference == pytest.approx(1.96 * np.hypot(0.07, 0.07), rel=0.01)
    assert unpaired.better == ""


def test_values_of_other_extractors_get_no_verdict(make: Make) -> None:
    a = make("a", 1, identities={"shapes-clip": "1"})
    found = compare_runs(a, make("b", 2, shift=0.5, identities={"shapes-clip": "2"})).values
    for change in found:
        assert change.note == "the extractors differ in weights or version"
        assert (change.low, change.p_holm, change.better, change.paired) == (None, None, "", False)
    unknown = compare_runs(a, make("c", 2, shift=0.5)).values  # a run without recorded identities
    other = compare_runs(a, make("d", 2, shift=0.5, identities={"shapes-clip": "1", "x": "3"})).values
    assert [change.better for change in (*unknown, *other)] == ["b"] * 4


def test_fewer_prompts_pair_scores_and_not_distances(make: Make) -> None:
    score, distance = compare_runs(make("a", 1), make("b", 2, ids=IDS[:150])).values
    gaps = scores_and_parts(2)[0][:150] - scores_and_parts(1)[0][:150]
    assert score.paired
    assert score.difference == pytest.approx(gaps.mean())
    assert not distance.paired
    assert distance.note == "200 and 150 images, and a distance depends on their number"
    assert (distance.low, distance.better) == (None, "")
    assert score.note == "over the 150 images that both have"


def test_images_of_one_prompt_are_not_independent_pairs(make: Make) -> None:
    texts = [f"prompt {place // 50}" for place in range(N)]
    apart = compare_runs(make("a", 1), make("b", 2, shift=0.05)).values[0]
    alike = compare_runs(make("c", 1, texts=texts), make("d", 2, shift=0.05, texts=texts)).values[0]
    assert apart.low is not None
    assert alike.low is not None
    assert alike.difference == pytest.approx(apart.difference)
    assert apart.difference - apart.low != pytest.approx(alike.difference - alike.low, rel=0.05)


def test_cells_match_by_the_settings_that_vary(make: Make) -> None:
    found = compare_runs(make("a", 1), make("b", 2, sampler="ddim", checkpoint="v2"))
    assert len(found.values) == 2
    assert (found.only_a, found.only_b) == ((), ())


def test_without_images_nothing_is_paired(make: Make) -> None:
    a, b = make("a", 1), make("b", 2)
    (b / "images.parquet").unlink()
    found = compare_runs(a, b)
    assert found.common_images is None
    assert {change.note for change in found.values} == {"no images.parquet in both runs"}


def test_a_damaged_table_of_images_is_one_line(make: Make) -> None:
    a, b = make("a", 1), make("b", 2)
    pd.DataFrame({"cell": ["cell-b"], "prompt": ["a circle"]}).to_parquet(b / "images.parquet")
    with pytest.raises(InputError, match="has no prompt_id, sha256: score the run again"):
        compare_runs(a, b)
    (b / "images.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="cannot be read: "):
        compare_runs(a, b)


def test_the_command_prints_and_writes(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = make("a", 1), make("b", 2, shift=0.05, steps=20)
    paths = [tmp_path / "new" / name for name in ("diff.json", "diff.html")]
    assert main(["diff", str(a), str(b), "--json", str(paths[0]), "--html", str(paths[1])]) == 0
    text = capsys.readouterr().out
    for words in (
        "samplers.plms.steps  50  20",
        "1 of the 200 common images",
        "B is better in 1 of 1 cells",
        "paired",
    ):
        assert words in text
    assert json.loads(paths[0].read_text())["values"][0]["better"] == "b"
    page = paths[1].read_text(encoding="utf-8")
    assert "samplers.plms.steps" in page
    assert "http" not in page
    assert main(["diff", str(a), str(a)]) == 0
    same = capsys.readouterr().out
    assert same.count("the same") == 5


def test_a_folder_that_is_not_a_run_is_one_line(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = make("a", 1)
    assert main(["diff", str(a), str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"sdbench: {tmp_path / 'none'} is not a run folder\n"
    (a / "spec.yaml").write_text("a: [")
    with pytest.raises(InputError, match="not valid YAML"):
        compare_runs(a, make("b", 1))
