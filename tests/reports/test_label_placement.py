"""Label placement: no label on another, none outside, each by its own point."""

from __future__ import annotations

import numpy as np
import pytest

from reports.label_placement import place_labels

BOUNDS = np.array([0.0, 0.0, 600.0, 400.0])
NO_LINES = np.empty((0, 2, 2))


def crowd(seed: int, count: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Return points, half of them crowded into a corner, and label sizes."""
    rng = np.random.default_rng(seed)
    points = rng.uniform((20, 20), (580, 380), size=(count, 2))
    points[::2] = rng.uniform((450, 250), (580, 380), size=(count // 2, 2))
    return points, np.tile([18.0, 11.0], (count, 1))


def overlapping_pairs(centres: np.ndarray, sizes: np.ndarray) -> int:
    gaps = np.abs(centres[:, None] - centres[None])
    room = (sizes[:, None] + sizes[None]) / 2
    return int(np.triu((gaps < room).all(axis=2), 1).sum())


@pytest.mark.parametrize("seed", range(6))
def test_labels_keep_clear_of_each_other_and_of_the_frame(seed: int) -> None:
    points, sizes = crowd(seed)
    centres = place_labels(points, sizes, NO_LINES, NO_LINES, BOUNDS, gap=7)
    assert overlapping_pairs(centres, sizes) == 0
    assert ((centres - sizes / 2 >= BOUNDS[:2]) & (centres + sizes / 2 <= BOUNDS[2:])).all()
    assert np.linalg.norm(centres - points, axis=1).max() < 60
    np.testing.assert_array_equal(place_labels(points, sizes, NO_LINES, NO_LINES, BOUNDS, gap=7), centres)


def test_a_lone_label_is_close_to_its_point_and_off_the_curve() -> None:
    point, size = np.array([[300.0, 200.0]]), np.array([[18.0, 11.0]])
    up = np.array([[[300.0, 200.0], [300.0, 400.0]]])
    centre = place_labels(point, size, up, NO_LINES, BOUNDS, gap=7)[0]
    assert np.linalg.norm(centre - point[0]) < 25
    assert abs(centre[0] - 300) > 9 or centre[1] < 200, "the label covers its curve"


def test_labels_at_the_edge_turn_inwards() -> None:
    points = np.array([[2.0, 2.0], [598.0, 398.0]])
    centres = place_labels(points, np.full((2, 2), 12.0), NO_LINES, NO_LINES, BOUNDS, gap=7)
    assert (centres - 6 >= BOUNDS[:2]).all()
    assert (centres + 6 <= BOUNDS[2:]).all()
