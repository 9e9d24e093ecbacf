"""Many workers through Ray: one actor per GPU or per group of cores, on one machine or a cluster.

Ray places the actors, restarts lost ones, and transports units and reports. A unit that was lost with its
worker goes to the next free worker, not back to the same one, which may be waiting for a node that never
returns. A shard that is written twice is the same shard, so nothing has to be undone.
"""

from __future__ import annotations

import math
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import Any

from sdbench.core import environment
from sdbench.core.errors import InputError, SdbenchError, one_line
from sdbench.core.precision import compiler_here
from sdbench.models.home import HOME_VARIABLE
from sdbench.runs.plan import Unit
from sdbench.sweep.executors.pool import Gap, Pool, Workforce
from sdbench.sweep.worker import Job, Tick, UnitReport, Worker

__all__ = ["compiler_of_workers", "ray_pool"]

TRIES = 3
"""A unit is given up when it has been lost with its worker this many times."""

RESTARTS = 100
"""How often Ray restarts a lost worker: often, for spot instances, but a broken worker must end."""

POLL = 1.0
"""Seconds between checks whether the user wants to stop."""

PATIENCE = 15.0
"""Seconds without any worker after which a note says what they may be waiting for."""

DIAL = 3.0
"""Seconds to wait for the cluster's port; Ray itself waits for minutes and prints many lines."""


@contextmanager
def ray_pool(job: Job, workforce: Workforce, note: Callable[[str], None]) -> Iterator[Pool]:
    """Start or join a cluster, and open a worker on each of its GPUs, or as many as fit its cores.

    Raises:
        InputError: Ray is not installed, the cluster does not answer, or it has too few GPUs.
    """
    with _cluster(workforce.address) as ray:
        count, needs, threads = _resources(ray.cluster_resources(), workforce.workers, job.threads)
        ((what, amount),) = needs.items()
        note(f"ray: {count} workers, each with {amount:g} {what} and {threads} threads")
        actor = ray.remote(**{f"num_{what.lower()}s": amount})(_Actor)
        home = {HOME_VARIABLE: os.environ[HOME_VARIABLE]} if HOME_VARIABLE in os.environ else {}
        options = actor.options(max_restarts=RESTARTS, runtime_env={"env_vars": home})
        actors = [options.remote(replace(job, threads=threads)) for _ in range(count)]
        try:
            yield _Crew(ray, actors, what, note)
        except ray.exceptions.RayError as error:
            raise SdbenchError(f"ray: {one_line(error)}; run the command again to resume") from None
        finally:
            for each in actors:
                ray.kill(each)


def compiler_of_workers(address: str, note: Callable[[str], None]) -> tuple[str, str | None]:
    """Return what `compiler_here` returns on a worker: on a GPU of the cluster if it has any.

    Raises:
        InputError: Ray is not installed, or the cluster does not answer.
    """
    with _cluster(address) as ray:
        note("ray: asking a worker whether it compiles models")
        gpus = 1 if ray.cluster_resources().get("GPU", 0) else 0
        found: tuple[str, str | None] = ray.get(ray.remote(num_gpus=gpus)(compiler_here).remote())
        return found


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    """Join a cluster, or start one, unless this process has joined one already; yields the library."""
    ray = _ray()
    joined = ray.is_initialized()
    if not joined:
        _connect(ray, address)
    try:
        yield ray
    finally:
        if not joined:
            ray.shutdown()


class _Actor:
    """A worker in its own process."""

    def __init__(self, job: Job) -> None:
        import torch

        torch.set_num_threads(job.threads)
        self._worker = Worker(replace(job, device=environment.best_device()))

    def ready(self) -> None:
        """Return once the actor runs, after its start or a restart."""

    def do(self, unit: Unit) -> UnitReport:
        """Do a unit, see `Worker.do`."""
        return self._worker.do(unit, lambda unit, done: None)


class _Crew:
    """The actors and what each of them is doing; it is the pool."""

    def __init__(self, ray: Any, actors: Sequence[Any], what: str, note: Callable[[str], None]) -> None:
        self._ray = ray
        self._what = what
        self._note = note
        self._free: list[Any] = []
        self._joining: dict[Any, Any] = {}
        self._busy: dict[Any, tuple[Any, Unit]] = {}
        self._holds: dict[Any, str] = {}
        for actor in actors:
            self._join(actor)

    def __call__(
        self, units: Sequence[Unit], tick: Tick, stop: Callable[[], bool]
    ) -> Iterator[UnitReport | Gap]:
        left, lost = list(units), Counter[Unit]()
        patience = monotonic() + PATIENCE
        while self._busy or (left and not stop()):
            if not (self._free or self._joining or self._busy):
                yield from (Gap(unit, "no worker is left") for unit in left)
                return
            while self._free and left and not stop():
                self._hand_out(left)
            if not self._busy and monotonic() > patience:
                self._note_resources()
                patience = math.inf
            refs = [*self._busy, *self._joining]
            done = self._ray.wait(refs, num_returns=1, timeout=POLL)[0] if refs else []
            for ref in done:
                if ref in self._joining:
                    self._joined(ref)
                    continue
                unit = self._busy[ref][1]
                report = self._collect(ref)
                if isinstance(report, UnitReport):
                    yield report
                    continue
                lost[unit] += 1
                if lost[unit] < TRIES:
                    left.insert(0, unit)
                else:
                    yield Gap(unit, f"lost {TRIES} times with its worker: {report}")

    def _note_resources(self) -> None:
        """Note what the workers wait for: on a busy cluster others may never release their resources."""
        free, there = (
            resources().get(self._what, 0.0)
            for resources in (self._ray.available_resources, self._ray.cluster_resources)
        )
        waiting = len(self._joining)
        self._note(
            f"ray: waiting for {waiting} workers: the cluster has {free:g} of {there:g} {self._what} free"
        )

    def _hand_out(self, left: list[Unit]) -> None:
        actor = self._free.pop(0)
        unit = _next(left, self._holds.get(actor), list(self._holds.values()))
        left.remove(unit)
        self._holds[actor] = unit.cell.checkpoint
        self._busy[actor.do.remote(unit)] = (actor, unit)

    def _collect(self, ref: Any) -> UnitReport | str:
        """Return the report, or why the worker was lost."""
        actor, unit = self._busy.pop(ref)
        try:
            report: UnitReport = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            # Raise what the unit itself raised, as if it had been done in this process.
            raise (error.cause if isinstance(error.cause, Exception) else error) from None
        except self._ray.exceptions.RayError as error:
            why = one_line(error)
            self._note(f"ray: a worker was lost with {unit.name} ({why[:120]})")
            self._holds.pop(actor, None)
            self._join(actor)
            return why
        self._free.append(actor)
        return report

    def _join(self, actor: Any) -> None:
        ready = actor.ready.options(max_task_retries=-1).remote()
        self._joining[ready] = actor

    def _joined(self, ref: Any) -> None:
        actor = self._joining.pop(ref)
        try:
            self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else error) from None
        except self._ray.exceptions.RayError as error:
            self._note(f"ray: a worker cannot be started ({one_line(error)[:120]})")
            return
        self._free.append(actor)


def _next(left: Sequence[Unit], held: str | None, taken: Sequence[str]) -> Unit:
    """Choose a free worker's next unit so that little is loaded.

    That is a unit of the checkpoint that the worker holds, otherwise of one that no worker holds, otherwise
    of the one with the most units left.
    """
    first: dict[str, Unit] = {}
    for unit in left:
        first.setdefault(unit.cell.checkpoint, unit)
    if held in first:
        return first[held]
    unheld = [checkpoint for checkpoint in first if checkpoint not in taken]
    counts = Counter(unit.cell.checkpoint for unit in left)
    return first[max(unheld or first, key=lambda checkpoint: counts[checkpoint])]


def _resources(
    there: dict[str, float], workers: int | None, threads: int
) -> tuple[int, dict[str, float], int]:
    """Return the number of workers, what each needs (a GPU, or cores for its threads), and its threads.

    All workers together have no more threads than the cluster has cores, because threads that wait for each
    other on shared cores take several times as long.
    """
    gpus, cpus = int(there.get("GPU", 0)), there.get("CPU", 1.0)
    if gpus:
        if (workers or gpus) > gpus:
            raise InputError(f"--workers {workers}: the cluster has {gpus} GPUs")
        count = workers or gpus
        return count, {"GPU": 1}, min(threads, max(1, int(cpus // count)))
    count = workers or max(1, int(cpus // threads))
    share = min(float(threads), cpus / count)
    # More workers than cores share cores; Ray accepts whole cores or fractions of one.
    cores = int(share) if share >= 1 else math.floor(share * 1000) / 1000
    return count, {"CPU": cores}, max(1, int(share))


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise InputError("--executor ray needs Ray: pip install 'sdbench[ray]'") from None
    return ray


def _connect(ray: Any, address: str | None) -> None:
    try:
        if address is not None:
            _dial(address)
        ray.init(
            # "local" starts a new cluster even if another one runs on this machine.
            address=address or "local",
            log_to_driver=False,
            logging_level="error",
            **({} if address else {"include_dashboard": False}),
        )
    except (OSError, OverflowError, ValueError, RuntimeError) as error:
        if address is None:
            raise SdbenchError(f"ray: cannot be started on this machine ({one_line(error)})") from None
        raise InputError(f"--address {address}: no Ray cluster answers ({one_line(error)})") from None


def _dial(address: str) -> None:
    """Raise OSError if nobody listens at the port of `address`; an address without a port passes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=DIAL).close()
