"""The best guidance scales on the page and in the answer."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from reports.album import Album
from reports.answer import answer
from reports.charts import scales_chart
from reports.runs import open_run
from reports.sections import SECTIONS, Absent, Material, Section


def drawn(folder: Path) -> Section | Absent:
    run = open_run(folder)
    return SECTIONS["scales"](Material(run, Album(run)))


def section(folder: Path) -> Section:
    made = drawn(folder)
    assert isinstance(made, Section)
    return made


def absent(folder: Path) -> Absent:
    made = drawn(folder)
    assert isinstance(made, Absent)
    return made


def test_best_scales_are_shown_with_open_ends_and_in_words(scored_run: Path) -> None:
    content = section(scored_run).content
    assert content["rows"] == [
        ("v1", [("3.21", "2.44 to 4.56")] * 2),
        ("v2", [("2.04", "2.62 or less")] * 2),
    ]
    distance = "Fréchet distance, each at its best guidance scale: v2 is ahead of v1 (settled)."
    assert distance in content["orders"]
    assert answer(open_run(scored_run)).scales[:2] == [
        "Fréchet distance, best guidance scale (95% interval): v1 3.21 (2.44 to 4.56); "
        "v2 2.04 (2.62 or less).",
        distance,
    ]
    stars = [trace for trace in scales_chart(open_run(scored_run), "fd-test")["data"] if "error_x" in trace]
    assert [(star["x"], star["error_x"]["array"]) for star in stars] == [
        ([3.21], [pytest.approx(1.35)]),
        ([2.04], [pytest.approx(0.58)]),
    ]


def test_without_best_scales_their_section_says_why(scored_run: Path) -> None:
    table = pd.read_csv(scored_run / "best_scales.csv")
    table.assign(low=1.5, high=8.0).to_csv(scored_run / "best_scales.csv", index=False)
    assert section(scored_run).content["rows"][0][1][0] == (
        "3.21",
        "not known within the scales of the run",
    )
    table.iloc[:0].to_csv(scored_run / "best_scales.csv", index=False)
    assert "four guidance scales" in absent(scored_run).why
    (scored_run / "best_scales.csv").unlink()
    assert "sdbench score RUN writes it" in absent(scored_run).why
