"""Who decides whether a run's models are compiled, and what is said about it."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from sdbench.core.errors import InputError
from sdbench.spec import ExperimentSpec
from sdbench.sweep import runner
from sdbench.sweep.executors import Workforce, ray

OLD = "the GPU has compute capability 6.1, and Triton needs 7.0"


def decided(
    choice: str, found: tuple[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> tuple[str, list[str]]:
    monkeypatch.setattr(runner, "compiler_here", lambda: found)
    notes: list[str] = []
    spec = ExperimentSpec.model_construct(compile=choice)
    return runner._compile_decided(spec, Workforce(), notes.append).compile, notes


def test_a_gpu_that_cannot_compile_computes_uncompiled_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decided("auto", ("cuda", None), monkeypatch) == ("on", [])
    assert decided("auto", ("cuda", OLD), monkeypatch) == ("off", [f"models are not compiled: {OLD}"])
    assert decided("auto", ("cpu", "no C++ compiler"), monkeypatch) == ("off", [])
    assert decided("off", ("cuda", OLD), monkeypatch) == ("off", [])
    with pytest.raises(InputError, match=f"^compile: on: {OLD}; use compile: off$"):
        decided("on", ("cuda", OLD), monkeypatch)


def test_a_worker_of_the_cluster_decides_not_the_machine_that_starts_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The head of a cluster may have no GPU."""
    asked: list[int] = []

    def remote(num_gpus: int):
        asked.append(num_gpus)
        return lambda function: SimpleNamespace(remote=lambda: ("cuda", None))

    @contextmanager
    def cluster(address: str | None):
        assert address == "head:1"
        yield SimpleNamespace(cluster_resources=lambda: {"GPU": 2.0}, remote=remote, get=lambda found: found)

    monkeypatch.setattr(ray, "_cluster", cluster)
    monkeypatch.setattr(runner, "compiler_here", lambda: ("cpu", None))
    spec = ExperimentSpec.model_construct(compile="auto")
    workforce = Workforce("ray", None, "head:1")
    assert runner._compile_decided(spec, workforce, lambda text: None).compile == "on"
    assert asked == [1]
