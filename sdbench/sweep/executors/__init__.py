"""Executors: they distribute units to workers. To add one, add a file and a line in EXECUTORS."""

from __future__ import annotations

from sdbench.sweep.executors.inline import inline_pool
from sdbench.sweep.executors.pool import Executor, Gap, Pool, Workforce
from sdbench.sweep.executors.ray import ray_pool

__all__ = ["EXECUTORS", "Executor", "Gap", "Pool", "Workforce"]

EXECUTORS: dict[str, Executor] = {"inline": inline_pool, "ray": ray_pool}
