"""The pretended GPU finds faults that only a GPU would show, and the model has none of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from reference_model import LatentDiffusion, load_checkpoint, unet
from reference_model.computation import computed
from reference_model.noise import start_noise
from reference_model.pipeline import sample, to_pixels
from tests.pretended_gpu import PretendedGpu, missing, pretended_gpu
from tests.reference_model.conftest import TINY_CKPT, TINY_YAML

pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
    pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU"),
]
SHAPE = (4, 8, 8)


@pytest.fixture(scope="module")
def gpu():
    with torch.inference_mode(), pretended_gpu() as gpu:
        yield gpu


@pytest.fixture(scope="module")
def model(gpu: PretendedGpu) -> LatentDiffusion:
    model = load_checkpoint(TINY_CKPT, TINY_YAML, "cuda")
    model.compute_in("full", compiled=True)
    return model


@pytest.fixture(scope="module")
def inputs(model: LatentDiffusion) -> tuple[Tensor, Tensor, Tensor]:
    noise = torch.stack([start_noise(0, str(i), SHAPE) for i in range(2)])
    return model.encode_prompts(["a cat", "a dog"]), model.encode_prompts([""]), noise


def pixels(model: LatentDiffusion, inputs: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return to_pixels(sample(model, *inputs, steps=2)).cpu()


def test_a_batch_waits_twice_and_replays_two_graphs(
    gpu: PretendedGpu, model: LatentDiffusion, inputs: tuple[Tensor, Tensor, Tensor]
) -> None:
    """It waits to know whether all values are finite, and for the pixels; the graphs are UNet and decoder."""
    gpu.waits.clear()
    found = pixels(model, inputs)
    assert len(gpu.waits) == 2
    assert len(gpu.graphs) == 2
    on_cpu = load_checkpoint(TINY_CKPT, TINY_YAML)
    context, empty = on_cpu.encode_prompts(["a cat", "a dog"]), on_cpu.encode_prompts([""])
    exact = pixels(on_cpu, (context, empty, inputs[2]))
    assert (found.int() - exact.int()).abs().max() <= 2


def test_a_mix_of_devices_is_found(
    model: LatentDiffusion, inputs: tuple[Tensor, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding = unet.timestep_embedding
    monkeypatch.setattr(unet, "timestep_embedding", lambda t, dim: embedding(t.cpu(), dim))
    with pytest.raises(RuntimeError, match="tensors on cuda:0 and cpu"):
        pixels(model, inputs)
    ones = torch.ones(3, device="cuda")
    with pytest.raises(RuntimeError, match="tensors on cuda:0 and cpu"):
        ones + torch.arange(3)
    assert (ones * torch.tensor(2.0)).sum().item() == 6  # a number may come from the CPU


def test_a_wait_in_the_loop_is_found(
    gpu: PretendedGpu,
    model: LatentDiffusion,
    inputs: tuple[Tensor, Tensor, Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    denoise = model.denoise
    monkeypatch.setattr(model, "denoise", lambda x, t, c: denoise(x * float(x.max() > -1), t, c))
    gpu.waits.clear()
    pixels(model, inputs)
    assert len(gpu.waits) == 2 + 3  # three evaluations of the UNet


def test_a_result_read_after_the_next_replay_is_found(gpu: PretendedGpu) -> None:
    layer = torch.nn.Linear(2, 2).cuda()
    raw = torch.compile(layer.__call__)
    first, then = (torch.full((1, 2), value, device="cuda") for value in (1.0, 2.0))
    kept = raw(first)
    before = kept.cpu()
    raw(then)
    assert not torch.equal(kept.cpu(), before)
    safe = computed(layer, layer.__call__, "full", compiled=True)
    kept = safe(first)
    safe(then)
    assert torch.equal(kept.cpu(), before)


def test_attention_of_the_decoder_gets_what_fused_kernels_take(
    model: LatentDiffusion, inputs: tuple[Tensor, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uncompiled, in the memory layout of eager networks."""
    eager = load_checkpoint(TINY_CKPT, TINY_YAML, "cuda").first_stage_model
    seen: list[Tensor] = []
    attention = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *given: (seen.extend(given), attention(*given))[1]
    )
    eager.decode(inputs[2].cuda())
    assert seen
    assert all(given.stride(-1) == 1 for given in seen)
