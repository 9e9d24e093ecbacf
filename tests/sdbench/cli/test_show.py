"""What a terminal shows of a run: values, what is settled, warnings."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from reports.runs import open_run
from reports.terminal import text_summary
from sdbench.cli import main
from tests.reports.conftest import add_scores, build_results, build_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two checkpoints at five scales, with all tables."""
    return add_scores(build_run(tmp_path / "run", build_results(), images=False))


def test_values_have_errors_the_best_is_marked_and_the_answer_follows(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    (run / "report").mkdir()
    (run / "report" / "index.html").touch()
    assert main(["show", str(run)]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[:3] == [
        "CLIP score (test model): higher is better, * is the best",
        "scale               v1                v2",
        "  1.5  0.2500 ± 0.0040   0.5500 ± 0.0040",
    ]
    assert [line for line in lines if "*" in line and "±" in line] == [
        "    5  0.4800 ± 0.0040   0.6800 ± 0.0040*",
        "    2  6.000 ± 0.050   1.000 ± 0.050*",
    ]
    words = " ".join(lines)
    assert "Fréchet distance, mean over 5 guidance scales: v2 is ahead of v1 (settled)." in words
    assert (
        "The lead of v2 is settled for these weights: p < 0.0001 against every cell of the other checkpoints"
        in words
    )
    assert max(map(len, lines[:-1])) <= 80
    assert lines[-1] == f"report: {run / 'report' / 'index.html'}"


def test_flagged_images_and_missing_errors_are_warnings(run: Path) -> None:
    results = build_results()
    distances = results["protocol"] == "fd-test"
    results.loc[distances, ["standard_error", "note"]] = [float("nan"), "no standard error: n = 64 images"]
    results.loc[results["cell"] == "v1_s2", "flagged"] = 3
    results.to_csv(run / "results.csv", index=False)
    warnings = [line for line in text_summary(open_run(run), 200) if line.startswith("!")]
    assert warnings == [
        "! Fréchet distance (test features): no standard error: n = 64 images",
        "! 3 of 5,120 images are flagged and included; flagged.csv names them",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_many_curves_with_long_names_fit_into_the_terminal(run: Path, width: int) -> None:
    results = build_results()
    many = pd.concat(
        [
            results.assign(
                **{key: results[key] + f"-trained-on-something-long-{number}" for key in ("cell", "curve")}
            )
            for number in range(4)
        ]
    )
    build_run(run, many, images=False)
    for name in ("best", "comparisons", "curves", "dominance", "regions"):
        (run / f"{name}.csv").unlink()
    lines = text_summary(open_run(run), width)
    assert max(map(len, lines)) <= width
    assert sum(line.count("±") for line in lines) == len(many)
    assert sum(line.startswith("scale") for line in lines) > 2 or width == 200


def test_what_is_no_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tmp_path / "none")]) == 2
    assert main(["show", str(tmp_path)]) == 2
    (tmp_path / "results.csv").write_text("a,b\n1,2\n")
    assert main(["show", str(tmp_path)]) == 2
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.endswith("none is not a run folder")
    assert "results.csv does not exist" in second
    assert "it is not a results table" in third


def test_the_values_as_json(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    table = pd.read_csv(run / "results.csv")
    assert [row["value"] for row in found["values"]] == pytest.approx(list(table["value"]))
    assert (found["run"], found["report"]) == (str(run), None)
    assert main(["show", str(tmp_path), "--json"]) == 2
    assert "results.csv does not exist" in capsys.readouterr().err
