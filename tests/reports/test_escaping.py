"""Names that mean something elsewhere: the same list for each place."""

from __future__ import annotations

import csv
import html
import io
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest

from reports.escaping import from_csv, in_chart, in_csv, in_latex, in_markdown
from reports.html import whole_names
from reports.plots import distance_against_score, published_look, save
from reports.rows import read_results
from reports.table_files import write_tables

NASTY = [
    "my$model_$x^",
    r"\input{secret}",
    "</script><script>alert(1)</script>",
    "<b>bold</b> & co %{x}",
    "| a | b |",
    "*stars* _lines_ `code` [link](http://x)",
    "=1+1",
    "+cmd",
    "@sum",
    "-2",
    "'=quoted",
    "[4pt] option",
    "*star",
    "two\nlines",
    "NA",
    "100%",
]


def named(results: pd.DataFrame, name: str) -> pd.DataFrame:
    columns = ["cell", "curve", "checkpoint"]
    return results.assign(**{c: results[c].str.replace("v1", name, regex=False) for c in columns})


def test_plots_draw_names_as_they_are(results: pd.DataFrame, tmp_path: Path) -> None:
    curve = results[results["curve"] == "v1"]
    many = pd.concat([named(curve, name) for name in NASTY], ignore_index=True)
    for draw in (distance_against_score, published_look):
        figure = draw(many)
        labels = [label for axes in figure.axes for label in axes.get_legend_handles_labels()[1]]
        assert set(NASTY) <= set(labels)
        files = save(figure, tmp_path, "plot")
        ElementTree.fromstring(files[1].read_text(encoding="utf-8"))
    assert mpl.rcParams["text.parse_math"]


def test_control_characters_stay_out_of_plots(results: pd.DataFrame, tmp_path: Path) -> None:
    figure = published_look(named(results, "a\x1b[31m\x00-- >\ufffe"))
    _, svg, _ = save(figure, tmp_path, "plot")
    text = svg.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert "a [31m" in text


@pytest.mark.parametrize("name", NASTY)
def test_tables_to_cite_hold_names_as_text(name: str, results: pd.DataFrame, tmp_path: Path) -> None:
    table, markdown, latex = write_tables(named(results, name), tmp_path, "table")
    fields = next(csv.reader(io.StringIO(table.read_text(encoding="utf-8").split("\n", 1)[1])))
    assert from_csv(fields[1]) == name
    assert fields[1][0] not in "=+-@\t\r"
    row = next(line for line in markdown.read_text(encoding="utf-8").splitlines() if " 9.000" in line)
    cells = re.split(r"(?<!\\)\|", row)
    assert len(cells) == 8
    assert re.sub(r"\\(.)", r"\1", cells[1].strip()) == " ".join(name.split())
    line = next(line for line in latex.read_text(encoding="utf-8").splitlines() if "$9.000" in line)
    assert len(re.findall(r"(?<!\\)&", line)) == 5
    assert not line.startswith(("[", "*"))


@pytest.mark.parametrize("name", NASTY)
def test_a_table_of_results_gives_names_back(name: str, results: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    written = named(results, name)
    texts = written.select_dtypes(include=["object", "string"]).columns
    written.assign(**{column: written[column].map(in_csv) for column in texts}).to_csv(path, index=False)
    assert set(read_results(path)["curve"]) == {name, "v2"}


@pytest.mark.parametrize("name", NASTY)
def test_each_place_gives_the_name_back(name: str) -> None:
    for text in (name, f"＝{name}", f"\n={name}"):
        assert from_csv(in_csv(text)) == text
        assert text == name or in_csv(text).startswith("'")
    assert html.unescape(in_chart(name)) == name
    assert not set("<>") & set(in_chart(name))
    assert re.sub(r"\\(.)", r"\1", in_markdown(name)) == " ".join(name.split())
    assert not re.search(r"(?<!\\)[$#%&_]", in_latex(name))


@pytest.mark.parametrize("name", NASTY)
def test_sentences_with_whole_names_are_escaped(name: str) -> None:
    sentence = f"{name} is ahead of shapes-v1-4."
    shown = str(whole_names(sentence))
    assert re.fullmatch(r"[^<>]*", shown.replace('<span class="whole">', "").replace("</span>", ""))
    assert html.unescape(shown.replace('<span class="whole">', "").replace("</span>", "")) == sentence
    assert '<span class="whole">shapes-v1-4.</span>' in shown
