"""Prompt accuracy: shares of statements, their errors, and what they consist of."""

from __future__ import annotations

import numpy as np
import pytest

from metrics import PROTOCOLS, MetricsError, evaluate
from metrics.prompt_accuracy import STATEMENT_KINDS, prompt_accuracy_estimate
from metrics.uncertainty import clustered_standard_error
from reference_model.shapes.reading import KINDS


def counts(hold: list[int], made: list[int]) -> list[int]:
    return [*hold, *made]


TWO_OF_TWO = counts([1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0])
ONE_OF_FOUR = counts([0, 1, 0, 0, 0, 0], [1, 2, 0, 0, 1, 0])
NONE_OF_ONE = counts([0] * 6, [1, 0, 0, 0, 0, 0])


def test_every_image_counts_once_and_errors_are_those_of_a_mean() -> None:
    found = prompt_accuracy_estimate(generated=[TWO_OF_TWO, ONE_OF_FOUR, NONE_OF_ONE])
    shares = np.array([1, 0.25, 0])
    assert found.per_image == pytest.approx(shares)
    assert found.value == pytest.approx(shares.mean())
    assert found.standard_error == pytest.approx(shares.std(ddof=1) / 3**0.5)
    clustered = evaluate(
        PROTOCOLS["prompt-accuracy-shapes"],
        generated=[TWO_OF_TWO, ONE_OF_FOUR, NONE_OF_ONE],
        prompts=["a", "a", "b"],
    )
    assert clustered.standard_error == pytest.approx(clustered_standard_error(shares, [0, 0, 1]))


def test_parts_are_the_shares_by_kind_of_the_images_that_have_any() -> None:
    found = prompt_accuracy_estimate(generated=[TWO_OF_TWO, ONE_OF_FOUR, NONE_OF_ONE])
    assert tuple(found.parts) == STATEMENT_KINDS == KINDS
    np.testing.assert_array_equal(found.parts["shape"], [1, 0, 0])
    np.testing.assert_array_equal(found.parts["colour"], [1, 0.5, np.nan])
    np.testing.assert_array_equal(found.parts["place"], [np.nan, 0, np.nan])
    assert np.isnan(found.parts["pattern"]).all()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (counts([2, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]), "more statements hold than are made"),
        ([0] * 12, "a prompt makes no statement"),
        ([1] * 6, "takes 12 counts per image, not 6"),
    ],
)
def test_counts_that_cannot_be_are_refused(row: list[int], message: str) -> None:
    with pytest.raises(MetricsError, match=message):
        prompt_accuracy_estimate(generated=[row, row])
