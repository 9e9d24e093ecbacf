"""Writing is all or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sdbench.errors import InputError, StoreError
from sdbench.store import LocalStore


def test_what_is_written_is_there_and_nothing_else(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "run")
    store.write("shards/cell/unit.parquet", b"one")
    store.write("shards/cell/unit.parquet", b"two", durable=False)
    with store.open("shards/cell/unit.parquet") as stream:
        assert stream.read() == b"two"
    assert [path.name for path in (tmp_path / "run").rglob("*") if path.is_file()] == ["unit.parquet"]


def test_a_write_that_fails_leaves_the_old_bytes_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    store.write("results.csv", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"results\.csv: cannot be written: No space left on device"):
        store.write("results.csv", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_before_the_rename_leaves_nothing(
    interruption: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)

    def interrupt(self: Path, target: Path) -> None:
        raise interruption

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(interruption):
        store.write("shard.parquet", b"data")
    assert list(tmp_path.iterdir()) == []
    assert not store.exists("shard.parquet")


def test_temporaries_and_folders_do_not_count_as_written(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    (tmp_path / ".unit.parquet.0123.tmp").write_bytes(b"half")
    (tmp_path / "folder").mkdir()
    assert not store.exists("unit.parquet")
    assert not store.exists("folder")


def test_a_run_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "run").write_bytes(b"")
    with pytest.raises(InputError, match=r"run folder .*run: File exists"):
        LocalStore(tmp_path / "run")


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="none: No such file"):
        LocalStore(tmp_path).open("none")
