"""The captioned scenes: independent items, captions that tell the truth, and the shares of the subsets."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from reference_model.shapes.captions import FULL, VOCABULARY, Mention, caption
from reference_model.shapes.dataset import (
    WebBatch,
    aesthetic,
    clean_batch,
    evaluation_prompts,
    high_resolution,
    reference_set,
    web_batch,
)
from reference_model.shapes.render import add_watermark, degrade, paint, to_uint8
from reference_model.shapes.scenes import (
    COLOURS,
    RELATIONS,
    SHAPES,
    Background,
    Figure,
    Scene,
    sample_scenes,
    uniforms,
)

BACKGROUND = Background("yellow", "plain", COLOURS["yellow"], 0.0, False)


def figure(shape: str, colour: str, centre: tuple[float, float] = (32.0, 32.0), **changes: object) -> Figure:
    plain = Figure(shape, colour, "large", "plain", COLOURS[colour], centre, 20.0, 0.0)
    return replace(plain, **changes)  # type: ignore[arg-type]


def render(*scenes: Scene) -> NDArray[np.uint8]:
    return to_uint8(paint(scenes))


def single(shown: Figure, background: Background = BACKGROUND) -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = render(Scene((shown,), None, background))[0]
    return image


def nearest_colour(pixel: NDArray[np.uint8]) -> str:
    return min(COLOURS, key=lambda name: float(np.abs(np.array(COLOURS[name]) * 255 - pixel).sum()))


@pytest.fixture(scope="module")
def web() -> WebBatch:
    return web_batch(0, 2000, seed=3)


def test_web_items_depend_on_seed_and_index_alone(web: WebBatch) -> None:
    for start, count in ((0, 1), (63, 2), (777, 131)):
        part = web_batch(start, count, seed=3)
        rows = slice(start, start + count)
        np.testing.assert_array_equal(part.images, web.images[rows])
        assert part.captions == web.captions[rows]
        np.testing.assert_array_equal(part.quality, web.quality[rows])
        np.testing.assert_array_equal(part.aesthetic, web.aesthetic[rows])
        np.testing.assert_array_equal(part.watermark, web.watermark[rows])


def test_reference_and_prompts_do_not_depend_on_the_count() -> None:
    few, few_captions = reference_set(5, seed=1)
    many, many_captions = reference_set(70, seed=1)
    assert many.shape == (70, 64, 64, 3)
    assert many.dtype == np.uint8
    np.testing.assert_array_equal(few, many[:5])
    assert few_captions == many_captions[:5]
    assert evaluation_prompts(5, seed=1) == evaluation_prompts(70, seed=1)[:5]
    assert evaluation_prompts(70, seed=2) != evaluation_prompts(70, seed=1)


def test_streams_differ_by_name_and_seed() -> None:
    web = ("shapes/web", "shapes/web/wear", "shapes/web/strangers")
    names = ("shapes/reference", "shapes/prompts", "shapes/clean", *web)
    first = {
        float(value) for name in names for seed in (0, 1) for value in uniforms(seed, name, 0, 100, 4).ravel()
    }
    assert len(first) == len(names) * 2 * 400
    assert reference_set(50, seed=0)[1] != evaluation_prompts(50, seed=0)


def test_blocks_of_different_streams_share_no_picture(web: WebBatch) -> None:
    clean = to_uint8(paint(sample_scenes(3, "shapes/web", 0, 300)))
    reference, _ = reference_set(300, seed=3)
    prompts = to_uint8(paint(sample_scenes(3, "shapes/prompts", 0, 300)))
    training = clean_batch(0, 300, seed=3)
    seen = [image.tobytes() for block in (clean, reference, prompts, training) for image in block]
    assert len(set(seen)) == 1200


def test_clean_pictures_depend_on_seed_and_index_alone() -> None:
    all_of_them = clean_batch(0, 70, seed=4)
    assert all_of_them.shape == (70, 64, 64, 3)
    np.testing.assert_array_equal(clean_batch(62, 5, seed=4), all_of_them[62:67])
    assert (clean_batch(0, 1, seed=5) != all_of_them[:1]).any()


def test_empty_blocks_are_empty_and_negative_numbers_are_refused() -> None:
    images, captions = reference_set(0, seed=0)
    assert images.shape == (0, 64, 64, 3)
    assert captions == []
    assert web_batch(5, 0, seed=0).images.shape == (0, 64, 64, 3)
    with pytest.raises(ValueError, match="must not be negative"):
        web_batch(-1, 4, seed=0)
    with pytest.raises(ValueError, match="must not be negative"):
        reference_set(4, seed=-1)


def test_captions_say_what_the_scene_holds() -> None:
    red = figure("circle", "red")
    blue = figure("square", "blue", size="small", texture="dotted")
    assert caption(Scene((red, blue), "above", BACKGROUND)) == (
        "a large red circle above a small dotted blue square on a yellow background"
    )
    star = figure("star", "green", size="small", texture="striped")
    checkered = replace(BACKGROUND, style="checkered")
    text = caption(Scene((star,), None, checkered))
    assert text == "a small striped green star on a checkered yellow background"


def test_captions_leave_out_what_they_are_told_to() -> None:
    orange = figure("moon", "orange", texture="striped")
    scene = Scene((orange, figure("ring", "black")), "left of", replace(BACKGROUND, style="shaded"))
    silent = Mention(*[False] * 6)
    assert caption(scene, silent) == "an orange moon"
    assert caption(scene, replace(silent, second=True)) == "an orange moon and a black ring"
    assert caption(scene, replace(FULL, sizes=False, background_style=False)) == (
        "a striped orange moon left of a black ring on a yellow background"
    )


def test_every_caption_is_short_and_made_of_the_vocabulary(web: WebBatch) -> None:
    texts = web.captions + evaluation_prompts(3000, seed=5)
    words = {word for text in texts for word in text.split()}
    assert words == set(VOCABULARY)
    assert tuple(sorted(VOCABULARY)) == VOCABULARY
    assert max(len(text.split()) for text in texts) <= 20


def test_every_scene_is_unambiguous() -> None:
    for scene in sample_scenes(0, "any", 0, 1000):
        colours = [scene.background.colour, *(f.colour for f in scene.figures)]
        assert len(set(colours)) == len(colours)
        assert len({f.shape for f in scene.figures}) == len(scene.figures)
        assert (scene.relation is None) == (len(scene.figures) == 1)
        for shown in scene.figures:
            assert all(shown.radius <= place <= 64 - shown.radius for place in shown.centre)


@pytest.mark.parametrize("colour", [name for name in COLOURS if name != "yellow"])
def test_a_plain_figure_has_its_colour_on_the_background_of_its_own(colour: str) -> None:
    image = single(figure("circle", colour))
    assert nearest_colour(image[32, 32]) == colour
    assert nearest_colour(image[2, 2]) == "yellow"


def test_drawn_scenes_show_the_colours_of_their_captions() -> None:
    images, captions = reference_set(400, seed=0)
    checked = 0
    for image, text in zip(images, captions, strict=True):
        words = text.split()
        # "a large red circle on a yellow background": one plain figure that covers its middle.
        if len(words) == 8 and words[1] in ("large", "small") and words[3] in ("circle", "square"):
            assert nearest_colour(image[32, 32]) == words[2]
            assert nearest_colour(image[1, 1]) == words[6]
            checked += 1
    assert checked >= 5


@pytest.mark.parametrize("relation", RELATIONS)
def test_the_first_figure_lies_where_the_relation_says(relation: str) -> None:
    scenes = [s for s in sample_scenes(7, "any", 0, 400) if s.relation == relation]
    assert len(scenes) > 20
    for scene in scenes:
        centres = [painted_centre(replace(scene, figures=(shown,), relation=None)) for shown in scene.figures]
        dx, dy = centres[0] - centres[1]
        along, across = (dx, dy) if relation in ("left of", "right of") else (dy, dx)
        assert along * (1 if relation in ("right of", "below") else -1) > 20
        assert abs(across) < 16


def painted_centre(scene: Scene) -> NDArray[np.float64]:
    """Return the mean (x, y) of the pixels that the scene's figures change."""
    bare = np.abs(paint([scene]) - paint([replace(scene, figures=())])).sum(axis=1)[0]
    rows, columns = np.nonzero(bare > 0.05)
    return np.array([columns.mean(), rows.mean()])


def test_shapes_differ_plainly_from_each_other() -> None:
    images = render(*[Scene((figure(s, "black"),), None, BACKGROUND) for s in SHAPES]).astype(float) / 255
    inked = (images[..., 0] < 0.5).astype(float)
    areas = inked.sum(axis=(1, 2))
    assert areas.min() > 450
    overlap = np.einsum("ahw,bhw->ab", inked, inked)
    union = areas[:, None] + areas - overlap
    likeness = (overlap / union)[~np.eye(len(SHAPES), dtype=bool)]
    assert likeness.max() < 0.85
    # Rings and moons are hollow where a circle is not, and edges are soft: some pixels are in between.
    middle = dict(zip(SHAPES, inked[:, 32, 32], strict=True))
    assert (middle["circle"], middle["ring"]) == (1, 0)
    assert inked[SHAPES.index("moon"), 32, 44] == 0
    assert ((images[0, ..., 0] > 0.2) & (images[0, ..., 0] < 0.8)).sum() > 20


def test_sizes_and_textures_and_styles_can_be_seen() -> None:
    sizes: dict[tuple[int, str], list[float]] = {}
    for scene in sample_scenes(0, "any", 0, 500):
        for shown in scene.figures:
            sizes.setdefault((len(scene.figures), shown.size), []).append(shown.radius)
    for figures in (1, 2):
        assert min(sizes[figures, "large"]) > 1.35 * max(sizes[figures, "small"])
    plain = single(figure("square", "red"))
    for texture in ("striped", "dotted"):
        textured = single(figure("square", "red", texture=texture))
        changed = np.abs(textured[18:46, 18:46].astype(int) - plain[18:46, 18:46]).sum(axis=2) > 60
        assert 0.2 < changed.mean() < 0.6
    for style in ("shaded", "checkered"):
        styled = single(figure("square", "red"), replace(BACKGROUND, style=style))
        assert styled[:8].astype(float).std(axis=(0, 1)).max() > 15


def test_low_quality_is_dull_and_blurred_and_full_quality_untouched() -> None:
    pictures = paint(sample_scenes(0, "any", 0, 64))
    np.testing.assert_allclose(degrade(pictures, np.ones(64, dtype=np.float32)), pictures, atol=1e-6)
    contrasts, colours = [], []
    for quality in (1.0, 0.6, 0.3, 0.0):
        worn = degrade(pictures, np.full(64, quality, dtype=np.float32))
        assert 0 <= worn.min() <= worn.max() <= 1
        contrasts.append(float(np.abs(np.diff(worn, axis=3)).max(axis=(1, 2, 3)).mean()))
        colours.append(float(np.ptp(worn, axis=1).mean()))
    for falling in (contrasts, colours):
        assert all(b < 0.85 * a for a, b in pairwise(falling))


def test_the_watermark_is_a_light_band_with_dark_dashes() -> None:
    black = np.zeros((2, 3, 64, 64), dtype=np.float32)
    marked = add_watermark(black, np.array([40, 50]))
    assert marked[0, :, :40].max() == 0
    assert marked[0, :, 50:].max() == 0
    assert marked[0, :, 40].min() > 0.5
    assert marked[1, :, 50].min() > 0.5
    assert marked[0, 0, 45].min() < 0.3 < 0.5 < marked[0, 0, 45].max()


def test_the_subsets_and_the_watermarks_have_their_shares(web: WebBatch) -> None:
    # 3 points are at least 2.8 standard errors of a share of 2,000 items.
    assert abs(high_resolution(web).mean() - 0.75) < 0.03
    assert abs(aesthetic(web).mean() - 0.34) < 0.03
    assert abs(web.watermark.mean() - 0.25) < 0.03
    assert not web.watermark[aesthetic(web)].any()
    assert web.quality[aesthetic(web)].mean() > web.quality.mean() + 0.2
    assert 0 <= web.aesthetic.min() <= web.aesthetic.max() <= 1


def test_wrong_captions_are_as_frequent_as_the_quality_is_low() -> None:
    batch = web_batch(0, 3000, seed=9)
    scenes = sample_scenes(9, "shapes/web", 0, 3000)
    # The first named figure's colour and shape survive all omissions, so they tell own from foreign captions.
    own = np.array(
        [
            f"{s.figures[0].colour} {s.figures[0].shape}" in text
            for s, text in zip(scenes, batch.captions, strict=True)
        ]
    )
    low, high = batch.quality < 0.2, batch.quality > 0.8
    assert abs((~own[low]).mean() - 0.233) < 0.05
    assert abs((~own[high]).mean() - 0.097) < 0.05
    full = np.array([caption(s) == t for s, t in zip(scenes, batch.captions, strict=True)])
    assert 0.15 < full[own].mean() < 0.6
