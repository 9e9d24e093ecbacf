"""Where results come from: package versions, the machine, the command."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from importlib import metadata
from typing import Any

__all__ = ["best_device", "device_name", "machine", "versions"]

_PACKAGES = {
    "sdbench": "sdbench",
    "torch": "torch",
    "open_clip": "open_clip_torch",
    "torch_fidelity": "torch-fidelity",
    "diffusers": "diffusers",
    "transformers": "transformers",
    "numpy": "numpy",
    "pillow": "pillow",
}
"""Packages that results depend on: the name shown in the results -> the name on PyPI."""


def versions() -> str:
    """Return the versions of the installed ones of these packages: "sdbench=0.1.0 torch=2.14.1 ..."."""
    found = []
    for shown, package in _PACKAGES.items():
        try:
            found.append(f"{shown}={metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return " ".join(found)


def best_device() -> str:
    """Return "cuda" if this machine has a GPU, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name(device: str) -> str:
    """Return the device with its model: "cpu (x86_64)", "cuda (NVIDIA H100 80GB HBM3)"."""
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return f"{device} ({name})"


def machine(device: str) -> dict[str, Any]:
    """Return what the manifest says about the machine and the command line."""
    import torch

    return {
        "versions": versions(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": device_name(device),
        "cpu_count": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "command": shlex.join(["sdbench", *sys.argv[1:]]),
    }
