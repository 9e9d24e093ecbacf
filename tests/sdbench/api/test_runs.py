"""Runs, models and the face of the package in Python."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sdbench
from sdbench.sweep import runner
from tests.sdbench.tiny_runs import no_page

PROMPTS = ["a red circle", "a blue square", "a green cross"]
SPEC: dict[str, Any] = {
    "name": "api",
    "checkpoints": ["shapes-v1-1"],
    "samplers": [{"name": "ddim", "steps": 2}],
    "guidance_scales": [2, 4.5],
    "prompts": PROMPTS,
    "reference": {"source": "shapes", "count": 16, "seed": 1},
    "image_size": 64,
    "seed": 42,
    "batch_size": 3,
    "unit_size": 3,
    "metrics": ["kd-shapes-clip", "clip-score-shapes"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> sdbench.Run:
    """A run of two cells of three images, made in Python, without its page, which test_notebook.py has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "run_experiment", partial(runner.run_experiment, draw=no_page))
        return sdbench.run(SPEC, tmp_path_factory.mktemp("runs") / "api", progress=False)


def test_a_run_has_tables_a_plot_and_a_page(made: sdbench.Run) -> None:
    run = sdbench.open_run(Path(made.place))
    assert list(run.results["protocol"]) == ["kd-shapes-clip", "clip-score-shapes"] * 2
    assert run.results["value"].tolist() == made.results["value"].tolist()
    assert list(run.comparisons["protocol"]) == ["kd-shapes-clip", "clip-score-shapes"]
    assert len(run.images) == 6
    assert {"prompt", "flags", "score_clip-score-shapes"} <= set(run.images.columns)
    assert run.plot().get_axes()
    page = Path(made.place, "report", "index.html")
    page.parent.mkdir(exist_ok=True)
    page.touch()
    assert run.report == str(page)
    assert repr(run) == f"Run(api: 1 curves, 2 cells, 6 images, {made.place})"
    assert run._repr_html_().count("<b>") == 3  # the name and the best value of each metric


def test_a_model_makes_the_images_of_the_sweep(made: sdbench.Run) -> None:
    model = sdbench.load_model("shapes-v1-1")
    images = model.generate(
        PROMPTS, guidance_scale=2, sampler="ddim", steps=2, seed=42, batch_size=3, progress=False
    )
    cell = made.results["cell"].iloc[0]
    kept = sorted(Path(made.place, "images", cell).glob("*.png"))
    assert [np.array_equal(image, Image.open(path)) for image, path in zip(images, kept, strict=True)] == [
        True
    ] * 3
    assert repr(model).startswith("LoadedModel(shapes-v1-1, ")
    with pytest.raises(sdbench.InputError, match="image sides must be multiples of 16, got 7 x 7"):
        model.generate(PROMPTS, size=7)
    with pytest.raises(sdbench.InputError, match="batch_size: 0 is less than 1"):
        model.generate("a red circle", batch_size=0)
    with pytest.raises(sdbench.InputError, match="prompts: the list is empty"):
        model.generate([])


def test_what_is_no_run_or_spec_or_model_is_one_line(tmp_path: Path) -> None:
    for call, expected in (
        (lambda: sdbench.open_run(tmp_path / "none"), "is not a run folder"),
        (lambda: sdbench.open_run(tmp_path), "results.csv does not exist"),
        (lambda: sdbench.run(tmp_path / "none.yaml"), "none.yaml: no such experiment spec"),
        (lambda: sdbench.run({**SPEC, "seeds": 1}), "spec: seeds"),
        (lambda: sdbench.run(SPEC, count=0), "count: 0 is less than 1"),
        (lambda: sdbench.load_model("shapes-v1-9"), "unknown checkpoint 'shapes-v1-9': did you mean"),
    ):
        with pytest.raises(sdbench.InputError) as caught:
            call()
        assert expected in str(caught.value)


def test_importing_is_quick_and_every_name_is_there_and_documented() -> None:
    loaded = "import sdbench, sys; print(*(m for m in ('torch', 'numpy', 'pandas') if m in sys.modules))"
    assert (
        subprocess.run(
            [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
        ).stdout.split()
        == []
    )
    page = (Path(__file__).parents[3] / "docs" / "python.md").read_text(encoding="utf-8")
    table = "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    named = set(re.findall(r"`(\w+)", "\n".join(row.split(" | ")[0] for row in table.splitlines())))
    assert named == set(sdbench.__all__)
    assert all(getattr(sdbench, name) is not None for name in sdbench.__all__)
    assert set(sdbench.__all__) <= set(dir(sdbench))
    with pytest.raises(AttributeError, match="has no attribute 'fids'"):
        sdbench.fids  # noqa: B018
