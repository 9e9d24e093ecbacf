"""Features of a reference set are measured once on a machine, whatever happens to the cache."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdbench.cli import main
from sdbench.runs.store import LocalStore
from sdbench.scoring.extractors import features_identity
from sdbench.scoring.reference_cache import ReferenceCache, cached_files
from sdbench.scoring.reference_sets import load_reference
from sdbench.scoring.references import reference_features
from sdbench.spec import FolderReference


@pytest.fixture(autouse=True)
def limit(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDBENCH_CACHE_GB", "1")


@pytest.fixture
def measure(reference_folder: Path, tmp_path: Path, pixels: Any) -> Any:
    """Measure the folder for a new run; return its features, how many images were read, and the notes."""

    def run(name: str, extractor: Any = pixels) -> tuple[np.ndarray, int, list[str]]:
        pixels.calls.clear()
        notes: list[str] = []
        reference = load_reference(FolderReference(source="folder", path=str(reference_folder)), (64, 64))
        identities = {extractor.name: features_identity(extractor)}
        store = LocalStore(tmp_path / name)
        found = reference_features(store, reference, identities, lambda _: extractor, 5, notes.append)
        return found[extractor.name], sum(pixels.calls), notes

    return run


def test_another_run_measures_nothing(measure: Any, reference_folder: Path, pixels: Any, home: Path) -> None:
    first, read, _ = measure("a")
    again, read_again, notes = measure("b")
    assert (read, read_again, notes) == (12, 0, [])
    assert np.array_equal(again, first)
    assert [entry.path.parent for entry in cached_files()] == [home / "reference"]
    for path in (home / "reference").iterdir():
        path.unlink()
    assert measure("b")[1] == 0  # the run has its own copy
    assert measure("c", replace(pixels, digest="other weights"))[1] == 12
    (reference_folder / "05.png").unlink()
    assert measure("d")[1] == 11


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more", None], ids=["empty", "half", "flipped"])
def test_a_damaged_entry_is_measured_again(damage: bytes | None, measure: Any) -> None:
    first, _, _ = measure("a")
    (entry,) = cached_files()
    content = bytearray(entry.path.read_bytes())
    content[content.index(first.tobytes()[:8])] ^= 1
    entry.path.write_bytes(bytes(content) if damage is None else damage)
    again, read, notes = measure("b")
    assert (read, np.array_equal(again, first)) == (12, True)
    assert notes[0] == f"{entry.path}: cannot be read; the reference images are measured again"
    assert measure("c")[1] == 0


def test_other_threads_packages_and_devices_have_other_entries(
    measure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure("a")
    for place, name in enumerate(["torch.get_num_threads", "sdbench.core.environment.versions"]):
        monkeypatch.setattr(name, lambda: 7)
        assert measure(f"b{place}")[1] == 12


def test_the_least_recently_used_entries_go_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.ones((100, 3), np.float32)
    cache = ReferenceCache("cpu", pytest.fail)
    for place in range(3):
        cache.write("inception-v3", {"set": place}, rows)
        newest = cached_files()[0]
        os.utime(newest.path, (1000 + place, 1000 + place))
    assert cache.read("inception-v3", {"set": 0}) is not None  # used now
    monkeypatch.setenv("SDBENCH_CACHE_GB", str(2.5 * newest.size / 1e9))
    small = ReferenceCache("cpu", pytest.fail)
    small.write("inception-v3", {"set": 3}, rows)
    found = [small.read("inception-v3", {"set": place}) is not None for place in range(4)]
    assert found == [True, False, False, True]
    small.write("inception-v3", {"set": 4}, np.ones((10**6, 3), np.float32))  # beyond the limit by itself
    assert len(cached_files()) == 2


def test_many_writers_and_readers(measure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(3000, dtype=np.float32).reshape(1000, 3)
    monkeypatch.setenv("SDBENCH_CACHE_GB", "0.00003")  # room for two entries
    cache = ReferenceCache("cpu", pytest.fail)

    def work(place: int) -> bool:
        cache.write("inception-v3", {"set": place % 3}, rows + place % 3)
        found = cache.read("inception-v3", {"set": place % 3})
        return found is None or bool((found == rows + place % 3).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(60)))


def test_a_folder_that_cannot_be_written_costs_a_note(measure: Any, home: Path) -> None:
    home.write_text("a file")
    features, read, notes = measure("a")
    assert (len(features), read) == (12, 12)
    assert notes[-1].startswith(f"features of the reference images are not cached: run folder {home}")


def test_gc_lists_and_deletes_the_cache(measure: Any, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", "--cache"]) == 0
    assert capsys.readouterr().out == f"{home / 'reference'}: the cache is empty\n"
    measure("a")
    assert main(["gc", "--cache"]) == 0
    listed = capsys.readouterr().out
    assert "inception" not in listed
    assert str(home / "reference" / "clip-vit-l-14_") in listed
    assert "of at most 1000: --delete deletes them; runs measure again what they need" in listed
    assert main(["gc", "--cache", "--delete"]) == 0
    assert "deleted" in capsys.readouterr().out
    assert cached_files() == []


@pytest.mark.parametrize("given", ["much", "-1", "nan", "inf"])
def test_a_wrong_limit_is_one_line(
    given: str, measure: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SDBENCH_CACHE_GB", given)
    assert main(["gc", "--cache"]) == 2
    assert f"SDBENCH_CACHE_GB={given}: not a number of gigabytes" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["gc"], ["gc", "RUN", "--cache"]])
def test_gc_takes_a_run_or_the_cache(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "name a run, as in 'sdbench gc RUN', or the cache" in capsys.readouterr().err
