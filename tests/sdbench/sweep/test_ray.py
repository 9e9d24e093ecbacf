"""Ray workers make the same files as this process, and losing workers loses no work."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from sdbench.core.errors import InputError
from sdbench.runs.plan import Unit
from sdbench.spec import load_spec
from sdbench.sweep.executors import Gap, Workforce
from sdbench.sweep.executors.ray import TRIES, _next, _resources, ray_pool
from sdbench.sweep.progress import RunProgress
from sdbench.sweep.runner import run_experiment
from sdbench.sweep.worker import Job, UnitReport
from tests.sdbench import tiny_runs
from tests.sdbench.synthetic import plan_of
from tests.sdbench.tiny_runs import files

pytestmark = [
    # From Ray: it keeps files and sockets open until the process ends, and announces future changes.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Tip. In future versions of Ray:FutureWarning"),
]
JOB = Job("unused", {}, {}, "cpu", 1, 2, 0, 2)


class Watching(RunProgress):
    """Calls a function once when the first unit is done; keeps the notes."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._then = then
        self.reports: list[UnitReport] = []
        self.said: list[str] = []

    def finished(self, report: UnitReport) -> None:
        super().finished(report)
        self.reports.append(report)
        if len(self.reports) == 1:
            self._then()

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files of a run with the inline executor."""
    folder = tmp_path_factory.mktemp("inline")
    tiny_runs.run(folder, folder / "run")
    return files(folder / "run")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A node with two cores that this process has joined."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def run_by_ray(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Any
) -> Callable[[int, RunProgress], Path]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def run(workers: int, progress: RunProgress, **changes: Any) -> Path:
        spec = tmp_path / "spec.yaml"
        spec.write_text(yaml.safe_dump(tiny_runs.content(**changes)), encoding="utf-8")
        workforce = Workforce("ray", workers)
        run_experiment(load_spec(spec), tmp_path / "run", progress, workforce, draw=tiny_runs.no_page)
        return tmp_path / "run"

    yield run
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "workers", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)]
)
def test_any_number_of_workers_and_any_order_make_the_same_bytes(
    workers: int,
    run_by_ray: Callable[[int, RunProgress], Path],
    whole: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def shuffled(pending: Sequence[Unit], held: object, taken: object) -> Unit:
        return random.Random(len(pending)).choice(list(pending))

    monkeypatch.setattr("sdbench.sweep.executors.ray._next", shuffled)
    progress = Watching()
    assert files(run_by_ray(workers, progress)) == whole
    names = [report.unit.name + report.unit.cell.folder for report in progress.reports]
    assert names != sorted(names)
    assert f"ray: {workers} workers" in " ".join(progress.said)


@pytest.mark.slow
def test_a_budget_takes_the_same_course(
    run_by_ray: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {
        "prompts": [f"picture {i}" for i in range(20)],
        "unit_size": 4,
        "budget": {"until": "clip-score-shapes +- 0.2"},
    }
    monkeypatch.setattr("sdbench.sweep.budget.course.FEWEST_TO_LOOK", 8)
    progress = Watching()
    root = run_by_ray(2, progress, **changes)
    run_experiment(load_spec(tmp_path / "spec.yaml"), tmp_path / "inline", RunProgress())
    assert files(root) == files(tmp_path / "inline")
    looks = json.loads((root / "manifest.json").read_text())["budget"]["looks"]
    assert len(looks) > 1
    assert looks[0] == 8


def test_a_worker_that_is_killed_loses_nothing(
    run_by_ray: Callable[[int, RunProgress], Path], whole: dict[str, bytes]
) -> None:
    def kill_one() -> None:
        os.kill(actor_processes()[0], signal.SIGKILL)

    progress = Watching(kill_one)
    assert files(run_by_ray(2, progress)) == whole
    assert any("a worker was lost" in text for text in progress.said)


@pytest.mark.slow
def test_a_node_that_is_removed_loses_nothing(
    cluster: Any, run_by_ray: Callable[[int, RunProgress], Path], whole: dict[str, bytes]
) -> None:
    import ray

    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    assert ray.cluster_resources()["CPU"] == 3
    progress = Watching(lambda: cluster.remove_node(node, allow_graceful=False))
    assert files(run_by_ray(3, progress)) == whole
    assert any("a worker was lost" in text for text in progress.said)
    assert "ray: 3 workers" in " ".join(progress.said)


def actor_processes() -> list[int]:
    """The workers of this process's cluster."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().startswith(b"ray::_Actor") and is_ours(int(folder.name)):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def is_ours(process: int) -> bool:
    while process > 1:
        if process == os.getpid():
            return True
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def test_a_unit_that_kills_every_worker_is_given_up_and_the_others_are_made(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deadly:
        def __init__(self, job: Job) -> None:
            pass

        def ready(self) -> None:
            pass

        def do(self, unit: Unit) -> UnitReport:
            if unit.chunk.start == 3:
                os._exit(1)
            return UnitReport(unit, len(unit.chunk.prompts), {}, [1], "cpu", 1)

    monkeypatch.setattr("sdbench.sweep.executors.ray._Actor", Deadly)
    units = plan_of([2], [str(i) for i in range(12)]).units
    with ray_pool(JOB, Workforce("ray", 2), lambda text: None) as pool:
        results = list(pool(units, lambda unit, done: None, lambda: False))
        gaps = [result for result in results if isinstance(result, Gap)]
        assert [gap.unit for gap in gaps] == [units[1]]
        assert f"lost {TRIES} times" in gaps[0].why
        assert {result.unit.name for result in results} == {unit.name for unit in units}
        # The pool still works.
        assert len(list(pool(units[2:], lambda unit, done: None, lambda: False))) == 2


def test_an_error_in_a_unit_ends_the_run_with_its_message(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def __init__(self, job: Job) -> None:
            pass

        def ready(self) -> None:
            pass

        def do(self, unit: Unit) -> UnitReport:
            raise InputError("checkpoint tiny changed")

    monkeypatch.setattr("sdbench.sweep.executors.ray._Actor", Refusing)
    with (
        ray_pool(JOB, Workforce("ray", 1), lambda text: None) as pool,
        pytest.raises(InputError, match=r"^checkpoint tiny changed$"),
    ):
        list(pool(plan_of([2], ["a"]).units, lambda unit, done: None, lambda: False))


def test_a_busy_cluster_is_noted_once_and_waited_for(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    class Quick:
        def __init__(self, job: Job) -> None:
            pass

        def ready(self) -> None:
            pass

        def do(self, unit: Unit) -> UnitReport:
            return UnitReport(unit, len(unit.chunk.prompts), {}, [1], "cpu", 1)

    said: list[str] = []

    def note(text: str) -> None:
        said.append(text)
        if "waiting" in text:
            ray.kill(other)

    monkeypatch.setattr("sdbench.sweep.executors.ray._Actor", Quick)
    monkeypatch.setattr("sdbench.sweep.executors.ray.PATIENCE", 1.0)
    other = ray.remote(num_cpus=2)(Quick).remote(JOB)
    ray.get(other.ready.remote())
    units = plan_of([2], ["a", "b", "c", "d"]).units
    deadline = time.monotonic() + 60
    with ray_pool(JOB, Workforce("ray", 2), note) as pool:
        reports = list(pool(units, lambda unit, done: None, lambda: time.monotonic() > deadline))
    ray.kill(other)
    assert said[1:] == ["ray: waiting for 2 workers: the cluster has 0 of 2 CPU free"]
    assert len(reports) == len(units)


class TestWhoGetsWhat:
    def test_a_worker_keeps_its_checkpoint_as_long_as_there_is_work_for_it(self) -> None:
        units = _units({"a": 2, "b": 3, "c": 1})
        a, b, c = (units[i].cell.checkpoint for i in (0, 2, 5))
        assert _next(units, b, [a, b]) is units[2]
        assert _next(units, None, []) is units[2]  # the most work first
        assert _next(units, None, [b]) is units[0]
        assert _next(units, None, [a, b]) is units[5]
        assert _next(units, None, [a, b, c]) is units[2]

    def test_workers_and_their_share(self) -> None:
        assert _resources({"CPU": 8.0}, None, 2) == (4, {"CPU": 2}, 2)
        assert _resources({"CPU": 2.0}, 4, 1) == (4, {"CPU": 0.5}, 1)
        assert _resources({"CPU": 96.0, "GPU": 8.0}, None, 4) == (8, {"GPU": 1}, 4)
        assert _resources({"CPU": 96.0, "GPU": 8.0}, 3, 4) == (3, {"GPU": 1}, 4)
        with pytest.raises(InputError, match="--workers 9: the cluster has 8 GPUs"):
            _resources({"CPU": 96.0, "GPU": 8.0}, 9, 4)

    def test_workers_have_no_more_threads_than_there_are_cores(self) -> None:
        assert _resources({"CPU": 2.0}, 2, 2) == (2, {"CPU": 1}, 1)
        assert _resources({"CPU": 2.0}, 4, 2) == (4, {"CPU": 0.5}, 1)
        assert _resources({"CPU": 8.0}, 3, 8) == (3, {"CPU": 2}, 2)
        assert _resources({"CPU": 32.0, "GPU": 8.0}, None, 32) == (8, {"GPU": 1}, 4)


def _units(counts: dict[str, int]) -> list[Unit]:
    from dataclasses import replace

    found = []
    for name, count in counts.items():
        for unit in plan_of([2], ["x"] * count, unit_size=1).units:
            found.append(replace(unit, cell=replace(unit.cell, checkpoint=name)))
    return found
