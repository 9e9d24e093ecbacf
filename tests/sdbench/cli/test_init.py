"""`sdbench init` and `sdbench schema`: a spec in one go."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from metrics.protocols import PROTOCOLS
from sdbench.cli import main
from sdbench.spec import load_spec
from sdbench.spec.schema import SCHEMA_LINE, spec_schema

EXPERIMENTS = Path(__file__).parents[3] / "experiments"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: two checkpoints of one name, prompts in several formats, real images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    for folder in ("a", "b 2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.safetensors").touch()
    (tmp_path / "a" / "model.yaml").touch()
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    (tmp_path / "prompts.csv").write_text("id,prompt\n1,a red circle\n2,a ring\n")
    (tmp_path / "prompts.tsv").write_text("words\na ring\n")
    (tmp_path / "prompts.jsonl").write_text('{"text": "a ring", "id": 3}\n')
    (tmp_path / "odd.csv").write_text("first,second\n1,2\n")
    (tmp_path / "prompts.txt").write_text("a red circle\n")
    (tmp_path / "photos").mkdir()
    return tmp_path


def test_a_spec_from_options(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints = ["a/model.safetensors", "b 2/model.safetensors", "shapes-v1-1"]
    words = ["--checkpoints", *checkpoints, "--prompts", "prompts.csv", "--reference", "photos"]
    assert main(["init", "first.yaml", *words, "--guidance-scales", "1.5", "3"]) == 0
    spec = load_spec(Path("first.yaml"))
    assert [(entry.name, entry.path, entry.config) for entry in spec.checkpoints] == [
        ("a-model", "a/model.safetensors", "a/model.yaml"),
        ("b-2-model", "b 2/model.safetensors", None),
        ("shapes-v1-1", None, None),
    ]
    assert (spec.name, spec.guidance_scales, spec.image_size) == ("first", (1.5, 3), None)
    assert spec.metrics == ("kid-inception-tf", "clip-score-vit-l-14")
    text = (mine / "first.yaml").read_text()
    assert text.startswith(f"{SCHEMA_LINE}\n")
    assert "\n# the models to compare: " in text
    assert "\n# seed: 42   # start noise" in text
    assert json.loads((mine / "spec.schema.json").read_text()) == spec_schema(PROTOCOLS)
    out = capsys.readouterr().out
    assert "6 settings of 2 images each" in out
    assert "sdbench models fetch clip-vit-l-14 inception-v3\n" in out
    assert "sdbench run first.yaml" in out
    assert main(["init", "first.yaml", *words]) == 2
    assert "first.yaml exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("prompts.tsv", {"source": "csv", "path": "prompts.tsv", "column": "words"}),
        ("prompts.jsonl", {"source": "jsonl", "path": "prompts.jsonl", "key": "text"}),
        ("prompts.txt", {"source": "file", "path": "prompts.txt"}),
        ("shapes", {"source": "shapes", "count": 64, "seed": 1}),
    ],
)
def test_the_kind_of_prompts_follows_from_the_file(mine: Path, file: str, source: dict[str, Any]) -> None:
    assert main(["init", "--checkpoints", "shapes-v1-4", "--prompts", file, "--reference", "shapes"]) == 0
    content = yaml.safe_load((mine / "experiment.yaml").read_text())
    assert content["prompts"] == source
    assert content["metrics"] == ["kd-shapes-clip", "clip-score-shapes"]
    assert content["samplers"] == [{"name": "plms", "steps": 50}]


def test_a_pipeline_of_another_kind_is_run_by_diffusers(mine: Path) -> None:
    assert main(["init", "--checkpoints", "pipeline", "--prompts", "prompts.txt"]) == 0
    content = yaml.safe_load((mine / "experiment.yaml").read_text())
    assert content["checkpoints"] == [{"name": "pipeline", "diffusers": "pipeline"}]
    assert content["samplers"] == [{"name": "default", "steps": 50}]
    assert content["metrics"] == ["clip-score-vit-l-14"]
    assert "reference" not in content


def test_networks_that_another_one_needs_are_named_too(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--checkpoints", "shapes-v1-1", "--prompts", "shapes", "--metrics", "image-reward"]
    assert main(["init", *words]) == 0
    assert "sdbench models fetch image-reward bert-base-uncased\n" in capsys.readouterr().out
    assert main(["plan", "experiment.yaml", "--out", "run"]) == 0
    missing = [line for line in capsys.readouterr().out.splitlines() if line.startswith("missing: ")]
    assert [line.rpartition(" ")[2] for line in missing] == ["image-reward", "bert-base-uncased"]


def test_a_person_is_asked_for_what_is_missing(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO("shapes-v1-1 shapes-v1-4\nprompts.csv\n\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert main(["init", "asked.yaml"]) == 0
    spec = load_spec(Path("asked.yaml"))
    assert [entry.name for entry in spec.checkpoints] == ["shapes-v1-1", "shapes-v1-4"]
    assert (spec.reference, spec.metrics) == (None, ("clip-score-shapes",))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "--checkpoints is missing, and there is no terminal to ask for it"),
        (["--checkpoints", "shapes-v1-9"], "--prompts is missing"),
        (
            ["--checkpoints", "shapes-v1-9", "--prompts", "shapes"],
            "--checkpoints shapes-v1-9: did you mean 'sh",
        ),
        (["--checkpoints", "c/x.ckpt", "--prompts", "shapes"], "--checkpoints: c/x.ckpt not found"),
        (["--checkpoints", "shapes-v1-1", "--prompts", "none.csv"], "--prompts: none.csv not found"),
        (["--checkpoints", "shapes-v1-1", "--prompts", "photos"], "--prompts: photos is a folder"),
        (["--checkpoints", "shapes-v1-1", "--prompts", "odd.csv"], "give --column; first, second"),
        (["--checkpoints", "shapes-v1-1", "--prompts", "a/model.yaml"], "not one of .csv, .tsv, .jsonl"),
        (
            ["--checkpoints", "shapes-v1-1", "--prompts", "shapes", "--metrics", "fid"],
            "metrics.0: unknown met",
        ),
        (
            ["--checkpoints", "shapes-v1-1", "--prompts", "shapes", "--sampler", "plsm"],
            "did you mean 'plms'?",
        ),
        (["--from", "shapes-dmeo"], "--from shapes-dmeo: did you mean 'shapes-demo'?"),
        (["new.txt"], "new.txt: a spec is written as .yaml"),
    ],
)
def test_wrong_answers_are_one_line_and_write_nothing(
    words: list[str],
    expected: str,
    mine: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    before = sorted(mine.rglob("*"))
    assert main(["init", *words]) == 2
    err = capsys.readouterr().err
    assert expected in err
    assert err.count("\n") == 1
    assert sorted(mine.rglob("*")) == before


def test_a_spec_that_ships_is_copied(mine: Path) -> None:
    assert main(["init", "--from", "shapes-demo"]) == 0
    assert (mine / "shapes-demo.yaml").read_text() == (EXPERIMENTS / "shapes-demo.yaml").read_text()


def test_the_schema_beside_the_specs_is_current_and_accepts_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    printed = capsys.readouterr().out
    stored = (EXPERIMENTS / "spec.schema.json").read_text(encoding="utf-8")
    assert stored == printed, "run: sdbench schema > experiments/spec.schema.json"
    validator = jsonschema.Draft202012Validator(json.loads(stored))
    for file in EXPERIMENTS.glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        assert text.startswith(f"{SCHEMA_LINE}\n")
        assert list(validator.iter_errors(yaml.safe_load(text))) == []
    valid = yaml.safe_load((EXPERIMENTS / "shapes-demo.yaml").read_text(encoding="utf-8"))
    for change in (
        {"prompts": ["a", "b"]},
        {"compile": True},
        {"image_size": [64, 32]},
        {"metrics": ["a:b"]},
        {"metrics": [{"name": "a:b", "args": {"k": 1}}]},
        {"negative_prompt": "a"},
        {"guidance": [{"name": "apg", "scale": 3, "more": 1}]},
    ):
        assert list(validator.iter_errors({**valid, **change})) == []
    for change in ({"guidance_scale": 1}, {"batch_size": 0}, {"checkpoints": [{"nam": "a"}]}, {"seed": "a"}):
        assert list(validator.iter_errors({**valid, **change}))
