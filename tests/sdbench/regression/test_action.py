"""The GitHub Action: its file is consistent, and its shell steps run in bash without GitHub."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}

STUB = """#!/usr/bin/env python3
import json, os, sys
with open(os.environ["SEEN"], "w") as stream:
    json.dump(sys.argv[1:], stream)
sys.exit(int(os.environ.get("ENDS_WITH", "0")))
"""


@pytest.fixture
def shell(tmp_path):
    """Run a step's script with stubs for the programs that it calls; returns (exit code, their arguments)."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sdbench", "python"):
        (programs / name).write_text(STUB)
        (programs / name).chmod(stat.S_IRWXU)
    seen = tmp_path / "seen.json"

    def run(name, ends_with=0, **inputs):
        chosen = {key: value["default"] for key, value in ACTION["inputs"].items()} | inputs
        contexts = {f"inputs.{key}": value for key, value in chosen.items()}
        contexts |= {"runner.temp": str(tmp_path), "github.action_path": "/the/action"}
        environment = {
            key: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: contexts[found[1]], value)
            for key, value in STEPS[name]["env"].items()
        }
        environment |= {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "SEEN": str(seen),
            "ENDS_WITH": str(ends_with),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "step-summary.md"),
        }
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]
        code = subprocess.run(shell, env=environment, check=False).returncode
        return code, json.loads(seen.read_text()) if seen.exists() else None

    return run


def test_the_file_is_consistent():
    """It has what GitHub requires of a composite action, and exactly the inputs that it reads."""
    assert ACTION["runs"]["using"] == "composite"
    for step in ACTION["runs"]["steps"]:
        assert ("run" in step) != ("uses" in step)
        assert "run" not in step or step["shell"] == "bash"
        assert "${{" not in step.get("run", "")  # an input in a script could inject commands
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"inputs\.(\w+)", text)) == set(ACTION["inputs"])
    assert all(value["description"] for value in ACTION["inputs"].values())


def test_check_passes_on_what_is_given(shell, tmp_path):
    from sdbench.cli import _parser

    code, arguments = shell(
        "Check",
        sampler="plms=mine.py:plms\n\nddim=diffusers:DDIMScheduler?clip_sample=false\n",
        policy="p.yaml",
    )
    assert code == 0
    given = _parser().parse_args(arguments)
    assert given.sampler == ["plms=mine.py:plms", "ddim=diffusers:DDIMScheduler?clip_sample=false"]
    assert (str(given.baseline), str(given.policy), given.quick) == ("sampler-baseline", "p.yaml", False)
    assert given.out == tmp_path / "sdbench-report"
    _, arguments = shell("Check", quick="true", baseline="a folder")
    given = _parser().parse_args(arguments)
    assert (given.sampler, given.policy, given.quick, str(given.baseline)) == ([], None, True, "a folder")


def test_images_are_compared_instead_of_samplers(shell, tmp_path):
    from sdbench.cli import _parser

    _, arguments = shell("Check", images="-now", against="before", prompts="p.txt", policy="p.yaml")
    given = _parser().parse_args(arguments)
    assert (arguments[0], given.a, given.b, given.prompts) == ("compare", "before", "-now", "p.txt")
    assert (given.out, str(given.policy)) == (tmp_path / "sdbench-report", "p.yaml")
    assert shell("Check", ends_with=1, images="now", against="before")[0] == 1


@pytest.mark.parametrize("code", [1, 2])
def test_a_failed_check_fails_the_job_and_is_still_reported(shell, tmp_path, code):
    assert shell("Check", ends_with=code)[0] == code
    assert [STEPS[name]["if"] for name in ("Summary", "Report")] == ["always()"] * 2
    assert shell("Summary")[0] == 0  # no summary exists, as after bad input
    report = tmp_path / "sdbench-report"
    report.mkdir()
    (report / "summary.md").write_text("### all well\n")
    assert shell("Summary")[0] == 0
    assert (tmp_path / "step-summary.md").read_text() == "### all well\n"
    assert STEPS["Report"]["with"]["path"] == "${{ runner.temp }}/sdbench-report"


def test_install_takes_a_version_or_the_action_itself(shell):
    assert shell("Install")[1][-1] == "/the/action[diffusers]"
    assert shell("Install", version="0.1.0")[1][-1] == "sdbench[diffusers]==0.1.0"


def blocks_of(page):
    return [
        yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.S)
    ]


def test_docs_and_example_use_inputs_of_the_action():
    example = ROOT / "examples" / "third-party-sampler" / ".github" / "workflows" / "samplers.yml"
    shown = [
        step
        for page in ("regression.md", "compare.md")
        for block in blocks_of(ROOT / "docs" / page)
        if isinstance(block, list)
        for step in block
    ]
    steps = yaml.safe_load(example.read_text(encoding="utf-8"))["jobs"]["samplers"]["steps"]
    used = [step["with"] for step in (*shown, *steps) if "sdbench" in step["uses"]]
    assert len(used) == 3
    assert set(used[0]) | set(used[1]) == set(ACTION["inputs"])
    assert set(used[2]) <= set(ACTION["inputs"])


def test_the_gitlab_snippet_parses():
    from sdbench.cli import _parser

    jobs = next(b for b in blocks_of(ROOT / "docs" / "regression.md") if "samplers" in b)
    job = jobs["samplers"]
    commands = [shlex.split(line)[1:] for line in job["script"] if line.startswith("sdbench ")]
    (given,) = (_parser().parse_args(command) for command in commands)
    assert job["artifacts"]["paths"] == [str(given.out)]
    assert job["artifacts"]["reports"]["junit"] == f"{given.out}/junit.xml"
