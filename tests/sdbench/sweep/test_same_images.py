"""Settings that change no image end a run, and negative prompts that do are another cell."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbench.core.errors import InputError, SpecError
from sdbench.data.prompts import Prompt
from sdbench.models import Images
from sdbench.models.reference import ReferenceModel
from sdbench.models.settings import Settings
from sdbench.runs.plan import Cell, Chunk, Unit
from sdbench.runs.store import LocalStore
from sdbench.runs.verify import verify
from tests.sdbench.tiny_runs import content

Run = Callable[..., Any]
SMALL: dict[str, Any] = {"metrics": ["clip-score-shapes"], "prompts": ["a red circle", "a ring", "a moon"]}


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the model ignore the guidance scale."""
    generate = ReferenceModel.generate
    monkeypatch.setattr(
        ReferenceModel,
        "generate",
        lambda self, prompts, at, tick: generate(self, prompts, replace(at, guidance_scale=3.0), tick),
    )


def test_a_scale_that_does_nothing_ends_the_run(deaf: None, tmp_path: Path, run_tiny: Run) -> None:
    line = (
        r"^cells tiny_plms2_s2_\w+ and tiny_plms2_s7.5_\w+ differ in guidance_scale, but .* tiny ignores it; "
    )
    for _ in range(2):  # the stored images are compared when the run is resumed
        with pytest.raises(InputError, match=line):
            run_tiny(content(**SMALL), tmp_path / "run")
    assert not (tmp_path / "run" / "results.csv").exists()


def test_black_images_are_left_to_the_audit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run_tiny: Run
) -> None:
    def black(self: Any, prompts: Any, at: Settings, tick: Any) -> Images:
        return Images(np.zeros((len(prompts), 64, 64, 3), np.uint8), 2, np.zeros(len(prompts), bool))

    monkeypatch.setattr(ReferenceModel, "generate", black)
    assert run_tiny(content(**SMALL), tmp_path / "run").images_made == 6


def test_negative_prompts_are_in_identity_and_rows(tmp_path: Path, run_tiny: Run) -> None:
    small = {**SMALL, "guidance_scales": [3]}
    for negative, words, made in (
        ("", "", 3),
        ("a blue square", "a blue square", 3),
        (["a blue square", "", "a star"], "(one for each prompt)", 3),
        (["a blue square", "", "a moon"], "(one for each prompt)", 1),  # its unit alone
    ):
        outcome = run_tiny(content(**small, negative_prompt=negative), tmp_path / "run")
        assert outcome.images_made == made
        with (tmp_path / "run" / "results.csv").open() as stream:
            assert {row["negative_prompt"] for row in csv.DictReader(stream)} == {words}
        assert verify(LocalStore(tmp_path / "run"), lambda *_: None).damage == []


@pytest.mark.parametrize(
    ("negative", "error"),
    [
        (3, r"negative_prompt: 3; allowed: a text for all prompts, or a list with a text for each"),
        ([], r"negative_prompt: \[\]; allowed"),
        (["a", "b"], r"^negative_prompt: 2 texts for 3 prompts; give one for each"),
        (["a", "b", "c", "d"], r"^negative_prompt: 4 texts for 3 prompts"),
        (["a", "\0", "c"], r"^negative_prompt, entry 2: the text contains a NUL"),
    ],
)
def test_wrong_negative_prompts(negative: Any, error: str, tmp_path: Path, run_tiny: Run) -> None:
    with pytest.raises((InputError, SpecError), match=error):
        run_tiny(content(**SMALL, negative_prompt=negative), tmp_path / "run")


def test_negative_prompts_are_part_of_identities() -> None:
    asked = Settings("plms", 2, 0.0, 2.0, 64, 64, 1)
    cell = Cell("tiny", asked, "w", "c", guided_by="guidance_scale")
    assert cell.identity["negative_prompt"] == ""
    other = replace(cell, settings=replace(asked, negative_prompt="no"))
    assert other.identity["negative_prompt"] == "no"
    assert other.folder != cell.folder
    chunks = [Chunk(0, (Prompt("a", "a moon", negative),)) for negative in (None, "", "no")]
    assert len({Unit(cell, chunk).name for chunk in chunks}) == 3
