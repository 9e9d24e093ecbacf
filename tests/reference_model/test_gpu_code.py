"""The code that torch's compiler generates for a GPU can be replayed as a CUDA graph; no GPU is needed.

Networks of fake tensors are compiled up to the code, which is not loaded, and not called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters
from torch._inductor.output_code import CompiledFxGraph
from torch._subclasses.fake_tensor import FakeTensorMode

from reference_model.autoencoder import Autoencoder
from reference_model.computation import computed
from reference_model.config import AutoencoderConfig, UNetConfig
from reference_model.unet import UNet
from tests.pretended_gpu import ANSWERS, missing

pytest.importorskip("triton", reason="without Triton, torch's compiler writes no code for GPUs")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
    pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU"),
]
UNET = UNetConfig(
    model_channels=32,
    channel_mult=(1,),
    num_res_blocks=1,
    attention_resolutions=(),
    num_heads=2,
    context_dim=16,
)
AUTOENCODER = AutoencoderConfig(ch=32, ch_mult=(1, 1), num_res_blocks=1)
GPU = SimpleNamespace(
    name="pretended",
    major=9,
    minor=0,
    multi_processor_count=132,
    warp_size=32,
    regs_per_multiprocessor=65536,
    max_threads_per_multi_processor=2048,
    shared_memory_per_block_optin=232448,
    L2_cache_size=50 * 2**20,
    total_memory=80 * 2**30,
)
ASKED: dict[str, Callable[..., Any]] = {
    "get_device_properties": lambda *_: GPU,
    "get_rng_state": lambda *_: torch.empty(0),
    "is_current_stream_capturing": lambda: False,
    # A function each, because the compiler looks them up.
    **{name: (lambda *_: 0) for name in ("_exchange_device", "_maybe_exchange_device")},
    **{name: (lambda *_: None) for name in ("set_device", "set_rng_state")},
}


class GeneratedError(Exception):
    """What generated code raises when it is called."""


def _not_loaded(graph: Any) -> Any:
    graph.codegen()
    return SimpleNamespace(call=mock.Mock(side_effect=GeneratedError), __file__="", key="")


@pytest.fixture
def graphs() -> Iterator[list[Any]]:
    """What torch's compiler knows about each graph that it has compiled for a pretended GPU."""
    found: list[Any] = []
    inductor = "torch._inductor"
    patches: list[Any] = [
        FakeTensorMode(),  # first, to see that there is no GPU to initialise
        mock.patch.multiple(torch.cuda, **(ANSWERS | ASKED)),
        mock.patch("torch._dynamo.device_interface.CudaInterface.get_device_properties", return_value=GPU),
        mock.patch("torch.utils._triton.triton_hash_with_backend", return_value=""),
        mock.patch("torch.accelerator.is_available", return_value=False),  # it has no streams
        # These run small graphs on the device to find out what else to look for.
        mock.patch("torch._subclasses.fake_tensor.init_gpu_context"),
        mock.patch(f"{inductor}.fx_passes.joint_graph.lazy_init"),
        mock.patch(f"{inductor}.fx_passes.post_grad.lazy_init"),
        torch._inductor.config.patch(fx_graph_cache=False, joint_graph_constant_folding=False),
        mock.patch(f"{inductor}.graph.GraphLowering.compile_to_module", _not_loaded),
        mock.patch.object(CompiledFxGraph, "post_compile", lambda graph, *_: found.append(graph)),
        mock.patch.object(nn.Module, "to", lambda module, *_, **__: module),  # fake weights stay as they are
        torch.device("cuda"),
    ]
    torch.compiler.reset()
    counters.clear()
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        yield found


def in_half(build: Callable[[], nn.Module]) -> Any:
    """Build a module with fake weights on the GPU, in float16 and channels_last, as `computed` wants them."""
    with torch.device("meta"):
        module = build()
    for part in module.modules():
        for name, weight in list(part.named_parameters(recurse=False)):
            layout = torch.channels_last if weight.dim() == 4 else torch.contiguous_format
            half = torch.empty(weight.shape, dtype=torch.float16, device="cuda", memory_format=layout)
            part.register_parameter(name, nn.Parameter(half, requires_grad=False))
    return module


def obstacles(graphs: list[Any], network: Callable[..., Any], *inputs: torch.Tensor) -> list[str]:
    """Return what keeps a network from being one graph that can be replayed."""
    with torch.inference_mode(), pytest.raises(GeneratedError):
        network(*inputs)
    (graph,) = graphs
    reasons = [*graph.mutated_inputs, graph.disabled_cudagraphs_reason, *counters["graph_break"]]
    return [reason for reason in reasons if reason] + [d for d in graph.device_types if d != "cuda"]


def test_the_denoiser_is_one_graph(graphs: list[Any]) -> None:
    network = in_half(lambda: UNet(UNET))
    run = computed(network, network.__call__, "fp16", compiled=True, exact=(1,))
    inputs = torch.empty(2, 4, 8, 8), torch.empty(2), torch.empty(4, 8, 16)
    assert obstacles(graphs, run, *inputs) == []


def test_the_decoder_is_one_graph(graphs: list[Any]) -> None:
    network = in_half(lambda: Autoencoder(AUTOENCODER))
    run = computed(network, network.decode, "fp16", compiled=True)
    assert obstacles(graphs, run, torch.empty(2, 4, 8, 8)) == []


def test_a_change_of_an_input_is_found(graphs: list[Any]) -> None:
    network = in_half(lambda: nn.Linear(4, 4))
    run = computed(network, lambda x: network(x.add_(1)), "fp16", compiled=True)
    assert len(obstacles(graphs, run, torch.empty(2, 4))) == 1


def test_work_on_the_cpu_is_found(graphs: list[Any]) -> None:
    network = in_half(lambda: nn.Linear(4, 4))
    run = computed(network, lambda x: network(x).cpu() * 2, "fp16", compiled=True)
    assert obstacles(graphs, run, torch.empty(2, 4)) == ["cpu"]


def test_a_break_of_the_graph_is_found(graphs: list[Any]) -> None:
    network = in_half(lambda: nn.Linear(4, 4))

    def broken(x: torch.Tensor) -> torch.Tensor:
        x = network(x)
        torch._dynamo.graph_break()
        return network(x)

    run = computed(network, broken, "fp16", compiled=True)
    assert len(obstacles(graphs, run, torch.empty(2, 4))) == 1
