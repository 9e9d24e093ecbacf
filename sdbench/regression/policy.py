"""The policy of a check: the worst verdict that passes, per case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sdbench.core.errors import InputError, did_you_mean
from sdbench.core.yaml import read_yaml
from sdbench.regression.cases import Case
from sdbench.regression.verdicts import Verdict

__all__ = ["Policy", "load_policy"]

ORDER = (Verdict.IDENTICAL, Verdict.ROUNDING, Verdict.DRIFT)


@dataclass(frozen=True)
class Policy:
    """A default verdict, and verdicts by pattern of case names; the last matching pattern wins."""

    default: Verdict = Verdict.ROUNDING
    cases: dict[str, Verdict] = field(default_factory=dict)

    def allowed(self, case: Case) -> Verdict:
        """Return the worst verdict that passes for a case."""
        fitting = [verdict for pattern, verdict in self.cases.items() if fnmatchcase(case.name, pattern)]
        return fitting[-1] if fitting else self.default

    def require_fit(self, cases: Iterable[Case]) -> None:
        """Raise InputError if a pattern matches none of the cases, as it would have no effect."""
        names = [case.name for case in cases]
        for pattern in self.cases:
            if not any(fnmatchcase(name, pattern) for name in names):
                hint = did_you_mean(pattern, names)
                raise InputError(f"policy: {pattern!r} matches no case of the baseline; {hint}")

    def passes(self, case: Case, verdict: Verdict) -> bool:
        """Whether the verdict is no worse than allowed; CHANGED and UNDECIDED never pass."""
        return verdict in ORDER[: ORDER.index(self.allowed(case)) + 1]


def load_policy(path: Path) -> Policy:
    """Read a policy file with the keys `default` and `cases`.

    Raises:
        InputError: The file cannot be read or contains anything else.
    """
    content = read_yaml(path, "policy")
    if not isinstance(content, dict) or not isinstance(content.get("cases", {}), dict):
        raise InputError(f"policy {path}: must be a mapping with the keys default and cases")
    for key in content:
        if key not in ("default", "cases"):
            hint = did_you_mean(str(key), ["default", "cases"])
            raise InputError(f"policy {path}: unknown key {key!r}; {hint}")
    cases = {str(name): _verdict(path, word) for name, word in content.get("cases", {}).items()}
    return Policy(_verdict(path, content.get("default", Verdict.ROUNDING)), cases)


def _verdict(path: Path, word: Any) -> Verdict:
    if word not in ORDER:
        raise InputError(f"policy {path}: cannot allow {word!r}; {did_you_mean(str(word), ORDER)}")
    return Verdict(word)
