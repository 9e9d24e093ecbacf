"""YAML without surprises."""

from __future__ import annotations

import pytest
import yaml

from sdbench.core.yaml import load_yaml


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", "a is given twice, line 2"),
        ('a: x\nb: "a \\ud83d"\n', r"half a character \(a lone surrogate\), line 2"),
        ('"a \\ud83d": x\n', "half a character"),
    ],
)
def test_what_is_refused(text: str, expected: str) -> None:
    with pytest.raises(yaml.YAMLError, match=expected):
        load_yaml(text)
