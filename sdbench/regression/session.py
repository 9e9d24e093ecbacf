"""A whole recording and a whole check: which cases, by whose code, and what is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reference_model.samplers import SAMPLERS, Sampler
from sdbench.errors import InputError, SdbenchError, did_you_mean, one_line
from sdbench.provenance import machine
from sdbench.regression.baseline import Baseline
from sdbench.regression.cases import DEFAULT_CASES, QUICK_CASES, QUICK_TESTBEDS, Case, cases_of
from sdbench.regression.check import check_case, record_case
from sdbench.regression.exact import ExactResult, check_exactly
from sdbench.regression.outputs import Outcome, as_json, as_junit, as_markdown
from sdbench.regression.pictures import error_plot, worst_images
from sdbench.regression.policy import Policy
from sdbench.regression.subject import Subject
from sdbench.regression.testbeds import TESTBEDS, load_testbed
from sdbench.regression.verdicts import Verdict
from sdbench.samplers import resolve_sampler
from sdbench.store import LocalStore

__all__ = ["ChangedError", "UndecidedError", "check", "record", "require", "write_reports"]


class ChangedError(SdbenchError):
    """Something is worse than the policy allows."""


class UndecidedError(SdbenchError):
    """The trajectory moved, and there are too few prompts to say whether that matters."""

    exit_code = 2


def record(given: Sequence[str] = (), *, quick: bool = False, seed: int = 0) -> Baseline:
    """Record the default cases, or those of the samplers ``given`` as "name=module:function"."""
    samplers = _samplers(given)
    if given:
        beds = QUICK_TESTBEDS if quick else tuple(TESTBEDS)
        cases = tuple(
            case for name, s in samplers.items() for case in cases_of(name, beds, takes_eta=s.takes_eta)
        )
    else:
        cases = QUICK_CASES if quick else DEFAULT_CASES
    return Baseline(seed, tuple(record_case(case, _subject(case, samplers), seed) for case in cases))


def check(
    baseline: Baseline, given: Sequence[str] = (), policy: Policy | None = None, *, quick: bool = False
) -> Outcome:
    """Check the baseline's cases, or those of the samplers ``given``, and hold these to exact answers."""
    samplers = _samplers(given)
    chosen = [
        r
        for r in baseline.records
        if (not given or r.case.sampler in samplers) and (not quick or r.case.testbed in QUICK_TESTBEDS)
    ]
    names = {r.case.sampler for r in chosen}
    missing = next((name for name in samplers if name not in names), None if chosen else "")
    if missing is not None:
        known = sorted({r.case.sampler for r in baseline.records})
        raise InputError(f"the baseline has no such case of {missing!r}: {did_you_mean(missing, known)}")
    results = tuple(check_case(r, _subject(r.case, samplers), baseline.seed) for r in chosen)
    exact = tuple(e for name in sorted(names) for e in _exact(name, samplers))
    return Outcome(results, exact, policy or Policy(), baseline.environment, machine("cpu"))


def require(outcome: Outcome) -> None:
    """Raise ChangedError or UndecidedError unless all is as allowed."""
    if outcome.failed:
        raise ChangedError(f"{len(outcome.failed)} worse than allowed: {', '.join(outcome.failed)}")
    if outcome.undecided:
        raise UndecidedError(
            f"{len(outcome.undecided)} moved, and the prompts cannot say if it matters: "
            f"{', '.join(outcome.undecided)}"
        )


def write_reports(folder: Path, outcome: Outcome) -> list[Path]:
    """Write report.json, junit.xml, summary.md, errors.png, and images of the cases that moved."""
    store = LocalStore(folder)
    files = {
        "report.json": as_json(outcome).encode(),
        "junit.xml": as_junit(outcome).encode(),
        "summary.md": as_markdown(outcome).encode(),
        "errors.png": error_plot(outcome.results),
    }
    for result in outcome.results:
        if result.verdict not in (Verdict.IDENTICAL, Verdict.ROUNDING):
            name = f"images/{result.case.name.replace('/', '-')}.png"
            files[name] = worst_images(result, load_testbed(result.case.testbed).prompts)
    for name, data in files.items():
        store.write(name, data, durable=False)
    return [store.path(name) for name in files]


def _samplers(given: Sequence[str]) -> dict[str, Sampler]:
    samplers = {}
    for text in given:
        name, equals, source = text.partition("=")
        if not (name and equals and source):
            raise InputError(f"--sampler {text!r} is not written NAME=MODULE:FUNCTION")
        samplers[name] = resolve_sampler(source)
    return samplers


def _sampler(name: str, samplers: dict[str, Sampler]) -> Sampler:
    """The one that was given under the name, else the one that the name stands for."""
    return samplers.get(name) or resolve_sampler(name)


def _subject(case: Case, samplers: dict[str, Sampler]) -> Subject:
    return Subject(_sampler(case.sampler, samplers))


def _exact(name: str, samplers: dict[str, Sampler]) -> list[ExactResult]:
    try:
        return check_exactly(name, _sampler(name, samplers), SAMPLERS.get(name))
    except ValueError as error:
        raise InputError(f"{name}: {one_line(error)}") from None
