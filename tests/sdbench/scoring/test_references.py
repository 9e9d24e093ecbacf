"""Reference sets: fitting, identity, stored features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sdbench.core.errors import InputError, StoreError
from sdbench.data.image_sets import ImageSet
from sdbench.runs.parquet import fixed_size_lists
from sdbench.runs.reference_features import read_features, write_features
from sdbench.runs.store import LocalStore
from sdbench.scoring.extractors import features_identity
from sdbench.scoring.reference_sets import load_reference
from sdbench.scoring.references import reference_features
from sdbench.spec import FolderReference, ShapesReference


def folder(path: Path) -> FolderReference:
    return FolderReference(source="folder", path=str(path))


def test_images_are_cropped_centrally_to_the_size(tmp_path: Path) -> None:
    # Left third red, middle third green, right third blue: the central square is all green.
    wide = np.zeros((30, 90, 3), np.uint8)
    for third in range(3):
        wide[:, 30 * third : 30 * (third + 1), third] = 255
    for name in ("wide.png", "twin.png"):
        Image.fromarray(wide).save(tmp_path / name)
    (batch,) = load_reference(folder(tmp_path), (20, 20)).batches(8)
    assert batch.shape == (2, 20, 20, 3)
    assert batch.dtype == np.uint8
    assert np.abs(batch[0, 4:-4, 4:-4].astype(int) - (0, 255, 0)).max() <= 2
    (batch,) = load_reference(folder(tmp_path), (10, 30)).batches(8)
    assert [tuple(batch[0, 5, x]) for x in (2, 15, 27)] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def test_batches_come_in_order_of_name_and_cover_all(reference_folder: Path) -> None:
    batches = list(load_reference(folder(reference_folder), (64, 64)).batches(5))
    assert [len(batch) for batch in batches] == [5, 5, 2]
    third = np.asarray(Image.open(reference_folder / "02.png"))[0, 0]
    assert (batches[0][2] == third).all()


def test_identity_is_content(reference_folder: Path, tmp_path: Path) -> None:
    before = load_reference(folder(reference_folder), (64, 64)).identity
    moved = reference_folder.rename(tmp_path / "moved")
    assert load_reference(folder(moved), (64, 64)).identity == before
    assert load_reference(folder(moved), (64, 32)).identity != before
    (moved / "05.png").unlink()
    assert load_reference(folder(moved), (64, 64)).identity != before


def test_folders_without_usable_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"reference\.path: .*none not found"):
        load_reference(folder(tmp_path / "none"), (64, 64))
    (tmp_path / "notes.txt").write_text("none here")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="contains 0 images"):
        load_reference(folder(tmp_path), (64, 64))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG and then nothing")
    with pytest.raises(
        InputError, match=r"contains 1 images, at least 2 are needed; passed over: 1 \.txt files"
    ):
        load_reference(folder(tmp_path), (64, 64))
    (tmp_path / "twin.png").write_bytes(b"\x89PNG and then nothing")
    reference = load_reference(folder(tmp_path), (64, 64))
    with pytest.raises(InputError, match=r"broken\.png cannot be read as an image"):
        list(reference.batches(4))


def measured(
    store: LocalStore, images: FolderReference, *extractors: Any, notes: list[str] | None = None
) -> dict[str, np.ndarray]:
    by_name = {extractor.name: extractor for extractor in extractors}
    note = (notes if notes is not None else []).append
    identities = {name: features_identity(extractor) for name, extractor in by_name.items()}
    reference = load_reference(images, (64, 64))
    return reference_features(store, reference, identities, by_name.__getitem__, 5, note)


def test_features_are_stored_and_checked(reference_folder: Path, tmp_path: Path, pixels: Any) -> None:
    store = LocalStore(tmp_path / "run")
    first = measured(store, folder(reference_folder), pixels)[pixels.name]
    assert first.shape == (12, 3)
    pixels.calls.clear()
    assert np.array_equal(measured(store, folder(reference_folder), pixels)[pixels.name], first)
    assert pixels.calls == []
    measured(store, folder(reference_folder), replace(pixels, digest="other weights"))
    assert sum(pixels.calls) == 12


def test_images_are_read_once_for_all_extractors(
    reference_folder: Path, tmp_path: Path, pixels: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, fitted = [], ImageSet.fitted

    def counting(self: ImageSet, *args: Any) -> Any:
        for batch in fitted(self, *args):
            read.append(len(batch))
            yield batch

    monkeypatch.setattr(ImageSet, "fitted", counting)
    store, notes = LocalStore(tmp_path / "run"), []
    others = [replace(pixels, name="clip-vit-b-32", digest="b"), replace(pixels, name="inception-v3")]
    measured(store, folder(reference_folder), pixels, others[0], notes=notes)
    assert read == [5, 5, 2]
    three = measured(store, folder(reference_folder), pixels, *others, notes=notes)
    assert read == [5, 5, 2] * 2  # once more, only for the new extractor
    assert list(three) == ["clip-vit-l-14", "clip-vit-b-32", "inception-v3"]
    assert notes == [
        "features of the reference images by clip-vit-l-14, clip-vit-b-32",
        "features of the reference images by inception-v3",
    ]


@pytest.mark.parametrize(
    ("content", "expected"), [(b"PAR1", "damaged"), (None, "is not the file that its name says")]
)
def test_stored_features_that_are_not_what_they_should_be(
    content: bytes | None, expected: str, reference_folder: Path, tmp_path: Path, pixels: Any
) -> None:
    store = LocalStore(tmp_path / "run")
    measured(store, folder(reference_folder), pixels)
    (one,) = (tmp_path / "run" / "reference").iterdir()
    measured(store, folder(reference_folder), replace(pixels, digest="other weights"))
    (two,) = set((tmp_path / "run" / "reference").iterdir()) - {one}
    one.write_bytes(content or two.read_bytes())
    with pytest.raises(StoreError, match=expected):
        measured(store, folder(reference_folder), pixels)


def test_rendered_reference_images() -> None:
    def reference(count: int, seed: int) -> Any:
        return load_reference(ShapesReference(source="shapes", count=count, seed=seed), (64, 64))

    batches = list(reference(5, 1).batches(2))
    assert [batch.shape for batch in batches] == [(2, 64, 64, 3), (2, 64, 64, 3), (1, 64, 64, 3)]
    assert reference(5, 1).identity == reference(5, 1).identity
    assert reference(5, 1).identity != reference(6, 1).identity
    assert reference(5, 1).identity != reference(5, 2).identity


def test_stored_features_that_changed_are_noticed(tmp_path: Path) -> None:
    store, stamp = LocalStore(tmp_path), {"images": "a"}
    write_features(store, "pixels", stamp, np.ones((4, 3), np.float32))
    found = read_features(store, "pixels", stamp)
    assert found is not None
    path = next(tmp_path.rglob("*.parquet"))
    table = pq.read_table(path)
    other = pa.table({table.column_names[0]: fixed_size_lists(2 * found)})
    pq.write_table(other.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(StoreError, match=r"differ from those written.*; delete it and run again"):
        read_features(store, "pixels", stamp)
