"""Numbers have one format."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from reports import wording


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (wording.number(-1234.5, 2), "−1,234.50"),
        (wording.number(-0.0004, 3), "0.000"),
        (wording.signed(0.25, 1), "+0.2"),
        (wording.signed(-0.04, 2), "−0.04"),
        (wording.signed(0.001, 2), "0.00"),
        (wording.interval(-0.1, 2.0, 1), "−0.1 to 2.0"),
        (wording.interval(math.nan, 2.0, 1), ""),
        (wording.with_interval(3.0, 0.5, 2), "3.00 (2.02 to 3.98)"),
        (wording.with_interval(3.0, math.nan, 2), "3.00"),
        (wording.p_value(0.00001), "p < 0.0001"),
        (wording.p_value(0.0022), "p = 0.0022"),
        (wording.p_value(0.21), "p = 0.21"),
        (wording.p_value(math.nan), "p not known"),
        (wording.probability(0.998), "over 99%"),
        (wording.probability(0.891), "89%"),
        (wording.probability(0.0), "under 1%"),
        (wording.count(1671168.0), "1,671,168"),
        (wording.duration(0.0846), "84.6 ms"),
        (wording.duration(3.44), "3.4 s"),
        (wording.duration(59.99), "1 min 00 s"),
        (wording.duration(7503.0), "2 h 05 min"),
    ],
)
def test_numbers_as_text(made: str, text: str) -> None:
    assert made == text


def test_decimals_show_two_digits_of_the_error_or_four_of_the_value() -> None:
    known = pd.DataFrame({"value": [5.0, 6.0], "standard_error": [0.023, 0.03]})
    assert wording.decimals(known) == 3
    assert wording.decimals(known.assign(standard_error=math.nan)) == 3
    assert wording.decimals(known.assign(standard_error=50.0)) == 0


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (421, 1500, "about 430 to 1,500"),
        (421, 5000, "at least about 430"),
        (421, math.inf, "at least about 430"),
        (200_000, math.inf, "over 100,000"),
        (60, 900, "up to about 900"),
        (60, math.inf, ""),
        (math.nan, math.nan, ""),
    ],
)
def test_a_number_of_images_is_a_range(low: float, high: float, words: str) -> None:
    assert wording.images_needed(low, high, 100) == words
