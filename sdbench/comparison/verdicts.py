"""The words of a comparison, from best to worst."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["PASSING", "Verdict"]


class Verdict(StrEnum):
    """UNDECIDED: something differs, with too few prompts to tell whether it matters."""

    IDENTICAL = "identical"
    ROUNDING = "rounding"
    EQUIVALENT = "equivalent"
    CHANGED = "changed"
    UNDECIDED = "undecided"


PASSING = (Verdict.IDENTICAL, Verdict.ROUNDING, Verdict.EQUIVALENT)
"""Verdicts that a policy may allow, from strict to lenient."""
