"""Numbers and lists as text: a point before decimals, commas between thousands, a true minus sign."""

from __future__ import annotations

import math

import pandas as pd

__all__ = [
    "count",
    "count_range",
    "cut_end",
    "cut_middle",
    "cut_start",
    "decimals",
    "duration",
    "images_needed",
    "interval",
    "listed",
    "number",
    "p_value",
    "probability",
    "signed",
    "with_interval",
]

#: Half the width of a 95% interval in standard errors.
INTERVAL = 1.96
#: Probabilities come from 10,000 draws, p-values from a normal approximation: neither is exact below these.
_SMALLEST_P, _SMALLEST_PROBABILITY = 0.0001, 0.01
_MOST_DECIMALS = 9
_MOST_IMAGES = 100_000
#: Most names in a list; it counts the rest.
_NAMED = 3


def decimals(rows: pd.DataFrame) -> int:
    """Return the number of decimals for a protocol's values, the same for all since readers compare them.

    It shows two digits of the median standard error or, without errors, four of the smallest value.
    """
    errors = rows["standard_error"].dropna()
    errors = errors[errors > 0]
    if len(errors):
        return _places(float(errors.median()), digits=2)
    values = rows["value"].abs()
    values = values[values > 0]
    return _places(float(values.min()), digits=4) if len(values) else 1


def number(value: float, places: int) -> str:
    """Return -1234.5 as "−1,234.50"; a value that rounds to zero has no sign."""
    text = f"{abs(value):,.{places}f}"
    return f"−{text}" if value < 0 and float(text.replace(",", "")) else text


def signed(value: float, places: int) -> str:
    """Return ``number`` with a plus sign for values above zero."""
    text = number(value, places)
    return text if text.startswith("−") or not float(text.replace(",", "")) else f"+{text}"


def interval(low: float, high: float, places: int) -> str:
    """Return both ends of an interval, "" if they are unknown."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"{number(low, places)} to {number(high, places)}"


def with_interval(value: float, error: float, places: int) -> str:
    """Return a value with its 95% interval in brackets, or alone if its standard error is unknown."""
    if math.isnan(error):
        return number(value, places)
    return f"{number(value, places)} ({interval(value - INTERVAL * error, value + INTERVAL * error, places)})"


def p_value(value: float) -> str:
    """Return "p = 0.12", "p = 0.0012" or "p < 0.0001"; "p not known" for NaN."""
    if math.isnan(value):
        return "p not known"
    if value < _SMALLEST_P:
        return f"p < {_SMALLEST_P:.4f}"
    return f"p = {value:.4f}" if value < 0.01 else f"p = {value:.2f}"


def probability(value: float) -> str:
    """Return a probability in whole per cent, "over 99%" or "under 1%" at the ends."""
    if value > 1 - _SMALLEST_PROBABILITY:
        return "over 99%"
    return "under 1%" if value < _SMALLEST_PROBABILITY else f"{value * 100:.0f}%"


def count(value: float) -> str:
    """Return a whole number with commas."""
    return f"{round(value):,}"


def count_range(values: pd.Series) -> str:
    """Return "512" if all values are equal, else their range, "512 to 1,024"."""
    low, high = values.min(), values.max()
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def duration(seconds: float) -> str:
    """Return seconds as "84.6 ms", "3.4 s", "5 min 47 s" or "2 h 05 min"."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.1f} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def images_needed(low: float, high: float, n: float) -> str:
    """Return a range of image counts as "about 420 to 5,000", "at least about 420" or "over 100,000".

    "" if it is not known, or says no more than that the ``n`` images of the run are too few. Counts have two
    digits; a range above 10 times its lower end is left open.
    """
    if math.isnan(low) or math.isnan(high):
        return ""
    if low > _MOST_IMAGES:
        return f"over {count(_MOST_IMAGES)}"
    if high > min(_MOST_IMAGES, 10 * max(low, n)):
        return f"at least about {_two_digits(low)}" if low > n else ""
    return (
        f"about {_two_digits(low)} to {_two_digits(high)}" if low > n else f"up to about {_two_digits(high)}"
    )


def _two_digits(value: float) -> str:
    digits = max(math.floor(math.log10(max(value, 1))) - 1, 0)
    return count(math.ceil(value / 10**digits) * 10**digits)


def _places(value: float, digits: int) -> int:
    return min(max(digits - 1 - math.floor(math.log10(value)), 0), _MOST_DECIMALS)


def cut_middle(name: str, letters: int) -> str:
    """Return at most so many letters of a name, both of its ends if it is longer."""
    if len(name) <= letters:
        return name
    half = (letters - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def cut_start(name: str, letters: int) -> str:
    """Return at most so many letters of a name, its end if it is longer: paths and settings differ there."""
    return name if len(name) <= letters else f"…{name[1 - letters :]}"


def cut_end(name: str, letters: int) -> str:
    """Return at most so many letters of a name, its start if it is longer."""
    return name if len(name) <= letters else f"{name[: letters - 1]}…"


def listed(names: list[str], others: str = "other cells") -> str:
    """Return "a, b and c", or the first names and how many ``others`` there are."""
    if len(names) > _NAMED:
        return f"{', '.join(names[: _NAMED - 1])} and {len(names) - _NAMED + 1} {others}"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
