from __future__ import annotations

import pytest
import torch

from reference_model.pipeline import to_pixels

FINALS = {
    "vae/dec_plms50_7.5": "plms/S50/scale7.5/final",
    "vae/dec_plms_S10_scale1.0": "plms/S10/scale1.0/final",
    "vae/dec_ddim_S20_eta1_scale7.5": "ddim/S20/eta1/scale7.5/final",
}


@pytest.mark.parametrize("name", FINALS)
def test_decoded_images_are_the_original_ones(tiny, goldens, name):
    torch.testing.assert_close(tiny.decode(goldens[FINALS[name]]), goldens[name], rtol=0, atol=2e-5)


def test_pixels_are_truncated_as_in_the_original(goldens):
    pixels = to_pixels(goldens["vae/dec_plms50_7.5"])
    assert torch.equal(pixels, goldens["vae/dec_plms50_7.5_uint8"])


def test_images_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        to_pixels(torch.full((1, 3, 8, 8), float("nan")))


def test_encoder_gives_the_original_posterior(tiny, goldens):
    image = goldens["img2img/init_64x64"].expand(2, -1, -1, -1)
    posterior = tiny.encode(image)
    torch.testing.assert_close(posterior.mean, goldens["img2img/mean"], rtol=0, atol=2e-5)
    torch.testing.assert_close(posterior.std, goldens["img2img/std"], rtol=0, atol=2e-5)
