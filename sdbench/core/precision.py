"""The arithmetic that models compute with: precision, compiled or not."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.util import find_spec

from sdbench.core.environment import best_device

__all__ = ["FULL", "Arithmetic", "compile_obstacle", "compiler_here", "compiles", "full_precision"]

TRITON_CAPABILITY = (7, 0)
"""The oldest GPUs that Triton writes kernels for: compute capability, major and minor."""


@dataclass(frozen=True)
class Arithmetic:
    """How a model computes.

    Attributes:
        precision: "full" (float32), "autocast", "bf16" or "fp16".
        compiled: Whether torch.compile is used.
    """

    precision: str = "full"
    compiled: bool = False


FULL = Arithmetic()
"""float32 without compilation: the arithmetic that all others are compared with."""


def compiles(choice: str, device: str) -> bool:
    """Return whether models are compiled on `device`; "auto": on GPUs, unless something prevents it."""
    if choice == "auto":
        return device.startswith("cuda") and compile_obstacle(device) is None
    return choice == "on"


def compile_obstacle(device: str) -> str | None:
    """Return why torch's compiler cannot work on `device`, None if nothing is known to prevent it."""
    if not device.startswith("cuda"):
        found = _on_path("CXX", "g++", "clang++", "cl")
        return None if found else "no C++ compiler (such as g++ or clang++) is installed"
    import torch

    if find_spec("triton") is None:
        return "Triton is not installed"
    capability = torch.cuda.get_device_capability(device)
    if capability < TRITON_CAPABILITY:
        needed = ".".join(map(str, TRITON_CAPABILITY))
        return f"the GPU has compute capability {'.'.join(map(str, capability))}, and Triton needs {needed}"
    # Triton builds a small launcher in C for each kernel.
    return None if _on_path("CC", "gcc", "clang") else "no C compiler (gcc or clang) is installed"


def compiler_here() -> tuple[str, str | None]:
    """Return the best device of this process, and the obstacle to compiling on it."""
    device = best_device()
    return device, compile_obstacle(device)


def _on_path(variable: str, *names: str) -> bool:
    return variable in os.environ or any(shutil.which(name) for name in names)


def full_precision() -> None:
    """On GPUs, compute float32 in float32 (no TF32), with the same convolution algorithms in every run."""
    import torch  # imported here, because planning does not need it

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
