"""docs/extending.md is followed as it stands: its files, changes and commands, in a copy of the packages."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from reference_model.config import ScheduleConfig
from reference_model.samplers import SAMPLERS
from reference_model.schedule import Schedule
from sdbench.models.samplers import resolve_sampler
from sdbench.scoring.extractors import build_extractor

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r'^```(\w+) title="([^"]+)"\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE)
COMMANDS = re.findall(r"^    (sdbench .*)$", PAGE, re.MULTILINE)
CHANGED = ("sdbench", "metrics", "reports")
UNCHANGED = ("reference_model", "experiments")
PACKAGE_FILES = ("my_package.py", "my_metrics.py", "pyproject.toml")


@dataclass(frozen=True)
class Followed:
    """The folder that the commands ran in, and what each of them printed."""

    folder: Path
    printed: dict[str, str]


def change(text: str, diff: str) -> str:
    """Apply a diff without line numbers; dots part its hunks, each of which must fit at one place."""
    for hunk in re.split(r"^\.\.\.\n", diff, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] != "+")
        after = "".join(line[1:] for line in lines if line[0] != "-")
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    copy, work, installed = (tmp_path_factory.mktemp(name) for name in ("copy", "work", "installed"))
    for package in CHANGED:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for package in UNCHANGED:
        (copy / package).symlink_to(ROOT / package)
    for kind, title, text in BLOCKS:
        place = copy if "/" in title else installed if title in PACKAGE_FILES else work
        path = place / title
        path.write_text(change(path.read_text(), text) if kind == "diff" else text)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", installed / "site", installed], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(copy), str(installed / "site")])}
    printed = {}
    for command in COMMANDS:
        arguments = [sys.executable, "-m", *shlex.split(command)]
        done = subprocess.run(
            arguments, cwd=work, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        printed[command] = done.stdout
    return Followed(work, printed)


def results(path: Path) -> pd.DataFrame:
    return pd.read_csv(path / "results.csv")


def test_every_part_of_the_table_is_shown_and_its_registry_is_where_the_page_says() -> None:
    registries = re.findall(r"\| `(\w+)`(?: or `\w+`)?, `([\w/]+\.py)` \|", PAGE)
    assert len(registries) == 9
    for name, file in registries:
        assert re.search(rf"^{name}\b.* = ", (ROOT / file).read_text(), re.MULTILINE), (name, file)


def test_the_sampler_draws_what_ddim_draws(followed: Followed) -> None:
    assert (followed.folder / "grid.png").is_file()
    grid = SAMPLERS["ddim"].grid(Schedule(ScheduleConfig()), 10, 0.0)
    noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def last(name: str) -> torch.Tensor:
        *_, step = resolve_sampler(name).run(lambda x, t: x * 0.3 + t[0] / 1000, noise, grid, None)
        return step.x

    torch.testing.assert_close(last(f"{followed.folder}/my_sampler.py:deterministic"), last("ddim"))


def test_the_model_of_the_package_is_swept(followed: Followed) -> None:
    found = results(followed.folder / "runs" / "noise")
    assert list(found["checkpoint"].unique()) == ["noise"]
    assert list(found["n"]) == [8, 8]
    manifest = json.loads((followed.folder / "runs" / "noise" / "manifest.json").read_text())
    assert manifest["checkpoints"]["noise"]["distribution"] == "my-package 1.0"


def test_metrics_of_the_package_and_of_a_file_are_measured(followed: Followed) -> None:
    run = followed.folder / "runs" / "noise-own"
    names = [
        "ext:my-package/colourfulness",
        "my_metrics:length_gap?weight=0.5",
        "own.py:sharpness",
        "kernel@ext:my-package/columns",
        "my_metrics:spread@shapes-clip",
    ]
    found = results(run).set_index("protocol")
    assert list(found.index[: len(names)]) == names
    assert (found["standard_error"] > 0).all()
    assert found.loc["own.py:sharpness", "metric_source"].str.startswith("own.py sha256:").all()
    others = found.drop(index="own.py:sharpness")["metric_source"]
    assert others.str.startswith("my-package 1.0 sha256:").all()
    comparisons = pd.read_csv(run / "comparisons.csv").set_index("protocol")
    assert (comparisons.loc[names, "standard_error"] > 0).all()
    page = (run / "report" / "index.html").read_text(encoding="utf-8")
    assert "colourfulness (my-package 1.0, " in page
    assert json.loads((run / "manifest.json").read_text())["images_made"] == 16
    scored = results(followed.folder / "scores" / "own").set_index("protocol")["value"]
    expected = found["value"].groupby(level=0, sort=False).mean()[scored.index]
    np.testing.assert_allclose(scored, expected, rtol=1e-6)


def test_the_metric_and_the_extractor_measure_the_images(followed: Followed) -> None:
    files = sorted((followed.folder / "runs" / "noise" / "images").rglob("*.png"))
    images = np.stack([np.asarray(Image.open(file)) for file in files])
    features = build_extractor("shapes-clip", "cpu").images(images).astype(np.float64)
    printed = followed.printed
    scored = [text for command, text in printed.items() if command.startswith("sdbench score runs/noise/")]
    spread, distance = scored
    assert f"{features.var(axis=0).sum():.6g}" in spread
    assert "kd-tiles" in distance
    found = results(followed.folder / "scores" / "images")
    assert list(found["protocol"]) == ["kd-tiles"]
    assert found["value"][0] > 0
    assert found["standard_error"][0] > 0


def test_the_executor_begins_with_the_last_unit_and_changes_no_result(followed: Followed) -> None:
    log = (followed.folder / "backwards.jsonl").read_text().splitlines()
    units = [event["unit"] for event in map(json.loads, log) if event["event"] == "unit"]
    assert [unit[:6] for unit in units] == ["000004", "000000"] * 2
    runs = followed.folder / "runs"
    assert (runs / "backwards" / "results.csv").read_bytes() == (runs / "noise" / "results.csv").read_bytes()


def test_the_section_is_on_the_page(followed: Followed) -> None:
    page = (followed.folder / "runs" / "noise" / "report" / "index.html").read_text(encoding="utf-8")
    assert "<p>Start noise by seed 1.</p>" in page
