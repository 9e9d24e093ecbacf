from __future__ import annotations

import pytest
import torch

from reference_model.config import ScheduleConfig
from reference_model.schedule import Schedule

SCHEDULE = Schedule(ScheduleConfig())


def test_schedule_is_the_original_bit_for_bit(goldens):
    assert torch.equal(SCHEDULE.betas, goldens["sched/betas_f64"])
    assert torch.equal(SCHEDULE.alphas_cumprod, goldens["sched/alphas_cumprod_f64"])
    assert torch.equal(SCHEDULE.alphas_cumprod.float(), goldens["sched/alphas_cumprod"])


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


def test_steps_that_do_not_divide_the_schedule_run_more_points():
    assert len(SCHEDULE.grid(30).timesteps) == 31


@pytest.mark.parametrize("steps", [0, -1, 1001, 1000, 333])
def test_impossible_steps_are_refused(steps):
    with pytest.raises(ValueError, match="steps"):
        SCHEDULE.grid(steps)
