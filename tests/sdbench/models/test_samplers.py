"""Samplers that are not built in: how they are found, tried, identified and used in a run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from reference_model.config import ScheduleConfig
from reference_model.samplers import SAMPLERS, nfe
from reference_model.schedule import Schedule
from sdbench.core.errors import InputError, SpecError
from sdbench.models.samplers import resolve_sampler, sampler_identity
from sdbench.spec import ExperimentSpec, SweepSpec
from sdbench.sweep.names import check_names
from sdbench.sweep.planning import make_cells

MODULE = """
import torch
from reference_model.samplers import Sampler, Step, ddim, euler
from reference_model.schedule import Schedule

number = 3
record = Sampler(euler, lambda schedule, steps, eta: Schedule.grid(schedule, steps, 0.0))
no_grid = Sampler(euler, lambda schedule, steps, eta: None)

def mine(denoise, x, grid, draw):
    yield from ddim(denoise, x, grid, draw)

def returns_nothing(denoise, x, grid, draw):
    pass

def yields_nothing(denoise, x, grid, draw):
    return iter(())

def raises(denoise, x, grid, draw):
    raise RuntimeError("two\\nlines")

def raises_beyond_ten_steps(denoise, x, grid, draw):
    if len(grid.timesteps) > 10:
        raise RuntimeError("too many")
    yield from ddim(denoise, x, grid, draw)

def yields_tensors(denoise, x, grid, draw):
    yield x

def wrong_shape(denoise, x, grid, draw):
    yield Step(x[:, :1], x, x)

def not_finite(denoise, x, grid, draw):
    yield Step(x / 0, x, x)

def bare_timestep(denoise, x, grid, draw):
    yield Step(denoise(x, grid.timesteps[0]), x, x)
"""
SCHEDULE = Schedule(ScheduleConfig())


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield the file of an importable module `plugin`."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / "plugin.py").write_text(MODULE)
    (folder / "broken.py").write_text("1 / 0")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    yield folder / "plugin.py"
    sys.modules.pop("plugin", None)
    resolve_sampler.cache_clear()
    sampler_identity.cache_clear()


def walk(name: str, eta: float = 0.0) -> torch.Tensor:
    sampler = resolve_sampler(name)
    grid = sampler.grid(SCHEDULE, 20, eta)
    x = torch.ones(1, 4, 2, 2)
    *_, last = sampler.run(lambda x, t: x / 2, x, grid, lambda: torch.ones_like(x))
    return last.x


def test_built_in_names_are_the_built_in_samplers() -> None:
    assert {name: resolve_sampler(name) for name in SAMPLERS} == SAMPLERS
    assert {sampler_identity(name) for name in SAMPLERS} == {None}


@pytest.mark.parametrize("eta", [0.0, 0.5])
def test_a_function_walks_the_ddim_grid_with_eta(module: Path, eta: float) -> None:
    assert torch.equal(walk("plugin:mine", eta), walk("ddim", eta))


def test_a_record_brings_its_own_grid(module: Path) -> None:
    sampler = resolve_sampler("plugin:record")
    assert not sampler.takes_eta
    assert nfe(sampler, sampler.grid(SCHEDULE, 30, 0.0)) == 31


def test_a_package_offers_a_sampler_by_an_entry_point(module: Path) -> None:
    package = module.parent / "their_package-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[sdbench.samplers]\ntheirs = plugin:mine\n")
    assert torch.equal(walk("theirs"), walk("ddim"))
    assert sampler_identity("theirs") == sampler_identity("plugin:mine")
    with pytest.raises(InputError, match="unknown sampler 'thairs': did you mean 'theirs'"):
        resolve_sampler("thairs")


def test_the_current_folder_is_searched(
    module: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "beside_the_spec.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    assert torch.equal(walk("beside_the_spec:mine"), walk("ddim"))


def test_the_sampler_in_the_docs_is_ddim(module: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "samplers.md").read_text(encoding="utf-8")
    module.write_text(page.split("```python\n")[1].split("```")[0])
    torch.testing.assert_close(walk("plugin:mine"), walk("ddim"))


FAULTS = {
    "plsm": "unknown sampler 'plsm': did you mean 'plms'?",
    "no_such_module:mine": "'no_such_module:mine' cannot be imported: ModuleNotFoundError: No module named",
    "broken:mine": "'broken:mine' cannot be imported: ZeroDivisionError: division by zero",
    "plugin:no_such": "'plugin:no_such' cannot be imported: AttributeError",
    "plugin:": "'plugin:' is not of the form module:function",
    "plugin.py:mine:x": "'plugin.py:mine:x' is not of the form module:function",
    "plugin:number": "'plugin:number' is not a function: 3",
    "plugin:no_grid": "'plugin:no_grid': its grid is not a Grid: None",
    "plugin:returns_nothing": "'plugin:returns_nothing' raises TypeError: 'NoneType' object is not iterable",
    "plugin:yields_nothing": "'plugin:yields_nothing' yields nothing",
    "plugin:raises": "'plugin:raises' raises RuntimeError: two lines",
    "plugin:yields_tensors": "'plugin:yields_tensors' must yield Step, not Tensor",
    "plugin:wrong_shape": "'plugin:wrong_shape' yields the wrong shape: [2, 1, 8, 8] instead of [2, 4, 8, 8]",
    "plugin:not_finite": "'plugin:not_finite': its result is not finite",
    "plugin:bare_timestep": "the denoiser takes x [B, C, h, w] and timesteps [B], got [2, 4, 8, 8] and []",
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line(module: Path, name: str) -> None:
    with pytest.raises(InputError) as error:
        resolve_sampler(name)
    assert FAULTS[name] in str(error.value)
    assert "\n" not in str(error.value)


def test_a_fault_on_the_way_names_the_sampler(module: Path) -> None:
    sampler = resolve_sampler("plugin:raises_beyond_ten_steps")
    with pytest.raises(ValueError, match="'plugin:raises_beyond_ten_steps' raises RuntimeError: too many"):
        nfe(sampler, sampler.grid(SCHEDULE, 20, 0.0))


def sweep(**sampler: object) -> SweepSpec:
    content = {
        "name": "third-party",
        "checkpoints": ["shapes-v1-4"],
        "samplers": [{"steps": 5, **sampler}],
        "guidance_scales": [2],
        "prompts": ["any"],
        "image_size": 64,
        "seed": 1,
    }
    return SweepSpec.model_validate(content)


def test_names_and_eta_of_a_spec_are_looked_up(module: Path) -> None:
    check_names(sweep(name="plugin:mine", eta=0.5))
    for name in ("plugin:record", "plms", "dpm-solver++", "euler-ancestral"):
        check_names(sweep(name=name))
        with pytest.raises(SpecError, match=r"^samplers.0: eta must be 0 for .*; ddim takes eta up to 1"):
            check_names(sweep(name=name, eta=0.5))
    with pytest.raises(
        SpecError, match=r"^samplers.0.name: .*'plugin:raises' raises RuntimeError: two lines"
    ):
        check_names(sweep(name="plugin:raises"))
    with pytest.raises(SpecError, match=r"^samplers.0.name: unknown sampler 'plmz': did you mean"):
        check_names(sweep(name="plmz"))


def test_another_source_is_another_cell(module: Path) -> None:
    def folder() -> str:
        sampler_identity.cache_clear()
        spec = ExperimentSpec.model_validate(
            {
                "name": "third-party",
                "checkpoints": ["sd-v1-4"],
                "samplers": [{"name": "plugin:mine", "steps": 5}],
                "guidance_scales": [2],
                "prompts": ["any"],
                "image_size": 64,
                "seed": 1,
                "batch_size": 1,
                "unit_size": 1,
                "metrics": ["clip-score-vit-l-14"],
            }
        )
        source = SimpleNamespace(guided_by=lambda: "guidance_scale")
        checkpoint: Any = SimpleNamespace(
            name="sd-v1-4", weights_digest="w", config_digest="c", source=source
        )
        (cell,) = make_cells(spec, [checkpoint])
        return cell.folder

    first = folder()
    assert first.startswith("sd-v1-4_plugin.mine5_s2_")
    assert first == folder()
    module.write_text(MODULE + "# changed\n")
    assert first != folder()


def test_a_sweep_over_samplers(
    module: Path, tiny: dict[str, Any], tmp_path: Path, run_tiny: Callable[[dict[str, Any], Path], Any]
) -> None:
    """All samplers make images, all different except those of the third-party one, which equals DDIM."""
    names = [*SAMPLERS, "plugin:mine"]
    content = {
        **tiny,
        "samplers": [{"name": name, "steps": 4} for name in names],
        "guidance_scales": [2],
        "prompts": tiny["prompts"][:2],
        "unit_size": 2,
    }
    run_tiny(content, tmp_path / "run")
    pixels = {
        folder.name.split("_")[1]: tuple(path.read_bytes() for path in sorted(folder.glob("*.png")))
        for folder in (tmp_path / "run" / "images").iterdir()
    }
    assert len(pixels) == len(names)
    assert pixels["plugin.mine4"] == pixels["ddim4"]
    assert len(set(pixels.values())) == len(names) - 1
