"""Record a case, and check it against its record."""

from __future__ import annotations

from sdbench.errors import InputError, one_line
from sdbench.regression.cases import Case
from sdbench.regression.record import Record, record_of
from sdbench.regression.rounding import measure_budget
from sdbench.regression.subject import Subject
from sdbench.regression.testbeds import Testbed, load_testbed
from sdbench.regression.trace import Trace, run
from sdbench.regression.verdicts import CaseResult, judge

__all__ = ["check_case", "record_case"]


def record_case(case: Case, subject: Subject, seed: int = 0) -> Record:
    """Run a case as it is now, in float32 and for its error budget in float64.

    Raises InputError where the subject cannot run it.
    """
    bed = load_testbed(case.testbed)
    trace = _run(bed, case, subject, seed)
    if not trace.finite:
        raise InputError(f"{case.name}: the images are not finite, which is nothing to hold others to")
    try:
        budget = measure_budget(bed, case, subject, seed, trace)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{case.name}: in float64: {one_line(error)}") from None
    return record_of(case, trace, budget, bed)


def check_case(record: Record, subject: Subject, seed: int = 0) -> CaseResult:
    """Run a recorded case again and judge it; ``seed`` is the one it was recorded with.

    Raises InputError where the subject cannot run it, or the testbed is not the one of the record.
    """
    bed = load_testbed(record.case.testbed)
    if bed.digest != record.testbed:
        raise InputError(
            f"{record.case.name}: the baseline was made with other weights or data of the testbed "
            f"{record.case.testbed!r}; record it again"
        )
    return judge(record, _run(bed, record.case, subject, seed), bed)


def _run(bed: Testbed, case: Case, subject: Subject, seed: int) -> Trace:
    try:
        return run(bed, case, subject, seed)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{case.name}: {one_line(error)}") from None
