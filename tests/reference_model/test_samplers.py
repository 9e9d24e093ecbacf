from __future__ import annotations

import pytest
import torch

from reference_model.config import ScheduleConfig
from reference_model.guidance import guided
from reference_model.samplers import SAMPLERS, ddim, euler_ancestral, nfe, plms
from reference_model.schedule import Schedule

SCHEDULE = Schedule(ScheduleConfig())
PLMS = [f"plms/S{s}/scale{g}" for s in (50, 20, 10) for g in (1.0, 1.5, 7.5)]
DDIM = [f"ddim/S{s}/eta0/scale{g}" for s in (50, 20, 10) for g in (1.0, 1.5, 7.5)]
DPM = [f"dpm/S{s}/scale{g}" for s in (50, 20, 10) for g in (1.0, 1.5, 7.5)]
NOISY = [f"ddim/S{s}/eta1/scale7.5" for s in (50, 20, 10)] + ["ddim/S10/eta0.5/scale3.0"]


def close(actual, expected, atol=5e-4):
    """Scale ``atol`` by the largest value, if above 1: early x_0 predictions reach hundreds."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol * float(expected.abs().max().clamp(min=1)))


class Counting:
    """Wrap the UNet and record its calls."""

    def __init__(self, unet):
        self.unet, self.timesteps, self.batches = unet, [], set()

    def __call__(self, x, t, context):
        self.timesteps.append(float(t[0]))
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
    grid = SAMPLERS[sampler].grid(SCHEDULE, steps, eta)
    draws = iter(goldens[f"{name}/noise"]) if eta else iter(())
    trajectory = list(
        SAMPLERS[sampler].run(
            guided(unet, goldens["samp/c"], goldens["samp/uc"], scale),
            goldens["samp/x_T"],
            grid,
            lambda: next(draws),
        )
    )
    assert next(draws, None) is None
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
    assert len(unet.timesteps) == nfe(SAMPLERS[sampler], grid)
    if not eta:
        # The original drew noise at every evaluation with weight 0, so drawing none changes nothing.
        assert goldens[f"{name}/noise_draws"] == len(unet.timesteps)


@pytest.mark.parametrize("name", DPM)
def test_dpm_solver_is_the_original_one(tiny, goldens, name):
    _, steps, scale, _ = setting(name)
    unet = Counting(tiny.unet)
    denoise = guided(unet, goldens["samp/c"], goldens["samp/uc"], scale)
    grid = SAMPLERS["dpm-solver"].grid(SCHEDULE, steps, 0.0)
    *_, last = SAMPLERS["dpm-solver"].run(denoise, goldens["samp/x_T"], grid, None)
    torch.testing.assert_close(last.x, goldens[f"{name}/final"], rtol=0, atol=5e-4)
    assert len(unet.timesteps) == int(goldens[f"{name}/unet_calls"]) == nfe(SAMPLERS["dpm-solver"], grid)
    # The original's float32 arithmetic changes the last bit of some timesteps.
    expected = goldens[f"{name}/unet_t"].double()
    torch.testing.assert_close(torch.tensor(unet.timesteps).double(), expected, rtol=0, atol=7e-5)


EVEN = [name for name in SAMPLERS if name not in ("ddim", "plms")]
EVALUATIONS = {
    "ddim": 50,
    "plms": 51,
    "dpm-solver": 50,
    "dpm-solver++": 50,
    "euler": 50,
    "euler-ancestral": 50,
    "heun": 99,
    "unipc": 50,
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_evaluations_of_fifty_steps(name):
    assert nfe(SAMPLERS[name], SAMPLERS[name].grid(SCHEDULE, 50, 0.0)) == EVALUATIONS[name]


@pytest.mark.parametrize("name", EVEN)
@pytest.mark.parametrize("steps", [1, 7, 30, 999])
def test_even_grids_have_the_steps_asked_for(name, steps):
    grid = SAMPLERS[name].grid(SCHEDULE, steps, 0.0)
    assert len(grid.timesteps.unique()) == steps
    assert float(grid.timesteps[-1]) == 999
    assert nfe(SAMPLERS[name], grid) == (2 * steps - 1 if name == "heun" else steps)


@pytest.mark.parametrize("name", EVEN)
def test_even_grids_refuse_steps_and_eta_that_they_cannot_use(name):
    for steps in (0, -1, 1001):
        with pytest.raises(ValueError, match="steps must lie in 1"):
            SAMPLERS[name].grid(SCHEDULE, steps, 0.0)
    with pytest.raises(ValueError, match="eta must be 0"):
        SAMPLERS[name].grid(SCHEDULE, 10, 0.5)


@pytest.mark.parametrize("name", EVEN)
def test_timesteps_and_signal_powers_belong_together(name):
    grid = SAMPLERS[name].grid(SCHEDULE, 37, 0.0)
    below, above = grid.timesteps.double().floor().long(), grid.timesteps.double().ceil().long()
    assert (grid.alphas < SCHEDULE.alphas_cumprod[below] + 1e-12).all()
    assert (grid.alphas > SCHEDULE.alphas_cumprod[above] - 1e-12).all()
    assert torch.equal(grid.alphas_prev[1:], grid.alphas[:-1])


def gaussian_denoiser(std):
    """eps of data drawn from N(0, std^2): x has variance a std^2 + 1 - a, so the best guess is linear."""
    cumprod = SCHEDULE.alphas_cumprod

    def denoise(x, t):
        a = cumprod[t].reshape(-1, 1, 1, 1)
        return (1 - a).sqrt() * x / (a * std**2 + 1 - a)

    return denoise


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
        next(plms(gaussian_denoiser(1.0), torch.ones(1, 1, 1, 1), SCHEDULE.grid(10, 1.0), None))


def test_stochastic_ddim_needs_noise():
    with pytest.raises(ValueError, match="step noise"):
        list(ddim(gaussian_denoiser(1.0), torch.ones(1, 1, 1, 1), SCHEDULE.grid(10, 1.0), None))


def test_ancestral_sampling_needs_noise():
    grid = SAMPLERS["euler-ancestral"].grid(SCHEDULE, 10, 0.0)
    with pytest.raises(ValueError, match="step noise"):
        list(euler_ancestral(gaussian_denoiser(1.0), torch.ones(1, 1, 1, 1), grid, None))
