"""The example project, run through its own pytest and its own command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3] / "examples" / "third-party-sampler"


@pytest.fixture
def project(tmp_path):
    return Path(shutil.copytree(PROJECT, tmp_path / "project"))


def run(project, *command):
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def run_pytest(project, *more):
    return run(project, "pytest", "-q", "-p", "sdbench.regression.pytest_plugin", *more)


def test_a_project_tests_its_own_sampler(project):
    assert run_pytest(project, "--record-samplers").returncode == 0
    assert run_pytest(project).returncode == 0
    by_command = run(project, "sdbench", "regress", "check", "--quick")
    assert by_command.returncode == 0, by_command.stderr
    assert "gaussian/mine-20-g3 " in by_command.stdout
    code = project / "my_sampler.py"
    code.write_text(code.read_text().replace("alpha_prev.sqrt() * x0", "alpha.sqrt() * x0"))
    changed = run_pytest(project, "-m", "sampler_regression")
    assert changed.returncode == 1
    assert "worse than allowed: gaussian/mine-20-g3" in changed.stdout
