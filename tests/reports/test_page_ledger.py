"""The section of the guidance ledger: sentences, table and picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reports.album import Album
from reports.page import render_page
from reports.plots import guidance_ledger, save
from reports.runs import open_run
from reports.sections import SECTIONS, Absent, Material, Section
from reports.table_columns import LEDGER
from tests.reports.conftest import DISTANCES, SCALES, SCORES, build_results, build_run, row

WAYS = {
    "v1, apg <b>": (4.0, 0.40, 3.0, 0.001),
    "v1, pag": (3.0, 0.45, 4.6, 0.4),
    "v1, far": (9.0, 0.1, 20.0, None),
}
"""Scale, score, distance, and p-value of the shift."""


def ledger_row(curve: str, scale: float, x: float, y: float, p: float | None) -> dict[str, Any]:
    known: dict[str, Any] = {
        "cell": f"{curve}_s{scale:g}",
        "cfg_curve": "v1",
        "control": "v1_s3",
        "matched": "scale",
    }
    known |= {"x_protocol": "clip-score-test", "y_protocol": "fd-test", "n": 512, "note": "", "x": x, "y": y}
    known |= {"effective_scale": scale - 0.5, "effective_scale_error": 0.05}
    known |= {"gain_x": x - 0.42, "gain_y": y - 4.0, "gain_xx": 1e-5, "gain_xy": 0.0, "gain_yy": 0.01}
    if p is None:
        known |= {"curve_scale": 8.0, "curve_scale_low": 8.0, "curve_scale_high": 8.0}
        return known | {"note": "nearest is the largest plain scale: measure beyond it"}
    known |= {"curve_scale": 3.3, "curve_scale_low": 3.1, "curve_scale_high": 3.52, "p_value": p, "p_holm": p}
    for part, dx, dy in (("along", 0.01, 0.1), ("off", x - 0.43, y - 4.1)):
        known |= {f"{part}_x": dx, f"{part}_y": dy}
        known |= {f"{part}_xx": 4e-4, f"{part}_xy": 0.0, f"{part}_yy": 0.01}
    return known | {"difference_xx": 4e-4, "difference_xy": -1e-3, "difference_yy": 0.01}


@pytest.fixture
def guided_run(tmp_path: Path) -> Path:
    """Return a run with three guided cells beside the plain ones, and a control of as many evaluations."""
    results = [build_results()]
    for curve, (scale, x, y, _) in WAYS.items():
        pairs = [row(curve, scale, "fd-test", y, 0.05), row(curve, scale, "clip-score-test", x, 0.004)]
        results.append(pd.DataFrame(pairs).assign(checkpoint="v1"))
    run = build_run(tmp_path / "run", pd.concat(results, ignore_index=True), images=False)
    rows = [ledger_row(curve, *numbers) for curve, numbers in WAYS.items()]
    cost = {
        key: value for key, value in rows[0].items() if not key.startswith(("off", "along", "p_", "curve_"))
    }
    rows.append(cost | {"matched": "evaluations", "control": "v2_s3"})
    pd.DataFrame(rows).reindex(columns=list(LEDGER)).to_csv(run / "ledger.csv", index=False)
    calls = [
        {"cell": one["cell"], "call": call, "scale": call / 2, "standard_error": 0.1, "n": 512}
        for one in rows[:3]
        for call in (1, 2, 3)
    ]
    pd.DataFrame(calls).to_csv(run / "effective_scales.csv", index=False)
    curve = [
        {"cfg_curve": "v1", "cell": f"v1_s{scale:g}", "guidance_scale": scale, "x": x, "y": y}
        for scale, x, y in zip(SCALES, SCORES["v1"], DISTANCES["v1"], strict=True)
    ]
    pd.DataFrame(curve).to_csv(run / "cfg_curves.csv", index=False)
    return run


def section(folder: Path) -> Section | Absent:
    run = open_run(folder)
    return SECTIONS["ledger"](Material(run, Album(run)))


def test_sentences_say_what_is_off_the_curve(guided_run: Path) -> None:
    found = section(guided_run)
    assert isinstance(found, Section)
    assert found.content["sentences"] == [
        "v1, apg <b> at guidance scale 4 lies off the curve of plain guidance, "
        "with a lower Fréchet distance (p = 0.0010).",
        "v1, pag at guidance scale 3 is not told from plain guidance at 3.3 (p = 0.40).",
        "v1, far at guidance scale 9: nearest is the largest plain scale: measure beyond it.",
    ]
    first, _, far, cost = found.content["entries"]
    assert (first.effective, first.nearest) == (("3.5", "3.4 to 3.6"), ("3.3", "3.1 to 3.52"))
    distance, score = first.lines
    assert (distance.label, distance.gain) == ("Fréchet distance", ("−1.000", "−1.196 to −0.804"))
    assert (score.protocol, score.off[0]) == ("clip-score-test", "−0.0300")
    assert (far.nearest, far.lines[0].off) == (("8", "end of the curve"), ("", ""))
    assert cost.control == "v2 at guidance scale 3 (as many evaluations)"
    assert (cost.nearest, cost.lines[0].gain) == (("–", ""), distance.gain)


def test_the_page_has_the_picture_and_escapes_names(guided_run: Path) -> None:
    page = render_page(guided_run)
    assert "v1, apg &lt;b&gt; at guidance scale 4" in page
    assert "apg <b> at" not in page
    assert 'class="drawn" src="data:image/svg+xml' in page
    for name in ("ledger.csv", "effective_scales.csv", "cfg_curves.csv"):
        assert f'download="{name}"' in page


def test_arrows_end_at_the_cells(guided_run: Path) -> None:
    figure = guidance_ledger(open_run(guided_run))
    assert figure is not None
    left, right = figure.axes
    ends = {note.xy for note in left.texts if not note.get_text()}
    on_curve = {(0.43, 4.1)}
    assert {(round(x, 6), round(y, 6)) for x, y in ends} == {(0.40, 3.0), (0.45, 4.6)} | on_curve
    assert {note.get_text() for note in left.texts} == {"", "1.5", "2", "3", "5", "8"}
    assert len(right.lines) == 3
    assert [path.suffix for path in save(figure, guided_run, "ledger")] == [".png", ".svg", ".pdf"]


def test_without_a_place_beside_a_curve_there_is_no_picture(guided_run: Path) -> None:
    table = pd.read_csv(guided_run / "ledger.csv")
    table.assign(x=math.nan, gain_x=math.nan).to_csv(guided_run / "ledger.csv", index=False)
    found = section(guided_run)
    assert isinstance(found, Section)
    assert found.content["still"] is None
    assert all(not entry.lines for entry in found.content["entries"])


def test_runs_of_plain_scales_have_no_ledger(scored_run: Path) -> None:
    found = section(scored_run)
    assert isinstance(found, Absent)
    assert found.why == "the spec has no guidance beside plain guidance_scales"
    assert guidance_ledger(open_run(scored_run)) is None
