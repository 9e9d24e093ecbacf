"""Variations of an image: the original's arrays, and strengths 0 and 1."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from reference_model.image_to_image import (
    encode_init,
    first_steps,
    image_tensor,
    rounded_down,
    steps_to_run,
    stochastic_encode,
    vary,
)
from tests.reference_model.conftest import GOLDENS

RUNS = [(50, 0.75, 5.0), (50, 0.8, 7.5), (20, 0.5, 1.0)]


def name(steps, strength, scale):
    return f"img2img/S{steps}_strength{strength}_scale{scale}"


@pytest.mark.parametrize(
    ("file", "golden"),
    [
        ("init-64x64", "init_64x64"),
        ("init-150x70", "init_150x70_resized"),
        ("init-100x70", "init_100x70_resized"),
    ],
)
def test_pictures_are_read_as_in_the_original(file, golden, goldens):
    with Image.open(GOLDENS / "tiny" / f"{file}.png") as image:
        images = image_tensor(image, rounded_down(image.size, 32))
    assert torch.equal(images, goldens[f"img2img/{golden}"])


def test_transparency_and_grey_become_colour():
    for mode in ("L", "RGBA", "P"):
        assert image_tensor(Image.new(mode, (64, 32)), (64, 32)).shape == (1, 3, 32, 64)


def test_posterior(tiny, goldens):
    images = goldens["img2img/init_64x64"].expand(2, -1, -1, -1)
    posterior = tiny.encode(images)
    for field in ("mean", "logvar", "std"):
        close(getattr(posterior, field), goldens[f"img2img/{field}"], 2e-5)
    moments = goldens["img2img/moments"]  # before the log-variance is clamped
    close(tiny.first_stage_model.quant_conv(tiny.first_stage_model.encoder(images)), moments, 2e-5)
    wide = tiny.encode(goldens["img2img/init_150x70_resized"])
    close(wide.mean, goldens["img2img/mean_150x70"], 2e-5)
    close(wide.std, goldens["img2img/std_150x70"], 2e-5)
    z = encode_init(tiny, images, goldens["img2img/posterior_noise"])
    close(z, goldens["img2img/z"], 2e-5)


@pytest.mark.parametrize(("steps", "strength", "scale"), RUNS)
def test_noised_latents(steps, strength, scale, tiny, goldens):
    run = name(steps, strength, scale)
    count = steps_to_run(strength, steps)
    assert count == int(goldens[f"{run}/t_enc"])
    z_enc = stochastic_encode(goldens["img2img/z"], tiny.schedule.grid(steps), count, goldens[f"{run}/noise"])
    close(z_enc, goldens[f"{run}/z_enc"], 1e-6)


@pytest.mark.parametrize(("steps", "strength", "scale"), RUNS)
def test_variations(steps, strength, scale, tiny, goldens, monkeypatch):
    run = name(steps, strength, scale)
    latents, timesteps = [], []
    decode = tiny.decode
    monkeypatch.setattr(tiny, "decode", lambda z: latents.append(z) or decode(z))
    hook = tiny.unet.register_forward_pre_hook(lambda _, args: timesteps.append(int(args[1][0])))
    vary(
        tiny,
        goldens["samp/c"],
        goldens["samp/uc"],
        goldens["img2img/z"],
        strength=strength,
        draw=lambda: goldens[f"{run}/noise"],
        steps=steps,
        guidance_scale=scale,
    )
    hook.remove()
    assert timesteps == goldens[f"{run}/unet_t"].reshape(-1).tolist()
    close(latents[0], goldens[f"{run}/final"], 5e-4)
    if f"{run}/image" in goldens:
        close(decode(latents[0]), goldens[f"{run}/image"], 5e-4)


def test_steps_to_run():
    assert [steps_to_run(s, 50) for s in (0, 0.01, 0.75, 0.999, 1)] == [0, 0, 37, 49, 50]
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="strength must lie in"):
            steps_to_run(strength, 50)


def test_first_steps_are_the_ones_walked_last(tiny):
    grid = tiny.schedule.grid(20, 1.0)
    short = first_steps(grid, 5)
    assert short.timesteps.tolist() == [1, 51, 101, 151, 201]
    assert torch.equal(short.sigmas, grid.sigmas[:5])


def test_full_strength_keeps_next_to_nothing_of_the_picture(tiny):
    grid = tiny.schedule.grid(50)
    z, noise = torch.ones(1, 4, 8, 8), torch.zeros(1, 4, 8, 8)
    assert stochastic_encode(z, grid, 50, noise).max() == grid.alphas[-1].sqrt()
    assert grid.alphas[-1].sqrt() < 0.1


def close(actual, expected, atol):
    torch.testing.assert_close(actual, expected, rtol=0, atol=atol)
