"""Group norm by tiles, against float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from reference_model.computation import HALVES, computed, use_tiled_norms
from reference_model.group_norm import group_norm
from reference_model.layers import GroupNorm

FULL, HALF, BRAIN = torch.float32, torch.float16, torch.bfloat16
# Channels, groups, height, width, type, mean.
CASES = [
    *((32 * size, 32, 8, 8, HALF, 0.0) for size in (4, 10, 30, 80)),
    (320, 32, 5, 7, FULL, 0.0),  # one tile
    (96, 32, 17, 9, FULL, 0.0),  # three tiles of 51
    (32, 8, 1, 67, FULL, 0.0),  # a prime: 67 tiles of one position
    (32, 8, 64, 64, BRAIN, 0.0),
    (320, 32, 17, 9, FULL, 1000.0),
    (32, 32, 1, 1, FULL, 0.0),
]
case_by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))


def norm_inputs(case: tuple[Any, ...]) -> tuple[Tensor, int, Tensor, Tensor, float]:
    channels, groups, height, width, dtype, mean = case
    random = torch.Generator().manual_seed(channels)
    x = mean + torch.randn(2, channels, height, width, generator=random)
    x[1] *= 0.1  # each image has its own moments, and so has each group
    x *= torch.linspace(0.5, 2, groups).repeat_interleave(channels // groups)[:, None, None]
    weight, bias = torch.rand(2, channels, generator=random)
    return x.to(dtype, memory_format=torch.channels_last), groups, weight.to(dtype), bias.to(dtype), 1e-5


@case_by_case
def test_it_is_group_norm_to_rounding(case: tuple[Any, ...]) -> None:
    x, groups, weight, bias, eps = norm_inputs(case)
    found = group_norm(x, groups, weight, bias, eps)
    exact = F.group_norm(x.double(), groups, weight.double(), bias.double(), eps)
    assert found.dtype == x.dtype
    assert found.is_contiguous(memory_format=torch.channels_last)
    # Half a unit in the last place, plus float32's rounding of values near the mean.
    rounding, mean = torch.finfo(x.dtype).eps / 2, case[-1]
    torch.testing.assert_close(found.double(), exact, rtol=1.01 * rounding, atol=1e-5 + 1e-6 * mean)


def test_networks_that_are_not_compiled_are_left_alone() -> None:
    norm, x = GroupNorm(2, 4), torch.randn(1, 4, 3, 3)
    use_tiled_norms(norm)
    assert norm.when_compiled is not None
    assert torch.equal(norm(x), nn.GroupNorm(2, 4)(x))


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_only_networks_on_a_gpu_have_it(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(GroupNorm(2, 4))
    with FakeTensorMode():
        weight = torch.empty(1, device=device)
    monkeypatch.setattr(network, "parameters", lambda: iter([weight]))
    computed(network, network.__call__, "full", compiled=True)
    assert (network[0].when_compiled is not None) == (device == "cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["full", "autocast", "bf16", "fp16"])
@case_by_case
def test_a_gpu_computes_the_same(case: tuple[Any, ...], precision: str) -> None:
    channels, groups, *_ = case
    x, _, weight, bias, _ = norm_inputs(case)
    norm = GroupNorm(groups, channels)
    norm.load_state_dict({"weight": weight.float(), "bias": bias.float()})
    block = nn.Sequential(norm, nn.SiLU()).requires_grad_(False).cuda()
    fast = computed(block, block.__call__, precision, compiled=True)
    dtype = HALVES.get(precision, torch.float32)
    # The inputs are rounded to the precision first: near a large mean that alone moves results by units.
    rounded, weight, bias = (t.to(dtype).double() for t in (x, weight, bias))
    exact = F.silu(F.group_norm(rounded, groups, weight, bias, 1e-5))
    rounding, mean = torch.finfo(torch.bfloat16 if precision == "autocast" else dtype).eps, case[-1]
    found = fast(x.float().cuda()).cpu().double()
    torch.testing.assert_close(found, exact, rtol=2 * rounding, atol=2 * rounding + 1e-5 + 1e-6 * mean)
