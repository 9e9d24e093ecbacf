"""The model at full size with random weights: 1.07 billion parameters, 4.3 GB in float32."""

from __future__ import annotations

import pytest
import torch

from reference_model import LatentDiffusion
from reference_model.config import ModelConfig
from reference_model.noise import start_noise
from reference_model.pipeline import generate


@pytest.mark.slow
def test_the_full_size_model_makes_an_image():
    torch.manual_seed(0)
    model = LatentDiffusion(ModelConfig()).eval()
    assert sum(weights.numel() for weights in model.parameters()) > 1e9
    x_T = start_noise(0, "0", model.config.latent_shape(64, 64))[None]  # noqa: N806
    context, empty = model.encode_prompts(["a photograph of an astronaut"]), model.encode_prompts([""])
    assert context.shape == (1, 77, 768)
    image = generate(model, context, empty, x_T, steps=2, guidance_scale=7.5)
    assert image.shape == (1, 64, 64, 3)
    assert image.float().std() > 0
