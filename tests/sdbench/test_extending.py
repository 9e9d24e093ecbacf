"""The examples of docs/extending.md do what the page says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from jinja2 import Environment
from PIL import Image

import metrics.features as metric_features
from metrics import formulas, protocols
from metrics.compare import compare
from metrics.evaluate import evaluate
from reference_model import shapes
from reference_model.config import ScheduleConfig
from reference_model.samplers import SAMPLERS
from reference_model.schedule import Schedule
from reports.sections import Absent
from sdbench.cli import main
from sdbench.extractors import build_extractor, features_identity, is_at_hand
from sdbench.models import users
from sdbench.samplers import resolve_sampler

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


def entries(title: str, module: ModuleType, **more: Any) -> dict[str, Any]:
    """Return the entries of a registry in a block, read with the names of the registry's module."""
    opening, closing = ("{", "}") if title != "metrics/protocols.py" else ("dict([", "])")
    found: dict[str, Any] = eval(f"{opening}{BLOCKS[title]}{closing}", {**vars(module), **more})
    return found


def test_the_metric_is_scored_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spread = executed("metrics/spread.py")["spread_estimate"]
    for name, formula in entries("metrics/formulas.py", formulas, spread_estimate=spread).items():
        monkeypatch.setitem(formulas.FORMULAS, name, formula)
    added = entries("metrics/protocols.py", protocols)
    for name, protocol in added.items():
        monkeypatch.setitem(protocols.PROTOCOLS, name, protocol)
    images, _ = shapes.reference_set(6, 1)
    (tmp_path / "mine").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "mine" / f"{number}.png")
    command = [
        "score",
        str(tmp_path / "mine"),
        "--metrics",
        "spread-shapes-clip",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(command) == 0, capsys.readouterr().err
    results = pd.read_csv(tmp_path / "out" / "results.csv")
    features = build_extractor("shapes-clip", "cpu").images(images).astype(np.float64)
    assert results["value"][0] == pytest.approx(features.var(axis=0).sum())
    assert results["standard_error"][0] > 0
    narrow, wide = (spread(generated=features * factor) for factor in (1, 2))
    assert compare(wide, narrow).paired
    texts = features[::-1]
    score = evaluate(added["clip-score-x100-shapes"], generated=features, text=texts)
    cosines = (features * texts).sum(1) / np.linalg.norm(features, axis=1) / np.linalg.norm(texts, axis=1)
    assert score.value == pytest.approx(100 * cosines.mean())


def test_the_extractor_gives_colours_of_tiles_to_a_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    names = executed("metrics/features/tiles.py")
    factory = entries("metrics/features/__init__.py", metric_features, tiles=names["tiles"])["tiles-4"]
    monkeypatch.setitem(metric_features.EXTRACTORS, "tiles-4", factory)
    recipe = replace(protocols.PROTOCOLS["fd-shapes-clip"], name="fd-tiles", extractor="tiles-4")
    monkeypatch.setitem(protocols.PROTOCOLS, "fd-tiles", recipe)
    extractor = build_extractor("tiles-4", "cpu")
    assert (extractor.dim, is_at_hand("tiles-4")) == (factory.dim, True)
    assert len(features_identity(extractor)) == 64
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
    users.installed_models.cache_clear()
    try:
        content = {**tiny, "checkpoints": ["noise"], "samplers": [{"name": "default", "steps": 2}]}
        assert run_tiny(content, tmp_path / "run").images_made == 12
    finally:
        users.installed_models.cache_clear()


def test_the_executor_works_off_the_last_unit_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Worker:
        def __init__(self, job: object) -> None: ...
        def __enter__(self) -> Worker:
            return self

        def __exit__(self, *error: object) -> None: ...
        def do(self, unit: str, tick: object) -> str:
            return f"{unit} done"

    monkeypatch.setattr("sdbench.worker.Worker", Worker)
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
