"""The plots draw what the rows say, readably, and with the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from reports import ReportError
from reports.plots import distance_against_score, metrics_against_scale, save
from reports.rows import plane, read_published
from reports.style import curve_styles

PUBLISHED = Path(__file__).parents[2] / "experiments" / "published" / "sd-v1-variants-scores.csv"


def curves(axes: Axes) -> dict[str, np.ndarray]:
    """Return the labelled lines as name -> [points, 2]."""
    return {
        str(line.get_label()): line.get_xydata() for line in axes.lines if str(line.get_label())[0] != "_"
    }


def scale_labels(figure: Figure) -> list:
    return [text for text in figure.axes[0].texts if text.get_text().replace(".", "").isdigit()]


def test_each_checkpoint_is_a_curve_by_rising_scale(results: pd.DataFrame) -> None:
    figure = distance_against_score(results.iloc[::-1])
    drawn = curves(figure.axes[0])
    assert set(drawn) == {"v1", "v2"}
    expected = [(0.55, 1.2), (0.61, 1.0), (0.66, 1.4), (0.68, 2.0), (0.65, 2.4)]
    np.testing.assert_allclose(drawn["v2"], expected)


def test_titles_name_protocol_count_and_direction(results: pd.DataFrame) -> None:
    axes = distance_against_score(results).axes[0]
    assert axes.get_ylabel().startswith(
        "Fréchet distance (test features)\nfd-test · n = 512 · lower is better"
    )
    assert axes.get_xlabel() == "CLIP score (test model)\nclip-score-test · n = 512 · higher is better"
    assert axes.get_title(loc="left") == "Fréchet distance against CLIP score"
    subtitle = axes.texts[0].get_text()
    assert "PLMS, 50 steps · 64×64 pixels" in subtitle


def test_counts_that_differ_are_shown_as_a_range(results: pd.DataFrame) -> None:
    results.loc[0, "n"] = 1500
    assert "n = 512 to 1,500" in distance_against_score(results).axes[0].get_ylabel()


def test_every_point_carries_its_scale_and_no_two_labels_touch() -> None:
    figure = distance_against_score(read_published(PUBLISHED))
    labels = scale_labels(figure)
    scales = ["1.5", "2", "3", "4", "5", "6", "7", "8"]
    assert sorted(label.get_text() for label in labels) == sorted(scales * 4)
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in labels]
    frame = figure.axes[0].bbox
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
        assert frame.contains(box.x0, box.y0)
        assert frame.contains(box.x1, box.y1)


def test_the_legend_lies_within_the_figure_and_below_the_axes(results: pd.DataFrame) -> None:
    many = pd.concat(
        [
            results.assign(
                checkpoint=results["checkpoint"] + f"-long-name-{i}",
                curve=results["curve"] + f"-long-name-{i}",
                cell=results["cell"] + f"-{i}",
            )
            for i in range(4)
        ]
    )
    figure = distance_against_score(many)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y1 <= figure.axes[0].get_window_extent().y0


def test_error_bars_are_95_percent_intervals_where_known(results: pd.DataFrame) -> None:
    axes = distance_against_score(results).axes[0]
    horizontal = axes.containers[1].lines[2][0].get_segments()
    np.testing.assert_allclose(horizontal[0], [(0.55 - 1.96 * 0.004, 1.2), (0.55 + 1.96 * 0.004, 1.2)])
    vertical = axes.containers[1].lines[2][1].get_segments()
    np.testing.assert_allclose(vertical[0], [(0.55, 1.2 - 1.96 * 0.05), (0.55, 1.2 + 1.96 * 0.05)])
    assert "bars: 95% intervals" in axes.texts[0].get_text()


def test_unknown_errors_are_said_not_drawn(results: pd.DataFrame) -> None:
    distance = results["better"] == "lower"
    results.loc[distance, "standard_error"] = np.nan
    axes = distance_against_score(results).axes[0]
    assert "95% intervals, CLIP score only" in axes.texts[0].get_text()
    axes = distance_against_score(results.assign(standard_error=np.nan)).axes[0]
    assert "errors not known" in axes.texts[0].get_text()
    assert all(not container.lines[2] for container in axes.containers)


def test_a_wide_span_of_distances_gets_a_log_axis_that_says_so(results: pd.DataFrame) -> None:
    wide = distance_against_score(results).axes[0]
    assert wide.get_yscale() == "log"
    assert "log scale" in wide.get_ylabel()
    narrow = distance_against_score(results[results["checkpoint"] == "v2"]).axes[0]
    assert narrow.get_yscale() == "linear"
    assert "log" not in narrow.get_ylabel()
    lowest = results["value"].where(results["better"] == "lower").idxmin()
    unsure = results.assign(standard_error=results["standard_error"].where(results.index != lowest, 0.9))
    assert distance_against_score(unsure).axes[0].get_yscale() == "linear"  # its bar reaches zero
    assert metrics_against_scale(unsure).axes[0].get_yscale() == "linear"
    results.loc[0, "value"] = -0.1  # unbiased distances may fall below zero
    assert distance_against_score(results).axes[0].get_yscale() == "linear"


def test_every_metric_has_a_panel_against_the_scale(results: pd.DataFrame) -> None:
    figure = metrics_against_scale(results)
    assert len(figure.axes) == 2
    for axes, label in zip(figure.axes, ("Fréchet distance", "CLIP score"), strict=True):
        assert axes.get_title(loc="left").startswith(label)
        assert axes.get_xlabel() == "guidance scale"
    values = {str(bar.get_label()): bar.lines[0].get_xydata() for bar in figure.axes[0].containers}
    # Two curves side by side, a third of the smallest gap apart in all, so that no bar hides another.
    np.testing.assert_allclose(values["v1"][:, 1], [9, 6, 4, 4.5, 6])
    np.testing.assert_allclose(values["v1"][:, 0], np.array([1.5, 2, 3, 5, 8]) - 0.5 / 12)
    np.testing.assert_allclose(values["v2"][:, 0], np.array([1.5, 2, 3, 5, 8]) + 0.5 / 12)


def test_a_panel_without_errors_says_why_and_moves_nothing(results: pd.DataFrame) -> None:
    distance = results["better"] == "lower"
    note = "no standard error: n = 64 images"
    bare = results.assign(
        standard_error=results["standard_error"].where(~distance), note=np.where(distance, note, "")
    )
    first, second = metrics_against_scale(bare).axes
    assert first.get_xlabel() == f"guidance scale\n{note}"
    assert second.get_xlabel() == "guidance scale"
    assert set(first.containers[0].lines[0].get_xdata()) == {1.5, 2, 3, 5, 8}


def test_wide_ellipses_are_left_out_but_for_the_best_cell(results: pd.DataFrame) -> None:
    points = plane(results)
    shape = {"x_protocol": "clip-score-test", "y_protocol": "fd-test", "xy": 0.0, "radius": 3.0}
    narrow = points[["cell", "x", "y"]].assign(**shape, xx=1e-6, yy=1e-3)
    wide = narrow.assign(xx=2e-3)
    for regions, edges in ((narrow, 2 * len(points)), (wide, 2)):
        axes = distance_against_score(results, regions).axes[0]
        assert len(axes.patches) == edges
    assert "ellipse of v2 at 2: 95% for all points at once" in axes.texts[0].get_text()


def test_files_are_the_same_bytes_twice_and_hold_no_date(results: pd.DataFrame, tmp_path: Path) -> None:
    first = save(distance_against_score(results), tmp_path / "a", "plot")
    second = save(distance_against_score(results), tmp_path / "b", "plot")
    assert [path.name for path in first] == ["plot.png", "plot.svg", "plot.pdf"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert b"<dc:date>" not in first[1].read_bytes()
    assert b"CreationDate" not in first[2].read_bytes()


def test_a_missing_axis_is_one_line(results: pd.DataFrame) -> None:
    with pytest.raises(ReportError, match="no CLIP score"):
        distance_against_score(results[results["better"] == "lower"])


def test_curves_differ_in_colour_marker_and_lightness() -> None:
    styles = list(curve_styles(["a", "b", "a", "c", "d"]).values())
    assert len(styles) == 4
    assert len({style.colour for style in styles}) == len({style.marker for style in styles}) == 4
    for style in styles:
        assert contrast_with_white(style.text_colour) >= 4.5


def contrast_with_white(colour: str) -> float:
    """Return the WCAG 2 contrast ratio."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    luminance = float(np.dot(channels, (0.2126, 0.7152, 0.0722)))
    return 1.05 / (luminance + 0.05)
