"""Whether models are compiled here."""

from __future__ import annotations

import pytest
import torch

from sdbench.core import precision
from sdbench.core.precision import compile_obstacle, compiles


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A GPU that torch's compiler works on."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(precision, "find_spec", lambda name: name)
    monkeypatch.setattr(precision.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 0))
    return monkeypatch


def test_nothing_prevents_it_on_a_usual_gpu(gpu: pytest.MonkeyPatch) -> None:
    assert compiles("auto", "cuda")
    assert not compiles("auto", "cpu")


def test_auto_computes_uncompiled_if_the_compiler_cannot_work(gpu: pytest.MonkeyPatch) -> None:
    gpu.setattr(precision, "find_spec", lambda name: None)
    assert compile_obstacle("cuda") == "Triton is not installed"
    gpu.setattr(precision, "find_spec", lambda name: name)
    gpu.setattr(precision.shutil, "which", lambda name: None)
    assert compile_obstacle("cuda") == "no C compiler (gcc or clang) is installed"
    assert compile_obstacle("cpu") == "no C++ compiler (such as g++ or clang++) is installed"
    gpu.setenv("CC", "/opt/cc")
    assert compile_obstacle("cuda") is None
    gpu.setattr(torch.cuda, "get_device_capability", lambda device: (6, 1))
    assert compile_obstacle("cuda") == "the GPU has compute capability 6.1, and Triton needs 7.0"
    assert not compiles("auto", "cuda")
    assert compiles("on", "cuda")
