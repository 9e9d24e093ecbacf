"""Runs under a budget, from spec to results, with models that take microseconds."""

from __future__ import annotations

import csv
import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from metrics.sequential import always_valid_factor
from sdbench.core.errors import InputError, SdbenchError, StoreError
from sdbench.models import user_models
from sdbench.runs.plan import Unit
from sdbench.runs.status import status_of
from sdbench.runs.store import LocalStore
from sdbench.sweep.executors import Executor, Gap, Pool, Workforce
from sdbench.sweep.executors.inline import inline_pool
from sdbench.sweep.progress import RunProgress
from sdbench.sweep.runner import score_run
from sdbench.sweep.worker import Job, Tick, UnitReport
from tests.sdbench.tiny_runs import no_page

Run = Callable[[dict[str, Any], Path], Any]

COUNT, UNIT = 512, 64

MODELS = """
    import numpy as np

    def painter(shift):
        def draw(prompts, seeds, settings):
            shape = (settings.height, settings.width, 3)
            far = shift + settings.guidance_scale
            drawn = []
            for seed in seeds:
                rng = np.random.default_rng([seed, shift])
                drawn.append(rng.normal(rng.normal(128 + far, 12, 3), 10, shape))
            return [np.clip(image, 0, 255).astype(np.uint8) for image in drawn]
        draw.identity = str(shift)
        return draw

    near, nearer, far = painter(19), painter(14), painter(60)
"""


@pytest.fixture
def painted(
    tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """Three models with two cells each; two models are close to the reference, one is far from it."""
    (tmp_path / "painters.py").write_text(textwrap.dedent(MODELS))
    facts = tmp_path / "painters-0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: painters\nVersion: 1.0\n")
    points = "\n".join(f"{name} = painters:{name}" for name in ("near", "nearer", "far"))
    (facts / "entry_points.txt").write_text(f"[sdbench.models]\n{points}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "painters", raising=False)
    user_models.installed_models.cache_clear()
    yield {
        **tiny,
        "checkpoints": ["near", "nearer", "far"],
        "samplers": [{"name": "plms", "steps": 1}],
        "guidance_scales": [1, 40],
        "prompts": [f"picture {i}" for i in range(COUNT)],
        "image_size": 8,
        "batch_size": UNIT,
        "unit_size": UNIT,
        "images": "none",
    }
    user_models.installed_models.cache_clear()


@pytest.fixture
def ranked(painted: dict[str, Any]) -> dict[str, Any]:
    """The same spec, until the ranking by the distance is settled."""
    return {**painted, "budget": {"resolve": "ranking"}}


def rows_of(run: Path, protocol: str = "fid-inception-tf") -> dict[tuple[str, str], dict[str, str]]:
    with (run / "results.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["protocol"] == protocol]
    return {(row["checkpoint"], row["guidance_scale"]): row for row in rows}


def account_of(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "manifest.json").read_text())["budget"])


def content(root: Path) -> dict[str, bytes]:
    """All files except those that contain times."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    found = {str(path.relative_to(root)): path.read_bytes() for path in files}
    return {name: data for name, data in found.items() if not name.startswith(("manifest.json", "journal/"))}


def changed(change: Callable[[int, Iterator[UnitReport | Gap]], Iterator[UnitReport | Gap]]) -> Executor:
    """The inline executor with units in reverse order, and a hook for the reports of its nth call."""

    @contextmanager
    def executor(job: Job, workforce: Workforce, note: Any) -> Iterator[Pool]:
        with inline_pool(job, workforce, note) as inner:
            calls = 0

            def pool(pending: Sequence[Unit], tick: Tick, stop: Any) -> Iterator[UnitReport | Gap]:
                nonlocal calls
                calls += 1
                return change(calls, inner(pending[::-1], tick, stop))

            yield pool

    return executor


def test_a_settled_ranking_saves_images_and_says_where_each_cell_stopped(
    ranked: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    outcome = run_tiny(ranked, tmp_path / "run")
    said, rows = account_of(tmp_path / "run"), rows_of(tmp_path / "run")
    assert said["rule"] == "resolve ranking by fid-inception-tf, confidence 0.95"
    assert said["verdict"] == "settled: nearer > near > far"
    assert said["settled"][-1].startswith("nearer > near at ")
    assert outcome.images_made == said["images"] == sum(int(row["n"]) for row in rows.values())
    assert said["images_of_fixed_budget"] == 6 * COUNT
    assert said["saving"] == round(1 - outcome.images_made / (6 * COUNT), 4)
    assert said["looks"][0] == 128

    assert int(rows["far", "1"]["n"]) == int(rows["near", "40"]["n"]) == 128
    assert 128 < int(rows["near", "1"]["n"]) == int(rows["nearer", "1"]["n"]) == said["looks"][-1] < COUNT
    note = "budget: stopped at 128 of 512 prompts, no open comparison needs it"
    assert rows["far", "1"]["note"].endswith(note)
    assert [cell["prompts"] for cell in said["cells"]] == [int(row["n"]) for row in rows.values()]
    status = status_of(LocalStore(tmp_path / "run"))
    assert status.done == status.total == outcome.images_made
    shards = list((tmp_path / "run" / "shards").rglob("*.parquet"))
    assert len(shards) * UNIT == outcome.images_made


def test_values_are_those_of_a_plain_run_with_as_many_prompts(
    ranked: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    run_tiny(ranked, tmp_path / "run")
    plain = {**ranked, "prompts": ranked["prompts"][:128]}
    del plain["budget"]
    run_tiny(plain, tmp_path / "plain")
    for protocol in ranked["metrics"]:
        stopped, fixed = (rows_of(tmp_path / name, protocol) for name in ("run", "plain"))
        for column in ("value", "standard_error"):
            assert stopped["far", "40"][column] == fixed["far", "40"][column]
    assert "budget" not in json.loads((tmp_path / "plain" / "manifest.json").read_text())


@pytest.mark.parametrize("call", [1, 2])
def test_interrupted_shuffled_and_resumed_it_takes_the_same_course(
    call: int, ranked: dict[str, Any], tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tiny(ranked, tmp_path / "whole")

    def stop(now: int, reports: Iterator[UnitReport | Gap]) -> Iterator[UnitReport | Gap]:
        yield next(reports)
        if now == call:
            raise KeyboardInterrupt
        yield from reports

    with pytest.raises(KeyboardInterrupt):
        run_tiny(ranked, tmp_path / "parts", changed(stop))
    assert not (tmp_path / "parts" / "results.csv").exists()
    with pytest.raises(StoreError, match="images are not made yet; resume with: sdbench run"):
        score_run(tmp_path / "parts", RunProgress())
    found = run_tiny(ranked, tmp_path / "parts").images_found
    assert found == {1: UNIT, 2: 6 * 128 + UNIT}[call]
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    assert account_of(tmp_path / "parts") == account_of(tmp_path / "whole")


def test_a_finished_run_makes_nothing_and_scores_the_same(
    ranked: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    made = run_tiny(ranked, tmp_path / "run").images_made
    before = content(tmp_path / "run")
    outcome = run_tiny(ranked, tmp_path / "run")
    assert (outcome.images_made, outcome.images_found) == (0, made)
    score_run(tmp_path / "run", RunProgress(), draw=no_page)
    assert content(tmp_path / "run") == before


def test_more_prompts_take_an_open_ranking_further(
    ranked: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    first = run_tiny({**ranked, "prompts": ranked["prompts"][:192]}, tmp_path / "run")
    assert account_of(tmp_path / "run")["verdict"].startswith("not settled: near and nearer; settled: ")
    assert rows_of(tmp_path / "run")["near", "1"]["note"].endswith("budget: all 192 prompts used")
    assert run_tiny(ranked, tmp_path / "run").images_found == first.images_made
    run_tiny(ranked, tmp_path / "whole")
    assert account_of(tmp_path / "run") == account_of(tmp_path / "whole")


def test_each_cell_gets_prompts_until_its_own_value_is_known(
    painted: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    run_tiny({**painted, "budget": {"until": "fid-inception-tf +- 0.02"}}, tmp_path / "run")
    said, rows = account_of(tmp_path / "run"), rows_of(tmp_path / "run")
    assert said["rule"] == "until fid-inception-tf +- 0.02, confidence 0.95"
    assert said["settled"] == []
    counts = [int(row["n"]) for row in rows.values()]
    assert len(set(counts)) > 1
    assert max(counts) < COUNT
    for row, cell in zip(rows.values(), said["cells"], strict=True):
        assert cell["prompts"] == int(row["n"])
        half_width = always_valid_factor(int(row["n"]), 0.05) * float(row["standard_error"])
        assert half_width <= 0.02
        assert cell["reason"] == f"always-valid interval ± {half_width:.3g}"
        assert row["note"].endswith(cell["reason"])


def test_a_budget_does_not_decide_without_images_that_could_not_be_made(
    ranked: dict[str, Any], tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(now: int, reports: Iterator[UnitReport | Gap]) -> Iterator[UnitReport | Gap]:
        for report in reports:
            path = next((tmp_path / "run").rglob(f"{report.unit.name}.parquet"))
            if "near_" in str(path) and report.unit.chunk.start == 64:
                path.unlink()
                yield Gap(report.unit, "the worker died")
            else:
                yield report

    with pytest.raises(SdbenchError, match="128 images of this block could not be made; run again"):
        run_tiny(ranked, tmp_path / "run", changed(lose))
    assert run_tiny(ranked, tmp_path / "run").images_found == 6 * 128 - 2 * UNIT


def test_one_curve_is_ranked_by_its_scales_and_one_cell_not_at_all(
    ranked: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    run_tiny({**ranked, "checkpoints": ["near"]}, tmp_path / "scales")
    assert account_of(tmp_path / "scales")["verdict"] == "settled: scale 1 > scale 40"
    with pytest.raises(InputError, match="two checkpoints, samplers or scales"):
        run_tiny({**ranked, "checkpoints": ["near"], "guidance_scales": [1]}, tmp_path / "cell")
    assert not (tmp_path / "cell" / "shards").exists()


def test_prompts_are_added_around_the_best_scale(
    painted: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    score, scales = "clip-score-vit-l-14", [1, 6, 20, 40, 70]
    spec = {**painted, "checkpoints": ["nearer"], "guidance_scales": scales}
    spec["budget"] = {"resolve": "best-scale", "protocol": score}
    run_tiny(spec, tmp_path / "run")
    said = account_of(tmp_path / "run")
    assert said["rule"] == f"resolve best-scale by {score}, confidence 0.95"
    assert said["verdict"] == "best scale settled: nearer 40 or 70"
    last = said["looks"][-1]
    assert 128 < last < COUNT
    assert said["settled"] == [f"nearer is best at 40 or 70, at {last} prompts"]
    rows = rows_of(tmp_path / "run", score)
    assert max(int(row["n"]) for row in rows.values()) == last
    with (tmp_path / "run" / "best_scales.csv").open() as stream:
        (best,) = [row for row in csv.DictReader(stream) if row["protocol"] == score]
    assert (best["curve"], int(best["n"]), float(best["high"])) == ("nearer", last, 70)


def test_a_best_scale_needs_four_scales(painted: dict[str, Any], tmp_path: Path, run_tiny: Run) -> None:
    with pytest.raises(InputError, match="budget: resolve: best-scale needs 4 guidance scales or more"):
        run_tiny({**painted, "budget": {"resolve": "best-scale"}}, tmp_path / "run")
