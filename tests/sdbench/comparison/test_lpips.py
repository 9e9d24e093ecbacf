"""LPIPS in `sdbench compare`: shown where its weights are, remembered, and deciding nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import alexnet

from metrics.lpips import Lpips
from metrics.networks import NETWORKS
from sdbench.cli import main

FILE = NETWORKS["lpips-alex"].file
N = 12


@pytest.fixture(autouse=True)
def _empty_torch_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Random convolutions in the weights folder."""
    torch.manual_seed(0)
    path = tmp_path / "home" / "weights" / FILE
    path.parent.mkdir(parents=True)
    torch.save({f"features.{name}": row for name, row in alexnet().features.state_dict().items()}, path)
    return path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of pairs that the network was given."""
    found: list[int] = []
    call = Lpips.__call__
    monkeypatch.setattr(Lpips, "__call__", lambda self, a, b: found.append(len(a)) or call(self, a, b))
    return found


def grainy(image, number):
    """Every fifth image is the same."""
    return image + (number % 5 > 0) * np.random.default_rng(number).normal(0, number + 1, image.shape)


def reports(folder: Path) -> tuple[list[dict[str, str]], dict]:
    with (folder / "pairs.csv").open(encoding="utf-8") as stream:
        pairs = list(csv.DictReader(stream))
    return pairs, json.loads((folder / "certificate.json").read_text())["comparisons"][0]


def test_values_are_shown_with_their_distribution_and_move_no_verdict(
    folder, compare, tmp_path, weights, calls
):
    a, b = folder("a", N), folder("b", N, change=grainy)
    hidden = weights.rename(tmp_path / "hidden.pth")
    code, said = compare(a, b, "--out", tmp_path / "without")
    assert "LPIPS" not in said + (tmp_path / "without" / "index.html").read_text()
    before, facts_before = reports(tmp_path / "without")
    assert {row["lpips"] for row in before} == {""}
    hidden.rename(weights)
    found, said = compare(a, b, "--out", tmp_path / "with")
    assert "LPIPS" in (tmp_path / "with" / "index.html").read_text()
    rows, facts = reports(tmp_path / "with")
    pixels = [
        np.stack([np.asarray(Image.open(side / f"{row['pair']}.png")) for row in rows]) for side in (a, b)
    ]
    values = [float(row["lpips"]) for row in rows]
    np.testing.assert_allclose(values, Lpips(weights)(*pixels), atol=1e-6)
    assert [value == 0 for value in values] == [number % 5 == 0 for number in range(N)]
    shown = facts["pixels"].pop("lpips")
    assert shown == {
        name: pytest.approx(np.quantile(values, q))
        for name, q in {"worst": 1, "5%": 0.95, "median": 0.5, "best": 0}.items()
    }
    assert f"LPIPS {max(values):.4f}; median SSIM" in said
    assert (found, facts) == (code, facts_before)


def test_a_pair_is_seen_once_by_each_network(folder, compare, weights, calls):
    a, b = folder("a", N), folder("b", N, change=grainy)

    def pixel_line() -> str:
        return next(line for line in compare(a, b)[1].splitlines() if "LPIPS" in line)

    said = pixel_line()
    seen = sum(calls)
    assert seen == sum(number % 5 > 0 for number in range(N))
    assert pixel_line() == said
    assert sum(calls) == seen
    state = torch.load(weights, weights_only=True)
    state["features.0.weight"] *= 2
    torch.save(state, weights)
    pixel_line()
    assert sum(calls) == 2 * seen


def test_images_that_are_too_small_have_none(compare, tmp_path, weights, calls):
    for side in "ab":
        (tmp_path / side).mkdir()
        for number in range(N):
            pixels = np.random.default_rng(number).integers(0, 250, (30, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels + 2 * (side == "b")).save(tmp_path / side / f"{number}.png")
    said = compare(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "out")[1]
    assert "worst pair SSIM" in said
    assert "LPIPS" not in said
    assert {row["lpips"] for row in reports(tmp_path / "out")[0]} == {""}
    assert calls == []


def test_damaged_weights_are_named(folder, compare, weights):
    weights.write_bytes(b"<html>")
    code, said = compare(folder("a", N), folder("b", N))
    assert (code, f"lpips-alex: {weights} is a web page" in said) == (2, True)


def test_fetching_says_licence_and_source_first(tmp_path, capsys):
    assert main(["models", "fetch", "lpips-alex"]) == 2
    assert "BSD 3-Clause" in (said := capsys.readouterr().err)
    assert "as https://github.com/pytorch/vision says" in said
    assert main(["models", "info", "lpips-alex"]) == 0
    assert f"from https://download.pytorch.org/models/{FILE}" in capsys.readouterr().out
