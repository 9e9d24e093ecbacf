"""Writing is all or nothing, in every kind of store."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import fsspec
import pytest

from sdbench.core.errors import InputError, StoreError
from sdbench.runs.store import LocalStore, existing_store, open_store


class TestEveryStore:
    def test_written_keys_exist_and_no_others(self, place: str) -> None:
        store = open_store(place)
        store.write("shards/cell/unit.parquet", b"one")
        store.write("shards/cell/unit.parquet", b"two", durable=False)
        store.write("top.json", b"")
        assert store.read("shards/cell/unit.parquet") == b"two"
        assert store.names("shards/cell") == {"unit.parquet"}
        assert store.names("") == {"top.json"}
        assert store.names("shards") == frozenset()
        assert store.folders("") == {"shards"}
        assert store.folders("shards") == {"cell"}
        assert store.temporaries() == []

    def test_missing_keys_and_folders(self, place: str) -> None:
        store = open_store(place)
        assert not store.exists("none")
        assert store.names("no/such") == store.folders("no/such") == frozenset()
        with pytest.raises(StoreError, match="none"):
            store.read("none")
        store.write("folder/key", b"1")
        assert not store.exists("folder")
        assert store.exists("folder/key")

    def test_another_process_opens_the_same_store_by_its_url(self, place: str) -> None:
        store = open_store(place)
        store.write("a/key", b"here")
        again = open_store(store.url)
        assert again.read("a/key") == b"here"
        again.write("a/late", b"there")
        assert store.names("a") == {"key", "late"}

    @pytest.mark.parametrize(("size", "expected"), [(4, b"6789"), (10, b"0123456789"), (99, b"0123456789")])
    def test_the_end_of_a_key(self, size: int, expected: bytes, place: str) -> None:
        store = open_store(place)
        store.write("key", b"0123456789")
        assert store.tail("key", size) == expected

    def test_deleted_is_gone(self, place: str) -> None:
        store = open_store(place)
        store.write("a/one", b"1")
        store.write("a/two", b"2")
        store.delete("a/one")
        assert store.names("a") == {"two"}
        store.delete("a/two")
        assert store.names("a") == frozenset()


class TestLocalStore:
    def test_a_write_that_fails_leaves_the_old_bytes_and_no_temporary(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = LocalStore(tmp_path)
        store.write("results.csv", b"old")

        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"results\.csv: cannot be written: No space left on device"):
            store.write("results.csv", b"new")
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]

    @pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
    def test_an_interruption_before_the_rename_leaves_nothing(
        self, interruption: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = LocalStore(tmp_path)

        def interrupt(self: Path, target: Path) -> None:
            raise interruption

        monkeypatch.setattr(Path, "replace", interrupt)
        with pytest.raises(interruption):
            store.write("shard.parquet", b"data")
        assert list(tmp_path.iterdir()) == []
        assert not store.exists("shard.parquet")

    def test_temporaries_and_folders_do_not_count_as_written(self, tmp_path: Path) -> None:
        store = LocalStore(tmp_path)
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / ".unit.parquet.0123.tmp").write_bytes(b"half")
        assert store.names("a") == frozenset()
        assert not store.exists("a")
        assert store.temporaries() == ["a/.unit.parquet.0123.tmp"]

    def test_a_run_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "run").write_bytes(b"")
        with pytest.raises(InputError, match=r"run folder .*run: File exists"):
            LocalStore(tmp_path / "run")

    def test_a_folder_by_its_url(self, tmp_path: Path) -> None:
        open_store(f"file://{tmp_path / 'run'}").write("a", b"b")
        assert existing_store(f"file://{tmp_path / 'run'}").read("a") == b"b"
        with pytest.raises(InputError, match="is not a run folder"):
            existing_store(f"file://{tmp_path / 'other'}")

    def test_opening_a_missing_run_creates_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="none is not a run folder"):
            existing_store(tmp_path / "none")
        assert not (tmp_path / "none").exists()

    def test_an_error_in_deleting_names_the_file(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="none: cannot be deleted: No such file"):
            LocalStore(tmp_path).delete("none")


class TestRemoteStore:
    def test_a_move_that_fails_leaves_a_temporary_and_no_key(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lost(*args: object, **options: object) -> None:
            raise TimeoutError("connection lost")

        store = open_store(f"local://{tmp_path}")
        with monkeypatch.context() as patch:
            patch.setattr(type(fsspec.filesystem("local")), "mv", lost)
            with pytest.raises(StoreError, match="a/key: cannot be written: connection lost"):
                store.write("a/key", b"data")
        assert store.names("a") == frozenset()
        (left,) = store.temporaries()
        store.delete(left)
        assert store.temporaries() == []

    def test_a_missing_bucket(self, s3: str) -> None:
        with pytest.raises(StoreError, match=r"s3://other/run/key: cannot be written: .*bucket"):
            open_store("s3://other/run").write("key", b"")

    def test_a_broken_connection_is_not_taken_for_a_damaged_shard(
        self, s3: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        open_store(f"{s3}/broken").write("key", b"1")

        async def broken(*args: object, **options: object) -> None:
            raise ConnectionError("reset by peer")

        kind = type(fsspec.filesystem("s3"))
        monkeypatch.setattr(kind, "_cat_file", broken)
        kind.clear_instance_cache()
        with pytest.raises(StoreError, match="key: cannot be read: reset by peer"):
            open_store(f"{s3}/broken").tail("key", 10)
        kind.clear_instance_cache()

    def test_an_unknown_scheme(self) -> None:
        with pytest.raises(InputError, match="run nowhere://a/b: Protocol not known: nowhere"):
            open_store("nowhere://a/b")

    def test_a_missing_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(*args: object, **options: object) -> None:
            raise ImportError("Install gcsfs")

        monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
        with pytest.raises(InputError, match=r"Install gcsfs: pip install 'sdbench\[gcs\]'"):
            open_store("gs://bucket/run")
