"""What CLIP's training tells apart: scenes that differ in one respect, in the picture as in the caption."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from reference_model.shapes.captions import FULL, Mention, caption
from reference_model.shapes.dataset import web_batch
from reference_model.shapes.reading import judge, statements
from reference_model.shapes.render import paint, to_uint8
from reference_model.shapes.scenes import IMAGE_SIZE, resized, sample_scenes
from reference_model.shapes.training.contrasts import GROUP, contrast_batch, retold, variants

SCENES = sample_scenes(3, "shapes/test", 0, 300)
PAIRS = [scene for scene in SCENES if scene.relation]


def groups(told: Mention = FULL) -> list:
    return [variants(scene, told, np.random.default_rng(i)) for i, scene in enumerate(SCENES)]


def changed_kinds(scene, other) -> set[str]:
    """Kinds of the statements that the two full captions do not share."""
    return {statement.kind for statement in {*statements(caption(scene))} ^ {*statements(caption(other))}}


def test_a_variant_differs_in_one_respect():
    kinds = Counter()
    for scene, *others in groups():
        assert len(others) == GROUP - 1
        for other in others:
            (kind,) = changed_kinds(scene, other)
            kinds[kind] += 1
    assert {*kinds} == {"shape", "colour", "size", "pattern", "place", "background"}
    opposite = [others[0] for scene, *others in groups() if scene.relation]
    assert all(changed_kinds(*each) == {"place"} for each in zip(PAIRS, opposite, strict=True))


def test_pictures_of_variants_show_what_their_captions_say():
    scenes = [scene for group in groups()[:60] for scene in group]
    verdicts = judge(to_uint8(paint(scenes)), [caption(scene) for scene in scenes])
    held = [right for verdict in verdicts for _, right in verdict]
    assert np.mean(held) > 0.99


@pytest.mark.parametrize("hidden", ["sizes", "textures", "background", "background_style", "relation"])
def test_what_a_caption_leaves_out_stays_the_same(hidden):
    told = Mention(**{hidden: False} | ({"background_style": False} if hidden == "background" else {}))
    for scene, *others in groups(told):
        assert all(caption(scene, told) != caption(other, told) for other in others)


def test_a_scene_retold_is_the_same_scene():
    chances = np.random.default_rng(0)
    firsts = Counter()
    for scene in PAIRS:
        again = retold(scene, chances)
        assert {*again.figures} == {*scene.figures}
        firsts[again.relation in ("left of", "above")] += 1
        if again.figures != scene.figures:
            opposite = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}
            assert again.relation == opposite[scene.relation]
    assert firsts[True] / len(PAIRS) == pytest.approx(0.8, abs=0.1)


def test_a_resized_figure_stays_in_its_half():
    for scene in PAIRS:
        for which in (0, 1):
            figure = resized(scene, which).figures[which]
            assert figure.size != scene.figures[which].size
            axis = 0 if scene.relation in ("left of", "right of") else 1
            low = figure.centre[axis] - figure.radius
            high = figure.centre[axis] + figure.radius
            middle = IMAGE_SIZE / 2
            assert 0 <= low < high <= middle or middle <= low < high <= IMAGE_SIZE


def test_groups_depend_on_their_place_alone():
    images, captions = contrast_batch(0, 5, seed=0)
    again, same = contrast_batch(3, 2, seed=0)
    assert images.shape == (5 * GROUP, IMAGE_SIZE, IMAGE_SIZE, 3)
    np.testing.assert_array_equal(images[3 * GROUP :], again)
    assert captions[3 * GROUP :] == same
    assert not {*captions} & {*web_batch(0, 100, seed=0).captions}
