"""The journal of a run: what others see of the work while it goes on, and at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sdbench.errors import StoreError
from sdbench.executors import EXECUTORS, Pool, Workforce
from sdbench.plan import Plan
from sdbench.progress import RunProgress
from sdbench.store import LocalStore
from sdbench.work import at_work
from sdbench.worker import Job, UnitReport
from tests.sdbench.synthetic import plan_of

JOB = Job("unused", "cpu", 1, 2, 0, 2)


class FullStore(LocalStore):
    """Takes no journal once it is full."""

    full = False

    def write(self, key: str, data: bytes, *, durable: bool = True) -> None:
        if self.full and key.startswith("journal/"):
            raise StoreError(f"{key}: no room")
        super().write(key, data, durable=durable)


@pytest.fixture
def store(tmp_path: Path) -> FullStore:
    return FullStore(tmp_path)


@pytest.fixture
def plan() -> Plan:
    return plan_of([2], ["a", "b", "c"])


@pytest.fixture(autouse=True)
def instant(monkeypatch: pytest.MonkeyPatch) -> None:
    """An executor that makes nothing and says it is done."""

    @contextmanager
    def executor(job: Job, workforce: Workforce, note: Any) -> Iterator[Pool]:
        yield lambda units, tick, stop: (UnitReport(unit, {}, [1], "cpu", 1) for unit in units)

    monkeypatch.setitem(EXECUTORS, "inline", executor)


def work_until_full(store: FullStore, plan: Plan, error: Exception | None) -> None:
    with at_work(JOB, store, Workforce(), RunProgress()) as work:
        work(plan)
        store.full = True
        if error is not None:
            raise error


def test_a_journal_that_cannot_be_ended_is_said(store: FullStore, plan: Plan) -> None:
    with pytest.raises(StoreError, match=r"^journal/.* no room"):
        work_until_full(store, plan, None)


def test_a_journal_that_cannot_be_ended_does_not_hide_what_ended_the_work(
    store: FullStore, plan: Plan
) -> None:
    with pytest.raises(StoreError, match="the shard"):
        work_until_full(store, plan, StoreError("the shard"))
