"""The table files: every cell once, values as in the results, special letters escaped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from reports.table_files import write_tables


def test_csv_has_a_row_per_cell_with_all_protocols(results: pd.DataFrame, tmp_path: Path) -> None:
    paths = write_tables(results, tmp_path / "new", "table")
    assert [path.name for path in paths] == ["table.csv", "table.md", "table.tex"]
    table = pd.read_csv(paths[0])
    assert len(table) == 10
    assert list(table.columns[:3]) == ["cell", "curve", "checkpoint"]
    row = table[(table["checkpoint"] == "v2") & (table["guidance_scale"] == 2)].iloc[0]
    assert (row["fd-test"], row["fd-test standard error"], row["clip-score-test"]) == (1.0, 0.05, 0.61)
    assert row["fd-test n"] == 512


def test_markdown_and_latex_mark_the_best_and_show_gaps(results: pd.DataFrame, tmp_path: Path) -> None:
    results["curve"] = results["curve"].replace("v1", "my_model|50%")
    gap = results[~((results["checkpoint"] == "v2") & (results["guidance_scale"] == 8))]
    _, markdown, latex = write_tables(gap, tmp_path, "table")
    lines = markdown.read_text(encoding="utf-8").splitlines()
    assert "| v2 | 1.200 ± 0.050 | **1.000 ± 0.050** | 1.400 ± 0.050 | 2.000 ± 0.050 |  |" in lines
    assert any(line.startswith(r"| my\_model\|50% | 9.000") for line in lines)
    text = latex.read_text(encoding="utf-8")
    assert r"v2 & $1.200 \pm 0.050$ & $\mathbf{1.000} \pm 0.050$ & $1.400 \pm 0.050$" in text
    assert r"my\_model\textbar{}50\% &" in text
    assert r"$\mathbf{4.000} \pm 0.050$" in text
    assert r"& -- \\" in text
    assert text.count(r"\begin{tabular}{lrrrrr}") == text.count(r"\end{tabular}") == 2
    assert text.isascii()


def test_unknown_errors_are_left_out(results: pd.DataFrame, tmp_path: Path) -> None:
    _, markdown, latex = write_tables(results.assign(standard_error=np.nan), tmp_path, "table")
    assert "| **1.000** |" in markdown.read_text(encoding="utf-8")
    assert r"$\mathbf{1.000}$" in latex.read_text(encoding="utf-8")
