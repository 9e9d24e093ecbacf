"""A CUDA device that is not there: tensors that say "cuda:0", hold CPU memory, and keep a GPU's rules.

Operations run on the CPU. As on a GPU, a CUDA tensor and a CPU tensor with dimensions cannot meet in one, and
what has to wait for the device is counted. Compiled networks write every result for one shape into the same
memory, as replays of a CUDA graph do, so what is read after the next replay is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["PretendedGpu", "missing", "pretended_gpu"]

aten = torch.ops.aten
MEETINGS = {aten.copy_.default, aten._has_compatible_shallow_copy_type.default}
WAITING = {aten.item.default, aten._local_scalar_dense.default, aten.is_nonzero.default, aten.equal.default}
"""Operations whose result Python needs; copies to the CPU wait too."""


def missing() -> str | None:
    """Return why there can be no pretended device; None if there can."""
    if torch.version.cuda is None:
        return "torch without CUDA support has no CUDA tensors to pretend"
    version = tuple(map(int, torch.__version__.split("+")[0].split(".")[:2]))
    return None if version >= (2, 11) else "torch before 2.11 cannot pretend a device"


class _Tensor(torch.Tensor):
    """A tensor on the pretended device; `values` are on the CPU."""

    values: torch.Tensor

    @staticmethod
    def __new__(cls, values: torch.Tensor) -> _Tensor:
        tensor = torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device="cuda:0",
            requires_grad=values.requires_grad,
        )
        tensor.values = values
        return tensor

    def __repr__(self, **_: Any) -> str:
        return f"pretended {self.values!r}"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func}: a tensor of the pretended device outlived it")


class PretendedGpu(TorchDispatchMode):
    """Runs operations of the pretended device on the CPU.

    Attributes:
        waits: What made the CPU wait for the device: names of operations.
        graphs: Results of compiled networks by network and shapes of the inputs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.graphs: dict[Any, torch.Tensor] = {}

    def compile(self, network: Callable[..., torch.Tensor], **_: Any) -> Callable[..., torch.Tensor]:
        """Return what replaces `torch.compile(network)`: its results for one shape share one memory."""

        def replay(*inputs: torch.Tensor) -> torch.Tensor:
            with mock.patch.object(torch.compiler, "is_compiling", return_value=True):
                found = network(*inputs)
            kept = self.graphs.setdefault((network, *(x.shape for x in inputs)), found.clone())
            return kept.copy_(found)

        return replay

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = list(_leaves((*args, *kwargs.values())))
        tensors = [x for x in given if isinstance(x, torch.Tensor)]
        targets = [x.type for x in given if isinstance(x, torch.device)]
        on_gpu = any(isinstance(x, _Tensor) for x in tensors)
        if not on_gpu and "cuda" not in targets:
            return func(*args, **kwargs)
        on_both = on_gpu and any(x.dim() for x in tensors if not isinstance(x, _Tensor))
        if on_both and func not in MEETINGS:
            raise RuntimeError(f"{func}: tensors on cuda:0 and cpu, expected all on one device")
        to_gpu = targets[0] == "cuda" if targets else on_gpu
        if func is aten.copy_.default:
            to_gpu = isinstance(args[0], _Tensor)
        if on_gpu and (not to_gpu or func in WAITING):
            self.waits.append(str(func))
        found = func(*map(_on_cpu, args), **{name: _on_cpu(value) for name, value in kwargs.items()})
        if isinstance(found, torch.Tensor) and tensors and on_gpu != to_gpu and func not in MEETINGS:
            found = found.clone()  # another device is other memory
        if isinstance(found, torch.Tensor) and to_gpu:
            same = [x for x in tensors if isinstance(x, _Tensor) and x.values is found]
            if same:
                return same[0]  # changed in place, or nothing to do
        # In inference mode, a view of a normal tensor is normal too.
        normal = func.is_view and not args[0].is_inference()
        with torch.inference_mode(False) if normal else nullcontext():
            return _on_gpu(found) if to_gpu else found


def _leaves(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _leaves(value)
        else:
            yield value


def _on_cpu(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_on_cpu(x) for x in value]
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return value.values if isinstance(value, _Tensor) else value


def _on_gpu(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_on_gpu, value))
    return _Tensor(value) if isinstance(value, torch.Tensor) else value


@contextmanager
def pretended_gpu() -> Iterator[PretendedGpu]:
    """Pretend one CUDA device in the block; modules must be moved to it and dropped inside the block."""
    gpu = PretendedGpu()
    torch._C._ensureCUDADeviceGuardSet()
    lifted = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device="cuda") starts on the CPU
    overwritten = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # new parameters of the new class
    try:
        with (
            mock.patch.multiple(torch.cuda, **ANSWERS),
            mock.patch.object(torch, "compile", gpu.compile),
            gpu,
        ):
            yield gpu
    finally:
        torch._C._set_only_lift_cpu_tensors(lifted)
        torch.__future__.set_overwrite_module_params_on_conversion(overwritten)


def _nothing(*_: object, **__: object) -> None:
    pass


ANSWERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("_lazy_init", "empty_cache", "synchronize", "reset_peak_memory_stats"), _nothing),
    **dict.fromkeys(("memory_allocated", "max_memory_allocated", "current_device"), lambda *_: 0),
    "is_available": lambda: True,
    "is_bf16_supported": lambda *_: True,
    "device_count": lambda: 1,
    "get_device_name": lambda *_: "pretended",
    "get_device_capability": lambda *_: (9, 0),
}
