"""The journal of a run: what other processes see of the work, while it lasts and when it has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sdbench.cli import main
from sdbench.core.errors import StoreError
from sdbench.runs.journal import Journal, read_entries
from sdbench.runs.plan import Plan, Unit
from sdbench.runs.store import LocalStore
from sdbench.sweep.executors import Executor, Pool, Workforce
from sdbench.sweep.progress import RunProgress
from sdbench.sweep.same_images import FirstImages
from sdbench.sweep.session import WorkSession, open_session
from sdbench.sweep.worker import Job, Tick, UnitReport
from tests.sdbench.synthetic import make_units, plan_of, write_plan

JOB = Job("unused", {}, {}, "cpu", 1, 2, 0, 2)


class FullStore(LocalStore):
    """Refuses journal entries once it is full."""

    full = False

    def write(self, key: str, data: bytes, *, durable: bool = True) -> None:
        if self.full and key.startswith("journal/"):
            raise StoreError(f"{key}: no room")
        super().write(key, data, durable=durable)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FullStore:
    # The executor below stores no shards that the session could look into.
    monkeypatch.setattr(FirstImages, "add", lambda self, units: None)
    return FullStore(tmp_path)


@pytest.fixture
def plan() -> Plan:
    return plan_of([2], ["a", "b", "c"])


@contextmanager
def instant(job: Job, workforce: Workforce, note: Any) -> Iterator[Pool]:
    """An executor that makes nothing and reports that it is done."""
    yield lambda units, tick, stop: (
        UnitReport(unit, len(unit.chunk.prompts), {}, [1], "cpu", 1) for unit in units
    )


def working(store: FullStore, executor: Executor = instant) -> AbstractContextManager[WorkSession]:
    return open_session(JOB, store, Workforce(), RunProgress(), {"inline": executor})


def work_until_full(store: FullStore, plan: Plan, error: Exception | None) -> None:
    with working(store) as work:
        work(plan)
        store.full = True
        if error is not None:
            raise error


def test_a_journal_that_cannot_be_ended_is_reported(store: FullStore, plan: Plan) -> None:
    with pytest.raises(StoreError, match=r"^journal/.* no room"):
        work_until_full(store, plan, None)


def test_a_journal_that_cannot_be_ended_does_not_hide_what_ended_the_work(
    store: FullStore, plan: Plan
) -> None:
    with pytest.raises(StoreError, match="the shard"):
        work_until_full(store, plan, StoreError("the shard"))


def test_work_is_seen_before_its_first_unit_is_done(store: FullStore, plan: Plan) -> None:
    seen = []

    @contextmanager
    def executor(job: Job, workforce: Workforce, note: Any) -> Iterator[Pool]:
        def pool(units: Sequence[Unit], tick: Tick, stop: Any) -> Iterator[UnitReport]:
            seen.extend(read_entries(store))
            yield from ()

        yield pool

    with working(store, executor) as work:
        work(plan)
        work(plan)
    assert [(session.images, session.ended) for session in seen] == [(0, False), (0, False)]
    assert [session.ended for session in read_entries(store)] == [True]


def test_a_long_unit_gives_signs_of_life_that_change_no_rate(
    store: FullStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdbench.runs.journal.SECONDS_BETWEEN_SIGNS", 0.01)
    monkeypatch.setattr("sdbench.runs.journal.SECONDS_BETWEEN_WRITES", 0.0)
    times = (f"2026-01-01T00:00:{second:02d}+00:00" for second in range(60))
    monkeypatch.setattr("sdbench.runs.journal.now", lambda: next(times, "2026-01-01T00:01:00+00:00"))
    with Journal(store, "inline") as journal:
        journal.begin()
        journal.made(3)
        (before,) = read_entries(store)
        deadline = time.monotonic() + 10
        while (after := read_entries(store)[0]).updated <= before.updated and time.monotonic() < deadline:
            time.sleep(0.01)
        store.full = True  # a failed sign of life must not stop the work
        time.sleep(0.05)
        store.full = False
    assert after == replace(before, updated=after.updated)
    assert after.updated > before.updated


def test_a_session_without_work_leaves_nothing(store: FullStore) -> None:
    with working(store):
        pass
    assert read_entries(store) == []


def test_nothing_is_deleted_while_a_run_is_in_progress(
    store: FullStore, tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    make_units(store, plan, 5)
    write_plan(store, plan_of([4], ["a", "b", "c"]), 5)
    with Journal(store, "inline") as journal:
        journal.begin()  # no image is made yet
        assert main(["gc", str(tmp_path), "--delete"]) == 1
        (first,) = (tmp_path / "journal").iterdir()
        live = json.loads(first.read_text())
        active = datetime.fromisoformat(live["updated"])
        until = (active + timedelta(minutes=5)).isoformat()
        assert capsys.readouterr().err == (
            f"sdbench: {tmp_path}: a run is in progress here, last active at {active.isoformat()}: wait "
            f"for it to end or stop it; if it was killed, wait until {until}\n"
        )
        with Journal(store, "inline") as later:
            later.begin()
        assert main(["gc", str(tmp_path), "--delete"]) == 1
    # A session that died long ago is no reason to wait.
    first.write_text(json.dumps({**live, "updated": "2020-01-01T00:00:00+00:00"}))
    assert main(["gc", str(tmp_path), "--delete"]) == 0
