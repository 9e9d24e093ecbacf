"""ADM's image files: read in batches as they were written, damage named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metrics import MetricsError
from metrics.adm_images import adm_batches, adm_shape, write_adm_images


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, size=shape, dtype=np.uint8)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_batches_are_the_images_in_order(tmp_path: Path, save: object) -> None:
    images = noise(7, 6, 4, 3)
    save(tmp_path / "a.npz", images, labels=np.arange(7))  # type: ignore[operator]
    assert adm_shape(tmp_path / "a.npz") == (7, 6, 4)
    batches = list(adm_batches(tmp_path / "a.npz", 3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(batches), images)


def test_what_is_written_is_what_numpy_reads(tmp_path: Path) -> None:
    images = noise(3, 5, 5, 3)
    write_adm_images(tmp_path / "a.npz", images)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["arr_0"], images)
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


@pytest.mark.parametrize(
    "array", [noise(3, 5, 5, 4), noise(3, 5, 5), np.zeros((2, 4, 4, 3)), noise(0, 5, 5, 3)]
)
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", array)
    with pytest.raises(MetricsError, match=r"a.npz: holds no images arr_0, uint8 \[n, H, W, 3\]"):
        adm_shape(tmp_path / "a.npz")


def test_files_that_are_none_or_damaged_get_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for content in (None, b"", b"no archive"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(MetricsError, match=r"a.npz: holds no images"):
            adm_shape(path)
    write_adm_images(path, noise(4, 64, 64, 3))
    data = bytearray(path.read_bytes())
    data[20_000] ^= 255
    path.write_bytes(bytes(data))
    with pytest.raises(MetricsError, match=r"a.npz: damaged at image"):
        list(adm_batches(path, 2))
