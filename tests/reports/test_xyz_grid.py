"""X/Y/Z grids: images are placed by their axes, and only axes with several values take room."""

from __future__ import annotations

import numpy as np
import pytest

from reports import ReportError
from reports.drawing import font, wrapped
from reports.xyz_grid import Axis, xyz_grid


def plain(value: int, size: int = 64) -> np.ndarray:
    return np.full((size, size, 3), (value, 0, 255), np.uint8)


def test_rows_columns_and_blocks_hold_their_images() -> None:
    axes = [Axis(("m0", "m1")), Axis(("only",)), Axis(("r0", "r1")), Axis(("c0", "c1", "c2"))]
    keys = [(m, 0, r, c) for m in range(2) for r in range(2) for c in range(3)]
    images = {key: plain(40 + 15 * place) for place, key in enumerate(keys)}
    sheet = np.asarray(xyz_grid(axes, images, "title"))
    centres = {}
    for key, image in images.items():
        rows, columns = np.nonzero((sheet == image[0, 0]).all(axis=2))
        centres[key] = (np.median(rows), np.median(columns))
    for m, _, r, c in keys:
        row, column = centres[m, 0, r, c]
        if c:
            assert column - centres[m, 0, r, c - 1][1] == 132
            assert row == centres[m, 0, r, c - 1][0]
        if r:
            assert row - centres[m, 0, 0, c][0] == 132
        if m:
            assert row > centres[0, 0, 1, c][0] + 132


def test_small_pixels_are_enlarged_square() -> None:
    checker = (np.indices((32, 32)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    sheet = np.asarray(xyz_grid([Axis(("a", "b"))], {(0,): checker, (1,): checker}, ""))
    rows, columns = np.nonzero((sheet == 0).all(axis=2))
    inside = sheet[rows.max() - 127 : rows.max() + 1, columns.max() - 127 : columns.max() + 1]
    np.testing.assert_array_equal(inside[::4, ::4], checker)
    np.testing.assert_array_equal(inside[3::4, 3::4], checker)


def test_large_images_are_reduced_and_a_missing_one_is_said() -> None:
    sheet = np.asarray(xyz_grid([Axis(("a", "b"))], {(0,): plain(9, size=512)}, "t"))
    rows, columns = np.nonzero(sheet[..., 0] == 9)
    assert np.ptp(rows) == np.ptp(columns) == 255
    assert (sheet == (236, 236, 236)).all(axis=2).sum() > 200 * 200


def test_one_image_alone_needs_no_axis() -> None:
    sheet = xyz_grid([Axis(("a",))], {(0,): plain(9)}, "a title")
    assert sheet.height < 300
    with pytest.raises(ReportError, match="no images were given"):
        xyz_grid([Axis(("a",))], {}, "t")


def test_long_labels_are_wrapped_and_stay_in_their_column() -> None:
    words = "a very long prompt " * 20
    axes = [Axis((words, "b")), Axis(("c0", "c1"))]
    sheet = xyz_grid(axes, {(0, 0): plain(9)}, words)
    short = xyz_grid([Axis(("x" * 40, "b")), Axis(("c0", "c1"))], {(0, 0): plain(9)}, "t")
    assert sheet.width <= short.width + 210
    lines = wrapped(words, font(14), 100, 3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert all(font(14).getlength(line) <= 100 for line in lines)
    assert wrapped("one two", font(14), 1000, 3) == ["one two"]
