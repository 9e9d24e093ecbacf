"""What is shown during a run or a training."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from sdbench.core.console import CellShare, LineDisplay, RichDisplay, cells_table, display_for
from sdbench.core.errors import InputError, StoreError
from sdbench.core.event_log import EventLog
from sdbench.core.progress import TrainingProgress
from sdbench.core.timing import duration
from sdbench.data.prompts import Prompt
from sdbench.models.registry import Checkpoint
from sdbench.models.sources import ReferenceSource
from sdbench.runs.plan import Plan, Unit
from sdbench.spec import ExperimentSpec
from sdbench.sweep.progress import RunProgress
from sdbench.sweep.worker import UnitReport
from tests.sdbench.synthetic import planned


def done(unit: Unit) -> UnitReport:
    return UnitReport(unit, len(unit.chunk.prompts), {"generate": 3.0, "write": 0.25}, [4], "cpu (x86_64)", 2)


class Clock:
    """A clock that advances only on request."""

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
    return planned(spec, [Checkpoint(file, "w", "default")], prompts)


def test_rate_and_time_left_count_this_invocation_only(plan: Plan, clock: Clock) -> None:
    stream = io.StringIO()
    with RunProgress(LineDisplay(stream)) as progress:
        progress.start(plan, plan.units[1:])
        clock.now += 60
        progress.tick(plan.units[1], 2.0)
        clock.now += 1
        progress.tick(plan.units[1], 3.0)
        clock.now += 59
        progress.finished(done(plan.units[1]))
        clock.now += 60
        progress.finished(done(plan.units[2]))
        progress.finished(done(plan.units[3]))
    lines = stream.getvalue().splitlines()
    # Two images a minute: the line of second 61 is held back, the last one is not.
    assert lines == [
        "6/16 images, 0.0333 images/s, 5 min 0 s left, cell 1/2 (sd-v1-4 at guidance scale 2)",
        "8/16 images, 0.0333 images/s, 4 min 0 s left, cell 1/2 (sd-v1-4 at guidance scale 2)",
        "12/16 images, 0.0444 images/s, 1 min 30 s left, cell 2/2 (sd-v1-4 at guidance scale 7.5)",
        "16/16 images, 0.0667 images/s, 0 s left, cell 2/2 (sd-v1-4 at guidance scale 7.5)",
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
        progress.start(plan, plan.units)
        for unit in plan.units:
            progress.finished(done(unit))
    assert "[brackets] stay" in stream.getvalue()
    assert "16/16 images" in stream.getvalue()


def test_without_a_display_nothing_is_shown(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    with RunProgress() as progress:
        progress.note("unheard")
        progress.start(plan, plan.units)
        progress.finished(done(plan.units[0]))
    assert capsys.readouterr() == ("", "")


def as_text(cells: list[CellShare], height: int = 24) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=80).print(cells_table(cells, height))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_32_cells_are_a_line_per_checkpoint_and_a_mark_per_scale() -> None:
    scales = ["1.5", "2", "3", "4", "5", "6", "7", "8"]
    done = [1.0] * 13 + [0.5] + [0.0] * 18
    cells = [CellShare(f"sd-v1-{i // 8 + 1}", scales[i % 8], done[i]) for i in range(32)]
    assert as_text(cells) == [
        "        1.5 2 3 4 5 6 7 8",
        "sd-v1-1  ✓  ✓ ✓ ✓ ✓ ✓ ✓ ✓ 100%",
        "sd-v1-2  ✓  ✓ ✓ ✓ ✓ ▅ · ·  68%",
        "sd-v1-3  ·  · · · · · · ·   0%",
        "sd-v1-4  ·  · · · · · · ·   0%",
    ]


def test_a_small_terminal_shows_what_is_under_way_and_counts_the_rest() -> None:
    cells = [CellShare(f"model-{i}", "2", share) for i, share in enumerate([1, 1, 0.2, 0, 0, 0])]
    assert as_text(cells, height=6) == [
        "        2",
        "model-2 ▂ 20%",
        "model-3 ·  0%",
        "and 2 finished, 2 to come",
    ]


def test_the_table_follows_the_plan(plan: Plan) -> None:
    seen: list[list[float]] = []

    class Watcher(LineDisplay):
        def update(self, words: str, done: float, total: float, cells: Sequence[CellShare] = ()) -> None:
            seen.append([cell.share for cell in cells])

    with RunProgress(Watcher(io.StringIO())) as progress:
        progress.start(plan, plan.units[1:])
        progress.tick(plan.units[1], 2.0)
        progress.finished(done(plan.units[1]))
        progress.finished(done(plan.units[3]))
    assert seen == [[0.75, 0.0], [1.0, 0.0], [1.0, 0.5]]


def test_the_log_has_a_line_per_event(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "run.jsonl"

    def fail() -> None:
        with EventLog(path) as log, RunProgress(log=log) as progress:
            progress.note("reading")
            progress.start(plan, plan.units[1:])
            progress.finished(done(plan.units[1]))
            with progress.stage({}, "work"):
                pass
            raise ValueError("no space\non the disk")

    for _ in range(2):
        with pytest.raises(ValueError, match="disk"):
            fail()
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event.pop("event") for event in events] == ["note", "start", "unit", "stage", "end"] * 2
    assert all(event.pop("time").endswith("+00:00") for event in events)
    first = [
        {"text": "reading"},
        {"cells": 2, "images": 16, "found": 4},
        {
            "cell": plan.cells[0].folder,
            "unit": plan.units[1].name,
            "images": 4,
            "seconds": 3.25,
            "parts": {"generate": 3.0, "write": 0.25},
            "batch_sizes": [4],
            "device": "cpu (x86_64)",
        },
        {"stage": "work", "seconds": 0.0},
        {"how": "no space on the disk"},
    ]
    assert events == first * 2


def test_a_log_that_cannot_be_written_is_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--log .*file/run\.jsonl: "):
        EventLog(tmp_path / "file" / "run.jsonl")


def test_a_log_on_a_full_disk_is_named_in_one_line() -> None:
    with (
        pytest.raises(StoreError, match=r"^--log /dev/full: cannot be written: No space left on device$"),
        EventLog(Path("/dev/full")) as log,
    ):
        log.write("note", text="reading")
    with pytest.raises(StoreError, match="--log /dev/full"), EventLog(Path("/dev/full")):
        pass


def test_a_log_on_a_full_disk_does_not_hide_what_ended_the_run() -> None:
    with pytest.raises(StoreError, match="the shard"), EventLog(Path("/dev/full")):
        raise StoreError("the shard")


def test_a_line_that_the_disk_takes_in_parts_is_whole(tmp_path: Path) -> None:
    with EventLog(tmp_path / "log") as log:
        stream = log._stream

        class Short:
            def write(self, data: bytes) -> int:
                return stream.write(data[:10])

        log._stream = Short()  # type: ignore[assignment]
        log.write("note", text="a line of more than ten letters")
        log._stream = stream
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["note", "end"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(7, "7 s"), (60, "1 min 0 s"), (7500, "2 h 5 min"), (273_900, "3 d 4 h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
