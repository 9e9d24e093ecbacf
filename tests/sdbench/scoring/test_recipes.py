"""Groups of checkpoints in a spec: a row per recipe, whose error counts the spread between checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from sdbench.cli import main
from sdbench.spec import load_spec
from tests.sdbench.tiny_runs import GOLDENS

CLIP = "clip-score-vit-l-14"
SpecFile = Callable[[dict[str, Any]], Path]


def checkpoint(name: str, group: str | None = None, path: Path = GOLDENS / "v1-tiny.ckpt") -> dict[str, Any]:
    entry = {"name": name, "path": str(path), "config": str(GOLDENS / "v1-tiny.yaml")}
    return entry | ({"group": group} if group else {})


@pytest.fixture
def trained(tmp_path: Path) -> dict[str, Path]:
    """Weights of two recipes, from two seeds each."""
    found = {}
    for seed, name in enumerate(("old1", "old2", "new1", "new2")):
        saved = torch.load(GOLDENS / "v1-tiny.ckpt", weights_only=True)
        random = torch.Generator().manual_seed(seed)
        for tensor in saved["state_dict"].values():
            if tensor.is_floating_point() and tensor.ndim > 1:
                tensor += 0.02 * torch.randn(tensor.shape, generator=random).to(tensor)
        found[name] = tmp_path / f"{name}.ckpt"
        torch.save(saved, found[name])
    return found


def test_a_recipe_is_the_mean_of_its_checkpoints_with_their_spread(
    trained: dict[str, Path], tiny: dict[str, Any], tmp_path: Path, run_tiny: Callable[..., Any]
) -> None:
    grouped = [checkpoint(name, name[:3], path) for name, path in trained.items()]
    alone = checkpoint("alone")
    spec = {**tiny, "checkpoints": [*grouped, alone], "metrics": [CLIP, "kid-inception-tf"]}
    run_tiny(spec, tmp_path / "run")
    keys = ["protocol", "guidance_scale", "checkpoint"]
    results = pd.read_csv(tmp_path / "run" / "results.csv").set_index(keys)["value"].sort_index()
    table = pd.read_csv(tmp_path / "run" / "recipes.csv")
    assert table["recipe"].tolist() == ["old", "old", "new", "new"] * 2
    for row in table.to_dict("records"):
        names = [f"{row['recipe']}{seed}" for seed in (1, 2)]
        values = results[row["protocol"], row["guidance_scale"]][names]
        assert row["value"] == pytest.approx(values.mean())
        assert row["of_checkpoints"] == pytest.approx(values.std(ddof=1) / 2**0.5)
        assert row["of_checkpoints"] > 0
        assert row["standard_error"] == pytest.approx(np.hypot(row["of_checkpoints"], row["of_images"]))
        assert (row["checkpoints"], row["n"]) == (2, 6)
    clip, kid = pd.read_csv(tmp_path / "run" / "recipe_comparisons.csv").to_dict("records")
    assert (clip["a"], clip["b"], clip["scales"], kid["protocol"]) == ("old", "new", 2, "kid-inception-tf")
    means = table[table["protocol"] == CLIP].groupby("recipe")["value"].mean()
    assert clip["difference"] == pytest.approx(means["old"] - means["new"])
    assert clip["low"] < clip["difference"] < clip["high"]
    assert clip["p_holm"] == clip["p_value"]
    ungrouped = [{**entry, "group": None} for entry in grouped]
    outcome = run_tiny({**spec, "checkpoints": [*ungrouped, alone]}, tmp_path / "run")
    assert outcome.images_made == 0
    assert pd.read_csv(tmp_path / "run" / "recipes.csv").empty


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"checkpoints": [checkpoint("a", "mine"), checkpoint("b")]},
            "checkpoints: group mine has one checkpoint: the spread between training seeds needs two",
        ),
        (
            {"checkpoints": [checkpoint("a", "b"), checkpoint("b", "b")]},
            "checkpoints: group b is the name of a checkpoint: give it another one",
        ),
        ({"checkpoints": [checkpoint("a", "x y"), checkpoint("b", "x y")]}, "checkpoints.0.group: 'x y'"),
        ({"checkpoints": [{**checkpoint("a"), "groups": "x"}]}, "checkpoints.0.groups: unknown key; did you"),
        ({"seeds": [1, 2, 2]}, "seeds: unknown key; images_per_prompt makes several images of each prompt"),
    ],
)
def test_wrong_groups_and_seeds_are_one_line(
    change: dict[str, Any], words: str, tiny: dict[str, Any], tmp_path: Path, spec_file: SpecFile,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = spec_file({**tiny, **change})
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_groups_are_those_of_the_spec(tiny: dict[str, Any], spec_file: SpecFile) -> None:
    entries = [checkpoint("a", "mine"), checkpoint("b"), checkpoint("c", "mine")]
    spec = load_spec(spec_file({**tiny, "checkpoints": entries}))
    assert spec.groups == {"a": "mine", "c": "mine"}
