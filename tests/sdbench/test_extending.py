"""The examples of docs/extending.md do what the page says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from jinja2 import Environment

from metrics.compare import compare
from metrics.evaluate import evaluate
from reference_model.config import ScheduleConfig
from reference_model.samplers import SAMPLERS
from reference_model.schedule import Schedule
from reports.sections import Absent
from sdbench.models import user_models
from sdbench.models.samplers import resolve_sampler

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
BLOCKS = dict(
    re.findall(
        r'^```\w+ title="([^"]+)"\n(.*?)^```', PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
)
Run = Callable[[dict[str, Any], Path], Any]


def executed(title: str) -> dict[str, Any]:
    """Run the code of a block and return its names."""
    names: dict[str, Any] = {}
    exec(compile(BLOCKS[title], title, "exec"), names)
    return names


def test_the_sampler_draws_what_ddim_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_sampler.py").write_text(BLOCKS["my_sampler.py"])
    monkeypatch.syspath_prepend(str(tmp_path))
    grid = SAMPLERS["ddim"].grid(Schedule(ScheduleConfig()), 10, 0.0)
    noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def last(name: str) -> torch.Tensor:
        *_, step = resolve_sampler(name).run(lambda x, t: x * 0.3 + t[0] / 1000, noise, grid, None)
        return step.x

    torch.testing.assert_close(last("my_sampler:deterministic"), last("ddim"))


def test_the_protocol_and_the_formula_give_figures() -> None:
    random = np.random.default_rng(0)
    images, texts = random.normal(size=(2, 40, 8)) + 1
    protocol = executed("metrics/protocols.py")["mine"]
    prompts = [f"prompt {i}" for i in range(40)]
    score = evaluate(protocol, generated=images, real=None, text=texts, prompts=prompts)
    cosines = (images * texts).sum(1) / np.linalg.norm(images, axis=1) / np.linalg.norm(texts, axis=1)
    assert score.value == pytest.approx(100 * cosines.mean())
    spread = executed("metrics/spread.py")["spread_estimate"]
    narrow, wide = (spread(generated=images * factor) for factor in (1, 2))
    assert wide.value == pytest.approx(4 * narrow.value)
    assert compare(wide, narrow).paired


def test_the_extractor_gives_colours_of_tiles() -> None:
    extractor = executed("metrics/features/tiles.py")["tiles"]()
    images = np.zeros((2, 8, 8, 3), np.uint8)
    images[1, :2, 2:4] = (255, 0, 51)
    features = extractor.images(images)
    assert features.shape == (2, extractor.dim)
    assert not features[0].any()
    np.testing.assert_allclose(features[1, 3:6], [1, 0, 0.2])
    assert features[1].astype(bool).sum() == 2


def test_the_callable_is_swept(
    tiny: dict[str, Any], run_tiny: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_package.py").write_text(BLOCKS["my_package.py"])
    facts = tmp_path / "my_package-0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    points = BLOCKS["pyproject.toml"].replace("project.entry-points.", "").replace('"', "")
    (facts / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(tmp_path))
    user_models.installed_models.cache_clear()
    try:
        content = {**tiny, "checkpoints": ["noise"], "samplers": [{"name": "default", "steps": 2}]}
        assert run_tiny(content, tmp_path / "run").images_made == 12
    finally:
        user_models.installed_models.cache_clear()


def test_the_executor_works_off_the_last_unit_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Worker:
        def __init__(self, job: object) -> None: ...
        def __enter__(self) -> Worker:
            return self

        def __exit__(self, *error: object) -> None: ...
        def do(self, unit: str, tick: object) -> str:
            return f"{unit} done"

    monkeypatch.setattr("sdbench.sweep.worker.Worker", Worker)
    open_pool = executed("sdbench/executors/backwards.py")["backwards_pool"]
    with open_pool(None, None, print) as pool:
        assert list(pool(["a", "b", "c"], None, lambda: False)) == ["c done", "b done", "a done"]
        assert list(pool(["a"], None, lambda: True)) == []


def test_the_section_shows_the_seeds_or_says_that_there_are_none() -> None:
    section = executed("reports/sections/seeds.py")["seeds"]

    def made(seeds: list[Any]) -> Any:
        results = pd.DataFrame({"seed": pd.array(seeds, dtype="Int64")})
        return section(SimpleNamespace(run=SimpleNamespace(results=results)))

    html = (
        Environment().from_string(BLOCKS["reports/templates/seeds.html.j2"]).render(made([7, 42, 7]).content)
    )
    assert html == "<p>Start noise by seed 7, 42.</p>"
    assert isinstance(made([pd.NA]), Absent)


def test_every_registry_of_the_table_is_where_the_page_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for names, path in re.findall(r"^\| [\w ]+ \| ([^|]*), `([\w/]+\.py)` \|", text, re.MULTILINE):
        source = (PAGE.parents[1] / path).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"^{name}\b", source, re.MULTILINE), (name, path)
