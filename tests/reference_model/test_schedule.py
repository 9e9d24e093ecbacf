from __future__ import annotations

import json

import pytest
import torch

from reference_model.config import ScheduleConfig
from reference_model.schedule import Schedule

from .conftest import GOLDENS

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


def test_every_number_of_steps_runs_as_in_the_original():
    """Steps that do not divide 1000 run more points; where the original crashes there is one clear line."""
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
