"""A whole recording or check: choose the cases and their samplers, run them, write the reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reference_model.samplers import FLOW_SAMPLERS, SAMPLERS
from sdbench.core.console import Display
from sdbench.core.environment import machine
from sdbench.core.errors import ChangedError, InputError, UndecidedError, did_you_mean, one_line
from sdbench.core.files import say_replaced
from sdbench.models.samplers import resolve_sampler
from sdbench.regression.baseline import Baseline
from sdbench.regression.cases import DEFAULT_CASES, QUICK_CASES, QUICK_TESTBEDS, Case, cases_of
from sdbench.regression.check import check_case, record_case
from sdbench.regression.exact import ExactResult, check_exactly
from sdbench.regression.outputs import CheckResult, as_json, as_junit, as_markdown
from sdbench.regression.pictures import error_plot, worst_images
from sdbench.regression.platforms import Platform
from sdbench.regression.policy import Policy
from sdbench.regression.progress import announced
from sdbench.regression.record import CaseRecord
from sdbench.regression.subject import Subject
from sdbench.regression.testbeds import TESTBEDS, load_testbed
from sdbench.regression.verdicts import Verdict
from sdbench.runs.store import LocalStore
from sdbench.spec.sampler_names import DIFFUSERS_PREFIX

__all__ = ["check", "record", "require", "write_reports"]


def record(
    given: Sequence[str] = (),
    *,
    quick: bool = False,
    seed: int = 0,
    platform: Platform | None = None,
    display: Display | None = None,
) -> Baseline:
    """Record a baseline.

    Args:
        given: Samplers as "name=source", with sources that `resolve_sampler` knows; none records the default
            cases of the built-in samplers.
        quick: Use only testbeds with a closed form.
        seed: Seed of all noise.
        platform: Device and precision.
        display: Shows progress.

    Raises:
        InputError: A source is unknown, or a case cannot be run.
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
) -> CheckResult:
    """Check the cases of a baseline, and their samplers against exact answers.

    Args:
        baseline: What to compare with.
        given: Samplers as "name=source" to run under names of the baseline; only their cases are checked.
        policy: What is allowed.
        quick: Check only cases with a closed form.
        display: Shows progress.

    Raises:
        InputError: The baseline lacks what is asked for, or a case cannot be run.
    """
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
    return CheckResult(results, exact, policy, baseline.environment, machine(baseline.platform.device))


def require(checked: CheckResult) -> None:
    """Raise ChangedError or UndecidedError unless the policy allows every result."""
    if checked.failed:
        raise ChangedError(f"{len(checked.failed)} worse than allowed: {', '.join(checked.failed)}")
    if checked.undecided:
        raise UndecidedError(
            f"{len(checked.undecided)} moved, with too few prompts to tell whether it matters: "
            f"{', '.join(checked.undecided)}"
        )


def write_reports(folder: Path, checked: CheckResult, note: Callable[[str], None]) -> list[Path]:
    """Write report.json, junit.xml, summary.md, errors.png and images of moved cases; return the paths.

    `note` is told of the files that are replaced.
    """
    store = LocalStore(folder)
    files = {
        "report.json": as_json(checked).encode(),
        "junit.xml": as_junit(checked).encode(),
        "summary.md": as_markdown(checked).encode(),
        "errors.png": error_plot(checked.results),
    }
    for result in checked.results:
        if result.verdict not in (Verdict.IDENTICAL, Verdict.ROUNDING):
            name = f"images/{result.case.name.replace('/', '-')}.png"
            files[name] = worst_images(result, load_testbed(result.case.testbed).prompts)
    paths = [folder / name for name in files]
    say_replaced(paths, note)
    for name, data in files.items():
        store.write(name, data, durable=False)
    return paths


def _sources(given: Sequence[str]) -> dict[str, str]:
    """Split "name=source" into a dict from name to source."""
    sources: dict[str, str] = {}
    for text in given:
        name, equals, source = text.partition("=")
        if not (name and equals and source):
            raise InputError(f"--sampler {text!r}: expected NAME=SOURCE")
        if name in sources:
            raise InputError(f"--sampler: {name!r} is given twice; give each name once")
        resolve_sampler(source)
        sources[name] = source
    return sources


def _cases_of(sources: Mapping[str, str], quick: bool) -> tuple[Case, ...]:
    beds = QUICK_TESTBEDS if quick else tuple(TESTBEDS)
    return tuple(
        case for name, source in sources.items() for case in cases_of(name, resolve_sampler(source), beds)
    )


def _chosen(baseline: Baseline, replaced: Mapping[str, str], quick: bool) -> list[CaseRecord]:
    chosen = [
        record
        for record in baseline.records
        if (not replaced or record.case.sampler in replaced)
        and (not quick or record.case.testbed in QUICK_TESTBEDS)
    ]
    names = {record.case.sampler for record in chosen}
    missing = next((name for name in replaced if name not in names), None)
    kind = "--quick case" if quick else "case"
    if missing is not None:
        known = sorted({record.case.sampler for record in baseline.records})
        raise InputError(f"the baseline has no {kind} of {missing!r}; {did_you_mean(missing, known)}")
    if not chosen:
        raise InputError(f"the baseline has no {kind}; record it again")
    return chosen


def _subject(case: Case, sources: Mapping[str, str], recorded: Mapping[str, str] | None = None) -> Subject:
    """Return the subject of a case.

    diffusers schedulers do not all expose pred_x0, so only latents are compared if one is involved.
    """
    source = sources.get(case.sampler, case.sampler)
    if resolve_sampler(source).flow != case.on_flow:
        raise InputError(
            f"{case.name}: {source} follows {'no' if case.on_flow else 'a'} flow, unlike the sampler of the "
            "baseline; a flow sampler is a Sampler record with flow=True"
        )
    involved = (source, (recorded or {}).get(case.sampler, ""))
    return Subject(
        resolve_sampler(source), predicts=not any(name.startswith(DIFFUSERS_PREFIX) for name in involved)
    )


def _exact(name: str, sources: Mapping[str, str]) -> list[ExactResult]:
    try:
        return check_exactly(
            name, resolve_sampler(sources.get(name, name)), (SAMPLERS | FLOW_SAMPLERS).get(name)
        )
    except ValueError as error:
        raise InputError(f"{name}: {one_line(error)}") from None
