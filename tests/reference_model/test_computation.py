"""The same modules in other precisions, compiled, and with overwritten weights."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from reference_model import LatentDiffusion, load_checkpoint
from reference_model.checkpoints import reload_checkpoint
from reference_model.guidance import guided
from reference_model.layers import Upsample
from reference_model.noise import start_noise
from reference_model.pipeline import sample

from .conftest import GOLDENS

SHAPE = (4, 8, 8)
PROMPTS = ["a red circle", "a moon"]


def load() -> LatentDiffusion:
    return load_checkpoint(GOLDENS / "tiny" / "v1-tiny.ckpt", GOLDENS / "tiny" / "v1-tiny.yaml")


def walk(model: LatentDiffusion, prompts: list[str] = PROMPTS) -> torch.Tensor:
    with torch.inference_mode(False):  # as from a caller who knows nothing of inference tensors
        noise = torch.stack([start_noise(1, prompt, SHAPE) for prompt in prompts])
    context, empty = model.encode_prompts(prompts), model.encode_prompts([""])
    return sample(model, context, empty, noise, steps=2, guidance_scale=3.0)


@pytest.fixture(scope="module")
def exact() -> torch.Tensor:
    return walk(load())


def test_what_lies_before_the_context_is_computed_once(tiny: LatentDiffusion) -> None:
    x = torch.stack([start_noise(1, prompt, SHAPE) for prompt in PROMPTS])
    context, empty, t = tiny.encode_prompts(PROMPTS), tiny.encode_prompts([""]), torch.tensor([900, 1])
    rows: list[int] = []
    hooks = [tiny.unet.input_blocks[0].register_forward_hook(lambda *_: rows.append(len(_[2])))]
    hooks.append(tiny.unet.out.register_forward_hook(lambda *_: rows.append(len(_[2]))))
    together = guided(tiny.unet, context, empty, 3.0, shared=True)(x, t)
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(together, guided(tiny.unet, context, empty, 3.0)(x, t), rtol=0, atol=1e-5)
    assert rows == [2, 4]


def test_keys_and_values_are_computed_once_per_walk(tiny: LatentDiffusion) -> None:
    x = torch.stack([start_noise(1, prompt, SHAPE) for prompt in PROMPTS])
    first, second = tiny.encode_prompts(PROMPTS), tiny.encode_prompts(PROMPTS[::-1])
    calls = [(torch.tensor([t] * 2), context) for t in (900, 500) for context in (first, second)]
    asked: list[str] = []
    layers = [m for name, m in tiny.unet.named_modules() if name.endswith("attn2.to_k")]
    hooks = [layer.register_forward_hook(lambda *_: asked.append("")) for layer in layers]
    denoise = tiny.for_walk()
    found = [denoise(x, *call) for call in calls]
    for hook in hooks:
        hook.remove()
    assert len(asked) == 2 * len(layers)
    for eps, call in zip(found, calls, strict=True):
        assert torch.equal(eps, tiny.denoise(x, *call))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_upsampling_is_by_nearest_neighbour(layout: torch.memory_format) -> None:
    layer = Upsample(4)
    layer.conv = torch.nn.Identity()
    x = torch.arange(48.0).view(2, 4, 2, 3).to(memory_format=layout)
    large = layer(x)
    assert torch.equal(large[:, :, ::2, 1::2], x)
    assert torch.equal(large, torch.nn.functional.interpolate(x, scale_factor=2.0, mode="nearest"))


@pytest.mark.parametrize(("precision", "error"), [("bf16", 0.05), ("fp16", 0.01), ("autocast", 0.05)])
def test_lower_precision_moves_images_a_little(precision: str, error: float, exact: torch.Tensor) -> None:
    model = load()
    digest = model.weights_digest
    model.compute_in(precision, compiled=False)
    images = walk(model)
    difference = float((images - exact).square().mean().sqrt())
    assert 0 < difference < error
    assert images.dtype == torch.float32
    assert model.weights_digest == digest  # of the published weights, not the rounded ones


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_another_batch_size_moves_images_less_than_rounding(precision: str, exact: torch.Tensor) -> None:
    """So workers that halved their batch may share a cell with others."""
    model = load()
    model.compute_in(precision, compiled=False)
    together = walk(model)
    alone = torch.cat([walk(model, prompts=[prompt]) for prompt in PROMPTS])
    assert (alone - together).square().mean() < (together - exact).square().mean() / 2


def test_timesteps_are_not_rounded() -> None:
    model = load()
    model.compute_in("bf16", compiled=False)
    seen: list[torch.Tensor] = []
    hook = model.unet.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    model.denoise(torch.zeros(1, *SHAPE), torch.tensor([980.37]), model.encode_prompts([""]))
    hook.remove()
    assert seen[0].item() == pytest.approx(980.37)  # bfloat16 can only hold 980 or 984


@pytest.mark.parametrize("precision", ["full", "bf16"])
def test_weights_are_exchanged_in_place(precision: str, tmp_path, exact: torch.Tensor) -> None:
    original, other = load(), load()
    state = {name: tensor.contiguous() for name, tensor in other.state_dict().items()}
    state["model.diffusion_model.out.2.bias"] += 0.5
    save_file(state, tmp_path / "other.safetensors")
    other = load_checkpoint(tmp_path / "other.safetensors", original.config)
    digest = other.weights_digest
    other.compute_in(precision, compiled=False)

    original.compute_in(precision, compiled=False)
    places = {name: tensor.data_ptr() for name, tensor in original.state_dict().items()}
    reload_checkpoint(original, tmp_path / "other.safetensors")
    assert {name: tensor.data_ptr() for name, tensor in original.state_dict().items()} == places
    assert original.weights_digest == digest
    assert torch.equal(walk(original), walk(other))
    assert not torch.equal(walk(original), exact)


def test_a_compiled_model_sees_new_weights(tmp_path) -> None:
    """Traces without torch's code generator, which takes a minute: the traced graph is the same."""
    torch.compiler.reset()
    model, traced = load(), 0

    def backend(graph, inputs):
        nonlocal traced
        traced += 1
        return graph.forward

    model.compute_in("full", compiled=False)
    eager = walk(model)
    with pytest.MonkeyPatch.context() as patch:
        compile_ = torch.compile
        patch.setattr(torch, "compile", lambda f, **_: compile_(f, dynamic=False, backend=backend))
        model.compute_in("full", compiled=True)
        torch.testing.assert_close(walk(model), eager, rtol=0, atol=2e-4)
    once = traced
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    state["model.diffusion_model.out.2.bias"] += 0.5
    save_file(state, tmp_path / "other.safetensors")
    reload_checkpoint(model, tmp_path / "other.safetensors")
    moved = walk(model)
    assert traced == once == 2  # UNet and decoder, though the start noise is another kind of tensor than x
    torch.testing.assert_close(
        moved, walk(load_checkpoint(tmp_path / "other.safetensors", model.config)), rtol=0, atol=2e-4
    )
