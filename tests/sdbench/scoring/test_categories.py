"""Results by category: prompt files keep their columns, and a run says where its cells differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from metrics import PROTOCOLS, Estimate
from metrics.compare import compare, holm
from sdbench.cli import main
from sdbench.scoring.categories import category_comparisons, category_rows
from sdbench.scoring.compare import CellValues

CLIP, FID = "clip-score-vit-l-14", "fid-inception-tf"
KINDS = {f"p{place}": "people" if place % 2 else "animals" for place in range(12)}


def cell(name: str, curve: str, values: np.ndarray, ids: tuple[str, ...] = tuple(KINDS)) -> CellValues:
    error = float(values.std(ddof=1) / values.size**0.5)
    return CellValues(
        name, curve, 1.0, ids, {ids: {CLIP: Estimate(float(values.mean()), error, values.size, values)}}
    )


def test_categories_are_compared_between_the_best_cells_of_curves() -> None:
    random = np.random.default_rng(3)
    base = random.normal(size=12)
    people = np.array([kind == "people" for kind in KINDS.values()])
    cells = [
        cell("a1", "a", base - 9),
        cell("a2", "a", base),
        cell("b1", "b", base + 0.01 * random.normal(size=12) + people),
    ]
    protocols, categories = [PROTOCOLS[CLIP], PROTOCOLS[FID]], {"Category": KINDS}
    rows = category_rows(cells, protocols, categories)
    assert [(row.cell, row.category, row.n) for row in rows[:3]] == [
        ("a1", "animals", 6),
        ("a1", "people", 6),
        ("a2", "animals", 6),
    ]
    assert rows[2].value == pytest.approx(base[~people].mean())
    tests = category_comparisons(cells, protocols, categories)
    assert [(test.a, test.b, test.category) for test in tests] == [
        ("a2", "b1", "animals"),
        ("a2", "b1", "people"),
    ]
    assert [test.p_holm is not None and test.p_holm < 0.05 for test in tests] == [False, True]
    assert [test.p_holm for test in tests] == holm([test.p_value or 0.0 for test in tests]).tolist()
    assert tests[1].difference == pytest.approx(-1, abs=0.05)


def test_a_category_whose_images_are_all_alike_has_no_error_but_is_compared() -> None:
    same = np.where([kind == "people" for kind in KINDS.values()], 0.0, np.arange(12.0))
    cells = [cell("a", "a", same), cell("b", "b", np.arange(12.0) + 1)]
    animals, people = category_rows(cells, [PROTOCOLS[CLIP]], {"Category": KINDS})[:2]
    assert animals.standard_error is not None
    assert (people.value, people.standard_error, people.low, people.high) == (0, None, None, None)
    assert people.note == "no standard error: all 6 images have the same value"
    tests = category_comparisons(cells, [PROTOCOLS[CLIP]], {"Category": KINDS})
    assert all(test.p_value is not None for test in tests)


def test_cells_with_other_prompts_are_compared_over_those_that_both_have() -> None:
    random, fewer = np.random.default_rng(4), tuple(KINDS)[:5]
    a, b = cell("a", "a", random.normal(size=12)), cell("b", "b", random.normal(size=5), fewer)
    values = a.estimates[a.ids][CLIP].per_image
    assert values is not None
    part = cell("a", "a", values[:5], fewer).estimates
    a = CellValues("a", "a", 1.0, a.ids, {**a.estimates, **part})
    tests = category_comparisons([a, b], [PROTOCOLS[CLIP]], {"Category": KINDS})
    assert [(test.category, test.n) for test in tests] == [("animals", 3), ("people", 2)]
    expected = compare(part[fewer][CLIP], b.estimates[fewer][CLIP])
    assert sum(test.difference * test.n for test in tests) / 5 == pytest.approx(expected.difference)


@pytest.fixture
def prompt_file(tmp_path: Path) -> Path:
    rows = [
        f"a {colour} {shape},{shape},{colour}" for colour in ("red", "blue") for shape in ("ring", "star")
    ]
    path = tmp_path / "prompts.csv"
    path.write_text("\n".join(["text,Shape,Colour", *rows, "two moons,moon,red", "a sun,sun,"]) + "\n")
    return path


def test_a_run_by_category(
    tiny: dict[str, Any], tmp_path: Path, run_tiny: Callable[..., Any], prompt_file: Path
) -> None:
    csv = {"source": "csv", "path": str(prompt_file), "column": "text"}
    root = tmp_path / "run"
    run_tiny({**tiny, "prompts": csv}, root)
    assert not (root / "categories.csv").exists()
    before = (root / "results.csv").read_bytes()
    assert run_tiny({**tiny, "prompts": csv, "by": ["Shape"]}, root).images_made == 0
    table = pd.read_csv(root / "categories.csv")
    assert table["category"].tolist() == ["ring", "star", "moon", "sun"] * 2
    assert table["n"].tolist() == [2, 2, 1, 1] * 2
    assert table["standard_error"].isna().tolist() == [False, False, True, True] * 2
    results = pd.read_csv(root / "results.csv")
    assert set(table["protocol"]) == {CLIP}
    overall = results[results["protocol"] == CLIP]["value"].tolist()
    for value, (_, rows) in zip(overall, table.groupby("cell", sort=False), strict=True):
        assert np.average(rows["value"], weights=rows["n"]) == pytest.approx(value, rel=1e-6)
    tests = pd.read_csv(root / "category_comparisons.csv")
    assert tests["category"].tolist() == ["ring", "star", "moon", "sun"]
    run_tiny({**tiny, "prompts": csv}, root)  # without `by` again
    assert pd.read_csv(root / "categories.csv").empty
    assert [line.split(b",")[:9] for line in (root / "results.csv").read_bytes().splitlines()] == [
        line.split(b",")[:9] for line in before.splitlines()
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"by": ["Shapes"]}, "prompts.csv has no column 'Shapes': did you mean 'Shape'"),
        ({"by": ["Colour"]}, "prompts.csv, line 7: column 'Colour' is empty"),
        ({"by": ["Shape", "Shape"]}, "by: Shape is given twice"),
        ({"by": ["Shape"], "metrics": [FID]}, "by: no metric of the spec is a mean over images"),
        ({"by": ["Shape"], "prompts": ["a", "b"]}, "by: Shape: prompts of the source list have no columns"),
    ],
)
def test_wrong_categories_are_one_line(
    changes: dict[str, Any], expected: str, tiny: dict[str, Any], tmp_path: Path, prompt_file: Path,
    spec_file: Callable[[dict[str, Any]], Path], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    csv = {"source": "csv", "path": str(prompt_file), "column": "text"}
    path = spec_file({**tiny, "prompts": csv, **changes})
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
