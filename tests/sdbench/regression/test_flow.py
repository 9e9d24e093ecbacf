"""Flow matching: grids as diffusers has them, exact answers, and every planted fault caught."""

from __future__ import annotations

from dataclasses import astuple, replace
from functools import cache

import numpy as np
import pytest
import torch
from flow_catalogue import FLOW_FAULTS, FLOW_HARMLESS, flow_subject

from reference_model.config import ScheduleConfig
from reference_model.samplers import FLOW_SAMPLERS, dynamic_mu, flow_grid
from reference_model.schedule import Schedule
from sdbench.core.errors import InputError
from sdbench.models.samplers import resolve_sampler, sampler_identity
from sdbench.regression import Case, Policy, Verdict, check_case, record_case
from sdbench.regression.exact import check_exactly
from sdbench.regression.session import check, record
from sdbench.regression.testbeds import FlowGaussianTestbed, load_testbed

SCHEDULE = Schedule(ScheduleConfig())


@cache
def recorded(sampler):
    return record_case(Case("flow-mixture", sampler, 20, 3.0), flow_subject(sampler))


@pytest.mark.parametrize(
    ("fault", "sampler"), [(fault, s) for fault, change in FLOW_FAULTS.items() for s in change.samplers]
)
def test_fault_is_caught_in_its_first_step(fault, sampler):
    change = FLOW_FAULTS[fault]
    result = check_case(recorded(sampler), change.plant(sampler, flow_subject(sampler)))
    assert result.verdict in (Verdict.DRIFT, Verdict.CHANGED)
    assert result.first_step == change.first
    assert not Policy().passes(result.case, result.verdict)


@pytest.mark.parametrize(
    ("harmless", "sampler"), [(name, s) for name, change in FLOW_HARMLESS.items() for s in change.samplers]
)
def test_harmless_change_passes(harmless, sampler):
    change = FLOW_HARMLESS[harmless]
    result = check_case(recorded(sampler), change.plant(sampler, flow_subject(sampler)))
    assert Policy().passes(result.case, result.verdict), result.reason


@pytest.mark.parametrize("name", list(FLOW_SAMPLERS))
def test_exact_answers(name):
    results = check_exactly(name, FLOW_SAMPLERS[name], FLOW_SAMPLERS[name])
    assert len(results) == 3
    assert all(result.passed for result in results)


def test_a_velocity_of_the_other_sign_misses_the_exact_answer():
    sampler = FLOW_SAMPLERS["flow-euler"]
    wrong = replace(sampler, run=lambda denoise, *rest: sampler.run(lambda x, t: -denoise(x, t), *rest))
    assert not all(result.passed for result in check_exactly("wrong", wrong, sampler))


def test_the_velocity_moves_points_along_their_quantile():
    bed = FlowGaussianTestbed()
    context = bed.contexts(torch.float64)[0][:1]
    x = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    at, step = torch.tensor([400.0], dtype=torch.float64), 1e-3
    velocity = bed.unet(torch.float64)(x, at, context)
    before, after = (
        bed.standardise(x + sign * step * velocity, bed.power_at(at + sign * 1000 * step), context)
        for sign in (-1, 1)
    )
    assert (after - before).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("ours", "theirs", "mu"),
    [
        ({"shift": 3.0}, {"shift": 3.0}, None),
        ({"mu": dynamic_mu(1024)}, {"use_dynamic_shifting": True}, 0.63),
        ({"shift": 1.0, "spacing": "exponential"}, {"use_exponential_sigmas": True}, None),
        ({"shift": 3.0, "spacing": "karras"}, {"shift": 3.0, "use_karras_sigmas": True}, None),
        ({"shift": 2.0, "spacing": "beta"}, {"shift": 2.0, "use_beta_sigmas": True}, None),
        ({"shift": 3.0, "terminal": 0.1}, {"shift": 3.0, "shift_terminal": 0.1}, None),
    ],
)
def test_grids_are_those_of_diffusers(ours, theirs, mu):
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(**theirs)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / 20, 20), mu=mu)
    grid = flow_grid(SCHEDULE, 20, **ours)
    assert torch.allclose(grid.levels.flip(0).float(), scheduler.sigmas[:-1], rtol=0, atol=2e-7)
    assert torch.allclose(grid.timesteps.flip(0), scheduler.timesteps, rtol=0, atol=2e-4)
    assert grid.levels_next[0] == 0


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("flow-euler", "FlowMatchEulerDiscreteScheduler?shift=3"),
        ("flow-euler?tokens=1024", "FlowMatchEulerDiscreteScheduler?use_dynamic_shifting=true&mu=0.63"),
        ("flow-euler?spacing=karras", "FlowMatchEulerDiscreteScheduler?shift=3&use_karras_sigmas=true"),
    ],
)
def test_schedulers_of_diffusers_make_the_same_walk(name, source):
    pytest.importorskip("diffusers")
    subject = replace(flow_subject(f"diffusers:{source}"), predicts=False)
    result = check_case(recorded(name), subject)
    assert result.verdict == Verdict.ROUNDING, result.reason


def test_heun_and_multistep_schedulers_of_diffusers_walk_flows():
    pytest.importorskip("diffusers")
    bed = load_testbed("flow-gaussian")
    ours = record_case(Case("flow-gaussian", "x", 20, 3.0), flow_subject("flow-heun"))
    for source, calls in (
        ("FlowMatchHeunDiscreteScheduler?shift=3", 39),
        ("DPMSolverMultistepScheduler?use_flow_sigmas=true&flow_shift=3&final_sigmas_type=zero", 20),
    ):
        made = record_case(Case("flow-gaussian", "x", 20, 3.0), flow_subject(f"diffusers:{source}"))
        assert made.calls == calls
        distances = [bed.distances(record.features).mean() for record in (ours, made)]
        assert distances[1] == pytest.approx(distances[0], rel=0.02)


def test_flow_samplers_are_recorded_and_checked_by_name():
    baseline = record(["mine=flow-heun?shift=1"], quick=True)
    assert [r.case.testbed for r in baseline.records] == ["flow-gaussian", "flow-mixture"]
    assert not check(baseline).failed
    changed = check(baseline, ["mine=flow-heun?shift=1.5"])
    assert len(changed.failed) == 2
    with pytest.raises(InputError, match=r"^flow-gaussian/mine-20-g3: ddim follows no flow, unlike"):
        check(baseline, ["mine=ddim"])


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("flow-euler?shfit=3", r"a flow's grid has no 'shfit'; did you mean 'shift'\?"),
        ("flow-euler?shift=0", "shift must be above 0, got 0"),
        ("flow-euler?shift=large", "shift 'large' is not a number"),
        ("flow-euler?shift=3&tokens=256", "shift, mu and tokens exclude each other"),
        ("flow-euler?spacing=even", "spacing 'even'; known: karras"),
        ("flow-euler?terminal=2", "terminal must lie between 0 and 1"),
        ("flow-euler?", "is not written CLASS"),
        ("flow-eule", "did you mean 'flow-euler'"),
    ],
)
def test_wrong_names(name, error):
    with pytest.raises(InputError, match=error):
        resolve_sampler(name)


def test_settings_identify_a_built_in_flow_sampler():
    assert sampler_identity("flow-euler?shift=2") is None
    grids = [resolve_sampler(f"flow-euler?shift={shift}").grid(SCHEDULE, 5, 0.0) for shift in (2, 3)]
    assert not torch.equal(grids[0].levels, grids[1].levels)
    assert all(len(values) == 5 for values in astuple(grids[0]))
