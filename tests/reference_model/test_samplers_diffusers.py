"""The same checkpoint here and in diffusers: its UNet and schedulers, compared from the same noise."""

from __future__ import annotations

import warnings

import pytest
import torch

from reference_model.checkpoints.diffusers import their_names
from reference_model.guidance import guided
from reference_model.samplers import SAMPLERS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    diffusers = pytest.importorskip("diffusers", reason="needs diffusers")

STABLE_DIFFUSION_V1 = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
"""What the published scheduler_config.json says; the rest is each scheduler's own default."""

LEADING = {"clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}
SCHEDULERS = {
    "plms": ("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": False, "steps_offset": 1}),
    "ddim": ("DDIMScheduler", LEADING),
    "dpm-solver++": ("DPMSolverMultistepScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
}


@pytest.fixture(scope="module")
def their_unet(tiny):
    """The denoiser of the tiny checkpoint, built by diffusers, with every weight loaded."""
    c = tiny.config.unet
    levels = len(c.channel_mult)
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=tuple(c.model_channels * m for m in c.channel_mult),
        down_block_types=("CrossAttnDownBlock2D",) * (levels - 1) + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (levels - 1),
        layers_per_block=c.num_res_blocks,
        attention_head_dim=c.num_heads,  # diffusers' name for the number of heads
        cross_attention_dim=c.context_dim,
    ).eval()
    targets = unet.state_dict()
    places = {name: their_names(name, tiny.config)[0] for name in tiny.state_dict()}
    unet.load_state_dict(
        {
            (key := places[name].removeprefix("unet/")): tensor.reshape(targets[key].shape)
            for name, tensor in tiny.state_dict().items()
            if places[name].startswith("unet/")
        }
    )
    return lambda x, t, context: unet(x, t, encoder_hidden_states=context).sample


def ours(name, denoise, schedule, x, steps, eta=0.0):
    """Final latents; the steps draw from a generator of seed 0."""
    grid = SAMPLERS[name].grid(schedule, steps, eta)
    generator = torch.Generator().manual_seed(0)
    *_, last = SAMPLERS[name].run(denoise, x, grid, lambda: torch.randn(x.shape, generator=generator))
    return last.x


def theirs(name, denoise, x, steps, eta=0.0):
    """Final latents; the steps draw from a generator of seed 0."""
    kind, settings = SCHEDULERS[name]
    scheduler = getattr(diffusers, kind)(**STABLE_DIFFUSION_V1, **settings)
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(0)
    noise = {"generator": generator} if name in ("ddim", "euler-ancestral") else {}
    if eta:
        noise["eta"] = eta
    sample = x * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        eps = denoise(scheduler.scale_model_input(sample, t), t.expand(len(x)))
        sample = scheduler.step(eps, t, sample, **noise).prev_sample
    return sample


EVEN = [name for name in SCHEDULERS if name not in ("plms", "ddim")]
CASES = [
    ("plms", 50, 0.0),
    ("ddim", 25, 0.0),
    ("ddim", 25, 1.0),
    *((name, steps, 0.0) for name in EVEN for steps in (7, 25)),  # 7 does not divide 1000
]


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # diffusers with NumPy 2
@pytest.mark.parametrize(("name", "steps", "eta"), CASES)
def test_final_latents_agree(tiny, their_unet, goldens, name, steps, eta):
    here, there = (
        guided(unet, goldens["samp/c"], goldens["samp/uc"], 7.5) for unet in (tiny.unet, their_unet)
    )
    expected = theirs(name, there, goldens["samp/x_T"], steps, eta)
    actual = ours(name, here, tiny.schedule, goldens["samp/x_T"], steps, eta)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)
