"""Where figures come from: package versions, the machine, the command."""

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
"""The packages that figures depend on, by the name that the results show."""


def versions() -> str:
    """The versions of those packages that are installed: "sdbench=0.1.0 torch=2.14.1 ..."."""
    found = []
    for shown, package in _PACKAGES.items():
        try:
            found.append(f"{shown}={metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return " ".join(found)


def best_device() -> str:
    """ "cuda" where there is a GPU, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name(device: str) -> str:
    """The device in words: "cpu (x86_64)", "cuda (NVIDIA H100 80GB HBM3)"."""
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return f"{device} ({name})"


def machine(device: str) -> dict[str, Any]:
    """The manifest's account of the machine and of the command that runs on it."""
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
