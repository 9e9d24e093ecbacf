"""Scenes read off pictures: the truth of clean ones, and which statements of a caption hold."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch

from reference_model.shapes import evaluation_prompts, reference_set
from reference_model.shapes.captions import caption
from reference_model.shapes.reading import (
    KINDS,
    Sighting,
    View,
    backgrounds,
    check,
    figures,
    outlines,
    read_scenes,
    scenes,
    statements,
)
from reference_model.shapes.render import degrade, paint, to_uint8
from reference_model.shapes.scenes import SHAPES, sample_scenes

RED_CIRCLE = Sighting("circle", "red", "large", "striped", (16.0, 32.0), 0.05)
BLUE_STAR = Sighting("star", "blue", "small", "plain", (48.0, 32.0), 0.05)
SEEN = View((RED_CIRCLE, BLUE_STAR), "yellow", "checkered")


def failures(said: str, view: View) -> set[tuple[str, str]]:
    found = statements(said)
    return {(s.kind, s.word) for s, holds in zip(found, check(found, view), strict=True) if not holds}


def test_clean_scenes_bear_out_their_captions() -> None:
    images, captions = reference_set(48, seed=11)
    held: dict[str, list[bool]] = defaultdict(list)
    for text, view in zip(captions, read_scenes(images), strict=True):
        said = statements(text)
        for statement, holds in zip(said, check(said, view), strict=True):
            held[statement.kind].append(holds)
    assert set(held) == set(KINDS)
    for kind, results in held.items():
        assert np.mean(results) >= 0.99, kind


def test_a_view_says_what_the_scene_holds_and_no_more() -> None:
    """Statements skip what goes without saying; the view must get that right too."""
    scenes = sample_scenes(12, "reading", 0, 16)
    for scene, view in zip(scenes, read_scenes(to_uint8(paint(scenes))), strict=True):
        assert (view.background, view.style) == (scene.background.colour, scene.background.style)
        truth = {(f.shape, f.colour, f.size, f.texture) for f in scene.figures}
        assert {(f.shape, f.colour, f.size, f.texture) for f in view.figures} == truth
        for figure in scene.figures:
            nearest = min(np.hypot(*np.subtract(f.centre, figure.centre)) for f in view.figures)
            assert nearest < 1.5


def test_other_pictures_do_not_bear_a_caption_out() -> None:
    """Pictures of other scenes bear out statements about as rarely as chance does."""
    images, _ = reference_set(32, seed=13)
    held: dict[str, list[bool]] = defaultdict(list)
    for text, view in zip(evaluation_prompts(32, seed=13), read_scenes(images), strict=True):
        said = statements(text)
        for statement, holds in zip(said, check(said, view), strict=True):
            held[statement.kind].append(holds)
    assert np.mean(held["shape"]) < 0.35
    assert np.mean(held["colour"]) < 0.35
    assert np.mean(held["place"]) < 0.45


def test_pictures_without_figures_show_none() -> None:
    scenes = [replace(scene, figures=()) for scene in sample_scenes(14, "reading", 0, 12)]
    views = read_scenes(to_uint8(paint(scenes)))
    assert [view.figures for view in views] == [()] * 12
    assert [view.background for view in views] == [scene.background.colour for scene in scenes]


def test_what_fits_no_shape_has_no_shape() -> None:
    image = np.full((64, 64, 3), 255, np.uint8)
    image[::4, 8:56] = 0
    (view,) = read_scenes(image[None])
    assert all(figure.shape is None for figure in view.figures)
    assert not any(check(statements(f"a {shape}"), view) == (True,) for shape in SHAPES)


def test_what_is_left_out_at_low_resolution_changes_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(16)
    worn = degrade(paint(sample_scenes(16, "reading", 0, 24)), np.full(24, 0.2, np.float32))
    images = to_uint8(worn + random.normal(0, 0.04, worn.shape).astype(np.float32))
    quick = read_scenes(images)
    assert any(figure.misfit > 0.2 for view in quick for figure in view.figures), "harder than clean scenes"
    every_outline = outlines.rough_errors(torch.zeros(1, 64, 64), outlines.ALONE, 32, 32).shape[1]
    monkeypatch.setattr(outlines, "_CANDIDATES", every_outline)
    monkeypatch.setattr(figures, "_HOPELESS", np.inf)
    monkeypatch.setattr(backgrounds, "_SHORTLIST", len(backgrounds._templates()[0]) - 1)
    assert [_words(view) for view in read_scenes(images)] == [_words(view) for view in quick]


def _words(view: View) -> tuple[object, ...]:
    return view.background, view.style, [(f.shape, f.colour, f.size, f.texture) for f in view.figures]


def test_statements_are_those_of_the_caption() -> None:
    said = statements("a large striped red circle left of a small blue star on a checkered yellow background")
    assert [(s.kind, s.figure, s.word) for s in said] == [
        ("size", 0, "large"),
        ("pattern", 0, "striped"),
        ("colour", 0, "red"),
        ("shape", 0, "circle"),
        ("place", None, "left of"),
        ("size", 1, "small"),
        ("colour", 1, "blue"),
        ("shape", 1, "star"),
        ("background", None, "checkered"),
        ("background", None, "yellow"),
    ]
    assert [s.word for s in statements("a red circle and an orange moon")] == [
        "red",
        "circle",
        "orange",
        "moon",
    ]


def test_every_caption_of_the_family_is_understood() -> None:
    for scene in sample_scenes(15, "reading", 0, 200):
        words = {s.word for s in statements(caption(scene))}
        assert {f.shape for f in scene.figures} | {scene.background.colour} <= words
        assert scene.relation is None or scene.relation in words


@pytest.mark.parametrize(
    "text",
    ["", "a photo of a cat", "a red", "circle", "a red circle on", "a red circle on a blue", "a circle the"],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="of the shapes family"):
        statements(text)


def test_each_statement_is_judged_by_itself() -> None:
    true = "a large striped red circle left of a small blue star on a checkered yellow background"
    assert failures(true, SEEN) == set()
    assert failures(true.replace("star", "moon"), SEEN) == {("shape", "moon")}
    assert failures(true.replace("striped", "dotted"), SEEN) == {("pattern", "dotted")}
    assert failures(true.replace("small", "large"), SEEN) == {("size", "large")}
    assert failures(true.replace("blue", "pink"), SEEN) == {("colour", "pink")}
    assert failures(true.replace("left of", "right of"), SEEN) == {("place", "right of")}
    assert failures(true.replace("left of", "above"), SEEN) == {("place", "above")}
    assert failures(true.replace("yellow", "green"), SEEN) == {("background", "green")}
    assert failures(true.replace("checkered", "shaded"), SEEN) == {("background", "shaded")}


def test_words_belong_to_their_figures() -> None:
    assert len(failures("a blue circle and a red star", SEEN)) == 2
    assert failures("a small blue star right of a red circle", SEEN) == set()


def test_nothing_holds_of_a_figure_that_is_missing() -> None:
    alone = replace(SEEN, figures=(BLUE_STAR,))
    missing = {("colour", "red"), ("shape", "circle"), ("place", "left of")}
    assert failures("a red circle left of a blue star", alone) == missing
    assert len(failures("a red circle", replace(SEEN, figures=()))) == 2


def test_reading_leaves_the_threads_of_torch_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    during: list[int] = []
    find = scenes.find_backgrounds
    monkeypatch.setattr(
        scenes, "find_backgrounds", lambda pictures: during.append(torch.get_num_threads()) or find(pictures)
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        read_scenes(np.zeros((1, 64, 64, 3), np.uint8))
        assert (during, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_only_pictures_of_the_family_are_read() -> None:
    with pytest.raises(ValueError, match="uint8"):
        read_scenes(np.zeros((1, 32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        read_scenes(np.zeros((1, 64, 64, 3), np.float32))
    assert read_scenes(np.zeros((0, 64, 64, 3), np.uint8)) == []
