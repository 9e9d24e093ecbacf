"""What a spec may contain, and the one-line error for a wrong one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sdbench.cli import main
from sdbench.core import precision
from sdbench.core.errors import SpecError
from sdbench.core.precision import compiles
from sdbench.spec import ExperimentSpec, load_spec, loading

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
Write = Callable[[dict[str, Any]], Path]

CELLS = {
    "mlperf-sdxl": 1,
    "samplers": 16,
    "sd-v1-control": 1,
    "sd-v1-quick": 32,
    "sd-v1-variants": 32,
    "shapes-demo": 32,
    "shapes-settled": 8,
    "shapes-sweep": 32,
    "steps": 24,
}


@pytest.fixture
def valid() -> dict[str, Any]:
    """Return a spec over the embedded family, like those that come with the package."""
    return yaml.safe_load((EXPERIMENTS / "shapes-demo.yaml").read_text())


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_specs_that_ship_are_valid(path: Path) -> None:
    spec = load_spec(path)
    assert spec.name == path.stem
    assert len(spec.checkpoints) * len(spec.samplers) * len(spec.guidance_scales) == CELLS[path.stem]


def test_the_control_repeats_a_cell_of_the_quick_sweep_in_float32() -> None:
    quick, control = (load_spec(EXPERIMENTS / f"sd-v1-{name}.yaml") for name in ("quick", "control"))
    differ = {name for name, value in control if value != getattr(quick, name)}
    assert differ == {"name", "checkpoints", "guidance_scales", "precision", "compile", "batch_size"}
    assert set(control.checkpoints) < set(quick.checkpoints)
    assert set(control.guidance_scales) < set(quick.guidance_scales)
    assert (control.precision, quick.precision) == ("full", "fp16")


def test_reading_specs_imports_no_torch_numpy_or_pandas() -> None:
    code = (
        "import sys; from pathlib import Path; from sdbench.spec import load_spec\n"
        f"names = [load_spec(path).name for path in sorted(Path({str(EXPERIMENTS)!r}).glob('*.yaml'))]\n"
        "print(*names)\n"
        "heavy = {'torch', 'numpy', 'metrics', 'scipy', 'pandas', 'diffusers', 'transformers', 'rich'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == sorted(CELLS)


def test_a_default_that_is_said_is_the_same_experiment(valid: dict[str, Any], spec_file: Write) -> None:
    plain = load_spec(spec_file(valid))
    assert load_spec(spec_file({**valid, "compile": "auto", "precision": "full"})).digest == plain.digest
    for change in ({"compile": "on"}, {"seed": 43}, {"metrics": ["clip-score-shapes"]}, {"batch_size": 3}):
        assert load_spec(spec_file({**valid, **change})).digest != plain.digest


def test_where_results_are_sent_is_not_part_of_what_they_are(valid: dict[str, Any], spec_file: Write) -> None:
    records = [{"to": "tensorboard", "folder": "logs"}]
    plain, sent = load_spec(spec_file(valid)), load_spec(spec_file({**valid, "records": records}))
    assert sent.digest == plain.digest
    assert sent.records != plain.records
    changes = [{"compile": True}, {"precision": "bf16"}, {"batch_size": "auto"}]
    others = {load_spec(spec_file({**valid, **change})).digest for change in changes}
    assert len(others | {plain.digest}) == 4


@pytest.mark.parametrize(
    ("said", "on_gpu", "on_cpu"),
    [("auto", True, False), (True, True, True), ("on", True, True), (False, False, False)],
)
def test_models_are_compiled_where_it_pays_unless_the_spec_says_more(
    said: object,
    on_gpu: bool,
    on_cpu: bool,
    valid: dict[str, Any],
    spec_file: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = load_spec(spec_file({**valid, "compile": said}))
    monkeypatch.setattr(precision, "compile_obstacle", lambda device: None)
    assert (compiles(spec.compile, "cuda:1"), compiles(spec.compile, "cpu")) == (on_gpu, on_cpu)
    again = tmp_path / "again.yaml"
    again.write_text(spec.to_yaml())
    assert load_spec(again) == spec


def test_the_resolved_spec_reads_back_the_same(
    valid: dict[str, Any], spec_file: Write, tmp_path: Path
) -> None:
    spec = load_spec(spec_file(valid)).with_count(7)
    again = tmp_path / "again.yaml"
    again.write_text(spec.to_yaml())
    assert load_spec(again) == spec
    assert load_spec(again).digest == spec.digest
    assert spec.prompts.count == 7


def test_equal_specs_in_other_words_have_one_digest(valid: dict[str, Any], spec_file: Write) -> None:
    short = load_spec(spec_file(valid))
    long = {**valid, "image_size": [64, 64], "guidance_scales": [1.5, 2.0, 3.0, 4, 5, 6, 7, 8.0]}
    assert load_spec(spec_file(long)).digest == short.digest
    assert load_spec(spec_file({**valid, "seed": 43})).digest != short.digest


def test_the_docs_have_a_line_for_every_key_source_and_place() -> None:
    text = (EXPERIMENTS.parent / "docs" / "specs.md").read_text(encoding="utf-8")
    tags = [place.split(".")[1] for place in loading.PARTS if "." in place]
    words = [*ExperimentSpec.model_fields, *(tag for tag in tags if tag != "list")]
    assert [word for word in words if f"| `{word}` |" not in text] == []


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"guidance_scale": [2]}, "guidance_scale: unknown key; did you mean 'guidance_scales'?"),
    "unknown key inside": (
        {"prompts": {"source": "shapes", "cuont": 3, "count": 3, "seed": 1}},
        "prompts.cuont: unknown key; did you mean 'count'? known: source, count, seed",
    ),
    "unknown sampler key": (
        {"samplers": [{"name": "plms", "steps": 50, "stepz": 1}]},
        "samplers.0.stepz: unknown key; did you mean 'steps'?",
    ),
    "unknown checkpoint": (
        {"checkpoints": ["shapes-v1-1", "shapes-v1-9"]},
        "checkpoints.1: unknown checkpoint 'shapes-v1-9': did you mean 'shapes-v1-",
    ),
    "a word for a scale": ({"guidance_scales": [2, "abc"]}, "guidance_scales.1: 'abc' is not a number"),
    "a scale in quotes": ({"guidance_scales": ["2"]}, "guidance_scales.0: '2' is not a number"),
    "a negative scale": ({"guidance_scales": [-1]}, "guidance_scales.0: -1 is out of range"),
    "no scales": ({"guidance_scales": []}, "guidance_scales: is empty"),
    "one scale, no list": ({"guidance_scales": 5}, "guidance_scales: 5 is not a list"),
    "a scale twice": ({"guidance_scales": [2, 2.0]}, "guidance_scales: 2.0 is given twice"),
    "nan": ({"guidance_scales": [float("nan")]}, "guidance_scales.0: nan is not a number"),
    "zero prompts": (
        {"prompts": {"source": "shapes", "count": 0, "seed": 1}},
        "prompts.count: 0 is out of range: greater than or equal to 1",
    ),
    "an empty list of prompts": ({"prompts": []}, "prompts.prompts: is empty"),
    "an unknown source": (
        {"prompts": {"source": "laion", "count": 1}},
        "prompts: unknown source 'laion'; allowed: 'shapes', 'file', 'coco', 'list', 'parti', 'drawbench', ",
    ),
    "prompts by a word": ({"prompts": "shapes"}, "prompts: 'shapes' is not a mapping of keys"),
    "an unknown sampler": (
        {"samplers": [{"name": "plsm", "steps": 50}]},
        "samplers.0.name: unknown sampler 'plsm': did you mean 'plms'?",
    ),
    "a sampler as a word": ({"samplers": ["plms"]}, "samplers.0: 'plms' is not a mapping of keys"),
    "half a step": (
        {"samplers": [{"name": "plms", "steps": 1.5}]},
        "samplers.0.steps: 1.5 is not a whole number",
    ),
    "a truth for a number": ({"seed": True}, "seed: True is not a whole number"),
    "eta with plms": (
        {"samplers": [{"name": "plms", "steps": 50, "eta": 0.5}]},
        "samplers.0: eta must be 0 for plms; ddim takes eta up to 1",
    ),
    "an unknown metric": (
        {"metrics": ["fd-shapes-clipp"]},
        "metrics.0: unknown metric 'fd-shapes-clipp': did you mean 'fd-shapes-clip'? 'sdbench metrics list'",
    ),
    "no reference": ({"reference": None}, "reference: missing, and kd-shapes-clip compares against"),
    "an unknown precision": (
        {"precision": "half"},
        "precision: 'half'; allowed: 'full', 'autocast', 'bf16' or",
    ),
    "another batch size": (
        {"batch_size": "many"},
        "batch_size: 'many'; allowed: a whole number above 0, or auto",
    ),
    "no source": ({"prompts": {"path": "x"}}, "prompts: needs the key source, as in source: shapes"),
    "an unknown place for records": (
        {"records": [{"to": "mlfow"}]},
        "records.0: unknown to 'mlfow'; allowed: 'mlflow', 'wandb', 'tensorboard'",
    ),
    "an unknown key of a record": (
        {"records": [{"to": "wandb", "project": "x", "mod": "offline"}]},
        "records.0.mod: unknown key; did you mean 'mode'? known: to, project, mode",
    ),
    "an unknown key of a budget": (
        {"budget": {"untl": "x"}},
        "budget.untl: unknown key; did you mean 'until'?",
    ),
    "a budget by another metric": (
        {"budget": {"until": "fid-inception-tf +- 3"}},
        "budget: 'fid-inception-tf' is not among the metrics",
    ),
    "another pick": (
        {"prompts": {"source": "coco", "path": "x", "count": 1, "seed": 1, "pick": "all"}},
        "prompts.pick: 'all'; allowed: 'any' or 'one-per-image'",
    ),
    "an unknown image policy": ({"images": "some"}, "images: 'some'; allowed: all, none, or sample:N"),
    "a missing key": ({"samplers": ...}, "samplers: missing"),
    "a word for a size": (
        {"image_size": "big"},
        "image_size: 'big'; allowed: a number of pixels, or [height",
    ),
    "a name that is a path": ({"name": "a/b"}, "name: 'a/b'; allowed: letters, digits"),
    "config without path": (
        {"checkpoints": [{"name": "sd-v1-4", "config": "x.yaml"}]},
        "checkpoints.0: config needs path",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_spec_gives_one_line_and_exit_code_2(
    case: str, valid: dict[str, Any], spec_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, expected = WRONG[case]
    content = {key: value for key, value in {**valid, **change}.items() if value is not ...}
    path = spec_file(content)
    assert main(["run", str(path), "--out", str(tmp_path / "run")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    start = re.match(rf"sdbench: {path}(:\d+)?: ", err)
    assert start, err
    assert err[start.end() :].startswith(expected), err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_missing_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(tmp_path / "none.yaml")]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"sdbench: {tmp_path / 'none.yaml'}: no such experiment spec")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: [unclosed\nseed: 1\n", "not valid YAML"),
        ("- a\n- b\n", "an experiment spec is a mapping of keys"),
        ("", "an experiment spec is a mapping of keys"),
        ("name: \x00", "not valid YAML"),
        ("name: x\nseed: a: b\n", r"yaml:2: not valid YAML: mapping values are not allowed"),
        ("name: 2022-13-45", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
        ("seed: 1\nname: x\nseed: 2\n", "yaml:3: not valid YAML: seed is given twice"),
    ],
)
def test_what_is_no_spec_at_all(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=expected) as error:
        load_spec(path)
    assert "\n" not in str(error.value)


def test_a_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(SpecError, match="cannot be read as text"):
        load_spec(path)


def test_images_policy(valid: dict[str, Any], spec_file: Write) -> None:
    kept = {
        policy: load_spec(spec_file({**valid, "images": policy})) for policy in ("all", "none", "sample:16")
    }
    assert {policy: spec.images_kept(64) for policy, spec in kept.items()} == {
        "all": 64,
        "none": 0,
        "sample:16": 16,
    }
    assert kept["sample:16"].images_kept(8) == 8
