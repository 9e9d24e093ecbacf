"""Are these images equivalent to those? Another engine, kernel, quantisation or library against a baseline.

    sides -> pair (key by key) -> gather (every image in numbers, remembered by content)
          -> flags (judged apart) -> measures (paired) -> weigh -> facts -> reports

A side is a folder, an archive, a run, or a cell of a run.
"""

from __future__ import annotations

from sdbench.comparison.compare import Compared, CompareRequest, compare
from sdbench.comparison.policy import ComparisonPolicy, load_comparison_policy
from sdbench.comparison.verdicts import Verdict

__all__ = [
    "CompareRequest",
    "Compared",
    "ComparisonPolicy",
    "Verdict",
    "compare",
    "load_comparison_policy",
]
