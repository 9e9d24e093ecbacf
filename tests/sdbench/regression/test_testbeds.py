"""The closed forms and the sketches of a run are correct."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sdbench.regression.sketches import root_mean_square, sketch, thumbnails
from sdbench.regression.testbeds import GaussianTestbed, MixtureTestbed, signal_power


@pytest.mark.parametrize("testbed", [GaussianTestbed(), MixtureTestbed()], ids=["gaussian", "mixture"])
@pytest.mark.parametrize("timestep", [20, 500])
def test_denoiser_is_the_score_of_the_noisy_density(testbed, timestep):
    """eps = -sqrt(1 - a) times the gradient of the log density (Song et al. 2021)."""
    context = testbed.contexts(torch.float64)[0][:2]
    x = torch.randn(2, *testbed.shape, dtype=torch.float64, requires_grad=True)
    t = torch.full((2,), timestep)
    power = signal_power(testbed.schedule, t)[0]
    gradient = torch.autograd.grad(log_density(testbed, x, power, context), x)[0]
    eps = testbed.unet(torch.float64)(x, t, context)
    torch.testing.assert_close(eps, -(1 - power).sqrt() * gradient)


def log_density(testbed, x, power, context):
    """Log density of noisy latents, up to a constant."""
    if isinstance(testbed, GaussianTestbed):
        variance = torch.tensor([0.3, 0.6, 0.9, 1.2], dtype=torch.float64) ** 2 * power + 1 - power
        offsets = x - power.sqrt() * context[:, 0, :, None, None]
        return -(offsets**2 / (2 * variance[:, None, None])).sum()
    centres = power.sqrt() * testbed.centres
    offsets = x[:, None] - centres[None, :, :, None, None]
    fits = -(offsets**2).sum(dim=2) / (2 * (power * 0.25 + 1 - power))
    return (fits + context[:, 0, :, None, None]).logsumexp(dim=1).sum()


def test_guidance_of_the_gaussian_is_the_denoiser_of_a_scaled_mean():
    testbed = GaussianTestbed()
    context, uncond = testbed.contexts(torch.float64)
    x, t = torch.randn(1, *testbed.shape, dtype=torch.float64), torch.tensor([300])
    unet = testbed.unet(torch.float64)
    blank = unet(x, t, uncond)
    guided = blank + 3 * (unet(x, t, context[:1]) - blank)
    torch.testing.assert_close(guided, unet(x, t, 3 * context[:1]))


def test_sketch_keeps_the_size_of_differences():
    x = torch.randn(2, 50, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    rows = sketch(x)
    assert rows.shape == (2, 50, 32)
    assert np.sqrt((rows**2).mean()) == pytest.approx(1.0, abs=0.05)
    small = x[..., :4, :4]
    exact = small.flatten(2).double().square().mean(dim=2).sqrt().amax(dim=1).numpy()
    np.testing.assert_allclose(root_mean_square(sketch(small)), exact)


def test_thumbnails_are_block_means():
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    blocks = images.reshape(2, 8, 2, 8, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(thumbnails(images), blocks, rtol=1e-6)
