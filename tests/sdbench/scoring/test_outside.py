"""Metrics, formulas and extractors from outside: how they are found, checked, stored and reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metrics import MetricsError, evaluate
from sdbench.core.errors import InputError
from sdbench.scoring.extract import Beside, image_features
from sdbench.scoring.extractors import build_extractor, features_identity
from sdbench.scoring.outside import resolve
from sdbench.scoring.protocols import protocol_of
from tests.sdbench.plugged import MODULE, forget

IMAGES = np.random.default_rng(3).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
NOTHING = Beside()


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
    assert [
        protocol_of(f"plugged:spread@{name}").needs_prompts for name in ("image-reward", "pickscore")
    ] == [
        True,
        False,
    ]
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


def test_results_of_formulas_are_checked(module: Path) -> None:
    rows = np.ones((4, 12))
    for name, expected in {
        "wrong_estimate": "'plugged:wrong_estimate' returns the value nan ± None",
        "two_numbers": "'plugged:two_numbers' returns 2 numbers, not an Estimate or one number",
    }.items():
        protocol = protocol_of(f"plugged:{name}@plugged:Tiles")
        with pytest.raises(MetricsError, match=expected):
            evaluate(protocol, generated=rows)
