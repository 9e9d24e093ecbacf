"""Ways of guiding in a sweep: cells, rows, evaluations, and functions of others."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdbench.core.errors import InputError, SpecError
from sdbench.models.guidance import guidance_identity
from sdbench.models.settings import Settings
from sdbench.runs.labels import guided_label
from sdbench.runs.plan import Cell
from tests.sdbench.tiny_runs import content

Run = Callable[..., Any]
PAGE = Path(__file__).parents[3] / "docs" / "guidance.md"
BLOCK = re.compile(r'^```python title="my_guidance.py"\n(.*?)^```', re.DOTALL | re.MULTILINE)
(FROM_THE_PAGE,) = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
MINE = (
    FROM_THE_PAGE
    + """

def broken(scale):
    return lambda uncond, cond, moment: cond[:1]
"""
)
SMALL: dict[str, Any] = {
    "metrics": ["clip-score-shapes"],
    "prompts": ["a red circle", "a ring"],
    "samplers": [{"name": "ddim", "steps": 4}],
    "guidance_scales": [3],
}


def test_ways_of_guiding_are_cells_of_a_sweep(tmp_path: Path, run_tiny: Run) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    guidance = [
        {"name": "interval", "scale": 3, "from": 0.25, "to": 0.75},
        {"name": "rescale", "scale": 3},
        {"name": "apg", "scale": 3, "norm": 2},
        {"name": "cfg++", "scale": 0.6},
        {"name": f"{tmp_path}/mine.py:mine", "scale": 3, "power": 2},
    ]
    spec = content(**SMALL, guidance=guidance)
    assert run_tiny(spec, tmp_path / "run").images_made == 12
    with (tmp_path / "run" / "results.csv").open() as stream:
        rows = [(row["guidance"].rpartition("/")[2], row["nfe"]) for row in csv.DictReader(stream)]
    assert rows == [
        ("cfg", "8"),
        ("interval?from=0.25&to=0.75", "6"),
        ("rescale", "8"),
        ("apg?norm=2", "8"),
        ("cfg++", "8"),
        ("mine.py:mine?power=2", "8"),
    ]
    assert run_tiny(spec, tmp_path / "run").images_made == 0
    assert len(list((tmp_path / "run" / "shards").glob("tiny_ddim4_*"))) == 6


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ("my_package:mine", r"guidance.0: 'my_package:mine' lacks a scale; write"),
        ({"name": "apgg", "scale": 3}, r"unknown guidance 'apgg': did you mean 'apg'"),
        (
            {"name": "apg", "scale": 3, "nrom": 2},
            r"'apg\?nrom=2': apg has no 'nrom'; did you mean 'norm'",
        ),
        ({"name": "apg", "scale": 3, "norm": "big"}, r"norm 'big' is not a number"),
        ({"name": "interval", "scale": 3, "from": 0.8, "to": 0.2}, r"0 <= from < to <= 1"),
        ({"name": "rescale", "scale": 3, "phi": 2}, r"phi must lie in 0..1"),
        ({"name": "cfg", "scale": 3}, r"guidance.0: cfg at scale 3 is given twice"),
        ({"name": "apg"}, r"guidance.0.scale: missing"),
        ({"name": "nowhere:mine", "scale": 3}, r"guidance 'nowhere:mine' cannot be imported: ModuleNotFound"),
    ],
)
def test_wrong_ways(entry: Any, error: str, tmp_path: Path, run_tiny: Run) -> None:
    with pytest.raises((InputError, SpecError), match=error):
        run_tiny(content(**SMALL, guidance=[entry]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_function_of_others_that_fails_is_named(tmp_path: Path, run_tiny: Run) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    wrong = {"name": f"{tmp_path}/mine.py:broken", "scale": 3}
    with pytest.raises(InputError, match=r"mine.py:broken': its result is no finite tensor of"):
        run_tiny(content(**SMALL, guidance=[wrong]), tmp_path / "run")


def test_cfg_plus_plus_is_for_ddim(tmp_path: Path, run_tiny: Run) -> None:
    small = {**SMALL, "samplers": [{"name": "plms", "steps": 4}]}
    with pytest.raises(InputError, match=r"^checkpoint tiny: guidance cfg\+\+ changes the update of ddim"):
        run_tiny(content(**small, guidance=[{"name": "cfg++", "scale": 0.6}]), tmp_path / "run")


def test_plain_guidance_keeps_its_identity_and_labels() -> None:
    asked = Settings("plms", 2, 0.0, 2.0, 64, 64, 1)
    assert "guidance" not in Cell("tiny", asked, "w", "c").identity
    assert guidance_identity("apg?norm=2") is None
    assert guided_label("tiny", "cfg") == "tiny"
    assert guided_label("tiny", "interval?from=0.2&to=0.8") == "tiny, interval (from 0.2, to 0.8)"
