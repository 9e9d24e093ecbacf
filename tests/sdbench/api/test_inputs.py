"""Images, prompts and features in all the forms that people have them in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import sdbench
from metrics import clip_score_estimate, frechet_estimate, kernel_estimate
from metrics.kernel import KernelReference
from tests.sdbench.conftest import N, PixelExtractor

PROMPTS = [f"prompt {i}" for i in range(N)]


@pytest.fixture
def array(generated: Path) -> np.ndarray:
    """The images of the folder `generated`: uint8 [12, 7, 9, 3]."""
    return np.stack([np.asarray(Image.open(path)) for path in sorted(generated.glob("*.png"))])


FORMS: dict[str, Callable[[np.ndarray, Path], Any]] = {
    "folder": lambda array, folder: str(folder),
    "array": lambda array, folder: array,
    "channels first": lambda array, folder: np.moveaxis(array, 3, 1),
    "floats": lambda array, folder: array / 255,
    "tensor": lambda array, folder: torch.from_numpy(array).permute(0, 3, 1, 2),
    "half tensor": lambda array, folder: (torch.from_numpy(array).permute(0, 3, 1, 2) / 255).half(),
    "pictures": lambda array, folder: [Image.fromarray(image) for image in array],
    "arrays": lambda array, folder: list(array),
    "tensors": lambda array, folder: [torch.from_numpy(image).permute(2, 0, 1) / 255 for image in array],
    "paths": lambda array, folder: sorted(folder.glob("*.png")),
    "frame": lambda array, folder: pd.DataFrame({"file": sorted(map(str, folder.glob("*.png")))}),
}


@pytest.mark.parametrize("form", FORMS)
def test_images_of_every_form_have_the_same_value(
    form: str, array: np.ndarray, generated: Path, pixels: PixelExtractor
) -> None:
    expected = frechet_estimate(real=pixels.images(array[:6]), generated=pixels.images(array))
    found = sdbench.fid(FORMS[form](array, generated), array[:6], protocol="fid-inception-tf")
    assert found.value == pytest.approx(expected.value, rel=1e-3)
    assert found.protocol == "fid-inception-tf"


@pytest.mark.parametrize(
    "prompts",
    [
        PROMPTS,
        tuple(PROMPTS),
        np.array(PROMPTS),
        pd.Series(PROMPTS),
        pd.DataFrame({"prompt": PROMPTS}),
    ],
    ids=["list", "tuple", "array", "column", "frame"],
)
def test_prompts_of_every_form(prompts: Any, array: np.ndarray, pixels: PixelExtractor) -> None:
    expected = clip_score_estimate(generated=pixels.images(array), text=pixels.texts(PROMPTS))
    found = sdbench.clip_score(array, prompts)
    assert found.value == pytest.approx(expected.value, rel=1e-6)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=1e-6)


def test_features_of_every_form() -> None:
    rows = np.random.default_rng(1).normal(size=(200, 4))
    others = rows[::-1] * 1.1
    expected = kernel_estimate(generated=rows, real=KernelReference.of(others))
    for form in (np.asarray, torch.from_numpy, pd.DataFrame):
        found = sdbench.kid(form(rows.copy()), form(others.copy()))
        assert (found.value, found.standard_error) == (expected.value, expected.standard_error)
    assert "± " in repr(found)
    assert len(repr(found)) < 90
    assert "<b>" in found._repr_html_()
    low, high = found.interval or (0, 0)
    assert high - low == pytest.approx(2 * 1.96 * (found.standard_error or 0))
    assert sdbench.clip_score(rows, rows).value == pytest.approx(1)


def test_scores_as_tables(
    array: np.ndarray, pixels: PixelExtractor, capsys: pytest.CaptureFixture[str]
) -> None:
    array[3] = 0
    metrics = ["fid-inception-tf", "clip-score-vit-l-14"]
    scores = sdbench.score(array, prompts=PROMPTS, reference=list(array), metrics=metrics, progress=False)
    assert list(scores.estimates) == metrics
    assert list(scores.results["protocol"]) == list(scores.estimates)
    assert list(scores.images["flags"]) == ["" if i != 3 else "black" for i in range(N)]
    assert list(scores.flagged["image"]) == ["000003"]
    assert "1 flagged images (1 black) are included" in scores["clip-score-vit-l-14"].note
    assert repr(scores).startswith("Scores(fid-inception-tf ")
    assert "<td>clip-score-vit-l-14</td>" in scores._repr_html_()
    assert capsys.readouterr() == ("", "")


def test_two_sets_are_compared_pair_by_pair(
    array: np.ndarray, generated: Path, pixels: PixelExtractor
) -> None:
    metrics = "clip-score-vit-l-14"
    same = sdbench.compare(str(generated), list(array), prompts=PROMPTS, metrics=metrics, progress=False)
    assert (same.verdicts, same.passed) == (["identical"], True)
    assert repr(same) == "ImageComparison(identical (12 pairs): all pairs have the same pixels)"
    array = array.copy()
    array[2] = 0
    broken = sdbench.compare(str(generated), array, prompts=PROMPTS, metrics=metrics, progress=False)
    assert (broken.verdicts, broken.passed) == (["changed"], False)
    assert "<b>changed</b>" in broken._repr_html_()
    assert metrics in list(broken.measures["name"])


FLOATS = np.full((N, 7, 9, 3), 0.5)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: sdbench.score(FLOATS), "nothing to measure: give a reference, prompts, or metrics"),
        (lambda: sdbench.score(FLOATS, metrics="fid"), "unknown metric 'fid': "),
        (lambda: sdbench.fid(FLOATS, None), "fid-inception-clean compares with real images: give"),
        (lambda: sdbench.fid(FLOATS * 3, FLOATS), "images: floats must be from 0 to 1, these are from 1.5"),
        (lambda: sdbench.fid(FLOATS, FLOATS * np.nan), "reference: pixels hold NaN"),
        (lambda: sdbench.fid(FLOATS.astype(int), FLOATS), "images: pixels are int64; give uint8"),
        (lambda: sdbench.fid(FLOATS[0], FLOATS), "images: an array of images has 4 dimensions"),
        (lambda: sdbench.fid(FLOATS[..., :2], FLOATS), "images need 3 channels, first or last"),
        (lambda: sdbench.fid(FLOATS, FLOATS[0, 0]), "reference are features [n, d] and images are not"),
        (lambda: sdbench.fid(["a.png", 3], FLOATS), "images: str is not an image; give PIL images"),
        (lambda: sdbench.fid(FLOATS[:1], FLOATS), "images: 1 images, at least 2 are needed"),
        (lambda: sdbench.fid("nowhere", FLOATS), "images: nowhere not found"),
        (lambda: sdbench.fid(FLOATS, pd.DataFrame({"a": ["b"]})), "reference: the data frame has no column"),
        (
            lambda: sdbench.kid(FLOATS, FLOATS, protocol="kid"),
            "kid: protocol 'kid': did you mean 'kid-inception-tf'?",
        ),
        (lambda: sdbench.kid(np.ones((4, 2)), np.ones((4, 3))), "real features have 3 dimensions"),
        (lambda: sdbench.clip_score(FLOATS, ["x"]), "prompts: 1 prompts for 12 images; give one for each"),
        (lambda: sdbench.clip_score(FLOATS, [" "] * N), "prompts: entry 0 is ' ', not a text"),
        (lambda: sdbench.compare(FLOATS, FLOATS, prompts=["a\nb"] * N), "prompts: entry 0 has several lines"),
        (lambda: sdbench.compare("nowhere", FLOATS), "a: nowhere not found"),
        (lambda: sdbench.score(FLOATS, mapping="csvs"), "mapping 'csvs': did you mean 'csv'"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    call: Callable[[], object], expected: str, pixels: PixelExtractor
) -> None:
    with pytest.raises(sdbench.InputError) as caught:
        call()
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
