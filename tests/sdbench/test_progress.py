"""What is shown while a run or a training goes on."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from sdbench.display import LineDisplay, RichDisplay, display_for
from sdbench.models.sources import ReferenceSource
from sdbench.plan import Plan, make_plan
from sdbench.progress import RunProgress, TrainingProgress
from sdbench.prompts import Prompt
from sdbench.registry import Checkpoint
from sdbench.spec import ExperimentSpec


class Clock:
    """Time that stands still until told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
def plan() -> Plan:
    spec = ExperimentSpec.model_validate(
        {
            "name": "progress",
            "checkpoints": ["sd-v1-4"],
            "samplers": [{"name": "plms", "steps": 50}],
            "guidance_scales": [2, 7.5],
            "prompts": ["any"],
            "image_size": 64,
            "seed": 1,
            "batch_size": 4,
            "unit_size": 4,
            "metrics": ["clip-score-vit-l-14"],
        }
    )
    file = ReferenceSource("sd-v1-4", Path("unused.ckpt"))
    prompts = [Prompt(f"p{i}", "any") for i in range(8)]
    return make_plan(spec, [Checkpoint(file, "w", "default")], prompts, {"clip-vit-l-14": "c"})


def test_rate_and_time_left_count_this_invocation_only(plan: Plan, clock: Clock) -> None:
    stream = io.StringIO()
    with RunProgress(LineDisplay(stream)) as progress:
        progress.start(plan, found=4)
        clock.now += 60
        progress.tick(plan.units[1], 2.0)
        clock.now += 1
        progress.tick(plan.units[1], 3.0)
        clock.now += 59
        progress.finished(plan.units[1])
        clock.now += 60
        progress.finished(plan.units[2])
        progress.finished(plan.units[3])
    lines = stream.getvalue().splitlines()
    # Two images a minute: the line of second 61 is held back, the last one is not.
    assert lines == [
        "6/16 images, cell 1/2 (sd-v1-4 plms50 scale 2), 0.0333 images/s, 5 min 0 s left",
        "8/16 images, cell 1/2 (sd-v1-4 plms50 scale 2), 0.0333 images/s, 4 min 0 s left",
        "12/16 images, cell 2/2 (sd-v1-4 plms50 scale 7.5), 0.0444 images/s, 1 min 30 s left",
        "16/16 images, cell 2/2 (sd-v1-4 plms50 scale 7.5), 0.0667 images/s, 0 s left",
    ]


def test_training_lines_name_part_steps_and_loss(clock: Clock) -> None:
    stream = io.StringIO()
    progress = TrainingProgress(LineDisplay(stream))
    progress("clip", 100, 1000, 2.5)
    clock.now += 3600
    progress("clip", 200, 1000, 1.25)
    assert stream.getvalue().splitlines() == [
        "clip: 100/1000, loss 2.5000",
        "clip: 200/1000, loss 1.2500, 0.0278 steps/s, 8 h 0 min left",
    ]


def test_a_terminal_gets_a_bar(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    assert isinstance(display_for(stream), RichDisplay)
    assert isinstance(display_for(io.StringIO()), LineDisplay)
    with RunProgress(display_for(stream)) as progress:
        progress.note("[brackets] stay")
        progress.start(plan, found=0)
        for unit in plan.units:
            progress.finished(unit)
    assert "[brackets] stay" in stream.getvalue()
    assert "16/16 images" in stream.getvalue()


def test_without_a_display_nothing_is_shown(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    with RunProgress() as progress:
        progress.note("unheard")
        progress.start(plan, found=0)
        progress.finished(plan.units[0])
    assert capsys.readouterr() == ("", "")
