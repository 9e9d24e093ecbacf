"""The jackknife over blocks: its error, its blocks, and what it costs."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import MetricsError
from metrics.blocks import BLOCKS, block_estimate, blocks_of, without_each
from metrics.compare import compare
from metrics.uncertainty import with_clusters


@pytest.mark.parametrize("blocks", [1, 2, 3, 7, 16])
def test_each_block_is_left_out_once_and_added_seldom(blocks: int) -> None:
    added: list[int] = []

    def add(state: tuple[int, ...], block: int) -> tuple[int, ...]:
        added.append(block)
        return (*state, block)

    found = without_each((), blocks, add, lambda state: float(sum(2**block for block in state)))
    assert found == [2**blocks - 1 - 2**block for block in range(blocks)]
    assert len(added) <= blocks * np.ceil(np.log2(blocks))


def test_blocks_hold_all_images_of_a_prompt() -> None:
    assert blocks_of(3, ()).tolist() == [0, 1, 2]
    assert np.bincount(blocks_of(64, ())).tolist() == [4] * BLOCKS
    prompts = [f"p{place % 40}" for place in range(80)]
    members = blocks_of(80, prompts)
    assert (members[:40] == members[40:]).all()
    assert members.max() == BLOCKS - 1


def test_the_error_of_a_mean_and_of_differences_of_means() -> None:
    random = np.random.default_rng(1)
    members = blocks_of(160, ())
    shared = random.normal(size=160)
    sets = [shared + random.normal(scale=0.2, size=160) for _ in range(2)]

    def estimate(values: np.ndarray):
        left = [values[members != block].mean() for block in range(BLOCKS)]
        return with_clusters(block_estimate(values.mean(), left, members), ["one prompt"] * 160)

    a, b = map(estimate, sets)
    means = sets[0].reshape(BLOCKS, -1).mean(axis=1)
    assert a.standard_error == pytest.approx(means.std(ddof=1) / 4)
    test = compare(a, b)
    apart = (sets[0] - sets[1]).reshape(BLOCKS, -1).mean(axis=1)
    assert test.paired
    assert test.standard_error == pytest.approx(apart.std(ddof=1) / 4)
    assert test.degrees <= BLOCKS - 1


def test_intervals_of_a_nonlinear_value_cover_it() -> None:
    """The ratio of two variances: at 95%, of 400 sets about 380 hold the truth."""
    random, hits = np.random.default_rng(2), 0
    members = blocks_of(256, ())
    for _ in range(400):
        x, y = random.normal(size=(2, 256))
        left = [x[members != b].var() / y[members != b].var() for b in range(BLOCKS)]
        estimate = block_estimate(x.var() / y.var(), left, members)
        hits += abs(estimate.value - 1) < 2.131 * (estimate.standard_error or 0)  # t of 15 degrees
    assert 0.91 < hits / 400 < 0.98


def test_too_few_blocks_and_values_that_are_not_finite_have_no_error() -> None:
    with pytest.raises(MetricsError, match="3 blocks, at least 4"):
        block_estimate(1.0, [1.0, 2.0, 3.0], np.arange(3))
    with pytest.raises(MetricsError, match="finite"):
        block_estimate(1.0, [1.0, 2.0, 3.0, np.nan], np.arange(4))
