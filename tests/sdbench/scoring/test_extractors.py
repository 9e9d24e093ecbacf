"""Extractors of a run: where their weights are looked for, and the error if they are missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from metrics import MetricsError
from metrics.features import EXTRACTORS
from metrics.networks import NETWORKS
from sdbench.cli import main
from sdbench.core.errors import InputError
from sdbench.scoring.extractors import build_extractor, build_extractors
from tests.sdbench.conftest import Lengths, N, rows


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty weights folder, with no extractor cached."""
    monkeypatch.setenv("SDBENCH_HOME", str(tmp_path))
    build_extractor.cache_clear()
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def test_every_published_network_has_a_file_that_the_documentation_names() -> None:
    files = {name: factory.weights for name, factory in EXTRACTORS.items()}
    assert [name for name, file in files.items() if file is None] == [
        "shapes-clip",
        "shapes-reader",
    ]
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


def test_a_network_of_images_and_prompts_scores_each_pair(
    folder: Path, reward: Lengths, generated: Path, prompts: Path, tmp_path: Path
) -> None:
    arguments = ["--metrics", "image-reward", "--out", str(tmp_path / "out")]
    assert main(["score", str(generated), "--prompts", str(prompts), *arguments]) == 0
    pictures = [np.asarray(Image.open(path)) for path in sorted(generated.glob("*.png"))]
    texts = prompts.read_text().splitlines()
    expected = [image.mean() + len(text) for image, text in zip(pictures, texts, strict=True)]
    (row,) = rows(tmp_path / "out")
    assert float(row["value"]) == pytest.approx(np.mean(expected), rel=1e-5)
    assert float(row["standard_error"]) == pytest.approx(np.std(expected, ddof=1) / N**0.5, rel=1e-5)
    by_image = pd.read_parquet(tmp_path / "out" / "images.parquet")
    assert by_image["score_image-reward"].tolist() == pytest.approx(expected, rel=1e-5)


def test_it_needs_prompts_and_both_files(
    folder: Path, generated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    (folder / NETWORKS["image-reward"].file).touch()
    with pytest.raises(InputError, match=r"models fetch bert-base-uncased$"):
        build_extractor("image-reward", "cpu")
    assert main(["score", str(generated), "--metrics", "image-reward"]) == 2
    assert "--prompts" in capsys.readouterr().err
