"""Runs that end early, by Ctrl-C or by losing units: what they made is correct, and the next run resumes."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sdbench.cli import main
from sdbench.core.errors import StoreError
from sdbench.runs.plan import Unit
from sdbench.spec import load_spec
from sdbench.sweep import runner
from sdbench.sweep.executors import EXECUTORS, Executor, Gap, Pool, Workforce
from sdbench.sweep.executors.inline import inline_pool
from sdbench.sweep.progress import RunProgress
from sdbench.sweep.worker import Job, Tick, UnitReport
from tests.sdbench.tiny_runs import damage, files

Run = Callable[[dict[str, Any], Path], Any]


class TestStopping:
    """Ctrl-C while the first unit is under way."""

    class Interrupting(RunProgress):
        def __init__(self, times: int) -> None:
            super().__init__()
            self._times = times
            self.said: list[str] = []

        def tick(self, unit: Unit, images: float) -> None:
            super().tick(unit, images)
            if self._times:
                self._times -= 1
                signal.raise_signal(signal.SIGINT)

        def note(self, text: str) -> None:
            self.said.append(text)

    @pytest.fixture(autouse=True)
    def heard(self) -> Iterator[None]:
        """Handle signals as in a terminal; background jobs of a script ignore Ctrl-C."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    @pytest.mark.parametrize(("times", "units"), [(1, 1), (2, 0)])
    def test_the_first_ends_the_unit_and_the_second_does_not(
        self,
        times: int,
        units: int,
        tiny: dict[str, Any],
        tmp_path: Path,
        run_tiny: Run,
        spec_file: Callable[[dict[str, Any]], Path],
    ) -> None:
        progress = self.Interrupting(times)
        handler = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            runner.run_experiment(load_spec(spec_file(tiny)), tmp_path / "run", progress)
        assert [text for text in progress.said if "Ctrl-C again" in text] != []
        assert signal.getsignal(signal.SIGINT) is handler
        assert len(list((tmp_path / "run").rglob("shards/*/*.parquet"))) == units
        assert damage(tmp_path / "run") == []
        run_tiny(tiny, tmp_path / "whole")
        run_tiny(tiny, tmp_path / "run")
        assert files(tmp_path / "run") == files(tmp_path / "whole")


def losing(lost: Callable[[Unit], bool]) -> Executor:
    """The inline executor, losing the units that a predicate selects."""

    @contextmanager
    def executor(job: Job, workforce: Workforce, note: Any) -> Iterator[Pool]:
        with inline_pool(job, workforce, note) as inner:

            def pool(units: Sequence[Unit], tick: Tick, stop: Any) -> Iterator[UnitReport | Gap]:
                yield from (Gap(unit, "node lost") for unit in units if lost(unit))
                yield from inner([unit for unit in units if not lost(unit)], tick, stop)

            yield pool

    return executor


class TestGaps:
    def test_results_say_what_is_missing_and_another_run_fills_it(
        self,
        tiny: dict[str, Any],
        tmp_path: Path,
        run_tiny: Run,
    ) -> None:
        run_tiny(tiny, tmp_path / "whole")
        executor = losing(lambda unit: unit.chunk.start == 4 and unit.cell.settings.guidance_scale == 2)
        outcome = run_tiny(tiny, tmp_path / "run", executor)
        assert (outcome.images_made, outcome.images_found, len(outcome.gaps)) == (10, 0, 1)
        rows = pq.read_table(tmp_path / "run" / "results.parquet").to_pylist()
        assert [row["n"] for row in rows] == [4, 4, 6, 6]
        assert ["2 of 6 images could not be made" in row["note"] for row in rows] == [
            True,
            True,
            False,
            False,
        ]
        assert run_tiny(tiny, tmp_path / "run").images_made == 2
        assert files(tmp_path / "run") == files(tmp_path / "whole")

    def test_the_command_fails_and_says_how_to_resume(
        self,
        tiny: dict[str, Any],
        spec_file: Callable[[dict[str, Any]], Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setitem(EXECUTORS, "inline", losing(lambda unit: unit.chunk.start == 4))
        assert main(["run", str(spec_file(tiny)), "--out", str(tmp_path / "run")]) == 1
        said = capsys.readouterr().err.splitlines()
        assert said[-1] == (
            "sdbench: 2 units could not be made; the results note the gaps; "
            "run the command again to retry them"
        )
        assert sum(line.startswith("given up: cell tiny_plms2") for line in said) == 2

    def test_nothing_could_be_made(
        self,
        tiny: dict[str, Any],
        spec_file: Callable[[dict[str, Any]], Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setitem(EXECUTORS, "inline", losing(lambda unit: True))
        assert main(["run", str(spec_file(tiny)), "--out", str(tmp_path / "run")]) == 1
        assert capsys.readouterr().err.splitlines()[-1] == "sdbench: no unit could be made: node lost"


class TestAnotherSpecInTheSameFolder:
    """Another process begins another spec here while this one works."""

    @staticmethod
    def begin(root: Path, text: str) -> None:
        (root / "spec.yaml").write_text(text, encoding="utf-8")
        (root / "plan.json").write_text("the other plan", encoding="utf-8")

    def test_the_first_keeps_its_images_and_writes_no_tables(
        self, tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, spec_file: Callable[[dict[str, Any]], Path]
    ) -> None:
        root = tmp_path / "run"
        other = load_spec(spec_file({**tiny, "guidance_scales": [3]})).to_yaml()

        class Watching(RunProgress):
            def finished(self, report: UnitReport) -> None:
                super().finished(report)
                TestAnotherSpecInTheSameFolder.begin(root, other)

        with pytest.raises(StoreError, match=r"run/spec\.yaml: another process has begun another spec here"):
            runner.run_experiment(load_spec(spec_file(tiny)), root, Watching())
        assert len(list(root.rglob("shards/*/*.parquet"))) == 4
        assert not (root / "results.csv").exists()
        assert (root / "spec.yaml").read_text() == other
        assert (root / "plan.json").read_text() == "the other plan"
        assert run_tiny(tiny, root).images_made == 0
        assert (root / "results.csv").exists()

    def test_it_is_seen_during_scoring_too(
        self,
        tiny: dict[str, Any],
        tmp_path: Path,
        run_tiny: Run,
        spec_file: Callable[[dict[str, Any]], Path],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        root = tmp_path / "run"
        run_tiny(tiny, root)
        before = files(root)
        other = load_spec(spec_file({**tiny, "guidance_scales": [3]})).to_yaml()
        score = runner.score

        def slow(*given: Any) -> Any:
            self.begin(root, other)
            return score(*given)

        monkeypatch.setattr(runner, "score", slow)
        with pytest.raises(StoreError, match="another process has begun another spec here"):
            runner.score_run(root, RunProgress())
        changed = {"spec.yaml", "plan.json"}
        after = files(root)
        assert {name for name in before if after[name] != before[name]} == changed
