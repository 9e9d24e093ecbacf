from __future__ import annotations

import pytest
import torch

from reference_model import generate_images, load_checkpoint
from reference_model.noise import StepNoise, start_noise
from reference_model.pipeline import generate
from reference_model.samplers import SAMPLERS

from .conftest import GOLDENS


def sample(model, **settings):
    context = model.encode_prompts(["a red circle on a blue background", "a cat"])
    x_T = torch.stack([start_noise(0, str(i), (4, 8, 8)) for i in range(2)])  # noqa: N806
    return generate(model, context, model.encode_prompts([""]), x_T, steps=5, **settings)


def test_images_are_bytes_and_repeat(tiny):
    first = sample(tiny)
    assert first.dtype == torch.uint8
    assert first.shape == (2, 64, 64, 3)
    assert first.float().std() > 10
    assert torch.equal(first, sample(tiny))


def test_every_step_is_reported(tiny):
    seen = []
    sample(tiny, on_step=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 5) for i in range(1, 6)]


def test_guidance_and_eta_change_the_images(tiny):
    plain = sample(tiny, sampler="ddim")
    assert not torch.equal(plain, sample(tiny, sampler="ddim", guidance_scale=1.0))
    noisy = sample(tiny, sampler="ddim", eta=1.0, step_noise=StepNoise(0, ["0", "1"], (4, 8, 8)))
    assert not torch.equal(plain, noisy)


@pytest.mark.parametrize(("height", "width"), [(64, 60), (0, 64), (72, 64)])
def test_sides_that_do_not_divide_are_refused(tiny, height, width):
    with pytest.raises(ValueError, match="multiples of 64"):
        tiny.config.latent_shape(height, width)


@pytest.mark.gpu
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_gpu_gives_the_same_images_to_a_few_levels(tiny, name):
    gpu = load_checkpoint(GOLDENS / "tiny" / "v1-tiny.ckpt", GOLDENS / "tiny" / "v1-tiny.yaml", "cuda")
    on_gpu, on_cpu = (
        sample(model, sampler=name, step_noise=StepNoise(0, ["0", "1"], (4, 8, 8))) for model in (gpu, tiny)
    )
    difference = (on_gpu.cpu().int() - on_cpu.int()).abs()
    assert difference.float().mean() < 1


def test_images_of_prompts_do_not_depend_on_their_batch(tiny):
    def images(prompts, **settings):
        return generate_images(tiny, prompts, height=64, width=64, steps=4, **settings)

    both = images(["a cat", "a dog"], sampler="euler-ancestral")
    assert both.shape == (2, 64, 64, 3)
    alone = images(["a dog"], sampler="euler-ancestral")[0]
    assert (both[1].int() - alone.int()).abs().max() <= 1  # a batch may round differently
    first, again = images(["a dog", "a dog"])
    assert not torch.equal(first, again)
    assert not torch.equal(first, images(["a dog"], seed=1)[0])
    with pytest.raises(ValueError, match="multiples of"):
        generate_images(tiny, ["a dog"], height=63)
