"""The policy of a comparison: what passes, and how large a harmless difference may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdbench.comparison.verdicts import PASSING, Verdict
from sdbench.core.errors import InputError, did_you_mean
from sdbench.core.yaml import read_yaml

__all__ = ["MARGIN", "ComparisonPolicy", "load_comparison_policy"]

MARGIN = 0.2
"""In standard deviations of a measure over the baseline's images.

The difference between two independent sets of 50 images has a standard error of sqrt(2 / 50) = 0.2 standard
deviations, so a person who looks at 50 images of each side would not see a smaller shift.
"""

KEYS = ("allow", "margin", "margins", "flagged", "missing")
CHOICES = ("fail", "allow")


@dataclass(frozen=True)
class ComparisonPolicy:
    """What passes.

    Attributes:
        allow: The worst verdict that passes.
        margin: Largest harmless difference, in standard deviations over the baseline's images.
        margins: The same for single measures, by name.
        flagged: Whether pairs with a flagged image "fail" or are counted and left out ("allow").
        missing: The same for images of A that B lacks.
    """

    allow: Verdict = Verdict.EQUIVALENT
    margin: float = MARGIN
    margins: Mapping[str, float] = field(default_factory=dict)
    flagged: str = "fail"
    missing: str = "fail"

    def passes(self, verdict: Verdict) -> bool:
        """Whether a verdict is no worse than allowed."""
        return verdict in PASSING[: PASSING.index(self.allow) + 1]

    def require_measures(self, names: list[str]) -> None:
        """Raise InputError if a margin is for a measure that is not taken."""
        for name in self.margins:
            if name not in names:
                raise InputError(f"policy: margins: {name!r} is not measured; {did_you_mean(name, names)}")


def load_comparison_policy(path: Path) -> ComparisonPolicy:
    """Read a policy file.

    Raises:
        InputError: The file cannot be read or contains anything else.
    """
    content = read_yaml(path, "policy")
    try:
        return policy_of(content)
    except InputError as error:
        raise InputError(f"policy {path}: {error}") from None


def policy_of(content: Any) -> ComparisonPolicy:
    """Return the policy that a mapping describes; InputError without the file's name if it is none."""
    if not isinstance(content, dict) or not isinstance(content.get("margins", {}), dict):
        raise InputError(f"must be a mapping with some of the keys {', '.join(KEYS)}")
    for key in content:
        if key not in KEYS:
            raise InputError(f"unknown key {key!r}; {did_you_mean(str(key), KEYS)}")
    allow = content.get("allow", Verdict.EQUIVALENT)
    if allow not in PASSING:
        raise InputError(f"cannot allow {allow!r}; {did_you_mean(str(allow), PASSING)}")
    for key in ("flagged", "missing"):
        if content.get(key, CHOICES[0]) not in CHOICES:
            raise InputError(f"{key}: {content[key]!r}; {did_you_mean(str(content[key]), CHOICES)}")
    return ComparisonPolicy(
        Verdict(allow),
        _margin("margin", content.get("margin", MARGIN)),
        {str(name): _margin(f"margins: {name}", value) for name, value in content.get("margins", {}).items()},
        content.get("flagged", CHOICES[0]),
        content.get("missing", CHOICES[0]),
    )


def _margin(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 10:
        raise InputError(f"{key}: {value!r} must be a number of standard deviations above 0, such as 0.2")
    return float(value)
