"""The demonstration project, run by its own pytest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent / "third_party"


@pytest.fixture
def project(tmp_path):
    return Path(shutil.copytree(PROJECT, tmp_path / "project"))


def run_pytest(project, *more):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "sdbench.pytest_plugin", *more]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def test_a_project_tests_its_own_sampler(project):
    without = run_pytest(project)
    assert without.returncode == 1
    assert "no baseline" in without.stdout
    assert run_pytest(project, "--record-samplers").returncode == 0
    assert run_pytest(project).returncode == 0
    code = project / "my_sampler.py"
    code.write_text(code.read_text().replace("alpha_prev.sqrt() * x0", "alpha.sqrt() * x0"))
    changed = run_pytest(project, "-m", "sampler_regression")
    assert changed.returncode == 1
    assert "worse than allowed: gaussian/mine-20-g3" in changed.stdout
