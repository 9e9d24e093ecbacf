from __future__ import annotations

import json

import pytest
import torch

from reference_model.checkpoints.compvis import BUFFERS
from reference_model.config import ScheduleConfig
from reference_model.schedule import Schedule

from .conftest import GOLDENS

SCHEDULE = Schedule(ScheduleConfig())


def test_schedule_is_the_original_bit_for_bit(goldens):
    assert torch.equal(SCHEDULE.betas, goldens["sched/betas_f64"])
    assert torch.equal(SCHEDULE.alphas_cumprod, goldens["sched/alphas_cumprod_f64"])
    assert torch.equal(SCHEDULE.alphas_cumprod.float(), goldens["sched/alphas_cumprod"])


def test_everything_that_files_store_follows_from_the_schedule(goldens):
    """Ho et al. 2020: equations 4, 6 and 7, the logarithm of the latter's variance, and the weights of 12."""
    betas, powers = SCHEDULE.betas, SCHEDULE.alphas_cumprod
    before = torch.cat([torch.ones(1, dtype=torch.float64), powers[:-1]])
    variance = betas * (1 - before) / (1 - powers)
    weights = betas**2 / (2 * variance * (1 - betas) * (1 - powers))
    weights[0] = weights[1]  # the variance of the last step is 0
    stored = {
        "betas": betas,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": powers.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - powers).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - powers).log(),
        "sqrt_recip_alphas_cumprod": (1 / powers).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / powers - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": betas * before.sqrt() / (1 - powers),
        "posterior_mean_coef2": (1 - before) * (1 - betas).sqrt() / (1 - powers),
        "lvlb_weights": weights,
    }
    assert set(stored) | {"alphas_cumprod"} == BUFFERS | {"lvlb_weights"}
    for name, values in stored.items():
        rtol = 1e-4 if name == "lvlb_weights" else 1e-6  # these were computed in float32
        torch.testing.assert_close(values.float(), goldens[f"sched/{name}"], rtol=rtol, atol=0)


@pytest.mark.parametrize("steps", [10, 20, 25, 30, 50, 100])
@pytest.mark.parametrize("eta", [0, 1])
def test_grid_is_the_original_bit_for_bit(goldens, steps, eta):
    grid = SCHEDULE.grid(steps, float(eta))
    stored = {
        "timesteps": grid.timesteps,
        "alphas": grid.alphas,
        "alphas_prev": grid.alphas_prev,
        "sqrt_one_minus_alphas": grid.sqrt_one_minus_alphas,
        f"sigmas_eta{eta}": grid.sigmas,
    }
    for name, values in stored.items():
        expected = goldens[f"ddim/S{steps}/{name}"]
        assert values.dtype == expected.dtype, name
        assert torch.equal(values, expected), name


def test_every_number_of_steps_runs_as_in_the_original():
    """Steps that do not divide 1000 give more points; one clear error line replaces the original's crash."""
    table = json.loads((GOLDENS / "tiny" / "ddim-step-table.json").read_text())
    works = {int(asked): entry for asked, entry in table.items() if entry["error"] is None}
    assert len(table) == 1001
    assert works[30]["steps"] == 31
    for asked in map(int, table):
        if asked in works:
            timesteps = SCHEDULE.grid(asked).timesteps
            assert (len(timesteps), int(timesteps[-1])) == (works[asked]["steps"], works[asked]["first_t"])
        elif asked <= 1000:
            with pytest.raises(ValueError, match="past the schedule's end 999") as refused:
                SCHEDULE.grid(asked)
            offered = int(str(refused.value).rsplit(" ", 1)[1])
            assert offered == min(works, key=lambda fitting: abs(fitting - asked))


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_steps_outside_the_schedule_are_refused(steps):
    with pytest.raises(ValueError, match=r"steps must lie in 1\.\.1000"):
        SCHEDULE.grid(steps)
