"""Runs with metrics from outside, and what a spec says of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sdbench.cli import main
from sdbench.core.errors import InputError, SpecError
from sdbench.scoring.outside import resolve
from sdbench.spec import load_spec
from sdbench.sweep.names import check_names
from tests.sdbench.plugged import MODULE, forget

Run = Callable[..., Any]


@pytest.fixture
def with_plugins(module: Path, tiny: dict[str, Any]) -> dict[str, Any]:
    """A spec of a run whose images are there, with metrics from outside by every form."""
    plugged = [
        "plugged:mean_of",
        f"{module}:mean_of",
        "kernel@ext:plugged/tiles",
        "plugged:spread@plugged:Tiles",
    ]
    paired = {"name": "plugged:letters", "args": {"weight": 0.5}}
    return {**tiny, "metrics": ["clip-score-vit-l-14", *plugged, paired], "images": "all"}


def names_of(content: dict[str, Any]) -> list[str]:
    return [name if isinstance(name, str) else "plugged:letters?weight=0.5" for name in content["metrics"]]


def test_a_run_takes_metrics_from_outside_as_its_own(
    with_plugins: dict[str, Any], tiny: dict[str, Any], tmp_path: Path, run_tiny: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    root, names = tmp_path / "run", names_of(with_plugins)
    run_tiny({**tiny, "metrics": ["clip-score-vit-l-14"]}, root)
    outcome = run_tiny(with_plugins, root)
    assert (outcome.images_made, outcome.images_found) == (0, 12)
    results = pd.read_csv(root / "results.csv", keep_default_na=False)
    assert list(results["protocol"][:6]) == names
    mine = results[results["protocol"] == "plugged:mean_of"]
    for value, error, cell in zip(mine["value"], mine["standard_error"], mine["cell"], strict=True):
        images = [np.asarray(Image.open(path)).mean() for path in (root / "images" / cell).glob("*.png")]
        assert (value, float(error)) == pytest.approx(
            (np.mean(images), np.std(images, ddof=1) / 6**0.5), rel=1e-6
        )
    assert mine["metric_source"].str.startswith("plugged 1.0 sha256:").all()
    assert (results[results["protocol"] == "clip-score-vit-l-14"]["metric_source"] == "").all()
    comparisons = pd.read_csv(root / "comparisons.csv").set_index("protocol")
    assert comparisons.loc[names, "standard_error"].notna().all()
    images = pd.read_parquet(root / "images.parquet")
    assert {"score_plugged:mean_of", "score_plugged:letters?weight=0.5"} <= set(images.columns)
    assert (images["score_plugged:letters?weight=0.5"] == images["prompt"].str.len() / 2).all()
    assert "plugged 1.0" in (root / "protocols.csv").read_text()
    before = tables(root)
    assert main(["score", str(root)]) == 0
    assert tables(root) == before
    page = (root / "report" / "index.html").read_text(encoding="utf-8")
    assert "Brightness" in page
    assert main(["diff", str(root), str(root)]) == 0
    assert "Brightness (plugged 1.0" in capsys.readouterr().out
    load_spec(root / "spec.yaml")


def test_each_image_is_compared_with_the_reference_image_of_its_prompt(
    module: Path, tiny: dict[str, Any], tmp_path: Path, run_tiny: Run
) -> None:
    root = tmp_path / "run"
    content = {**tiny, "metrics": ["plugged:distance"]}
    with pytest.raises(InputError, match=r"lacks the images that 2 of 2 images are compared with"):
        run_tiny(content, root)
    run_tiny({**tiny, "metrics": ["clip-score-vit-l-14"]}, root)
    first, second = sorted(path.name for path in (root / "images").iterdir())
    for cell, other in ((first, second), (second, first)):
        folder = {"source": "folder", "path": str(root / "images" / cell)}
        assert run_tiny({**content, "reference": folder}, root).images_made == 0
        values = pd.read_csv(root / "results.csv").set_index("cell")
        assert values.loc[cell, "value"] == 0
        assert values.loc[other, "value"] > 0
        assert values["reference_digest"].notna().all()


def tables(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.glob("*.csv")}


def test_what_fails_loses_no_image(module: Path, tiny: dict[str, Any], tmp_path: Path, run_tiny: Run) -> None:
    root = tmp_path / "run"
    late = """
calls = 0
def late(images):
    global calls
    calls += 1
    if calls > 2:
        raise RuntimeError("full")
    return [1.0] * len(images)
late.better = "higher"
"""
    module.write_text(MODULE + late)
    content = {**tiny, "metrics": ["plugged:late", "clip-score-vit-l-14"]}
    with pytest.raises(InputError, match=r"^plugged:late: raises RuntimeError: full$"):
        run_tiny(content, root)
    kept = {path: path.read_bytes() for path in (root / "images").rglob("*.png")}
    assert len(kept) >= 4
    module.write_text(MODULE + late.replace("calls > 2", "False"))
    forget()
    outcome = run_tiny(content, root)
    assert outcome.images_made == 12 - len(kept)
    assert {path: path.read_bytes() for path in kept} == kept


SPEC_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "half a form": ({"metrics": ["plugged:"]}, "metrics.0: 'plugged:' is not of the form module:function"),
    "both built in": (
        {"metrics": ["kernel@inception-v3"]},
        "FORMULA@EXTRACTOR is for a formula or",
    ),
    "arguments of a built-in": ({"metrics": ["fid-inception-tf?a=1"]}, "is not of the form module:function"),
    "args of a built-in": (
        {"metrics": ["a:b@inception-v3?a=1"]},
        "inception-v3 is built in and takes no",
    ),
    "no value": ({"metrics": ["plugged:Level?power"]}, "is not written NAME?key=value&key=value"),
    "another key": (
        {"metrics": [{"nam": "a:b"}]},
        "metrics.0: unknown key 'nam'; did you mean 'name'?",
    ),
    "no name": ({"metrics": [{"args": {}}]}, "metrics.0: needs the key name"),
    "args as a list": (
        {"metrics": [{"name": "a:b", "args": [1]}]},
        "metrics.0: args of a:b are not",
    ),
    "twice": ({"metrics": ["a:b?x=1", {"name": "a:b", "args": {"x": 1}}]}, "metrics: a:b?x=1 is given twice"),
}


@pytest.mark.parametrize("name", SPEC_FAULTS)
def test_a_wrong_entry_of_a_spec_is_one_line(
    name: str, tiny: dict[str, Any], spec_file: Callable[[dict[str, Any]], Path]
) -> None:
    changes, expected = SPEC_FAULTS[name]
    with pytest.raises(SpecError) as error:
        load_spec(spec_file({**tiny, **changes}))
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_arguments_survive_as_text(tiny: dict[str, Any], spec_file: Callable[[dict[str, Any]], Path]) -> None:
    args = {"a": 1, "b": 0.5, "c": "on", "d": [1, 2], "e": {"f": None}, "g": "x & y = z?", "h": "", "i": "é@"}
    spec = load_spec(spec_file({**tiny, "metrics": [{"name": "no_such.module:f", "args": args}]}))
    assert resolve.parse_metric_name(spec.metrics[0]).args == args
    assert " " not in spec.metrics[0]
    written = spec_file(json.loads(json.dumps(tiny)))
    written.write_text(spec.to_yaml())
    assert load_spec(written) == spec


def test_names_are_looked_up_when_a_run_is_prepared(
    module: Path, tiny: dict[str, Any], spec_file: Callable[[dict[str, Any]], Path]
) -> None:
    spec = load_spec(spec_file({**tiny, "metrics": ["clip-score-vit-l-14", "plugged:number"]}))
    with pytest.raises(SpecError, match=r"^metrics.1: metric 'plugged:number' is neither"):
        check_names(spec)
    without = {key: value for key, value in tiny.items() if key != "reference"}
    spec = load_spec(spec_file({**without, "metrics": ["plugged:gap@plugged:Tiles"]}))
    with pytest.raises(SpecError, match=r"^reference: missing, and plugged:gap@plugged:Tiles compares"):
        check_names(spec)
