"""The reports of a check: a terminal table, JSON, JUnit XML, and Markdown for the summary of a CI job."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from reports.escaping import in_markdown
from sdbench.core.console import plain
from sdbench.core.junit import JunitCase, junit
from sdbench.regression.exact import ExactResult
from sdbench.regression.policy import Policy
from sdbench.regression.verdicts import CaseResult, Verdict

__all__ = ["CheckResult", "as_json", "as_junit", "as_markdown", "as_table"]

HEADINGS = ("case", "verdict", "allowed", "first step", "why")


@dataclass(frozen=True)
class CheckResult:
    """Everything that a check found, with the environments of the baseline and of this run."""

    results: tuple[CaseResult, ...]
    exact: tuple[ExactResult, ...]
    policy: Policy
    baseline_environment: dict[str, Any]
    environment: dict[str, Any]

    @property
    def failed(self) -> list[str]:
        """Names of cases that are worse than allowed (without undecided ones) and of exact answers missed."""
        cases = [r.case.name for r in self.results if not self.passes(r) and r.verdict != Verdict.UNDECIDED]
        return [*cases, *(_exact_name(result) for result in self.exact if not result.passed)]

    @property
    def undecided(self) -> list[str]:
        """Names of the cases that moved with too few prompts to tell whether it matters."""
        return [r.case.name for r in self.results if r.verdict == Verdict.UNDECIDED]

    def passes(self, result: CaseResult) -> bool:
        """Whether the policy allows a result."""
        return self.policy.passes(result.case, result.verdict)


def as_table(checked: CheckResult) -> Table:
    """Return a table for the terminal."""
    table = Table(title=_headline(checked), title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading != HEADINGS[-1])
    for result in checked.results:
        style = "" if checked.passes(result) else "bold red"
        table.add_row(*map(plain, _row(checked, result)), style=style)
    for exact in checked.exact:
        if not exact.passed:
            row = [_exact_name(exact), "changed", "", "", _exact_reason(exact)]
            table.add_row(*map(plain, row), style="bold red")
    return table


def as_markdown(checked: CheckResult) -> str:
    """Return Markdown, for $GITHUB_STEP_SUMMARY and the like."""
    lines = [f"### {_headline(checked)}", "", _markdown_row(HEADINGS), _markdown_row(["---"] * len(HEADINGS))]
    for result in checked.results:
        mark = "" if checked.passes(result) else "**"
        name, *others = map(in_markdown, _row(checked, result))
        lines.append(_markdown_row([f"{mark}{name}{mark}", *others]))
    if checked.exact:
        columns = ("exact answer", "value", "expected", "passed")
        lines += ["", _markdown_row(columns), _markdown_row(["---"] * len(columns))]
        for e in checked.exact:
            passed = "yes" if e.passed else "**no**"
            lines.append(_markdown_row([in_markdown(_exact_name(e)), f"{e.value:.3g}", e.expected, passed]))
    return "\n".join(lines) + "\n"


def as_json(checked: CheckResult) -> str:
    """Return the whole report as JSON, with null for numbers that are not finite."""
    content = {
        "passed": not checked.failed and not checked.undecided,
        "cases": [_facts(checked, result) for result in checked.results],
        "exact": [
            {**asdict(result), "value": result.value if math.isfinite(result.value) else None}
            for result in checked.exact
        ],
        "environment": checked.environment,
        "baseline_environment": checked.baseline_environment,
    }
    return json.dumps(content, indent=1) + "\n"


def as_junit(checked: CheckResult) -> str:
    """Return JUnit XML with a test case for each case and each exact answer."""
    cases = [
        JunitCase("regression", result.case.name, *_outcome(checked, result)) for result in checked.results
    ]
    cases += [
        JunitCase("exact", _exact_name(exact), "" if exact.passed else "failure", _exact_reason(exact))
        for exact in checked.exact
    ]
    return junit("sdbench regress", cases)


def _outcome(checked: CheckResult, result: CaseResult) -> tuple[str, str]:
    if checked.passes(result):
        return "", ""
    kind = "error" if result.verdict == Verdict.UNDECIDED else "failure"
    return kind, f"{result.verdict} at step {result.first_step}: {result.reason}"


def _headline(checked: CheckResult) -> str:
    words = f"{len(checked.results)} cases, {len(checked.exact)} exact answers: "
    if checked.failed:
        return f"{words}{len(checked.failed)} worse than allowed"
    return f"{words}{len(checked.undecided)} undecided" if checked.undecided else f"{words}all as allowed"


def _row(checked: CheckResult, result: CaseResult) -> list[str]:
    allowed = checked.policy.allowed(result.case)
    return [result.case.name, result.verdict, allowed, result.first_step, result.reason]


def _markdown_row(fields: Iterable[str]) -> str:
    return f"| {' | '.join(fields)} |"


def _exact_name(result: ExactResult) -> str:
    return f"{result.sampler}: {result.quantity}"


def _exact_reason(result: ExactResult) -> str:
    return f"{result.value:.3g}, must be {result.expected}"


def _facts(checked: CheckResult, result: CaseResult) -> dict[str, Any]:
    return {
        "name": result.case.name,
        "case": asdict(result.case),
        "verdict": result.verdict,
        "allowed": checked.policy.allowed(result.case),
        "passed": checked.passes(result),
        "first_step": result.first_step,
        "reason": result.reason,
        "errors": {name: _finite(values) for name, values in result.errors.items()},
        "budget": {name: values.tolist() for name, values in result.budget.items()},
        "comparisons": [asdict(comparison) for comparison in result.comparisons],
    }


def _finite(values: NDArray[np.float64]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]
