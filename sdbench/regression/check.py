"""Record a case, and check a later run against the record."""

from __future__ import annotations

from sdbench.core.errors import InputError, one_line
from sdbench.regression.cases import Case
from sdbench.regression.platforms import Platform
from sdbench.regression.record import CaseRecord, record_of
from sdbench.regression.rounding import measure_budget
from sdbench.regression.subject import Subject
from sdbench.regression.testbeds import Testbed, load_testbed
from sdbench.regression.trace import Trace, run
from sdbench.regression.verdicts import CaseResult, judge

__all__ = ["check_case", "record_case"]

CPU = Platform()


def record_case(case: Case, subject: Subject, seed: int = 0, platform: Platform = CPU) -> CaseRecord:
    """Run a case in the precision of the platform, and in float64 to measure its error budget.

    Raises:
        InputError: The subject cannot run the case, or its images are not finite.
    """
    bed = load_testbed(case.testbed, platform.device)
    trace = _run(bed, case, subject, seed, platform)
    if not trace.finite:
        raise InputError(f"{case.name}: cannot record a baseline, because some images are not finite")
    try:
        budget = measure_budget(bed, case, subject, seed, trace, platform)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{case.name}: in float64: {one_line(error)}") from None
    return record_of(case, trace, budget, bed)


def check_case(record: CaseRecord, subject: Subject, seed: int = 0, platform: Platform = CPU) -> CaseResult:
    """Run a recorded case again and judge it; ``seed`` and ``platform`` must be those of the record.

    Raises:
        InputError: The subject cannot run the case, or the testbed has changed since the record was made.
    """
    bed = load_testbed(record.case.testbed, platform.device)
    if bed.digest != record.testbed:
        raise InputError(
            f"{record.case.name}: the baseline was recorded with different weights or data of the testbed "
            f"{record.case.testbed!r}; record it again"
        )
    return judge(record, _run(bed, record.case, subject, seed, platform), bed)


def _run(bed: Testbed, case: Case, subject: Subject, seed: int, platform: Platform) -> Trace:
    try:
        return run(bed, case, subject, seed, dtype=platform.torch_dtype)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{case.name}: {one_line(error)}") from None
