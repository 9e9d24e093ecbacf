"""Every planted fault is caught, at the right step; every harmless change passes."""

from __future__ import annotations

import pytest
from catalogue import FAULTS, HARMLESS, in_loop, subject_of

from sdbench.regression import Case, Policy, Subject, Verdict, check_case, record_case

D, C, U = Verdict.DRIFT, Verdict.CHANGED, Verdict.UNDECIDED

VERDICTS = {
    "timestep offset 0 for 1": (D, D, D),
    "history lags a step": (C, C),
    "no first-step correction": (D,),
    "alphas_prev shifted": (C, C, C),
    "guidance applied twice": (C, C, C),
    "cond and uncond swapped": (C, C, C),
    "eta ignored": (C,),
    "noise re-seeded per batch": (U,),  # each single image is as good as before
    "fp16 accumulation": (D, D, D),
    "linear betas for scaled_linear": (C, C, C),
    "step 11 of 20 skipped": (C, C, C),
    "x_T times 1.01": (D, D, D),
    "final clamp left out": (D, D, D),
}
"""Verdicts on the mixture, in the order of each fault's samplers."""


@pytest.mark.parametrize(
    ("fault", "sampler", "verdict"),
    [
        (fault, sampler, verdict)
        for fault, change in FAULTS.items()
        for sampler, verdict in zip(change.samplers, VERDICTS[fault], strict=True)
    ],
)
def test_fault_is_caught_in_its_first_step(record, fault, sampler, verdict):
    change = FAULTS[fault]
    result = check_case(record(sampler, eta=change.eta), change.plant(sampler, subject_of(sampler)))
    assert (result.verdict, result.first_step) == (verdict, change.first)
    assert not Policy().passes(result.case, result.verdict)


@pytest.mark.parametrize(
    ("harmless", "sampler"), [(name, s) for name, change in HARMLESS.items() for s in change.samplers]
)
def test_harmless_change_passes(record, harmless, sampler):
    change = HARMLESS[harmless]
    result = check_case(record(sampler, eta=change.eta), change.plant(sampler, subject_of(sampler)))
    assert Policy().passes(result.case, result.verdict)


def test_the_clamp_matters_if_it_affects_many_pixels(record):
    change = FAULTS["final clamp left out"]
    result = check_case(record("ddim", "gaussian"), change.plant("ddim", subject_of("ddim")))
    assert (result.verdict, result.first_step) == (Verdict.CHANGED, "images")


def repeat(sampler: str, seed: int) -> None:
    """Unchanged code is identical, reordered operations are rounding, other noise is never changed."""
    subject: Subject = subject_of(sampler)
    fresh = record_case(Case("mixture", sampler, 20, 3.0), subject, seed)
    assert check_case(fresh, subject, seed).verdict == Verdict.IDENTICAL
    reordered = check_case(fresh, in_loop()(sampler, subject), seed)
    assert reordered.verdict == Verdict.ROUNDING, reordered.reason
    other_noise = check_case(fresh, subject, seed + 1000)
    assert other_noise.verdict in (Verdict.DRIFT, Verdict.UNDECIDED), other_noise.reason


@pytest.mark.parametrize("seed", [1, 2])
def test_no_false_alarm(seed):
    repeat("plms", seed)


@pytest.mark.slow
def test_no_false_alarm_in_200_repeats():
    for seed in range(200):
        repeat(("plms", "ddim", "dpm-solver++")[seed % 3], seed)
