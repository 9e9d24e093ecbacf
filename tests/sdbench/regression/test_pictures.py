"""The figures of a failed case."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from sdbench.regression import Case, CaseResult, Verdict
from sdbench.regression.pictures import error_plot, worst_images

BEFORE, NOW, DIFFERENCE = (10, 20, 30), (10, 20, 130), (0, 0, 200)
PROMPT = "a small red square above a large blue circle and a yellow triangle, " * 4


def result_of(baseline, now):
    curve = {"x": np.full(20, 1e-3)}
    budget = {"x": np.full(20, 1e-6)}
    case = Case("shapes", "ddim", 20, 3.0)
    return CaseResult(case, Verdict.DRIFT, "1", "", curve, budget, (), baseline, now)


@pytest.fixture
def moved():
    """A result with five prompts; the last moved most and the first not at all."""
    baseline = np.full((5, 8, 8, 3), BEFORE, dtype=np.uint8)
    now = baseline.copy()
    now[1:4, 0, 0] = NOW
    now[4] = NOW
    return result_of(baseline, now)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_before_now_and_difference_are_side_by_side(moved):
    sheet = pixels(worst_images(moved, [PROMPT] * 5))
    places = [np.argwhere((sheet == colour).all(axis=2)) for colour in (BEFORE, NOW, DIFFERENCE)]
    columns = [place[:, 1] for place in places]
    assert columns[0].max() > columns[0].min() + 100  # readable, not thumbnails
    tops = [place[place[:, 0] < 500] for place in places]
    left, middle, right = (np.median(top[:, 1]) for top in tops)
    assert left < middle < right
    worst_first = places[1][places[1][:, 0] < sheet.shape[0] / 4]
    assert len(worst_first) > 0.9 * len(places[1]) * 64 / (64 + 3)


def test_long_prompts_are_wrapped_and_not_cut(moved):
    short, long = (pixels(worst_images(moved, [prompt] * 5)) for prompt in ("a circle", PROMPT))
    assert (long[:, -3:] == 255).all()
    assert (long[:60] != short[:60]).any()


def test_the_plot_takes_any_number_of_cases(moved):
    one, five = (pixels(error_plot([moved] * count)) for count in (1, 5))
    assert five.shape[0] > 1.5 * one.shape[0]
    assert (five[:, -1] == 255).all()
