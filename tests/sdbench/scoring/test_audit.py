"""The audit of images: what is flagged, and what is not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from reference_model import shapes
from sdbench.core.digest import digest_pixels
from sdbench.scoring.audit import Flagged, audit, counts_in_words, first_sight, thumbnail


def looked_at(images: list[np.ndarray], flags: list[str] | None = None) -> list[Flagged]:
    thumbnails = np.stack([thumbnail(image) for image in images])
    return audit(flags or [""] * len(images), [digest_pixels(image) for image in images], thumbnails)


@pytest.fixture(scope="module")
def scenes() -> list[np.ndarray]:
    return list(np.asarray(shapes.reference_set(200, 3)[0]))


def test_at_first_sight() -> None:
    image = np.full((8, 8, 3), (10, 200, 30), np.uint8)
    assert first_sight(image) == "constant"
    image[4, 4, 2] = 31
    assert first_sight(image) == ""
    assert first_sight(np.zeros((8, 8, 3), np.uint8)) == "black"
    assert first_sight(np.random.default_rng(0).integers(0, 2, (8, 8, 3), dtype=np.uint8)) == "black"
    assert first_sight(np.zeros((8, 8, 3), np.uint8), finite=False) == "not finite"


def test_different_scenes_are_not_duplicates(scenes: list[np.ndarray]) -> None:
    assert looked_at(scenes) == [Flagged("")] * 200


def test_duplicates_name_the_first_of_them(scenes: list[np.ndarray]) -> None:
    sink = io.BytesIO()
    Image.fromarray(scenes[1]).save(sink, "JPEG", quality=95)
    again = np.asarray(Image.open(sink))
    noisy = scenes[0] ^ np.random.default_rng(1).integers(0, 4, scenes[0].shape, dtype=np.uint8)
    found = looked_at([scenes[0], scenes[1], scenes[0], again, noisy, scenes[2], scenes[0]])
    assert found == [
        Flagged(""),
        Flagged(""),
        Flagged("duplicate", 0),
        Flagged("near duplicate", 1),
        Flagged("near duplicate", 0),
        Flagged(""),
        Flagged("duplicate", 0),
    ]


def test_the_same_shape_in_another_colour_or_place_is_another_picture(scenes: list[np.ndarray]) -> None:
    scene = scenes[0]
    assert (
        looked_at([scene, scene[..., ::-1], scene[:, ::-1], np.roll(scene, 8, axis=1)]) == [Flagged("")] * 4
    )


def test_black_images_are_not_called_duplicates_too(scenes: list[np.ndarray]) -> None:
    black = np.zeros_like(scenes[0])
    found = looked_at([black, black, scenes[0], scenes[0]], ["black", "black", "unsafe", ""])
    assert found == [Flagged("black"), Flagged("black"), Flagged("unsafe"), Flagged("")]


def test_every_close_pair_is_found() -> None:
    random = np.random.default_rng(5)
    centres = random.integers(0, 200, (100, 192))
    thumbnails = (centres[random.integers(0, 100, 300)] + random.integers(0, 5, (300, 192))).astype(np.uint8)
    values = thumbnails.astype(float)
    distances = np.sqrt(((values[:, None] - values[None]) ** 2).mean(axis=2))
    close = [np.flatnonzero(distances[place, :place] <= 2.0) for place in range(300)]
    expected = [
        Flagged("near duplicate", int(earlier[0])) if len(earlier) else Flagged("") for earlier in close
    ]
    assert audit([""] * 300, [str(i) for i in range(300)], thumbnails) == expected
    assert 10 < sum(1 for image in expected if image.flags) < 290


def test_counts() -> None:
    assert counts_in_words(["", "black", "unsafe,black", "duplicate"]) == "2 black, 1 duplicate, 1 unsafe"


def test_a_set_with_nothing_left_has_no_near_duplicates() -> None:
    assert audit(["not finite"] * 3, ["x"] * 3, np.zeros((3, 192), np.uint8)) == [Flagged("not finite")] * 3
