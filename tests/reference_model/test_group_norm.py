"""Group norm by tiles: the kernel in Triton's interpreter on the CPU, and compiled if a GPU is available."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from reference_model.computation import computed, use_norm_kernel
from reference_model.layers import GroupNorm
from reference_model.unet import ResBlock

needs_triton = pytest.mark.skipif(
    find_spec("triton") is None or not hasattr(torch.library, "triton_op"), reason="torch without Triton"
)

FULL, HALF, BRAIN = torch.float32, torch.float16, torch.bfloat16
# Channels, groups, height, width, type, mean. Tiles have 128 positions and 64 channels.
CASES = [
    *((32 * size, 32, 8, 8, HALF, 0.0) for size in (4, 8, 10, 16, 20, 30, 40, 60, 80)),
    (320, 32, 5, 7, FULL, 0.0),
    (96, 32, 17, 9, FULL, 0.0),  # a tile of 128 positions and one of 25
    (32, 8, 64, 64, BRAIN, 0.0),
    (320, 32, 17, 9, FULL, 1000.0),
    (32, 32, 1, 1, FULL, 0.0),
]
INTERPRETED = """
import sys
import torch
from reference_model.computation import use_norm_kernel
from reference_model.group_norm import group_norm, tile_moments

@tile_moments.register_fake  # interpreted kernels cannot be traced
def _(x):
    moments = x.new_empty(len(x), -(-x.shape[2] * x.shape[3] // 128), x.shape[1], dtype=torch.float32)
    return moments, moments.clone()

def backend(graph, inputs):
    kernels.append(sum("tile_moments" in str(node.target) for node in graph.graph.nodes))
    return graph.forward

kernels = []
with torch.inference_mode():
    calls, block, inputs = torch.load(sys.argv[1], weights_only=False)
    values = [group_norm(*call) for call in calls]
    use_norm_kernel(block)
    values.append(torch.compile(block, backend=backend, fullgraph=True, dynamic=False)(*inputs))
torch.save((values, kernels), sys.argv[2])
"""


def norm_inputs(case: tuple[Any, ...]) -> tuple[Tensor, int, Tensor, Tensor, float]:
    channels, groups, height, width, dtype, mean = case
    random = torch.Generator().manual_seed(channels)
    x = mean + torch.randn(2, channels, height, width, generator=random)
    x[1] *= 0.1  # each image has its own moments, and so has each group
    x *= torch.linspace(0.5, 2, groups).repeat_interleave(channels // groups)[:, None, None]
    weight, bias = torch.rand(2, channels, generator=random)
    return x.to(dtype, memory_format=torch.channels_last), groups, weight.to(dtype), bias.to(dtype), 1e-5


@pytest.fixture(scope="module")
def block() -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    """A block with two norms, and inputs for it."""
    torch.manual_seed(0)
    return ResBlock(32, 16, 64, 8), (torch.randn(2, 32, 12, 12), torch.randn(2, 16))


@pytest.fixture(scope="module")
def interpreted(tmp_path_factory: pytest.TempPathFactory, block) -> tuple[list[Tensor], list[int]]:
    """Results of CASES and the block, and the kernels in the block's graph, from an interpreting process."""
    given, found = (tmp_path_factory.mktemp("norm") / name for name in ("given.pt", "found.pt"))
    calls = [norm_inputs(case) for case in CASES]
    torch.save((calls, *block), given)
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", INTERPRETED, given, found], env=environment, check=True)
    values, kernels = torch.load(found)
    return values, kernels


@needs_triton
def test_the_compiler_hands_kernels_their_inputs_as_they_were_traced() -> None:
    """The kernel reads channels_last; if free to choose, the compiler would pass another memory layout."""
    from torch._inductor import config

    assert config.triton_kernel_default_layout_constraint == "needs_fixed_stride_order"


@needs_triton
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_it_is_group_norm_to_rounding(case: tuple[Any, ...], interpreted) -> None:
    x, groups, weight, bias, eps = norm_inputs(case)
    found = interpreted[0][CASES.index(case)]
    exact = F.group_norm(x.double(), groups, weight.double(), bias.double(), eps)
    assert found.dtype == x.dtype
    assert found.is_contiguous(memory_format=torch.channels_last)
    # Half a unit in the last place, plus float32's rounding of values near the mean.
    rounding, mean = torch.finfo(x.dtype).eps / 2, case[-1]
    torch.testing.assert_close(found.double(), exact, rtol=1.01 * rounding, atol=1e-5 + 1e-6 * mean)


@needs_triton
def test_compiled_blocks_use_it_without_a_break(block, interpreted) -> None:
    values, kernels = interpreted
    network, inputs = block
    assert kernels == [2]
    torch.testing.assert_close(values[-1], network(*inputs), rtol=0, atol=1e-5)


@needs_triton
def test_networks_that_are_not_compiled_are_left_alone() -> None:
    norm, x = GroupNorm(2, 4), torch.randn(1, 4, 3, 3)
    use_norm_kernel(norm)
    assert norm.when_compiled is not None
    assert torch.equal(norm(x), nn.GroupNorm(2, 4)(x))


@pytest.mark.parametrize(("device", "triton"), [("cuda", True), ("cuda", False), ("cpu", True)])
def test_only_networks_on_a_gpu_have_it(device: str, triton: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if triton and find_spec("triton") is None:
        pytest.skip("torch without Triton")
    if not triton:
        monkeypatch.setitem(sys.modules, "reference_model.group_norm", None)
    network = nn.Sequential(GroupNorm(2, 4))
    with FakeTensorMode():
        weight = torch.empty(1, device=device)
    monkeypatch.setattr(network, "parameters", lambda: iter([weight]))
    computed(network, network.__call__, "full", compiled=True)
    assert (network[0].when_compiled is not None) == (device == "cuda" and triton)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("precision", ["full", "autocast", "bf16", "fp16"])
@pytest.mark.parametrize("case", CASES[::4], ids=lambda case: "-".join(map(str, case)))
def test_a_gpu_computes_the_same(case: tuple[Any, ...], precision: str) -> None:
    channels, groups, *_ = case
    x, *_ = norm_inputs(case)
    block = nn.Sequential(GroupNorm(groups, channels), nn.SiLU()).requires_grad_(False)
    exact = block(x.float())
    fast = computed(block.cuda(), block.__call__, precision, compiled=True)
    torch.testing.assert_close(fast(x.float().cuda()).cpu(), exact, rtol=0.02, atol=0.02)
