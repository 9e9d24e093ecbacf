from __future__ import annotations

import pytest
import torch

from reference_model.config import ScheduleConfig
from reference_model.guidance import guided
from reference_model.samplers import SAMPLERS, nfe
from reference_model.schedule import Schedule

SCHEDULE = Schedule(ScheduleConfig())
PLMS = [f"plms/S{s}/scale{g}" for s in (50, 20, 10) for g in (1.0, 1.5, 7.5)]
DDIM = [f"ddim/S{s}/eta0/scale{g}" for s in (50, 20, 10) for g in (1.0, 1.5, 7.5)]
NOISY = [f"ddim/S{s}/eta1/scale7.5" for s in (50, 20, 10)] + ["ddim/S10/eta0.5/scale3.0"]


def close(actual, expected, atol=5e-4):
    """Absolute near one, relative to the largest value beyond: early x_0 predictions reach hundreds."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol * float(expected.abs().max().clamp(min=1)))


class Counting:
    """Wraps the UNet and writes down its calls."""

    def __init__(self, unet):
        self.unet, self.timesteps, self.batches = unet, [], set()

    def __call__(self, x, t, context):
        self.timesteps.append(int(t[0]))
        self.batches.add(len(x))
        return self.unet(x, t, context)


def setting(name):
    """Sampler, steps, guidance scale and eta from the name of a golden trajectory."""
    sampler, steps, *middle, scale = name.split("/")
    eta = float(middle[0].removeprefix("eta")) if middle else 0.0
    return sampler, int(steps.removeprefix("S")), float(scale.removeprefix("scale")), eta


@pytest.mark.parametrize("name", PLMS + DDIM + NOISY)
def test_trajectory_is_the_original_one(tiny, goldens, name):
    sampler, steps, scale, eta = setting(name)
    unet = Counting(tiny.unet)
    draws = iter(goldens[f"{name}/noise"]) if eta else None
    trajectory = list(
        SAMPLERS[sampler](
            guided(unet, goldens["samp/c"], goldens["samp/uc"], scale),
            goldens["samp/x_T"],
            SCHEDULE.grid(steps, eta),
            (lambda: next(draws)) if draws else None,
        )
    )
    for row, position in enumerate(goldens[f"{name}/steps"].tolist()):
        torch.testing.assert_close(trajectory[position].x, goldens[f"{name}/x_prev"][row], rtol=0, atol=5e-4)
        close(trajectory[position].pred_x0, goldens[f"{name}/pred_x0"][row])
        if sampler == "plms":
            close(trajectory[position].eps, goldens[f"{name}/e_t"][row])
    torch.testing.assert_close(trajectory[-1].x, goldens[f"{name}/final"], rtol=0, atol=5e-4)
    if sampler == "plms":
        assert unet.timesteps == goldens[f"{name}/unet_t"].reshape(-1).tolist()
        assert unet.batches == {int(goldens[f"{name}/unet_batch"])}
    if f"{name}/unet_calls" in goldens:
        assert len(unet.timesteps) == int(goldens[f"{name}/unet_calls"])
    assert len(unet.timesteps) == nfe(sampler, len(trajectory))


def gaussian_denoiser(std):
    """eps of data drawn from N(0, std^2): x has variance a std^2 + 1 - a, so the best guess is linear."""
    cumprod = SCHEDULE.alphas_cumprod

    def denoise(x, t):
        a = cumprod[t].reshape(-1, 1, 1, 1)
        return (1 - a).sqrt() * x / (a * std**2 + 1 - a)

    return denoise


def exact_factor(std, grid):
    """How the probability-flow ODE scales x from the last to the first timestep: x keeps its quantile."""
    first, last = SCHEDULE.alphas_cumprod[0], SCHEDULE.alphas_cumprod[grid.timesteps[-1]]
    return ((first * std**2 + 1 - first) / (last * std**2 + 1 - last)).sqrt()


@pytest.mark.parametrize(("sampler", "order", "limit"), [("ddim", 1.0, 4e-2), ("plms", 2.0, 2e-3)])
def test_convergence_to_the_exact_answer(sampler, order, limit):
    """Four times the steps cut the error by at least 4 to the order, less a tenth."""
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    errors = []
    for steps in (20, 80):
        grid = SCHEDULE.grid(steps)
        *_, last = SAMPLERS[sampler](gaussian_denoiser(0.5), x, grid, None)
        errors.append(abs(float(last.x / exact_factor(0.5, grid)) - 1))
    assert errors[1] < errors[0] / 4 ** (0.9 * order)
    assert errors[1] < limit


def test_guidance_of_one_is_the_conditional_model(tiny, goldens):
    x, t, c, uc = goldens["unet/x"], torch.tensor([500, 500]), goldens["samp/c"], goldens["samp/uc"]
    unet = Counting(tiny.unet)
    assert torch.equal(guided(unet, c, uc, 1.0)(x, t), tiny.unet(x, t, c))
    assert unet.batches == {2}


def test_guidance_extrapolates_from_the_empty_prompt(tiny, goldens):
    x, t, c, uc = goldens["unet/x"], torch.tensor([500, 500]), goldens["samp/c"], goldens["samp/uc"]
    empty, text = tiny.unet(x, t, uc), tiny.unet(x, t, c)
    close(guided(tiny.unet, c, uc, 3.0)(x, t), empty + 3.0 * (text - empty), atol=1e-5)


def test_plms_refuses_noise():
    with pytest.raises(ValueError, match="eta must be 0"):
        next(SAMPLERS["plms"](gaussian_denoiser(1.0), torch.ones(1, 1, 1, 1), SCHEDULE.grid(10, 1.0), None))


def test_stochastic_ddim_needs_noise():
    with pytest.raises(ValueError, match="step noise"):
        list(SAMPLERS["ddim"](gaussian_denoiser(1.0), torch.ones(1, 1, 1, 1), SCHEDULE.grid(10, 1.0), None))
