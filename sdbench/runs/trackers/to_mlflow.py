"""Sends results to MLflow: a run for the sweep with spec, table and plots, and a child run for each cell."""

from __future__ import annotations

import os
import time
from typing import Any

from sdbench.runs.trackers.scored import Scored, ScoredCell
from sdbench.spec import MlflowTracker

__all__ = ["check", "send"]

PARENT = "mlflow.parentRunId"
NAME = "mlflow.runName"


def check(tracker: MlflowTracker) -> None:
    """Do nothing: a server is not contacted before there is something to send."""


def send(tracker: MlflowTracker, scored: Scored) -> str:
    """Write the runs; return the experiment's name and the sweep's run id."""
    if tracker.uri is not None and "://" not in tracker.uri.replace("file://", ""):
        # MLflow refuses a folder unless this variable also allows it.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=tracker.uri)
    name = scored.spec.name
    found = client.get_experiment_by_name(name)
    experiment = client.create_experiment(name) if found is None else found.experiment_id
    sweep = client.create_run(experiment, tags={NAME: name, "sdbench.spec_digest": scored.spec.digest})
    for file in (*scored.files, *scored.plots):
        client.log_artifact(sweep.info.run_id, str(file))
    for cell in scored.cells:
        _log_cell(client, experiment, sweep.info.run_id, cell)
    client.set_terminated(sweep.info.run_id)
    return f"experiment {name}, run {sweep.info.run_id}"


def _log_cell(client: Any, experiment: str, sweep: str, cell: ScoredCell) -> None:
    from mlflow.entities import Metric, Param

    run = client.create_run(experiment, tags={NAME: cell.name, PARENT: sweep}).info.run_id
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in cell.metrics(".").items()]
    counts = [Metric(f"{name}.n", n, now, 0) for name, (_, _, n) in cell.values.items()]
    params = [Param(key, str(value)) for key, value in cell.settings.items() if value is not None]
    client.log_batch(run, metrics=metrics + counts, params=params)
    client.set_terminated(run)
