"""Published facts about the named checkpoints."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from reference_model.shapes.training import BUDGETS
from sdbench.cli import main
from sdbench.models.catalogue import SD_V1, SHAPES
from sdbench.models.training_facts import SHAPES_BUDGET, training_facts

TRAINED = Path(__file__).parents[3] / "docs" / "results" / "shapes-training.json"
PUBLISHED = {
    "sd-v1-1": [("scratch", 237_000, 256, None), ("the stage before", 194_000, 512, None)],
    "sd-v1-2": [("sd-v1-1", 515_000, 512, None)],
    "sd-v1-3": [("sd-v1-2", 195_000, 512, 0.1)],
    "sd-v1-4": [("sd-v1-2", 225_000, 512, 0.1)],
}


def test_the_published_checkpoints_are_those_of_the_model_cards() -> None:
    found = {
        name: [(f.start, f.steps, f.resolution, f.dropped_captions) for f in training_facts(name)]
        for name in SD_V1
    }
    assert found == PUBLISHED


@pytest.mark.parametrize("name", [*SD_V1, *SHAPES])
def test_every_named_checkpoint_has_facts_and_info_says_them(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "info", name]) == 0
    out = capsys.readouterr().out
    facts = training_facts(name)
    assert facts
    assert all(f"trained from {fact.start}: {fact.steps:,} steps" in out for fact in facts)


def test_the_familys_steps_are_those_of_its_budget() -> None:
    budget = BUDGETS[SHAPES_BUDGET]
    steps = [fact.steps for name in SHAPES for fact in training_facts(name)]
    assert steps == [budget.v1_1_low, budget.v1_1_high, budget.v1_2, budget.v1_3, budget.v1_4]
    trained = json.loads(TRAINED.read_text(encoding="utf-8"))
    assert (trained["budget"], trained["work"]) == (SHAPES_BUDGET, asdict(budget))


def test_hub_ids_of_both_layouts() -> None:
    assert [(p.original, p.file, p.diffusers) for p in SD_V1.values()] == [
        (f"CompVis/stable-diffusion-v-1-{n}-original", f"sd-v1-{n}.ckpt", f"CompVis/stable-diffusion-v1-{n}")
        for n in (1, 2, 3, 4)
    ]
