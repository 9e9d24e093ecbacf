"""Extractors of a run: where their weights are looked for, and the error if they are missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from metrics import MetricsError
from metrics.features import EXTRACTORS
from metrics.networks import NETWORKS
from sdbench.core.errors import InputError
from sdbench.scoring.extractors import build_extractor, build_extractors


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty weights folder, with no extractor cached."""
    monkeypatch.setenv("SDBENCH_HOME", str(tmp_path))
    build_extractor.cache_clear()
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_every_published_network_has_a_file_that_the_documentation_names() -> None:
    files = {name: factory.weights for name, factory in EXTRACTORS.items()}
    assert [name for name, file in files.items() if file is None] == ["shapes-clip"]
    text = (Path(__file__).parents[3] / "docs" / "protocols.md").read_text(encoding="utf-8")
    assert [file for file in files.values() if file and f"`{file}`" not in text] == []


def test_weights_are_taken_from_the_folder_and_never_downloaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def factory(weights: Path | None, device: str) -> object:
        asked.append(weights)
        raise MetricsError("inception-v3-clean: no weights")

    clean = replace(EXTRACTORS["inception-v3-clean"], build=factory)
    monkeypatch.setitem(EXTRACTORS, "inception-v3-clean", clean)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    with pytest.raises(
        InputError, match=r"fetch with: sdbench models fetch clip-vit-l-14 inception-v3-clean$"
    ):
        build_extractors(["inception-v3-clean", "clip-vit-l-14", "shapes-clip"], "cpu")
    with pytest.raises(InputError, match=r"fetch with: sdbench models fetch inception-v3-clean$"):
        build_extractor("inception-v3-clean", "cpu")
    assert asked == []
    cached = folder / "torch" / "hub" / "checkpoints" / NETWORKS["inception-v3"].file
    cached.parent.mkdir(parents=True)
    fetched = folder / NETWORKS["inception-v3"].file
    for file in (cached, fetched):
        file.touch()
        with pytest.raises(InputError, match=r"no weights$"):
            build_extractor("inception-v3-clean", "cpu")
    assert asked == [cached, fetched]
