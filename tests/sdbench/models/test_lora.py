"""A LoRA beside a checkpoint is a model of its own in sweeps and grids."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from reference_model import load_checkpoint
from sdbench.cli import main
from sdbench.core.errors import InputError, SpecError
from sdbench.models.registry import locate
from sdbench.spec import load_spec
from sdbench.spec.model_entry import ModelEntry
from tests.sdbench.tiny_runs import GOLDENS, content

Run = Callable[..., Any]
SpecFile = Callable[[dict[str, Any]], Path]
LAYER = "lora_te_text_model_encoder_layers_0_mlp_fc1"
WEIGHT = "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight"
SMALL: dict[str, Any] = {
    "metrics": ["clip-score-shapes"],
    "prompts": ["a red circle", "a ring"],
    "guidance_scales": [3],
}


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's models, with a base and two LoRA files."""
    monkeypatch.setenv("SDBENCH_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "models"
    folder.mkdir(parents=True)
    places = {"path": str(GOLDENS / "v1-tiny.ckpt"), "config": str(GOLDENS / "v1-tiny.yaml")}
    (folder / "tiny.yaml").write_text(yaml.safe_dump({"name": "tiny", **places}))
    write_lora(folder / "mine.safetensors", 1)
    return folder


def write_lora(path: Path, seed: int) -> None:
    out, into = load_checkpoint(GOLDENS / "v1-tiny.ckpt", GOLDENS / "v1-tiny.yaml").state_dict()[WEIGHT].shape
    draw = torch.Generator().manual_seed(seed)
    factors = {"down": torch.randn(2, into, generator=draw), "up": torch.randn(out, 2, generator=draw)}
    save_file({f"{LAYER}.lora_{name}.weight": factor for name, factor in factors.items()}, path)


def test_a_sweep_of_a_base_and_its_lora(models: Path, tmp_path: Path, run_tiny: Run) -> None:
    lora = {"base": "tiny", "lora": str(models / "mine.safetensors"), "weight": 0.5}
    spec = content(**SMALL, checkpoints=["tiny", lora])
    assert run_tiny(spec, tmp_path / "run").images_made == 4
    with (tmp_path / "run" / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["checkpoint"] for row in rows] == ["tiny", "tiny_mine_0.5"]
    assert rows[0]["weights_digest"] != rows[1]["weights_digest"]
    assert rows[0]["value"] != rows[1]["value"]
    said = json.loads((tmp_path / "run" / "manifest.json").read_text())["checkpoints"]["tiny_mine_0.5"]
    assert (said["lora"], said["lora_weight"]) == (str(models / "mine.safetensors"), 0.5)
    stored = load_spec(tmp_path / "run" / "spec.yaml")  # can be read again
    assert stored.checkpoints[1].weight == 0.5

    assert run_tiny(spec, tmp_path / "run").images_made == 0
    write_lora(models / "mine.safetensors", 2)
    assert run_tiny(spec, tmp_path / "run").images_made == 2, "only the cell of the changed file"


def test_a_named_lora_is_a_model_everywhere(models: Path, tmp_path: Path) -> None:
    (models / "mine.yaml").write_text(
        yaml.safe_dump({"name": "mine", "base": "tiny", "lora": "mine.safetensors"})
    )
    found = locate(ModelEntry(name="mine"))
    digests = {found.files_digest(), locate(ModelEntry(name="tiny")).files_digest()}
    assert len(digests) == 2
    out = tmp_path / "grid.png"
    words = ["grid", "--prompt", "a ring", "--models", "tiny,mine", "--scales", "2", "--steps", "1"]
    assert main([*words, "--size", "64", "--out", str(out)]) == 0
    assert out.is_file()


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"name": "a", "base": "tiny"}, "base and lora need each other"),
        ({"name": "a", "lora": "mine.safetensors"}, "base and lora need each other"),
        ({"name": "tiny", "weight": 0.5}, "weight needs lora"),
        ({"name": "a", "path": "a.ckpt", "base": "tiny", "lora": "b"}, "base and path exclude each other"),
        ({"base": "tinny", "lora": "b"}, "unknown checkpoint 'tinny': did you mean 'tiny'"),
        ({"base": "tiny", "lora": "b", "weight": "much"}, "weight: 'much'"),
        ({"base": "tiny", "lora": "b", "weight": 11}, "weight: 11"),
    ],
)
def test_wrong_entries(entry: dict[str, Any], error: str, models: Path, spec_file: SpecFile) -> None:
    from sdbench.sweep.names import read_spec

    with pytest.raises(SpecError, match=error):
        read_spec(spec_file(content(**SMALL, checkpoints=[entry])))


def test_wrong_files_and_bases(models: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lora of a.*none\.safetensors"):
        locate(ModelEntry(name="a", base="tiny", lora="none.safetensors"))
    lora = str(models / "mine.safetensors")
    (models / "one.yaml").write_text(yaml.safe_dump({"name": "one", "base": "tiny", "lora": lora}))
    with pytest.raises(InputError, match="base one is a LoRA itself"):
        locate(ModelEntry(name="a", base="one", lora=lora))
    (models / "piped.yaml").write_text(yaml.safe_dump({"name": "piped", "diffusers": str(tmp_path)}))
    with pytest.raises(InputError, match="base piped does not run in the reference model"):
        locate(ModelEntry(name="a", base="piped", lora=lora))
