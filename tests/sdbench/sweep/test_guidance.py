"""Ways of guiding in a sweep: cells, rows, evaluations, and functions of others."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from reference_model import load_checkpoint
from sdbench.core.errors import InputError, SpecError
from sdbench.core.precision import FULL
from sdbench.models.guidance import evaluations, guidance_identity, weak_source
from sdbench.models.second_predictions import SecondPredictions
from sdbench.models.settings import Settings
from sdbench.runs.labels import guided_label
from sdbench.runs.plan import Cell
from sdbench.runs.plan_file import read_plan_file
from sdbench.runs.store import LocalStore
from tests.sdbench.tiny_runs import content, damage

Run = Callable[..., Any]
PAGE = Path(__file__).parents[3] / "docs" / "guidance.md"
BLOCK = re.compile(r'^```python title="my_guidance.py"\n(.*?)^```', re.DOTALL | re.MULTILINE)
(FROM_THE_PAGE,) = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
MINE = (
    FROM_THE_PAGE
    + """

def broken(scale):
    return lambda uncond, cond, moment: cond[:1]


def in_place(scale):
    return lambda uncond, cond, moment: cond.mul_(scale)
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
        # In the middle of this small model is a single position, which attention to itself leaves as it is.
        {"name": "pag", "scale": 3, "layers": "output_blocks.5"},
        {"name": "pag", "scale": 1, "pag_scale": 2, "layers": "middle_block,output_blocks.5"},
        {"name": f"{tmp_path}/mine.py:mine", "scale": 3, "power": 2},
    ]
    spec = content(**SMALL, guidance=guidance)
    assert run_tiny(spec, tmp_path / "run").images_made == 16
    with (tmp_path / "run" / "results.csv").open() as stream:
        rows = [(row["guidance"].rpartition("/")[2], row["nfe"]) for row in csv.DictReader(stream)]
    assert rows == [
        ("cfg", "8"),
        ("interval?from=0.25&to=0.75", "6"),
        ("rescale", "8"),
        ("apg?norm=2", "8"),
        ("cfg++", "8"),
        ("pag?layers=output_blocks.5", "12"),
        ("pag?layers=middle_block%2Coutput_blocks.5&pag_scale=2", "8"),
        ("mine.py:mine?power=2", "8"),
    ]
    assert run_tiny(spec, tmp_path / "run").images_made == 0
    shards = sorted((tmp_path / "run" / "shards").glob("tiny_ddim4_*/*.parquet"))
    assert len(shards) == 8
    logged = {path.parent.name.split("_s")[0]: pq.read_table(path) for path in shards}
    assert "guidance_scales" not in logged.pop("tiny_ddim4").column_names
    scales = {name: table["guidance_scales"].to_pylist() for name, table in logged.items()}
    assert scales["tiny_ddim4_interval"] == [pytest.approx([1, 3, 3, 1], rel=1e-5)] * 2
    assert all(len(image) == 4 for images in scales.values() for image in images)
    with (tmp_path / "run" / "effective_scales.csv").open() as stream:
        calls = {row["cell"]: row["call"] for row in csv.DictReader(stream)}
    assert len(calls) == 7
    with (tmp_path / "run" / "ledger.csv").open() as stream:
        notes = {row["note"] for row in csv.DictReader(stream)}
    assert notes == {"the run has no distance and score"}
    assert damage(tmp_path / "run") == []


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
        ({"name": "apg", "scale": 3, "control": "ddim"}, r"guidance.0.control: 'ddim'; allowed: 'cfg'"),
        (
            {"name": "cfg++", "scale": 0.6, "control": "cfg"},
            r"guidance.0: control: the scale of cfg\+\+ is none of cfg",
        ),
        (
            {"name": "pag", "scale": 3, "layers": "middle"},
            r"no self-attention in the layer 'middle'; there is",
        ),
        ({"name": "autoguidance", "scale": 3}, r"needs a weaker model: weak: CHECKPOINT"),
        (
            {"name": "autoguidance", "scale": 3, "weak": "shapes-v1-9"},
            r"weak: unknown checkpoint 'shapes-v1-9': did you mean 'shapes-v1-",
        ),
        ({"name": "autoguidance", "scale": 3, "weak": "none.ckpt"}, r"weak: checkpoint none: none.ckpt"),
        (
            {"name": "autoguidance", "scale": 3, "weak": "shapes-v1-1"},
            r"shapes-v1-1 has another noise schedule",
        ),
        ({"name": "nowhere:mine", "scale": 3}, r"guidance 'nowhere:mine' cannot be imported: ModuleNotFound"),
    ],
)
def test_wrong_ways(entry: Any, error: str, tmp_path: Path, run_tiny: Run) -> None:
    with pytest.raises((InputError, SpecError), match=error):
        run_tiny(content(**SMALL, guidance=[entry]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("function", "error"),
    [("broken", "its result is no finite tensor of"), ("in_place", "it changes the predictions given to it")],
)
def test_a_function_of_others_that_fails_is_named(
    function: str, error: str, tmp_path: Path, run_tiny: Run
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    wrong = {"name": f"{tmp_path}/mine.py:{function}", "scale": 3}
    with pytest.raises(InputError, match=f"mine.py:{function}': {error}"):
        run_tiny(content(**SMALL, guidance=[wrong]), tmp_path / "run")


def test_cfg_plus_plus_is_for_ddim(tmp_path: Path, run_tiny: Run) -> None:
    small = {**SMALL, "samplers": [{"name": "plms", "steps": 4}]}
    with pytest.raises(InputError, match=r"^checkpoint tiny: guidance cfg\+\+ changes the update of ddim"):
        run_tiny(content(**small, guidance=[{"name": "cfg++", "scale": 0.6}]), tmp_path / "run")


def test_identities_and_labels_name_the_way() -> None:
    asked = Settings("plms", 2, 0.0, 2.0, 64, 64, 1)
    assert Cell("tiny", asked, "w", "c").identity["guidance"] == "cfg"
    assert guidance_identity("apg?norm=2") is None
    assert guided_label("tiny", "cfg") == "tiny"
    assert guided_label("tiny", "interval?from=0.2&to=0.8") == "tiny, interval (from 0.2, to 0.8)"


def test_a_weak_model_guides_and_is_part_of_the_identity(tmp_path: Path, run_tiny: Run) -> None:
    way = {"name": "autoguidance", "scale": 2, "weak": "shapes-v1-1"}
    spec = content(**SMALL, guidance=[way]) | {"checkpoints": ["shapes-v1-4"], "guidance_scales": [1]}
    run_tiny(spec, tmp_path / "run")
    with (tmp_path / "run" / "results.csv").open() as stream:
        rows = [(row["guidance"], row["nfe"]) for row in csv.DictReader(stream)]
    assert rows == [("cfg", "4"), ("autoguidance?weak=shapes-v1-1", "8")]
    weak = weak_source("autoguidance?weak=shapes-v1-1")
    assert weak is not None
    cells = read_plan_file(LocalStore(tmp_path / "run")).cells
    assert [cell.guidance_source for cell in cells] == [None, weak.files_digest()]
    model = load_checkpoint(weak.path, weak.config)
    second = SecondPredictions(model, FULL)
    latents = (2, *model.config.latent_shape(128, 128))
    x, t = torch.randn(latents, generator=torch.Generator().manual_seed(0)), torch.tensor([300, 300])
    with torch.inference_mode():
        guidance = second.guidance(rows[1][0], SMALL["prompts"], torch.zeros(()))
        assert guidance is not None
        assert guidance.weak is not None
        expected = model.denoise(x, t, model.encode_prompts(SMALL["prompts"]))
        assert torch.equal(guidance.weak(x, t), expected)
    assert second.evaluations == 2


def test_evaluations_of_an_image_are_forecast() -> None:
    calls = [0.0, 0.25, 0.5, 0.75]
    ways = {("cfg", 1): 4, ("apg", 3): 8, ("pag", 1): 8, ("pag?pag_scale=2", 3): 12}
    ways |= {("autoguidance?weak=shapes-v1-1", 1): 8, ("interval?from=0.25&to=0.75", 3): 6}
    assert {way: evaluations(*way, calls) for way in ways} == ways
