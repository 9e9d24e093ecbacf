"""What a check says: a terminal table, JSON, JUnit XML, and Markdown for the summary of a CI job."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from sdbench.regression.exact import ExactResult
from sdbench.regression.policy import Policy
from sdbench.regression.verdicts import CaseResult, Verdict

__all__ = ["Outcome", "as_json", "as_junit", "as_markdown", "as_table"]

HEADINGS = ("case", "verdict", "allowed", "first step", "why")


@dataclass(frozen=True)
class Outcome:
    """Everything that one check found, with the environment of the baseline and of this run."""

    results: tuple[CaseResult, ...]
    exact: tuple[ExactResult, ...]
    policy: Policy
    baseline_environment: dict[str, Any]
    environment: dict[str, Any]

    @property
    def failed(self) -> list[str]:
        """Names of the cases that are worse than allowed beyond doubt, and of exact answers missed."""
        cases = [r.case.name for r in self.results if not self.passes(r) and r.verdict != Verdict.UNDECIDED]
        return [*cases, *(_exact_name(result) for result in self.exact if not result.passed)]

    @property
    def undecided(self) -> list[str]:
        """Names of the cases that moved, where the prompts cannot say if it matters."""
        return [r.case.name for r in self.results if r.verdict == Verdict.UNDECIDED]

    def passes(self, result: CaseResult) -> bool:
        """Whether the policy allows a result."""
        return self.policy.passes(result.case, result.verdict)


def as_table(outcome: Outcome) -> Table:
    """For the terminal."""
    table = Table(title=_headline(outcome), title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold", no_wrap=heading != HEADINGS[-1])
    for result in outcome.results:
        style = "" if outcome.passes(result) else "bold red"
        table.add_row(*_row(outcome, result), style=style)
    for exact in outcome.exact:
        if not exact.passed:
            table.add_row(_exact_name(exact), "changed", "", "", _exact_reason(exact), style="bold red")
    return table


def as_markdown(outcome: Outcome) -> str:
    """For $GITHUB_STEP_SUMMARY and the like."""
    lines = [f"### {_headline(outcome)}", "", _markdown_row(HEADINGS), _markdown_row(["---"] * len(HEADINGS))]
    for result in outcome.results:
        mark = "" if outcome.passes(result) else "**"
        name, *others = _row(outcome, result)
        lines.append(_markdown_row([f"{mark}{name}{mark}", *others]))
    if outcome.exact:
        columns = ("exact answer", "value", "expected", "holds")
        lines += ["", _markdown_row(columns), _markdown_row(["---"] * len(columns))]
        for e in outcome.exact:
            held = "yes" if e.passed else "**no**"
            lines.append(_markdown_row([_exact_name(e), f"{e.value:.3g}", e.expected, held]))
    return "\n".join(lines) + "\n"


def as_json(outcome: Outcome) -> str:
    """The whole report; null where a number is not finite."""
    content = {
        "passed": not outcome.failed and not outcome.undecided,
        "cases": [_facts(outcome, result) for result in outcome.results],
        "exact": [
            {**asdict(result), "value": result.value if math.isfinite(result.value) else None}
            for result in outcome.exact
        ],
        "environment": outcome.environment,
        "baseline_environment": outcome.baseline_environment,
    }
    return json.dumps(content, indent=1) + "\n"


def as_junit(outcome: Outcome) -> str:
    """A test case for each case and each exact answer."""
    bad = len(outcome.failed)
    suite = ElementTree.Element(
        "testsuite",
        name="sdbench regress",
        tests=str(len(outcome.results) + len(outcome.exact)),
        failures=str(bad),
        errors=str(len(outcome.undecided)),
    )
    for result in outcome.results:
        case = ElementTree.SubElement(suite, "testcase", classname="regression", name=result.case.name)
        if not outcome.passes(result):
            kind = "error" if result.verdict == Verdict.UNDECIDED else "failure"
            words = f"{result.verdict} at step {result.first_step}: {result.reason}"
            ElementTree.SubElement(case, kind, message=words)
    for exact in outcome.exact:
        case = ElementTree.SubElement(suite, "testcase", classname="exact", name=_exact_name(exact))
        if not exact.passed:
            ElementTree.SubElement(case, "failure", message=_exact_reason(exact))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _headline(outcome: Outcome) -> str:
    words = f"{len(outcome.results)} cases, {len(outcome.exact)} exact answers: "
    if outcome.failed:
        return f"{words}{len(outcome.failed)} worse than allowed"
    return f"{words}{len(outcome.undecided)} undecided" if outcome.undecided else f"{words}all as allowed"


def _row(outcome: Outcome, result: CaseResult) -> list[str]:
    allowed = outcome.policy.allowed(result.case)
    return [result.case.name, result.verdict, allowed, result.first_step, result.reason]


def _markdown_row(fields: Iterable[str]) -> str:
    return f"| {' | '.join(field.replace('|', '/') for field in fields)} |"


def _exact_name(result: ExactResult) -> str:
    return f"{result.sampler}: {result.quantity}"


def _exact_reason(result: ExactResult) -> str:
    return f"{result.value:.3g}, must be {result.expected}"


def _facts(outcome: Outcome, result: CaseResult) -> dict[str, Any]:
    return {
        "name": result.case.name,
        "case": asdict(result.case),
        "verdict": result.verdict,
        "allowed": outcome.policy.allowed(result.case),
        "passed": outcome.passes(result),
        "first_step": result.first_step,
        "reason": result.reason,
        "errors": {name: _finite(values) for name, values in result.errors.items()},
        "budget": {name: values.tolist() for name, values in result.budget.items()},
        "comparisons": [asdict(comparison) for comparison in result.comparisons],
    }


def _finite(values: NDArray[np.float64]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]
