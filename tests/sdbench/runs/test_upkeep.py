"""status, verify and gc on runs in every kind of store."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sdbench.cli import main
from sdbench.runs.features import FeatureStore
from sdbench.runs.garbage import unneeded
from sdbench.runs.images import as_png
from sdbench.runs.journal import Journal
from sdbench.runs.parquet import sealed
from sdbench.runs.plan import Plan, Unit
from sdbench.runs.shards import ShardStore, shard_key
from sdbench.runs.status import status_of
from sdbench.runs.store import Store, open_store
from sdbench.runs.verify import verify
from tests.sdbench.synthetic import EXTRACTOR, make_units, plan_of, write_plan

PROMPTS = ("a", "b", "c", "d", "e")


@pytest.fixture
def store(place: str) -> Store:
    return open_store(place)


@pytest.fixture
def plan() -> Plan:
    """Two cells of five images in units of three."""
    return plan_of([2, 4], PROMPTS)


def findings(store: Store) -> list[str]:
    return verify(store, lambda done, total: None).damage


class TestStatus:
    def test_done_and_left_by_cell(self, store: Store, plan: Plan) -> None:
        make_units(store, plan, 5, units=slice(3))
        status = status_of(store)
        assert [(cell.done, cell.total) for cell in status.cells] == [(5, 5), (3, 5)]
        assert [cell.cell for cell in status.cells] == [cell.folder for cell in plan.cells]
        assert (status.done, status.total, status.seconds_left) == (8, 10, None)

    def test_a_budget_that_gave_a_cell_fewer_prompts(self, store: Store, plan: Plan) -> None:
        first, _ = plan.cells
        make_units(store, plan.only(dict.fromkeys(plan.cells, 5) | {first: 3}), 5)
        write_plan(store, plan, 5, stopped={first.folder: 3})
        status = status_of(store)
        assert [(cell.done, cell.total) for cell in status.cells] == [(3, 3), (5, 5)]
        assert findings(store) == unneeded(store) == []

    def test_the_time_left_is_at_the_rate_of_the_last_session(
        self, store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_units(store, plan, 5, units=slice(3))
        seconds = [100.0]
        monkeypatch.setattr("sdbench.runs.journal.monotonic", lambda: seconds[0])
        with Journal(store, "inline") as journal:
            journal.begin()
            assert status_of(store).session is None
            seconds[0] = 106.0
            journal.made(3)
            running = status_of(store)
            seconds[0] = 110.0
        assert running.session is not None
        assert (running.session.images, running.session.seconds, running.session.ended) == (3, 6.0, False)
        with Journal(store, "inline") as later:  # made nothing, so its rate is not used
            later.begin()
        status = status_of(store)
        assert status.session is not None
        assert (status.session.images, status.session.seconds, status.session.ended) == (3, 10.0, True)
        assert status.seconds_left == pytest.approx(2 / 3 * 10)

    def test_sessions_follow_each_other_whatever_the_time_of_day(
        self, store: Store, plan: Plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_units(store, plan, 5)
        for images, time in [(1, "2026-01-02T00:00:00+00:00"), (4, "1970-01-01T00:00:00+00:00")]:
            monkeypatch.setattr("sdbench.runs.journal.now", lambda time=time: time)
            with Journal(store, "inline") as journal:
                journal.begin()
                journal.made(images)
        session = status_of(store).session
        assert session is not None
        assert session.images == 4
        assert session.seconds >= 0

    def test_the_command(self, tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
        make_units(open_store(tmp_path / "run"), plan, 0, units=slice(1))
        assert main(["status", str(tmp_path / "run")]) == 0
        out = capsys.readouterr().out
        settings = plan.cells[0].settings
        assert f"3 of 5  {plan.cells[0].checkpoint} at guidance scale {settings.guidance_scale:g}" in out
        assert "3 of 10  images done, 7 left" in out
        assert main(["status", str(tmp_path / "run"), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["done"], found["total"], found["seconds_left"]) == (3, 10, None)
        assert found["cells"][0]["cell"] == plan.cells[0].folder

    def test_a_folder_that_is_not_a_run(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["status", str(tmp_path)]) == 2
        assert "is not a run: it has no plan.json" in capsys.readouterr().err


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def of_other_pixels(data: bytes) -> bytes:
    return as_png(np.full((8, 8, 3), 7, np.uint8))


def features_file(table: pa.Table, *, of: pa.Table) -> bytes:
    """Return the table as a file that claims the content digest of another one, `of`."""
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(sealed(of).schema.metadata), sink)
    return sink.getvalue()


class TestVerify:
    def test_a_whole_run(self, store: Store, plan: Plan) -> None:
        make_units(store, plan, 4)
        found = verify(store, lambda done, total: None)
        assert (found.damage, found.shards, found.images) == ([], 4, 8)

    def test_an_unfinished_run_is_not_damaged(self, store: Store, plan: Plan) -> None:
        make_units(store, plan, 4, units=slice(1))
        assert findings(store) == []

    @pytest.mark.parametrize(
        ("damage", "expected"),
        [(truncated, "cannot be decoded"), (of_other_pixels, "its pixels differ from those of its shard")],
    )
    def test_an_image_that_is_not_what_was_written(
        self, damage: Callable[[bytes], bytes], expected: str, store: Store, plan: Plan
    ) -> None:
        key = sorted(make_units(store, plan, 5))[3]
        store.write(key, damage(store.read(key)))
        (line,) = findings(store)
        assert line.startswith(f"{store.where(key)}: {expected}")

    def test_an_image_that_is_gone(self, store: Store, plan: Plan) -> None:
        make_units(store, plan, 2)
        key = f"images/{plan.cells[1].folder}/p1-b.png"
        store.delete(key)
        assert findings(store) == [f"{store.where(key)}: missing; run again"]

    def test_a_file_that_is_not_an_image_is_named(self, store: Store, plan: Plan) -> None:
        make_units(store, plan, 4)
        key = f"images/{plan.cells[0].folder}/foo.jpg"
        store.write(key, b"hello")
        found = verify(store, lambda done, total: None)
        assert found.damage == [f"{store.where(key)}: not an image of this run; 'sdbench gc' removes it"]
        assert found.images == 8
        assert unneeded(store) == [key]

    @pytest.mark.parametrize("damage", [truncated, lambda data: b""])
    def test_a_damaged_shard(self, damage: Callable[[bytes], bytes], store: Store, plan: Plan) -> None:
        make_units(store, plan, 0)
        key = shard_key(plan.units[2])
        store.write(key, damage(store.read(key)))
        (line,) = findings(store)
        assert line.startswith(f"{store.where(key)}: ")
        assert line.endswith("; delete it and run again")

    def test_no_flipped_byte_that_changes_a_value_goes_unseen(self, tmp_path: Path, plan: Plan) -> None:
        store = open_store(tmp_path)
        make_units(store, plan, 0)
        key = shard_key(plan.units[2])
        data = store.read(key)
        written = pq.read_table(pa.BufferReader(data))
        changed = 0
        for place in range(0, len(data), 23):
            store.write(key, data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :], durable=False)
            if findings(store):
                changed += 1
            else:
                assert pq.read_table(pa.BufferReader(store.read(key))).equals(written)
        assert changed > 50

    def test_features_of_reference_images(self, store: Store, plan: Plan) -> None:
        make_units(store, plan, 0)
        key = "reference/clip_0123.parquet"
        store.write(key, features_file(values := pa.table({"features_clip": [1.0, 2.0]}), of=values))
        assert findings(store) == []
        store.write(key, features_file(pa.table({"features_clip": [1.0, 2.5]}), of=values))
        again = "delete it and run again"
        assert findings(store) == [f"{store.where(key)}: its values differ from those written; {again}"]
        store.write(key, truncated(store.read(key)))
        (line,) = findings(store)
        assert line.startswith(f"{store.where(key)}: damaged (")

    def test_a_shard_under_another_name(self, store: Store, plan: Plan) -> None:
        make_units(store, plan, 0)
        key = shard_key(plan.units[1])
        store.write(key, store.read(shard_key(plan.units[3])))
        assert findings(store) == [
            f"{store.where(key)}: is not the shard that its name says; delete it and run again"
        ]

    def test_a_shard_that_lacks_rows(self, store: Store, plan: Plan) -> None:
        make_units(store, plan, 0)
        key = shard_key(plan.units[0])
        rewrite(store, key, lambda table: table.slice(0, 2))
        assert "2 rows instead of 3" in findings(store)[0]

    def test_a_shard_with_another_prompt(self, store: Store, plan: Plan) -> None:
        make_units(store, plan, 0)
        rewrite(
            store,
            shard_key(plan.units[0]),
            lambda table: sealed(table.set_column(1, "prompt", pa.array(["a", "b", "z"]))),
        )
        assert "its prompts differ from those of its identity" in findings(store)[0]

    def test_a_file_that_is_not_a_shard(self, store: Store, plan: Plan) -> None:
        make_units(store, plan, 0)
        store.write(f"shards/{plan.cells[0].folder}/notes.txt", b"hello")
        assert "notes.txt: damaged (" in findings(store)[0]

    def test_the_command_prints_a_line_for_each_and_fails(
        self, tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store = open_store(tmp_path)
        key = sorted(make_units(store, plan, 5))[0]
        assert main(["verify", str(tmp_path)]) == 0
        assert "4 shards and 10 images read: all intact" in capsys.readouterr().out
        store.write(key, b"")
        (tmp_path / "shards" / ".half.parquet.tmp").write_bytes(b"PAR1")
        assert main(["verify", str(tmp_path)]) == 1
        said = capsys.readouterr()
        assert len(said.out.splitlines()) == 2
        assert said.err.splitlines()[-1].endswith("4 shards and 10 images read, 2 findings")


def rewrite(store: Store, key: str, change: Callable[[pa.Table], pa.Table]) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(change(pq.read_table(pa.BufferReader(store.read(key)))), sink)
    store.write(key, sink.getvalue().to_pybytes())


class TestGarbage:
    def test_a_run_of_one_spec_has_none(self, store: Store, plan: Plan) -> None:
        make_units(store, plan, 5)
        assert unneeded(store) == []

    def test_what_an_edited_spec_no_longer_asks_for(self, store: Store, plan: Plan) -> None:
        make_units(store, plan, 5)
        pixels = ShardStore(store).done(plan.units)

        def features_of(units: Sequence[Unit]) -> set[str]:
            stored = FeatureStore(store, {EXTRACTOR: "e"})
            return {key for unit in units for key in stored.keys(unit, pixels[unit])}

        edited = plan_of([4, 8], ("a", "b", "c", "d", "z"))
        write_plan(store, edited, 2)
        gone, stays = plan.cells
        keys = unneeded(store)
        assert {key for key in keys if gone.folder in key} == {
            *(shard_key(unit) for unit in plan.units_of(gone)),
            *(f"images/{gone.folder}/p{i}-{text}.png" for i, text in enumerate(PROMPTS)),
            *features_of(plan.units_of(gone)),
        }
        assert (
            {key for key in keys if stays.folder in key}
            == {
                shard_key(plan.units_of(stays)[1]),  # with the prompts d and e
                *(f"images/{stays.folder}/p{i}-{text}.png" for i, text in [(2, "c"), (3, "d"), (4, "e")]),
                *features_of(plan.units_of(stays)[1:]),
            }
        )

    def test_deleting_leaves_what_the_spec_needs(
        self, tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str]
    ) -> None:
        store = open_store(tmp_path)
        make_units(store, plan, 5)
        write_plan(store, plan_of([4], PROMPTS), 5)
        orphan = tmp_path / "shards" / ".x.parquet.tmp"
        orphan.write_bytes(b"half")
        (tmp_path / "results.csv").write_bytes(b"")
        before = {path for path in tmp_path.rglob("*") if path.is_file()}
        assert main(["gc", str(tmp_path)]) == 0
        assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
        assert capsys.readouterr().out.endswith("10 files not needed; --delete deletes them\n")
        assert main(["gc", str(tmp_path), "--delete"]) == 0
        left = {path for path in tmp_path.rglob("*") if path.is_file()}
        assert left == {path for path in before if plan.cells[0].folder not in str(path)} - {orphan}
        assert findings(store) == []
        assert capsys.readouterr().out.endswith("10 files deleted\n")
