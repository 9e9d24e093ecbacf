"""Sends results to Weights & Biases: a run with the spec as config, tables of rows and images, and plots."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from typing import Any

from sdbench.core.errors import InputError
from sdbench.runs.trackers.scored import Scored
from sdbench.spec import WandbTracker

__all__ = ["check", "send"]


def check(tracker: WandbTracker) -> None:
    """Raise InputError if the tracker is online and nobody is logged in."""
    if tracker.mode == "online":
        import wandb

        if not wandb.login(prompt=False, verify=False):
            raise InputError("records: wandb: nobody is logged in: run 'wandb login' or set mode: offline")


def send(tracker: WandbTracker, scored: Scored) -> str:
    """Write the run; return its URL, or the folder that `wandb sync` takes."""
    import wandb

    run = wandb.init(
        project=tracker.project,
        name=scored.spec.name,
        mode=tracker.mode,
        config=scored.spec.model_dump(mode="json", exclude_none=True),
        settings=wandb.Settings(silent=True, console="off"),
    )
    try:
        rows = scored.rows.astype(object).where(scored.rows.notna(), None)
        data: list[Iterable[Any]] = list(rows.to_numpy())
        table = wandb.Table(columns=list(rows.columns), data=data)
        plots = {plot.stem: wandb.Image(str(plot)) for plot in scored.plots}
        run.log({"results": table, **_images(scored), **plots})
        for cell in scored.cells:
            run.summary.update({f"{cell.name}/{name}": value for name, value in cell.metrics(".").items()})
        for file in scored.files:
            shutil.copy(file, run.dir)  # uploaded with the run; the run folder itself may be a temporary copy
        return str(run.url if tracker.mode == "online" else run.settings.sync_dir)
    finally:
        run.finish()


def _images(scored: Scored) -> dict[str, Any]:
    """Return a table with a row for each prompt and a column for each cell; empty if no image was kept."""
    import wandb

    names = [cell.name for cell in scored.cells]
    data: list[Iterable[Any]] = []
    for sheet in scored.sheets():
        paths = [sheet.images.get(name) for name in names]
        data.append([sheet.prompt, *(path and wandb.Image(str(path)) for path in paths)])
    return {"images": wandb.Table(columns=["prompt", *names], data=data)} if data else {}
