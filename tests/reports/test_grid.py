"""The image grid: every picture in its field."""

from __future__ import annotations

import numpy as np
import pytest

from reports import ReportError
from reports.grid import image_grid


def plain(colour: tuple[int, int, int], size: int = 64) -> np.ndarray:
    return np.full((size, size, 3), colour, dtype=np.uint8)


def field_colours(sheet: np.ndarray) -> list[tuple[int, int, int]]:
    """Return the colours that fill whole fields, in reading order: runs of one colour of a field's size."""
    found: list[tuple[int, int, int]] = []
    for top in range(0, sheet.shape[0] - 100):
        for left in range(0, sheet.shape[1] - 100, 20):
            block = sheet[top : top + 100, left : left + 100]
            colour = tuple(int(channel) for channel in block[0, 0])
            if colour not in [(255, 255, 255), *found] and (block == block[0, 0]).all():
                found.append(colour)
    return found


def test_rows_are_checkpoints_columns_scales_blocks_prompts() -> None:
    colours = {
        (name, scale): (60 * row, 80 * column, 0)
        for row, name in enumerate("ab")
        for column, scale in enumerate((1.5, 4.0))
    }
    images = {
        (name, scale): [plain((r, g, 50)), plain((r, g, 200))]
        for (name, scale), (r, g, _) in reversed(colours.items())
    }
    sheet = np.asarray(image_grid(images, ["first", "second"]))
    # Checkpoints keep the given order (b before a here), scales are sorted.
    order = [("b", 1.5), ("b", 4.0), ("a", 1.5), ("a", 4.0)]
    expected = [(*colours[cell][:2], blue) for blue in (50, 200) for cell in order]
    assert field_colours(sheet) == expected


def test_small_pixels_are_enlarged_square_and_large_ones_reduced() -> None:
    checker = (np.indices((32, 32)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    sheet = np.asarray(image_grid({("a", 1.0): [checker]}, ["p"]))
    rows, columns = np.nonzero((sheet == 0).all(axis=2))
    inside = sheet[rows.max() - 127 : rows.max() + 1, columns.max() - 127 : columns.max() + 1]
    np.testing.assert_array_equal(inside[::4, ::4], checker)
    large = np.asarray(image_grid({("a", 1.0): [plain((9, 8, 7), size=512)]}, ["p"]))
    assert (large == (9, 8, 7)).all(axis=2).sum() == 128 * 128


def test_a_missing_image_leaves_a_field() -> None:
    sheet = np.asarray(image_grid({("a", 1.0): [plain((200, 0, 0))], ("b", 2.0): [None]}, ["p"]))
    assert (sheet == (200, 0, 0)).all(axis=2).sum() == 128 * 128
    fields = (sheet == 0xEC).all(axis=2).sum()
    assert 0.9 * 3 * 128 * 128 < fields < 3 * 128 * 128, "three empty fields, with a word in each"


def test_a_long_prompt_is_cut_to_the_sheet() -> None:
    images = {("a", scale): [plain((1, 2, 3))] for scale in (1.0, 2.0)}
    assert image_grid(images, ["word " * 200]).width == image_grid(images, ["word"]).width


def test_nothing_to_draw_and_wrong_counts_are_refused() -> None:
    with pytest.raises(ReportError, match=r"a at 1\.5 has 1 images for 2 prompts"):
        image_grid({("a", 1.5): [plain((0, 0, 0))]}, ["p", "q"])
    with pytest.raises(ReportError, match="no images"):
        image_grid({("a", 1.5): [None]}, ["p"])
