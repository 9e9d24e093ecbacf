"""Regression tests for samplers: is a change harmless, in which step does it start, how much does it matter?

    cases -> run (platform) -> trace -> compare with a baseline -> verdict -> reports
             run (float64, perturbed) -> error budget, stored with the baseline

A testbed provides the denoiser: data with a closed form, or the embedded family. A subject is what is under
test: a sampler with its guidance, noise and conversion to pixels.
"""

from __future__ import annotations

from sdbench.regression.baseline import Baseline, load_baseline, save_baseline
from sdbench.regression.cases import DEFAULT_CASES, QUICK_CASES, Case
from sdbench.regression.check import check_case, record_case
from sdbench.regression.platforms import Platform
from sdbench.regression.policy import Policy, load_policy
from sdbench.regression.subject import Subject
from sdbench.regression.verdicts import CaseResult, Verdict

__all__ = [
    "DEFAULT_CASES",
    "QUICK_CASES",
    "Baseline",
    "Case",
    "CaseResult",
    "Platform",
    "Policy",
    "Subject",
    "Verdict",
    "check_case",
    "load_baseline",
    "load_policy",
    "record_case",
    "save_baseline",
]
