"""YAML without surprises."""

from __future__ import annotations

import pytest

from sdbench.core.yaml import YamlError, line_of, load_yaml


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", "a is given twice, line 2"),
        ('a: x\nb: "a \\ud83d"\n', r"half a character \(a lone surrogate\); write it in full, line 2"),
        ('"a \\ud83d": x\n', "half a character"),
    ],
)
def test_what_is_refused(text: str, expected: str) -> None:
    with pytest.raises(YamlError, match=expected):
        load_yaml(text)


@pytest.mark.parametrize(
    ("place", "line"),
    [(("a",), 1), (("b", 1, "c"), 4), (("b", 1, "d"), 4), (("b", 2), 2), (("e",), None), ((), None)],
)
def test_lines_of_keys_and_items(place: tuple[int | str, ...], line: int | None) -> None:
    assert line_of("a: 1\nb:\n- x\n- {c: 2}\n", place) == line
