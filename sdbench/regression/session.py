"""A whole recording and a whole check: which cases, by whose code, and what is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reference_model.samplers import SAMPLERS
from sdbench.display import Display
from sdbench.errors import InputError, SdbenchError, did_you_mean, one_line
from sdbench.models.sampler_names import DIFFUSERS_PREFIX
from sdbench.provenance import machine
from sdbench.regression.baseline import Baseline
from sdbench.regression.cases import DEFAULT_CASES, QUICK_CASES, QUICK_TESTBEDS, Case, cases_of
from sdbench.regression.check import check_case, record_case
from sdbench.regression.exact import ExactResult, check_exactly
from sdbench.regression.outputs import Outcome, as_json, as_junit, as_markdown
from sdbench.regression.pictures import error_plot, worst_images
from sdbench.regression.platforms import Platform
from sdbench.regression.policy import Policy
from sdbench.regression.progress import announced
from sdbench.regression.record import Record
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


def record(
    given: Sequence[str] = (),
    *,
    quick: bool = False,
    seed: int = 0,
    platform: Platform | None = None,
    display: Display | None = None,
) -> Baseline:
    """Record the default cases, or those of the samplers ``given`` as "name=source".

    A source is a name that `resolve_sampler` knows. Raises InputError for one that it does not.
    """
    platform = platform or Platform()
    platform.require()
    sources = _sources(given)
    cases = _cases_of(sources, quick) if given else QUICK_CASES if quick else DEFAULT_CASES
    records = tuple(
        record_case(case, _subject(case, sources), seed, platform)
        for case in announced({case.name: case for case in cases}, display)
    )
    return Baseline(seed, records, machine(platform.device), platform, sources)


def check(
    baseline: Baseline,
    given: Sequence[str] = (),
    policy: Policy | None = None,
    *,
    quick: bool = False,
    display: Display | None = None,
) -> Outcome:
    """Check the baseline's cases, or those of the samplers ``given``, and hold these to exact answers."""
    policy = policy or Policy()
    baseline.platform.require()
    policy.require_fit(record.case for record in baseline.records)
    replaced = _sources(given)
    sources = baseline.sources | replaced
    chosen = {record.case.name: record for record in _chosen(baseline, replaced, quick)}
    results = tuple(
        check_case(record, _subject(record.case, sources, baseline.sources), baseline.seed, baseline.platform)
        for record in announced(chosen, display)
    )
    names = sorted({record.case.sampler for record in chosen.values()})
    exact = tuple(result for name in names for result in _exact(name, sources))
    return Outcome(results, exact, policy, baseline.environment, machine(baseline.platform.device))


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
    return [folder / name for name in files]


def _sources(given: Sequence[str]) -> dict[str, str]:
    """Names and what stands for them."""
    sources: dict[str, str] = {}
    for text in given:
        name, equals, source = text.partition("=")
        if not (name and equals and source):
            raise InputError(f"--sampler {text!r} is not written NAME=SOURCE")
        if name in sources:
            raise InputError(f"--sampler: {name!r} is given twice")
        resolve_sampler(source)
        sources[name] = source
    return sources


def _cases_of(sources: Mapping[str, str], quick: bool) -> tuple[Case, ...]:
    beds = QUICK_TESTBEDS if quick else tuple(TESTBEDS)
    return tuple(
        case
        for name, source in sources.items()
        for case in cases_of(name, beds, takes_eta=resolve_sampler(source).takes_eta)
    )


def _chosen(baseline: Baseline, replaced: Mapping[str, str], quick: bool) -> list[Record]:
    chosen = [
        record
        for record in baseline.records
        if (not replaced or record.case.sampler in replaced)
        and (not quick or record.case.testbed in QUICK_TESTBEDS)
    ]
    names = {record.case.sampler for record in chosen}
    missing = next((name for name in replaced if name not in names), None)
    if missing is not None:
        known = sorted({record.case.sampler for record in baseline.records})
        raise InputError(f"the baseline has no such case of {missing!r}: {did_you_mean(missing, known)}")
    if not chosen:
        raise InputError("the baseline has no such case at all; record it again")
    return chosen


def _subject(case: Case, sources: Mapping[str, str], recorded: Mapping[str, str] | None = None) -> Subject:
    """What runs a case. A scheduler says only in part where a step points to, so its latents count alone."""
    source = sources.get(case.sampler, case.sampler)
    involved = (source, (recorded or {}).get(case.sampler, ""))
    return Subject(
        resolve_sampler(source), predicts=not any(name.startswith(DIFFUSERS_PREFIX) for name in involved)
    )


def _exact(name: str, sources: Mapping[str, str]) -> list[ExactResult]:
    try:
        return check_exactly(name, resolve_sampler(sources.get(name, name)), SAMPLERS.get(name))
    except ValueError as error:
        raise InputError(f"{name}: {one_line(error)}") from None
