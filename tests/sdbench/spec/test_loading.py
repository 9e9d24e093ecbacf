"""Loading a spec: all problems at once with their lines, values from the command line, specs by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdbench.cli import main
from sdbench.core.errors import SpecError
from sdbench.spec import load_spec
from sdbench.spec.overrides import parse_override

EXPERIMENTS = Path(__file__).parents[3] / "experiments"

MANY = """\
name: many
checkpoints: [shapes-v1-1, shapes-v1-9]
samplers:
- {name: plsm, steps: 50}
- {name: plms, stepz: 50}
guidance_scale: [1.5, 3]   # without its s
prompts:
  source: shapes
  count: 0
  seed: 1
metrics: [kd-shapes-clip, fid]
image_size: 60
"""


def test_all_problems_of_a_spec_come_at_once_with_their_lines_and_misspelt_keys_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "many.yaml"
    path.write_text(MANY)
    assert main(["plan", str(path), "--set", "image_size=[1]", "--set", "sead=3"]) == 2
    found = [line.split(": ")[1:3] for line in capsys.readouterr().err.splitlines()]
    assert found == [
        ["--set sead", "unknown key; did you mean 'seed'? known"],
        [f"{path}:5", "samplers.1.stepz"],
        [f"{path}:6", "guidance_scale"],
        ["--set image_size.1", "missing"],
        [f"{path}", "reference"],
        [f"{path}:2", "checkpoints.1"],
        [f"{path}:4", "samplers.0.name"],
        [f"{path}:9", "prompts.count"],
        [f"{path}:11", "metrics.1"],
    ]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("prompts", "not of the form KEY=VALUE, as in --set prompts.count=8"),
        (".count=8", "not of the form KEY=VALUE"),
        ("name=[a", "the value is not valid YAML: while parsing a flow sequence"),
        ("name.first=x", "'shapes-demo' in the spec has no key first"),
        ("samplers.1.steps=5", "1 is not a place in the list; its places: 0 to 0"),
        ("samplers.name=5", "name is not a place in the list; its places: 0 to 0"),
        ("samplers.0.steps=1.5", "1.5 is not a whole number"),
    ],
)
def test_a_wrong_override_is_named(override: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "shapes-demo", "--set", override]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"sdbench: --set {override.split('=')[0]}")
    assert expected in err
    assert err.count("\n") == 1


def test_overrides_replace_values_and_begin_mappings() -> None:
    texts = ["guidance_scales=[3,5]", "prompts.count=8", "budget.until=kd-shapes-clip +- 1", "images=none"]
    spec = load_spec(Path("shapes-demo"), [parse_override(text) for text in texts])
    assert spec.guidance_scales == (3, 5)
    assert spec.prompts.count == 8
    assert spec.budget is not None
    assert (spec.budget.half_width, spec.images) == (1, "none")
    assert spec.checkpoints == load_spec(EXPERIMENTS / "shapes-demo.yaml").checkpoints


def test_specs_that_ship_are_known_by_name_unless_a_file_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_spec(Path("shapes-demo")) == load_spec(EXPERIMENTS / "shapes-demo.yaml")
    (tmp_path / "shapes-demo").write_text("name: mine\n")
    with pytest.raises(SpecError, match="checkpoints: missing"):
        load_spec(Path("shapes-demo"))
    with pytest.raises(SpecError, match=r"no such experiment spec .* did you mean 'shapes-demo'\?"):
        load_spec(Path("shape-demo"))
