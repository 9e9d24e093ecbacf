"""Ranges as users of web interfaces write them: "1.5, 3", "1-5", "1-10 [5]", "10-50 (+10)"."""

from __future__ import annotations

import re

from sdbench.core.errors import InputError

__all__ = ["parse_range", "parse_whole_range"]

_NUMBER = r"(\d+(?:\.\d+)?)"
_SPAN = re.compile(rf"{_NUMBER}\s*-\s*{_NUMBER}(?:\s*\[\s*(\d+)\s*\]|\s*\(\s*\+?{_NUMBER}\s*\))?")
_MOST = 1000


def parse_range(text: str, where: str) -> tuple[float, ...]:
    """The numbers of a list whose parts are numbers or spans, in the order written.

    "1-5" counts up by one, "1-10 [5]" are five numbers from 1 to 10, both included, rounded to hundredths,
    "10-50 (+10)" counts up by ten. Raises InputError, which names `where`, for anything else.
    """
    numbers: list[float] = []
    for part in text.split(","):
        numbers += _part(part.strip(), where)
    if len(numbers) > _MOST:
        raise InputError(f"{where}: {text!r} are {len(numbers)} values, more than {_MOST}")
    return tuple(numbers)


def parse_whole_range(text: str, where: str) -> tuple[int, ...]:
    """As `parse_range`; numbers between the ends of a span are rounded, one that is written must be whole."""
    written = [float(number) for number in re.findall(_NUMBER, text)]
    if any(not number.is_integer() for number in written):
        raise InputError(f"{where}: {text!r} holds a number that is not whole")
    return tuple(dict.fromkeys(round(number) for number in parse_range(text, where)))


def _part(part: str, where: str) -> list[float]:
    if re.fullmatch(_NUMBER, part):
        return [float(part)]
    span = _SPAN.fullmatch(part)
    if span is None:
        raise InputError(f"{where}: {part!r} is not a range; write 1.5,3,7 or 1-5 or 1-10 [5] or 10-50 (+10)")
    first, last, count = float(span[1]), float(span[2]), int(span[3] or 0)
    step = float(span[4] or 1)
    if last <= first or step <= 0 or (span[3] is not None and count < 2):
        raise InputError(
            f"{where}: {part!r} goes nowhere: give a smaller and a larger number, and 2 values or more"
        )
    if max(count, 0 if count else (last - first) / step) > _MOST:
        raise InputError(f"{where}: {part!r} are more than {_MOST} values")
    if count:
        return [round(first + (last - first) * place / (count - 1), 2) for place in range(count)]
    return [round(first + step * place, 6) for place in range(int((last - first) / step + 1e-9) + 1)]
