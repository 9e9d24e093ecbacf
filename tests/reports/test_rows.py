"""Reading rows: they come back as written, and errors are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports import ReportError
from reports.rows import COLUMNS, first_protocol, plane, read_published, read_results


def test_rows_come_back_as_written(results: pd.DataFrame, tmp_path: Path) -> None:
    results.loc[0, "standard_error"] = np.nan
    results.to_csv(tmp_path / "results.csv", index=False)
    for source in (tmp_path, tmp_path / "results.csv"):
        frame = read_results(source)
        assert list(frame.columns) == list(COLUMNS)
        assert frame["value"].tolist() == results["value"].tolist()
        assert np.isnan(frame["standard_error"].iloc[0])
        assert frame["note"].eq("").all()
        assert frame["weights_digest"].iloc[0] == "0123", "a digest of digits is no number"


@pytest.mark.parametrize("name", ["NA", "null", "None", "nan"])
def test_a_checkpoint_may_have_any_name(name: str, results: pd.DataFrame, tmp_path: Path) -> None:
    results.assign(checkpoint=results["checkpoint"].replace("v1", name)).to_csv(
        tmp_path / "results.csv", index=False
    )
    assert set(read_results(tmp_path)["checkpoint"]) == {name, "v2"}


def test_published_points_take_the_same_form(tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text("checkpoint,guidance_scale,clip_score,fid\nv1.1,1.5,0.23,21.9\nv1.1,2,0.24,17.1\n")
    frame = read_published(table)
    assert frame.dtypes.astype(str).to_dict() == read_published_types()
    assert set(frame["protocol"]) == {"fid-published-10k", "clip-score-published"}
    points = plane(frame)
    assert points[["guidance_scale", "x", "y"]].to_numpy().tolist() == [[1.5, 0.23, 21.9], [2.0, 0.24, 17.1]]
    assert frame["standard_error"].isna().all()
    assert frame["seed"].isna().all()
    assert frame["n"].eq(10_000).all()
    assert frame["cell"].tolist() == ["v1.1_s1.5", "v1.1_s2"] * 2
    assert frame["curve"].eq("v1.1").all()


def read_published_types() -> dict[str, str]:
    return {name: str(pd.Series(dtype=kind).dtype) for name, kind in COLUMNS.items()}


def test_the_plane_pairs_score_and_distance_of_a_cell(results: pd.DataFrame) -> None:
    shuffled = results.sample(frac=1, random_state=3)
    points = plane(shuffled).set_index(["checkpoint", "guidance_scale"])
    assert points.loc[("v2", 3.0), ["x", "y"]].tolist() == [0.66, 1.4]
    assert points.loc[("v1", 8.0), ["x_error", "y_error"]].tolist() == [0.004, 0.05]


def test_the_first_metric_of_each_direction_makes_the_axes(results: pd.DataFrame) -> None:
    other = results[results["protocol"] == "fd-test"].assign(protocol="kd-test")
    assert first_protocol(pd.concat([other, results]), "lower") == "kd-test"
    assert first_protocol(pd.concat([results, other]), "lower") == "fd-test"


def test_a_clip_score_makes_the_axis_before_precision(results: pd.DataFrame) -> None:
    scores = results[results["better"] == "higher"]
    precision = scores.assign(protocol="precision-test")
    assert first_protocol(pd.concat([precision, scores.assign(protocol="clip-score-test")]), "higher") == (
        "clip-score-test"
    )
    assert first_protocol(precision, "higher") == "precision-test"


def test_a_missing_axis_is_named(results: pd.DataFrame) -> None:
    with pytest.raises(ReportError, match="no CLIP score"):
        plane(results[results["better"] == "lower"])
    with pytest.raises(ReportError, match="no distance"):
        plane(results[results["better"] == "higher"])


def test_runs_that_share_a_curve_are_not_mixed(results: pd.DataFrame, tmp_path: Path) -> None:
    """Two runs of one sampler setting each both call their curves by the checkpoint alone."""
    other = results.assign(sampler="ddim", cell=results["cell"] + "_ddim")
    pd.concat([results, other]).to_csv(tmp_path / "results.csv", index=False)
    with pytest.raises(ReportError, match=r"two values of fd-test for v1 at guidance scale 1\.5"):
        read_results(tmp_path)


def test_what_is_wrong_gets_one_line(results: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    with pytest.raises(ReportError, match="does not exist"):
        read_results(path)
    wrong = {
        "has no column label, value": results.drop(columns=["value", "label"]),
        "has no rows": results.iloc[:0],
        "value of data row 3 is missing": results.assign(value=[1, 2, np.nan, *results["value"][3:]]),
        "column better must be": results.assign(better="upwards"),
        "two values of fd-test for v1 at guidance scale 1.5: plot one run at a time": pd.concat(
            [results, results.iloc[:1]]
        ),
        "holds a wrong value": results.assign(steps="many"),
    }
    for words, frame in wrong.items():
        frame.to_csv(path, index=False)
        with pytest.raises(ReportError, match=words) as caught:
            read_results(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(b"")
    with pytest.raises(ReportError, match="cannot be read as a results table"):
        read_results(path)
    with pytest.raises(ReportError, match="not a table of published points"):
        read_published(path)
