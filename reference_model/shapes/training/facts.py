"""What makes a training repeatable: the machine it ran on, and digests of what each stage made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from reference_model.shapes.training.loop import write_aside
from reference_model.shapes.training.precision import products

__all__ = ["digest", "same_threads"]


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 of named tensors: their names, types, shapes and values, on whatever device."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        values = tensor.detach().cpu().contiguous()
        total.update(f"{name} {values.dtype} {list(values.shape)}\n".encode())
        total.update(values.numpy().data)
    return total.hexdigest()


@contextmanager
def same_threads(path: Path, device: str) -> Iterator[list[dict[str, str | int]]]:
    """Give torch the threads that the training started with, since their number changes the last bits.

    Yields the machines of all starts, this one's included; the file ``path`` keeps them. A training whose
    starts differ in processor or version cannot be repeated bit by bit.
    """
    before = torch.get_num_threads()
    machines = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    threads = machines[0]["threads"] if machines else before
    here: dict[str, str | int] = {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else device,
        "products": str(products(device)).removeprefix("torch."),
        "torch": torch.__version__,
        "threads": threads,
    }
    if here not in machines:
        machines.append(here)
        write_aside(json.dumps(machines, indent=2) + "\n", path)
    torch.set_num_threads(threads)
    try:
        yield machines
    finally:
        torch.set_num_threads(before)


def _processor() -> str:
    """Return the processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
