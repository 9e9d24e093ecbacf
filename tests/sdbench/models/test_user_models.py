"""Models added by users: a YAML file in the home, a path in the spec, a callable of an installed package."""

from __future__ import annotations

import csv
import json
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sdbench.cli import main
from sdbench.core.errors import InputError, SamplingError
from sdbench.models import user_models
from sdbench.models.registry import known_names, locate, locate_all
from sdbench.models.sources import PipelineSource, ReferenceSource
from sdbench.runs.report import write_report
from sdbench.spec.model_entry import ModelEntry
from tests.sdbench.tiny_runs import GOLDENS

Run = Callable[[dict[str, Any], Path], Any]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "home" / "models").mkdir(parents=True)
    return tmp_path / "home"


def write(home: Path, file: str, **content: Any) -> Path:
    path = home / "models" / file
    path.write_text(yaml.safe_dump(content))
    return path


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str, version: str = "1.0") -> None:
    """Write a distribution with a module and an entry point, like an installed one."""
    (folder / "drawer.py").write_text(textwrap.dedent(code))
    facts = folder / "drawer-0.dist-info"
    facts.mkdir(exist_ok=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: drawer\nVersion: {version}\n")
    (facts / "entry_points.txt").write_text("[sdbench.models]\ndrawn = drawer:draw\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(__import__("sys").modules, "drawer", raising=False)
    user_models.installed_models.cache_clear()


@pytest.fixture(autouse=True)
def forget_installed() -> Any:
    yield
    user_models.installed_models.cache_clear()


DRAW = """
    import numpy as np

    def draw(prompts, seeds, settings):
        assert len(prompts) == len(seeds)
        shape = (settings.height, settings.width, 3)
        images = [np.random.default_rng(seed).integers(0, 256, shape) for seed in seeds]
        return [(image / settings.guidance_scale).astype(np.uint8) for image in images]
"""


def test_a_model_of_a_yaml_file_is_known_by_name(home: Path, tmp_path: Path) -> None:
    weights = home / "models" / "mine.safetensors"
    weights.write_bytes(b"")
    config = tmp_path / "config.yaml"
    config.write_text("")
    write(home, "mine.yaml", name="mine", path="mine.safetensors", config=str(config), use_ema=True)
    assert "mine" in known_names()
    # Relative paths start at the folder of the file, wherever the command runs.
    assert locate(ModelEntry(name="mine")) == ReferenceSource("mine", weights, config, use_ema=True)
    assert locate(ModelEntry(name="mine", use_ema=False)).use_ema is False


def test_a_pipeline_of_a_yaml_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(home, "fine.yaml", name="fine", diffusers="someone/fine-tuned", licence="their terms")
    with pytest.raises(InputError, match=r"fetch with: sdbench models fetch someone/fine-tuned$"):
        locate_all([ModelEntry(name="fine")])
    folder = home / "weights" / "someone--fine-tuned"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    assert locate(ModelEntry(name="fine")) == PipelineSource("fine", folder)
    assert main(["models", "info", "fine"]) == 0
    assert "licence: their terms" in capsys.readouterr().out
    assert main(["models", "list"]) == 0
    assert re.search(rf"^fine +diffusers pipeline, {re.escape(str(folder))}", capsys.readouterr().out, re.M)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"name": "a"}, "needs path, diffusers or base"),
        ({"name": "a", "path": "x", "diffusers": "y"}, "path and diffusers exclude each other"),
        ({"name": "a", "diffusers": "y", "config": "c"}, "config needs path"),
        ({"name": "a", "diffusers": "y", "use_ema": True}, "use_ema needs path"),
        ({"name": "a", "pth": "x"}, "pth: unknown key; did you mean 'path'?"),
        ({"name": "sd-v1-4", "path": "x"}, "the name 'sd-v1-4' is taken"),
        ({"name": "a/b", "path": "x"}, "name: 'a/b'; allowed: letters"),
    ],
)
def test_a_wrong_yaml_file_is_named(
    content: dict[str, Any], expected: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(home, "wrong.yaml", **content)
    assert main(["models", "list"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"sdbench: {path}: ")
    assert expected in err
    assert err.count("\n") == 1


def test_all_that_is_missing_is_fetched_by_one_command(home: Path) -> None:
    entries = [ModelEntry(name="sd-v1-1"), ModelEntry(name="x", diffusers="a/b"), ModelEntry(name="sd-v1-2")]
    with pytest.raises(InputError, match=r"fetch with: sdbench models fetch sd-v1-1 a/b sd-v1-2$"):
        locate_all(entries)


def test_either_layout_serves_a_published_name(home: Path) -> None:
    folder = home / "weights" / "CompVis--stable-diffusion-v1-2"
    folder.mkdir(parents=True)
    (folder / "model_index.json").write_text("{}")
    assert locate(ModelEntry(name="sd-v1-2")).path == folder
    (home / "weights" / "sd-v1-2.ckpt").write_bytes(b"")
    assert locate(ModelEntry(name="sd-v1-2")).path == home / "weights" / "sd-v1-2.ckpt"


def test_ema_weights_are_another_checkpoint() -> None:
    path, config = GOLDENS / "v1-tiny.ckpt", GOLDENS / "v1-tiny.yaml"
    plain, ema = (ReferenceSource("tiny", path, config, use_ema).files_digest() for use_ema in (None, True))
    assert plain != ema


def test_a_callable_of_an_installed_package_is_swept(
    home: Path, tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, DRAW)
    content = {**tiny, "checkpoints": ["drawn"], "samplers": [{"name": "default", "steps": 2}]}
    assert run_tiny(content, tmp_path / "run").images_made == 12
    with (tmp_path / "run" / "results.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["nfe"] for row in rows} == {""}  # not counted, so the column stays empty
    assert rows[0]["value"] != rows[2]["value"]
    assert "unknown" in write_report(tmp_path / "run").read_text()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())["checkpoints"]
    assert manifest["drawn"] == {"kind": "callable", "object": "drawer:draw", "distribution": "drawer 1.0"}

    again = run_tiny({**content, "batch_size": 1}, tmp_path / "run")
    assert (again.images_made, again.images_found) == (0, 12)
    alone = run_tiny({**content, "batch_size": 1, "unit_size": 32}, tmp_path / "alone")
    assert alone.images_made == 12
    pngs = sorted((tmp_path / "run" / "images").rglob("*.png"))
    assert len(pngs) == 12
    for png in pngs:  # a seed belongs to a prompt, not to a place in a batch
        assert png.read_bytes() == (tmp_path / "alone" / png.relative_to(tmp_path / "run")).read_bytes()


def test_a_callable_is_another_model_when_its_package_or_code_changes(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digest(code: str, version: str) -> str:
        install(tmp_path, monkeypatch, code, version)
        return locate(ModelEntry(name="drawn")).identify()

    first = digest(DRAW, "1.0")
    assert digest(DRAW, "1.0") == first
    others = [
        digest(DRAW, "1.1"),
        digest(DRAW + "\n    # edited in place\n", "1.0"),
        digest(DRAW + "\n    draw.identity = {'weights': 'b'}\n", "1.0"),
    ]
    assert len({first, *others}) == 4


@pytest.mark.parametrize(
    ("code", "error", "expected"),
    [
        (
            "import nothing_of_the_kind",
            InputError,
            "^checkpoint drawn: drawer:draw cannot be imported: No mod",
        ),
        ("draw = 3", InputError, "^checkpoint drawn: drawer:draw is not callable"),
        (
            "import numpy as np\ndraw = lambda p, s, c: np.zeros((len(p), 8, 8, 3), np.uint8)",
            SamplingError,
            r"the model returned uint8 \[3, 8, 8, 3\], expected uint8 \[3, 64, 64, 3\]",
        ),
        (
            "import numpy as np\ndraw = lambda p, s, c: np.zeros((len(p), 64, 64, 3))",
            SamplingError,
            r"the model returned float64",
        ),
        ("def draw(prompts, seeds):\n    pass", SamplingError, "the model raised TypeError: draw.. takes 2"),
    ],
)
def test_a_callable_that_cannot_serve(
    code: str,
    error: type[Exception],
    expected: str,
    home: Path,
    tiny: dict[str, Any],
    tmp_path: Path,
    run_tiny: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(tmp_path, monkeypatch, code)
    with pytest.raises(error, match=expected):
        run_tiny({**tiny, "checkpoints": ["drawn"]}, tmp_path / "run")


def test_hidden_files_are_no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDBENCH_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "._mine.yaml").write_bytes(b"\x00\x05\x16\x07Mac OS X\xff\xfe")
    assert user_models.user_models() == {}
