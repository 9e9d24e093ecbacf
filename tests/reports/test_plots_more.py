"""The other plots and the options of the main one: they draw what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from reports import ReportError
from reports.costs import times_differ
from reports.plots import (
    distance_against_score,
    metrics_against_evaluations,
    metrics_against_scale,
    metrics_against_seconds,
    prompt_differences,
    published_look,
)
from reports.plots.front import pareto_front
from reports.plots.sheet import styles_of
from reports.prompt_scores import Pair, best_pair
from reports.rows import best_cells, read_published
from reports.runs import Run
from reports.style import curve_styles

PUBLISHED = Path(__file__).parents[2] / "experiments" / "published" / "sd-v1-variants-scores.csv"


def regions_of(results: pd.DataFrame, radius: float = 3.0) -> pd.DataFrame:
    points = results.drop_duplicates("cell")
    return pd.DataFrame(
        {"cell": points["cell"], "x_protocol": "clip-score-test", "y_protocol": "fd-test"}
    ).assign(xx=0.004**2, xy=0.5 * 0.004 * 0.05, yy=0.05**2, radius=radius)


def sampler_sweep(results: pd.DataFrame) -> pd.DataFrame:
    """Return the rows at 10, 20 and 50 steps of two samplers; fewer steps cost distance."""
    parts = []
    for name, calls in (("plms", 1), ("heun", 2)):
        for steps in (10, 20, 50):
            part = results.assign(sampler=name, steps=steps, nfe=2 * steps * calls)
            part["curve"] += f", {name} {steps}"
            part["cell"] += f"_{name}{steps}"
            part.loc[part["better"] == "lower", "value"] += 10 / steps
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def a_run(results: pd.DataFrame, folder: Path) -> Run:
    cells = results.drop_duplicates("cell")
    return Run(folder, results, cells.assign(name=cells["cell"]), {}, "")


def texts_inside(figure: Figure) -> None:
    """Assert that no title, axis title or name in the legend is outside the sheet."""
    figure.draw_without_rendering()
    texts = [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        texts += [axes.xaxis.label, axes.yaxis.label, axes._left_title, *axes.texts[:1]]
    for text in filter(Text.get_text, texts):
        box = text.get_window_extent()
        assert box.x0 >= -1, text
        assert box.x1 <= figure.bbox.width + 1, text
        assert box.y0 >= -1, text
        assert box.y1 <= figure.bbox.height + 1, text


def test_regions_are_ellipses_of_their_covariance_and_replace_the_bars(results: pd.DataFrame) -> None:
    figure = distance_against_score(results, regions_of(results))
    axes = figure.axes[0]
    assert not axes.containers
    assert "ellipses: 95% for all 10 points at once" in axes.texts[0].get_text()
    edges = [patch.get_xy() for patch in axes.patches if not patch.get_fill()]
    assert len(edges) == 10
    centre = np.array([0.25, 9.0])
    spread = np.linalg.inv([[0.004**2, 0.5 * 0.004 * 0.05], [0.5 * 0.004 * 0.05, 0.05**2]])
    gaps = edges[0] - centre
    np.testing.assert_allclose((gaps @ spread * gaps).sum(axis=1), 9.0, rtol=1e-9)


def test_regions_of_other_protocols_or_of_some_cells_leave_bars(results: pd.DataFrame) -> None:
    regions = regions_of(results)
    other = distance_against_score(results, regions.assign(y_protocol="kd-test")).axes[0]
    assert not other.patches
    assert "bars: 95% intervals" in other.texts[0].get_text()
    some = distance_against_score(results, regions.iloc[:4]).axes[0]
    assert len(some.patches) == 8
    assert "95% intervals of points without an ellipse" in some.texts[0].get_text()


def test_regions_that_reach_zero_keep_the_axis_linear(results: pd.DataFrame) -> None:
    wide = regions_of(results).assign(xy=0, yy=0.25)
    axes = distance_against_score(results, wide).axes[0]
    assert axes.get_yscale() == "linear"
    assert min(patch.get_xy()[:, 1].min() for patch in axes.patches) == pytest.approx(1.0 - 3 * 0.5, abs=0.01)


def test_published_curves_are_drawn_behind_with_a_note_on_the_differences(results: pd.DataFrame) -> None:
    published = read_published(PUBLISHED)
    ours = published.assign(sampler="ddim", n=5000)
    lower = ours["better"] == "lower"
    ours["protocol"] = np.where(lower, "fid-inception-tf", "clip-score-vit-l-14")
    axes = distance_against_score(ours, overlay=published).axes[0]
    lines = {str(line.get_label()): line for line in axes.lines}
    assert lines["v1.4, published"].get_zorder() < lines["v1.4"].get_zorder()
    note = axes.texts[0].get_text().replace("\n", " ")
    assert "images per point: 5,000 here, 10,000 published" in note
    assert "sampler: DDIM 50 here, PLMS 50 published" in note
    assert "not documented" in note
    assert "pixels:" not in note
    with pytest.raises(ReportError, match="cannot be drawn behind fd-test and clip-score-test"):
        distance_against_score(results, overlay=published)


def test_many_points_are_labelled_at_the_front_alone(results: pd.DataFrame) -> None:
    axes = distance_against_score(sampler_sweep(results)).axes[0]
    numbers = [text.get_text() for text in axes.texts if text.get_text().replace(".", "").isdigit()]
    assert len(numbers) < 10
    assert "numbers at the front" in axes.texts[0].get_text()


def test_nothing_is_cut_off_with_long_names_and_many_curves(results: pd.DataFrame) -> None:
    name = "a-checkpoint-" * 12 + results["checkpoint"]
    long = results.assign(checkpoint=name, curve=name, cell=name + results["cell"])
    for figure in (
        distance_against_score(long),
        metrics_against_scale(long),
        metrics_against_evaluations(sampler_sweep(results)),
    ):
        texts_inside(figure)
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert len(set(labels)) == len(labels)


def test_evaluations_show_the_best_scale_of_each_setting(results: pd.DataFrame) -> None:
    sweep = sampler_sweep(results)
    figure = metrics_against_evaluations(sweep)
    values = {str(bar.get_label()): bar.lines[0].get_xydata() for bar in figure.axes[0].containers}
    assert list(values) == ["v1, plms", "v2, plms", "v1, heun", "v2, heun"]
    np.testing.assert_allclose(values["v2, heun"], [(40, 2.0), (80, 1.5), (200, 1.2)])
    assert figure.axes[0].get_xlabel().startswith("UNet evaluations per image")
    steps = metrics_against_evaluations(sweep.assign(nfe=pd.NA))
    assert steps.axes[0].get_xlabel().startswith("sampler steps per image")
    with pytest.raises(ReportError, match="same number of evaluations"):
        metrics_against_evaluations(results)


def test_the_front_of_seconds_is_marked(results: pd.DataFrame) -> None:
    seconds = results[["cell"]].drop_duplicates().assign(seconds=lambda frame: np.arange(1.0, len(frame) + 1))
    figure = metrics_against_seconds(results, seconds)
    front = next(line for line in figure.axes[0].lines if line.get_label() == "Pareto front")
    np.testing.assert_allclose(front.get_xydata(), [(1, 9), (2, 6), (3, 4), (6, 1.2), (7, 1.0)])
    assert figure.axes[0].get_xlabel() == "seconds per image (s)"
    with pytest.raises(ReportError, match="seconds per image are not known"):
        metrics_against_seconds(results, seconds.iloc[:0])


def test_the_front_holds_what_nothing_beats() -> None:
    assert pareto_front([1, 3, 2, 3, 4], [1, 2, 3, 2, 9]) == [0, 1, 4]


def test_the_pair_is_the_best_cell_of_the_two_best_checkpoints(results: pd.DataFrame, tmp_path: Path) -> None:
    run = a_run(results, tmp_path)
    assert best_pair(run) is None
    frames = [
        pd.DataFrame({"cell": cell, "prompt_id": ids, "prompt": ids, "score_clip-score-test": scores})
        for cell, ids, scores in (
            ("v2_s2", ["p0", "p1", "p2"], [0.5, 0.7, 0.1]),
            ("v1_s3", ["p1", "p0", "p9"], [0.3, 0.6, 0.9]),
            ("v1_s8", ["p0", "p1", "p2"], [0.0, 0.0, 0.0]),
        )
    ]
    pd.concat(frames).to_parquet(tmp_path / "images.parquet")
    run = Run(run.folder, run.results, run.cells.assign(name=run.cells["cell"]), {}, "")
    pair = best_pair(run)
    assert pair is not None
    assert (pair.a, pair.b, pair.protocol) == ("v2_s2", "v1_s3", "clip-score-test")
    np.testing.assert_allclose(np.sort(pair.differences), [-0.1, 0.4])
    looks = styles_of(results)
    assert pair.styles == (looks["v2"], looks["v1"])


def test_times_differ_only_beyond_the_noise_of_equal_settings(results: pd.DataFrame) -> None:
    cells = results[["cell", "checkpoint"]].drop_duplicates()
    noisy = cells.assign(seconds=[1.0, 1.1, 1.2, 1.0, 1.3, 1.2, 1.1, 1.3, 1.2, 1.3])
    assert not times_differ(results, noisy)
    slower = noisy.assign(seconds=noisy["seconds"] * np.where(noisy["checkpoint"] == "v2", 1.5, 1.0))
    assert times_differ(results, slower)
    close = cells.assign(seconds=np.where(cells["checkpoint"] == "v2", 1.05, 1.0))
    assert not times_differ(results, close)
    assert not times_differ(results[results["checkpoint"] == "v2"], slower)


def test_prompt_differences_count_and_sort(results: pd.DataFrame) -> None:
    gaps = np.array([0.3, -0.1, 0.2, 0.0, 0.1])
    figure = prompt_differences(
        Pair("v2", "v1", "clip-score-test", gaps, tuple(curve_styles(["v2", "v1"]).values()))
    )
    assert figure.axes[0].get_title(loc="left") == "better for 3 of 5 prompts"
    half = 1.96 * gaps.std(ddof=1) / np.sqrt(5)
    assert figure.axes[1].get_title(loc="left") == f"mean +0.1000 ± {half:.4f} (95%)"
    assert sum(patch.get_height() for patch in figure.axes[1].patches) == 5
    assert figure.axes[0].get_ylabel() == "difference of clip-score-test"
    texts_inside(figure)


def test_the_published_look_has_the_published_words(results: pd.DataFrame) -> None:
    axes = published_look(read_published(PUBLISHED)).axes[0]
    assert axes.get_title() == "FID vs CLIP Scores on 512x512 samples"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("CLIP Score (ViT-L/14)", "FID Score (10k)")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["v1.1", "v1.2", "v1.3", "v1.4"]
    low, high = axes.get_ylim()
    assert low < 15.5 < 23 < high
    ours = published_look(results).axes[0]
    assert ours.get_ylabel() == "Fréchet distance Score (n = 512)"
    assert ours.get_xlabel() == "CLIP score (test model)"


def test_families_share_a_colour_and_members_a_marker() -> None:
    names = ["a plms", "a ddim", "b plms", "b ddim"]
    styles = curve_styles(names, {name: name[0] for name in names})
    assert styles["a plms"].colour == styles["a ddim"].colour != styles["b plms"].colour
    assert styles["a plms"].marker == styles["b plms"].marker != styles["a ddim"].marker
    assert styles["a plms"].dash != styles["b plms"].dash
    alone = curve_styles(names, dict.fromkeys(names, "a"))
    assert len({style.colour for style in alone.values()}) == 4


def test_best_cells_go_by_the_first_distance_or_else_the_score(results: pd.DataFrame) -> None:
    assert best_cells(results, ["checkpoint"]) == ["v2_s2", "v1_s3"]
    scores = results[results["better"] == "higher"]
    assert best_cells(scores, ["checkpoint"]) == ["v2_s5", "v1_s5"]
