"""Numbers as text, the same everywhere: a point before decimals, commas between thousands, a true minus."""

from __future__ import annotations

import math

import pandas as pd

__all__ = [
    "count",
    "count_range",
    "decimals",
    "duration",
    "figure",
    "interval",
    "number",
    "p_value",
    "probability",
    "signed",
]

#: Half the width of a 95% interval in standard errors.
INTERVAL = 1.96
#: Dominance comes from 10,000 draws, p-values from a normal approximation: beyond this they are only words.
_SMALLEST_P, _SMALLEST_PROBABILITY = 0.0001, 0.01
_MOST_DECIMALS = 9


def decimals(rows: pd.DataFrame) -> int:
    """Return how many decimals show two digits of a typical standard error, else four of the smallest value.

    One number of decimals for all figures of a protocol: they are read by comparing them.
    """
    errors = rows["standard_error"].dropna()
    errors = errors[errors > 0]
    if len(errors):
        return _places(float(errors.median()), digits=2)
    values = rows["value"].abs()
    values = values[values > 0]
    return _places(float(values.min()), digits=4) if len(values) else 1


def number(value: float, places: int) -> str:
    """Return -1234.5 as "−1,234.50"; a zero that rounding made has no sign."""
    text = f"{abs(value):,.{places}f}"
    return f"−{text}" if value < 0 and float(text.replace(",", "")) else text


def signed(value: float, places: int) -> str:
    """Return ``number`` with a sign in front of what is above zero too."""
    text = number(value, places)
    return text if text.startswith("−") or not float(text.replace(",", "")) else f"+{text}"


def interval(low: float, high: float, places: int) -> str:
    """Return both ends of an interval, "" where they are not known."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"{number(low, places)} to {number(high, places)}"


def figure(value: float, error: float, places: int) -> str:
    """Return a value with its 95% interval in brackets, where its standard error is known."""
    if math.isnan(error):
        return number(value, places)
    return f"{number(value, places)} ({interval(value - INTERVAL * error, value + INTERVAL * error, places)})"


def p_value(value: float) -> str:
    """Return "p = 0.012", and "p < 0.0001" below that; "p not known" for NaN."""
    if math.isnan(value):
        return "p not known"
    if value < _SMALLEST_P:
        return f"p < {_SMALLEST_P:.4f}"
    return f"p = {value:.4f}" if value < 0.01 else f"p = {value:.2f}"


def probability(value: float) -> str:
    """Return a probability as whole per cent, in words beyond what 10,000 draws can say."""
    if value > 1 - _SMALLEST_PROBABILITY:
        return "over 99%"
    return "under 1%" if value < _SMALLEST_PROBABILITY else f"{value * 100:.0f}%"


def count(value: float) -> str:
    """Return a whole number with commas."""
    return f"{round(value):,}"


def count_range(values: pd.Series) -> str:
    """Return "512" where all are the same whole number, else "512 to 1,024"."""
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


def _places(value: float, digits: int) -> int:
    return min(max(digits - 1 - math.floor(math.log10(value)), 0), _MOST_DECIMALS)
