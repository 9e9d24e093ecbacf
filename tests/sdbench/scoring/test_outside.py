"""Metrics, formulas and extractors from outside: how they are found, checked, stored and reported."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from metrics import evaluate
from sdbench.cli import main
from sdbench.core.errors import InputError, SpecError
from sdbench.scoring.extract import Beside, image_features
from sdbench.scoring.extractors import build_extractor, features_identity
from sdbench.scoring.outside import found, resolve
from sdbench.scoring.protocols import protocol_of
from sdbench.spec import load_spec
from sdbench.sweep.names import check_names

MODULE = """
import numpy as np
import torch
from metrics import Estimate

def mean_of(images):
    return images.mean(axis=(1, 2, 3))
mean_of.better = "higher"
mean_of.label = "Brightness"

def letters(images, prompts, weight=1.0):
    return torch.tensor([weight * len(prompt) for prompt in prompts])
letters.better = "lower"

def distance(images, references):
    difference = images.astype(float) - references
    images[:] = 0
    return np.abs(difference).mean(axis=(1, 2, 3))
distance.better = "lower"

class Level:
    better = "higher"
    digest = "weights"
    def __init__(self, power, device):
        self.power, self.device = power, device
    def __call__(self, images):
        return (images / 255.0).mean(axis=(1, 2, 3)) ** self.power

class Tiles:
    dim = 12
    def __init__(self, side=2):
        self.side = side
    def images(self, images):
        batch, height, width, _ = images.shape
        shape = (batch, self.side, height // self.side, self.side, width // self.side, 3)
        return images.reshape(shape).mean(axis=(2, 4)).reshape(batch, 12) / 255
    def texts(self, texts):
        return np.array([[len(text) + place for place in range(12)] for text in texts])

def spread(*, generated):
    squares = ((generated - generated.mean(axis=0)) ** 2).sum(axis=1)
    return Estimate(float(squares.mean()), float(squares.std()), len(squares), squares)
spread.better = "higher"

def gap(*, generated, real, text):
    return abs(generated.mean() - real.mean()) + 0 * text.sum()
gap.better = "lower"

number = 3
def without_direction(images):
    return images.mean(axis=(1, 2, 3))
def takes_no_images(prompts):
    return [0] * len(prompts)
takes_no_images.better = "lower"
def asks_for_more(images, threshold):
    return [0] * len(images)
asks_for_more.better = "lower"
def raises(images):
    raise RuntimeError("two\\nlines")
raises.better = "lower"
def one_number(images):
    return 3.0
one_number.better = "lower"
def words(images):
    return ["a"] * len(images)
words.better = "lower"
def not_a_number(images, prompts):
    return [0.0] * (len(images) - 1) + [float("nan")]
not_a_number.better = "lower"
class NoDim:
    def images(self, images):
        return images
class Short(Tiles):
    def images(self, images):
        return np.zeros((len(images), 11))
class Infinite(Tiles):
    def images(self, images):
        return np.full((len(images), 12), np.inf)
class Broken:
    def __init__(self):
        raise OSError("no file of weights")
def wrong_estimate(*, generated):
    return Estimate(float("nan"), None, len(generated), None)
wrong_estimate.better = "lower"
def two_numbers(*, generated):
    return 1, 2
two_numbers.better = "lower"
"""
IMAGES = np.random.default_rng(3).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
NOTHING = Beside()
Run = Callable[..., Any]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield the file of an importable module `plugged`, of the package `plugged` 1.0."""
    folder = tmp_path / "plugins"
    facts = folder / "plugged-1.0.dist-info"
    facts.mkdir(parents=True)
    (folder / "plugged.py").write_text(MODULE)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[sdbench.metrics]\nbright = plugged:mean_of\n[sdbench.extractors]\ntiles = plugged:Tiles\n"
    )
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    yield folder / "plugged.py"
    forget()


def forget() -> None:
    """Let every part be looked up anew, as another process does."""
    for name in [name for name in sys.modules if name == "plugged" or name.startswith("sdbench_outside_")]:
        del sys.modules[name]
    for cached in (found.find, resolve.outside_protocol, build_extractor):
        cached.cache_clear()


def values_of(name: str, beside: Beside = NOTHING) -> np.ndarray:
    extractor = build_extractor(protocol_of(name).extractor, "cpu")
    return image_features({name: extractor}, [IMAGES[:3], IMAGES[3:]], beside)[name]


@pytest.mark.parametrize("form", ["plugged:mean_of", "ext:Plugged/bright", "{}:mean_of"])
def test_every_form_gives_the_mean_with_its_error_and_names_its_origin(module: Path, form: str) -> None:
    name = form.format(module)
    protocol, expected = protocol_of(name), IMAGES.mean(axis=(1, 2, 3))
    estimate = evaluate(protocol, generated=values_of(name))
    assert estimate.value == pytest.approx(expected.mean(), rel=1e-7)
    assert estimate.standard_error == pytest.approx(expected.std(ddof=1) / 2, rel=1e-6)
    origin = "plugged.py" if form[0] == "{" else "plugged 1.0"
    digest = protocol.source.removeprefix(f"{origin} sha256:")
    assert len(digest) == 64
    assert protocol.label == f"Brightness ({origin}, {digest[:12]})"
    assert (protocol.formula.better, protocol.formula.is_mean) == ("higher", True)


def test_prompts_references_and_arguments_reach_the_function(module: Path) -> None:
    texts = ["a", "bb", "ccc", "dddd"]
    name = "plugged:letters?weight=0.5"
    assert protocol_of(name).needs_prompts
    assert values_of(name, Beside(texts))[:, 0].tolist() == [0.5, 1.0, 1.5, 2.0]
    assert protocol_of("plugged:distance").needs_real_images
    before = IMAGES.copy()
    beside = Beside(texts, lambda start, end: 255 - IMAGES[start:end])
    expected = np.abs(2.0 * IMAGES - 255).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(values_of("plugged:distance", beside)[:, 0], expected, rtol=1e-6)
    assert (before == IMAGES).all()
    level = values_of("plugged:Level?power=2")[:, 0]
    np.testing.assert_allclose(level, (IMAGES / 255).mean(axis=(1, 2, 3)) ** 2, rtol=1e-6)


def test_formulas_and_extractors_combine(module: Path) -> None:
    rows = build_extractor("ext:plugged/tiles", "cpu").images(IMAGES)
    tiles = protocol_of("kernel@ext:plugged/tiles")
    assert tiles.formula == protocol_of("kd-shapes-clip").formula
    assert tiles.label.startswith("Kernel distance, unbiased (tiles; plugged 1.0, ")
    spread = protocol_of("plugged:spread@plugged:Tiles")
    assert evaluate(spread, generated=rows).value == pytest.approx(rows.var(axis=0).sum())
    gap = protocol_of("plugged:gap@clip-vit-l-14")
    assert (gap.extractor, gap.formula.needs_reference, gap.formula.needs_text) == (
        "clip-vit-l-14",
        True,
        True,
    )
    assert gap.resize == protocol_of("clip-score-vit-l-14").resize
    real = resolve.np.asarray(rows[:2])
    estimate = gap.formula.estimate(generated=rows, real=real, text=rows)
    assert estimate.value == pytest.approx(abs(rows.mean() - real.mean()))
    assert estimate.note == "no standard error: the formula gives none"


def test_code_and_arguments_are_part_of_the_identity(module: Path) -> None:
    def identity(query: str = "") -> str:
        return features_identity(build_extractor(f"values@plugged:Level?power={query or 1}", "cpu"))

    first, source = identity(), protocol_of("plugged:Level?power=1").source
    assert identity("2") != first
    module.write_text(MODULE + "# changed\n")
    forget()
    assert identity() != first
    assert protocol_of("plugged:Level?power=1").source != source
    module.write_text(MODULE.replace('"weights"', '"other weights"'))
    forget()
    changed = identity()
    module.write_text(MODULE)
    forget()
    assert len({identity(), changed}) == 2
    assert identity() == first
    distance = build_extractor("values@plugged:distance", "cpu")
    assert features_identity(distance, "a") != features_identity(distance, "b")


FAULTS = {
    "plugged:no_such": "metric 'plugged:no_such' cannot be imported: AttributeError",
    "no_such_module:f": "metric 'no_such_module:f' cannot be imported: ModuleNotFoundError",
    "no_such.py:f": "metric 'no_such.py:f' cannot be imported: FileNotFoundError",
    "ext:plugged/bight": "no installed package has it: did you mean 'ext:plugged/bright'?",
    "plugged:number": "'plugged:number' is neither a function nor a class: 3",
    "plugged:without_direction": "'plugged:without_direction' does not say which direction is better",
    "plugged:takes_no_images": "takes no 'images': its parameters are prompts",
    "plugged:asks_for_more": "needs a value for its parameter 'threshold': give it in args",
    "plugged:mean_of?size=3": "with {'size': 3} raises TypeError: got an unexpected keyword argument 'size'",
    "plugged:Broken@plugged:Tiles": "formula 'plugged:Broken' takes no 'generated'",
    "frechett@plugged:Tiles": "unknown formula 'frechett': did you mean 'frechet'",
    "plugged:spread@shapes-clap": "unknown extractor 'shapes-clap': did you mean 'shapes-clip'",
    "frechet@plugged:NoDim": "extractor 'plugged:NoDim' has no 'dim'",
    "frechet@plugged:Broken": "extractor 'plugged:Broken' with {} raises OSError: no file of weights",
    "frechet@plugged:Short": "plugged:Short: returns an array [3, 11], not [3, 12]",
    "frechet@plugged:Infinite": "returns NaN or infinity for 3 of 3",
    "plugged:raises": "plugged:raises: raises RuntimeError: two lines",
    "plugged:one_number": "returns an array [] for 3 images, not [3]",
    "plugged:words": "returns list, not numbers: ValueError",
    "plugged:not_a_number": "returns NaN or infinity for 1 of 3 images, the first for the prompt 'c'",
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_that_names_the_part(module: Path, name: str) -> None:
    with pytest.raises(InputError) as error:
        values_of(name, Beside(["a", "b", "c", "d"]))
    assert FAULTS[name] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def with_plugins(module: Path, tiny: dict[str, Any]) -> dict[str, Any]:
    """A spec of a run whose images are there, with metrics from outside by every form."""
    plugged = [
        "plugged:mean_of",
        f"{module}:mean_of",
        "kernel@ext:plugged/tiles",
        "plugged:spread@plugged:Tiles",
    ]
    paired = {"name": "plugged:letters", "args": {"weight": 0.5}}
    return {**tiny, "metrics": ["clip-score-vit-l-14", *plugged, paired], "images": "all"}


def names_of(content: dict[str, Any]) -> list[str]:
    return [name if isinstance(name, str) else "plugged:letters?weight=0.5" for name in content["metrics"]]


def test_a_run_takes_metrics_from_outside_as_its_own(
    with_plugins: dict[str, Any], tiny: dict[str, Any], tmp_path: Path, run_tiny: Run,
    spec_file: Callable[[dict[str, Any]], Path], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    root, names = tmp_path / "run", names_of(with_plugins)
    run_tiny({**tiny, "metrics": ["clip-score-vit-l-14"]}, root)
    outcome = run_tiny(with_plugins, root)
    assert (outcome.images_made, outcome.images_found) == (0, 12)
    results = pd.read_csv(root / "results.csv", keep_default_na=False)
    assert list(results["protocol"][:6]) == names
    mine = results[results["protocol"] == "plugged:mean_of"]
    files = sorted((root / "images").iterdir())
    for value, error, cell in zip(mine["value"], mine["standard_error"], mine["cell"], strict=True):
        images = [np.asarray(Image.open(path)).mean() for path in (root / "images" / cell).glob("*.png")]
        assert (value, float(error)) == pytest.approx(
            (np.mean(images), np.std(images, ddof=1) / 6**0.5), rel=1e-6
        )
    assert len(files) == 2
    assert mine["metric_source"].str.startswith("plugged 1.0 sha256:").all()
    assert (results[results["protocol"] == "clip-score-vit-l-14"]["metric_source"] == "").all()
    comparisons = pd.read_csv(root / "comparisons.csv").set_index("protocol")
    assert comparisons.loc[names, "standard_error"].notna().all()
    images = pd.read_parquet(root / "images.parquet")
    assert {"score_plugged:mean_of", "score_plugged:letters?weight=0.5"} <= set(images.columns)
    assert (images["score_plugged:letters?weight=0.5"] == images["prompt"].str.len() / 2).all()
    assert "plugged 1.0" in (root / "protocols.csv").read_text()
    before = tables(root)
    assert main(["score", str(root)]) == 0
    assert tables(root) == before
    page = (root / "report" / "index.html").read_text(encoding="utf-8")
    assert "Brightness" in page
    assert main(["diff", str(root), str(root)]) == 0
    assert "Brightness (plugged 1.0" in capsys.readouterr().out
    load_spec(root / "spec.yaml")


def tables(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.glob("*.csv")}


def test_what_fails_loses_no_image(
    module: Path, tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "run"
    late = """
calls = 0
def late(images):
    global calls
    calls += 1
    if calls > 2:
        raise RuntimeError("full")
    return [1.0] * len(images)
late.better = "higher"
"""
    module.write_text(MODULE + late)
    content = {**tiny, "metrics": ["plugged:late", "clip-score-vit-l-14"]}
    with pytest.raises(InputError, match=r"^plugged:late: raises RuntimeError: full$"):
        run_tiny(content, root)
    kept = {path: path.read_bytes() for path in (root / "images").rglob("*.png")}
    assert len(kept) >= 4
    module.write_text(MODULE + late.replace("calls > 2", "False"))
    forget()
    outcome = run_tiny(content, root)
    assert outcome.images_made == 12 - len(list((root / "shards").rglob("*")) and kept)
    assert {path: path.read_bytes() for path in kept} == kept


SPEC_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "half a form": ({"metrics": ["plugged:"]}, "metrics.0: 'plugged:' is not of the form module:function"),
    "both built in": (
        {"metrics": ["kernel@inception-v3"]},
        "FORMULA@EXTRACTOR is for a formula or",
    ),
    "arguments of a built-in": ({"metrics": ["fid-inception-tf?a=1"]}, "is not of the form module:function"),
    "args of a built-in": (
        {"metrics": ["a:b@inception-v3?a=1"]},
        "inception-v3 is built in and takes no",
    ),
    "no value": ({"metrics": ["plugged:Level?power"]}, "is not written NAME?key=value&key=value"),
    "another key": (
        {"metrics": [{"nam": "a:b"}]},
        "metrics.0: unknown key 'nam'; did you mean 'name'?",
    ),
    "no name": ({"metrics": [{"args": {}}]}, "metrics.0: needs the key name"),
    "args as a list": (
        {"metrics": [{"name": "a:b", "args": [1]}]},
        "metrics.0: args of a:b are not",
    ),
    "twice": ({"metrics": ["a:b?x=1", {"name": "a:b", "args": {"x": 1}}]}, "metrics: a:b?x=1 is given twice"),
}


@pytest.mark.parametrize("name", SPEC_FAULTS)
def test_a_wrong_entry_of_a_spec_is_one_line(
    name: str, tiny: dict[str, Any], spec_file: Callable[[dict[str, Any]], Path]
) -> None:
    changes, expected = SPEC_FAULTS[name]
    with pytest.raises(SpecError) as error:
        load_spec(spec_file({**tiny, **changes}))
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_arguments_survive_as_text(tiny: dict[str, Any], spec_file: Callable[[dict[str, Any]], Path]) -> None:
    args = {"a": 1, "b": 0.5, "c": "on", "d": [1, 2], "e": {"f": None}, "g": "x & y = z?", "h": "", "i": "é@"}
    spec = load_spec(spec_file({**tiny, "metrics": [{"name": "no_such.module:f", "args": args}]}))
    assert resolve.parse_metric_name(spec.metrics[0]).args == args
    assert " " not in spec.metrics[0]
    written = spec_file(json.loads(json.dumps(tiny)))
    written.write_text(spec.to_yaml())
    assert load_spec(written) == spec


def test_names_are_looked_up_when_a_run_is_prepared(
    module: Path, tiny: dict[str, Any], spec_file: Callable[[dict[str, Any]], Path]
) -> None:
    spec = load_spec(spec_file({**tiny, "metrics": ["clip-score-vit-l-14", "plugged:number"]}))
    with pytest.raises(SpecError, match=r"^metrics.1: metric 'plugged:number' is neither"):
        check_names(spec)
    without = {key: value for key, value in tiny.items() if key != "reference"}
    spec = load_spec(spec_file({**without, "metrics": ["plugged:gap@plugged:Tiles"]}))
    with pytest.raises(SpecError, match=r"^reference: missing, and plugged:gap@plugged:Tiles compares"):
        check_names(spec)
