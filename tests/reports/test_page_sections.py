"""What the sections show of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reports.album import Album
from reports.page import render_page
from reports.plots import metrics_by_category
from reports.plots.sheet import styles_of
from reports.runs import open_run
from reports.sections import SECTIONS, Absent, Material, Section
from reports.sections.provenance import entries


@pytest.fixture
def material(scored_run: Path) -> Material:
    run = open_run(scored_run)
    return Material(run, Album(run))


def made(material: Material, key: str) -> Section:
    section = SECTIONS[key](material)
    assert isinstance(section, Section), section
    return section


def test_the_matrix_goes_curve_by_curve_and_leaves_open_pairs_grey(material: Material) -> None:
    distance = made(material, "comparisons").content["comparisons"][0]
    names = [name for _, name in distance.cells]
    assert names[:2] == ["v2 at 1.5", "v2 at 2"]
    assert names[5:7] == ["v1 at 1.5", "v1 at 2"]
    grey, coloured = distance.chart["data"]
    assert coloured["x"][0] == ["v2"] * 5 + ["v1"] * 5
    assert coloured["x"][1] == ["1.5", "2", "3", "5", "8"] * 2
    assert grey["z"][1][0] == 0.0
    assert coloured["z"][1][0] is None
    assert grey["customdata"][1][0][0] == -0.2
    assert coloured["z"][0][0] is grey["z"][0][0] is None
    assert (distance.rivals[0].difference, distance.rivals[0].settled) == ("+0.200", False)
    assert distance.summary.startswith("42 of 45 pairs are settled")


def test_the_matrix_colours_better_cells_alike_by_a_distance_and_by_a_score(material: Material) -> None:
    distance, score = made(material, "comparisons").content["comparisons"]
    for one, difference, better in ((distance, -8.0, 8.0), (score, 0.36, 0.36)):
        coloured = one.chart["data"][1]
        row, column = (one.folders.index(cell) for cell in ("v2_s2", "v1_s1.5"))
        assert coloured["customdata"][row][column][0] == pytest.approx(difference)
        assert coloured["z"][row][column] == pytest.approx(better)
        assert coloured["z"][column][row] == pytest.approx(-better)


def test_matrices_beyond_the_pages_room_are_named_and_not_drawn(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["reports.sections.comparisons"], "_FIELDS", 150)
    charts = [one.chart for one in made(material, "comparisons").content["comparisons"]]
    assert charts[0] is not None
    assert charts[1] is None


def test_the_plane_has_a_point_and_an_ellipse_for_every_cell(material: Material) -> None:
    figure = made(material, "picture").content["figure"]
    curve, other_curve, *regions, ring = figure["data"]
    assert curve["customdata"] + other_curve["customdata"] == list(range(10))
    assert curve["y"] == [9.0, 6.0, 4.0, 4.5, 6.0]
    assert curve["x"] == [0.25, 0.32, 0.42, 0.48, 0.47]
    assert list(figure["regions"]) == [str(place) for place in range(10)]
    x, y = figure["regions"]["3"]
    assert (max(x) + min(x)) / 2 == pytest.approx(0.48, abs=1e-3)
    assert (max(y) - min(y)) / 2 == pytest.approx(3 * 0.1, rel=1e-2)
    assert [region["x"] for region in regions] == [[], []]
    assert "error_x" not in curve
    assert ring["x"] == []
    assert figure["layout"]["yaxis"]["type"] == "log"
    assert "fd-test · n = 512 · lower is better · log scale" in figure["layout"]["yaxis"]["title"]["text"]
    assert [label["text"] for label in figure["labels"]["wide"]] == ["1.5", "2", "3", "5", "8"] * 2


def test_a_single_cell_without_errors_has_room_round_it(
    make_run: Callable[..., Path], results: pd.DataFrame
) -> None:
    one = results[(results["checkpoint"] == "v1") & (results["guidance_scale"] == 2)]
    run = open_run(make_run(one.assign(standard_error=float("nan"))))
    figure = made(Material(run, Album(run)), "picture").content["figure"]
    for axis, value in (("xaxis", 0.32), ("yaxis", 6.0)):
        low, high = figure["layout"][axis]["range"]
        assert low < value < high
    assert "v1" in render_page(run.folder)


def test_cells_without_an_ellipse_have_bars(scored_run: Path) -> None:
    (scored_run / "regions.csv").unlink()
    run = open_run(scored_run)
    curve = made(Material(run, Album(run)), "picture").content["figure"]["data"][0]
    assert curve["error_y"]["array"][0] == pytest.approx(1.96 * 0.05)
    assert curve["error_x"]["array"][0] == pytest.approx(1.96 * 0.004)


def test_every_colour_of_a_chart_is_in_the_style_sheet(material: Material) -> None:
    from reports import page
    from reports.style import curve_styles

    style = page._text("page.css")
    for name, look in curve_styles(map(str, range(7))).items():
        assert f"--curve-{look.colour[1:].lower()}: {look.colour.lower()};" in style, name
        assert f"--text-{look.colour[1:].lower()}: {look.text_colour.lower()};" in style
        assert style.count(f"--curve-{look.colour[1:].lower()}:") == 2, "one for each theme"
    charts = [
        made(material, "picture").content["figure"],
        made(material, "comparisons").content["comparisons"][0].chart,
    ]
    for used in set(json.dumps(charts).split("var(")[1:]):
        assert f"{used.split(')')[0]}:" in style


def test_best_and_worst_are_those_of_the_scores(material: Material) -> None:
    content = made(material, "extremes").content
    cell, _, high, low = content["cells"][-1]
    assert cell == "v2_s8"
    assert [(one.prompt, one.value) for one in high] == [("a large red circle", "score 0.650")]
    assert [(one.prompt, one.value) for one in low] == [("two green stars", "score 0.450")]
    assert content["hard"][0].prompt == "two green stars"
    assert content["best"] == "v2_s2"


def test_costly_images_come_first_with_what_they_cost(material: Material) -> None:
    content = made(material, "influence").content
    _, _, pictures = content["cells"][0]
    assert [(one.prompt, one.value) for one in pictures[:2]] == [
        ("two green stars", "+0.01500"),
        ("a <small> blue & square", "+0.00500"),
    ]


def test_the_gap_between_two_protocols_of_one_quantity_names_its_cause(scored_run: Path) -> None:
    results = pd.read_csv(scored_run / "results.csv")
    second = results[results["protocol"] == "fd-test"].assign(
        protocol="fd-other", label="Fréchet distance (other features)", value=lambda rows: rows["value"] + 2.5
    )
    pd.concat([results, second]).to_csv(scored_run / "results.csv", index=False)
    protocols = pd.read_csv(scored_run / "protocols.csv")
    other = protocols.iloc[[0]].assign(protocol="fd-other", resize="to 299x299", quantisation="8 bits")
    pd.concat([protocols, other]).to_csv(scored_run / "protocols.csv", index=False)
    run = open_run(scored_run)
    recipes = {one.protocol: one for one in made(Material(run, Album(run)), "protocols").content["recipes"]}
    other_recipe = recipes["fd-other, version 1"]
    assert (other_recipe.value, other_recipe.gap, other_recipe.agreement) == ("3.500", "+2.500", "1.00")
    assert other_recipe.because == "against fd-test: the resize and the rounding"
    assert recipes["fd-test, version 1"].gap == ""


def test_the_audit_counts_by_flag_and_links_what_was_kept(material: Material) -> None:
    content = made(material, "audit").content
    assert (content["total"], content["flagged"]) == ("5,120", "2")
    assert content["counts"] == (
        ["black", "constant", "near duplicate"],
        [("v1 at guidance scale 2", ["1", "0", "0"]), ("v1 at guidance scale 8", ["0", "1", "1"])],
    )
    assert content["images"][0].original == "../images/v1_s2/p1.png"
    assert content["images"][1].like == "p0"


def test_cost_is_that_of_the_manifest(scored_run: Path) -> None:
    manifest = json.loads((scored_run / "manifest.json").read_text())
    manifest["cells"][0]["seconds_per_image"] = 0.0846
    manifest |= {"seconds": {"work": 204.8, "score": 0.2}, "images_made": 4096, "images_found": 1024}
    manifest |= {"worker_seconds": {"generate": 347.0, "write": 3.47}}
    (scored_run / "manifest.json").write_text(json.dumps(manifest))
    run = open_run(scored_run)
    content = made(Material(run, Album(run)), "cost").content
    facts = dict(content["facts"])
    assert facts["Images made"] == "4,096, 1,024 reused from earlier work"
    assert facts["Speed"] == "20.00 images per second"
    assert facts["Generating an image"] == "84.7 ms of a worker's time"
    assert facts["Network evaluations in all"] == "522,240"
    stages, parts = content["tables"]
    assert stages[0] == "Time by stage, 3 min 25 s in all"  # the work's parts are not stages
    assert parts == (
        "Inside the work, 5 min 50 s summed over all workers",
        "part",
        [("generate", "5 min 47 s", "1.0000"), ("write", "3.5 s", "0.0100")],
    )
    scales, times = content["cells"]
    assert scales == ["1.5", "2", "3", "5", "8"]
    assert times == [("v1", ["84.6 ms", "", "", "", ""]), ("v2", [""] * 5)]


def test_provenance_repeats_and_cites_the_run(material: Material) -> None:
    content = made(material, "provenance").content
    assert "sdbench run test.yaml" in [command for _, command in content["commands"]]
    digest = dict(content["digests"])["results.csv (sha256)"]
    assert digest[:12] in content["citation"]
    assert digest in content["bibtex"]
    assert content["spec"].startswith("name: test")


def test_nested_provenance_has_a_line_each_and_no_cells() -> None:
    manifest = {"weights_digests": {"a": "12", "b": "34"}, "cells": [{"cell": "x"}], "threads": 2}
    assert entries(manifest) == [("weights digests", "a: 12\nb: 34"), ("threads", "2")]
    nested = {"checkpoints": {"a": {"kind": "ours", "training": ["one", "two"]}, "b": {"kind": "theirs"}}}
    ((_, text),) = entries(nested)
    assert text == "a:\n  kind: ours\n  training:\n    one\n    two\nb:\n  kind: theirs"


def test_empty_tables_are_a_reason_to_leave_a_section_out(scored_run: Path) -> None:
    for name in ("best.csv", "comparisons.csv", "dominance.csv", "regions.csv"):
        pd.read_csv(scored_run / name).iloc[:0].to_csv(scored_run / name, index=False)
    run = open_run(scored_run)
    material = Material(run, Album(run))
    absent = SECTIONS["comparisons"](material)
    assert isinstance(absent, Absent)
    assert "holds no pairs" in absent.why
    assert not made(material, "picture").content["regions"]
    assert "How sure that is cannot be told" in made(material, "verdict").content["sure"]


def test_the_grid_says_how_many_prompts_each_cell_has(scored_run: Path) -> None:
    """Under a budget cells stop at their own number of images, the first one too."""
    rows = pd.read_csv(scored_run / "results.csv")
    rows.loc[rows["guidance_scale"] == 2.0, "n"] = 1024
    rows.to_csv(scored_run / "results.csv", index=False)
    run = open_run(scored_run)
    assert made(Material(run, Album(run)), "grid").content["total"] == "512 to 1,024"
    text = " ".join(render_page(scored_run).split())
    assert "the first 3 prompts with kept images, of 512 to 1,024 in each cell" in text


def test_one_number_of_prompts_is_no_range(material: Material) -> None:
    assert made(material, "grid").content["total"] == "512"


@pytest.fixture
def by_category(scored_run: Path) -> Material:
    """The run with two categories; v2 is settled to be better in the one with a long name."""
    names = ["<b>stars</b>", "a very long name of a category of prompts"]
    common = {"protocol": "clip-score-test", "by": "Kind"}
    values = [
        {"cell": cell, "category": name, "value": value, "standard_error": 0.01, "low": value - 0.03,
         "high": value + 0.03, "n": 40 + place, "note": "", **common}
        for cell, value in (("v1_s5", 0.48), ("v2_s5", 0.68), ("v2_s8", 0.6))
        for place, name in enumerate(names)
    ]  # fmt: skip
    tests = [
        {"category": name, "a": "v1_s5", "b": "v2_s5", "difference": -0.2, "low": -0.3, "high": -0.1,
         "p_holm": p, "n": 40, **common}
        for name, p in zip(names, (0.2, 0.01), strict=True)
    ]  # fmt: skip
    pd.DataFrame(values).to_csv(scored_run / "categories.csv", index=False)
    pd.DataFrame(tests).to_csv(scored_run / "category_comparisons.csv", index=False)
    run = open_run(scored_run)
    return Material(run, Album(run))


def test_categories_show_the_compared_cells_and_what_is_settled(by_category: Material) -> None:
    ((view, summary, lines, chart),) = made(by_category, "categories").content["views"]
    assert list(view.names) == ["v1_s5", "v2_s5"]  # not the cell that is not compared
    assert summary.startswith("1 of 2 differences are settled")
    assert [line.settled for line in lines] == [[], ["v2 at 5 is better than v1 at 5 (+0.200)"]]
    assert lines[0].cells[0] == ("0.480", "0.450 to 0.510")
    assert [line.n for line in lines] == ["40", "41"]
    v1, v2 = chart["data"]
    assert v1["error_x"]["array"] == [0.03, 0.03]
    assert v1["y"][0] < v2["y"][0]
    page = render_page(by_category.run.folder)
    assert "<b>stars</b>" not in page
    figure = metrics_by_category([view], styles_of(by_category.run.results))
    assert next(text.get_text() for text in figure.axes[0].get_yticklabels()) == "<b>stars</b>"


def test_no_section_without_categories(material: Material) -> None:
    absent = SECTIONS["categories"](material)
    assert isinstance(absent, Absent)
    assert "by:" in absent.why
