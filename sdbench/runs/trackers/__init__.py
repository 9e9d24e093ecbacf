"""Trackers: services that results are sent to, as a spec's `records` say.

A new one is a file in this folder and a line in PLACES.

RUN/records.json remembers what was sent, so resuming a run sends nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sdbench.core.digest import digest_bytes, digest_value
from sdbench.core.errors import InputError, one_line
from sdbench.core.progress import Note
from sdbench.runs.cache import read_text_map, write_text_map
from sdbench.runs.local_copy import local_view
from sdbench.runs.store import existing_store
from sdbench.runs.trackers import to_mlflow, to_tensorboard, to_wandb
from sdbench.runs.trackers.scored import Scored, read_scored
from sdbench.spec import TrackerSpec

__all__ = ["PLACES", "Place", "check_records", "send_records"]

SENT = "records.json"


@dataclass(frozen=True)
class Place:
    """A service that results can be sent to.

    Attributes:
        module: The Python module that must be installed.
        extra: The extra of this package that installs it.
        check: Raises InputError if it is clear before the run that nothing can be sent.
        send: Sends the results; returns where they are, in words.
    """

    module: str
    extra: str
    check: Callable[[Any], None]
    send: Callable[[Any, Scored], str]


PLACES: dict[str, Place] = {
    "mlflow": Place("mlflow", "mlflow", to_mlflow.check, to_mlflow.send),
    "wandb": Place("wandb", "wandb", to_wandb.check, to_wandb.send),
    "tensorboard": Place("tensorboard", "tensorboard", to_tensorboard.check, to_tensorboard.send),
}


def check_records(records: Sequence[TrackerSpec]) -> None:
    """Raise InputError if results cannot be sent to one of `records`. Called before any work."""
    for tracker in records:
        place = PLACES[tracker.to]
        if find_spec(place.module) is None:
            raise InputError(f"records: {tracker.to} is not installed: pip install 'sdbench[{place.extra}]'")
        place.check(tracker)


def send_records(place: str | Path, note: Note, *, again: bool = False) -> list[str]:
    """Send the results of the run at `place` to the services that its spec names.

    Args:
        place: A run folder or its URL.
        note: Called with a line for each service.
        again: Also send what was sent before.

    Returns:
        A line for each service that failed.

    Raises:
        StoreError, InputError: The run itself cannot be read.
    """
    store = existing_store(place)
    with local_view(store) as folder:
        scored = read_scored(folder)
        digest = digest_bytes((folder / "results.csv").read_bytes())
        sent = read_text_map(store, SENT, "delete it and send again")
        failures = []
        for tracker in scored.spec.records:
            key = digest_value(tracker.model_dump(mode="json"))
            if sent.get(key) == digest and not again:
                continue
            note(f"records: sending to {tracker.to}")
            try:
                note(f"records: {tracker.to}: {PLACES[tracker.to].send(tracker, scored)}")
            except Exception as error:  # services fail in every way, and the run is complete without them
                failures.append(f"records: {tracker.to} failed: {one_line(error)}")
                continue
            sent[key] = digest
            write_text_map(store, SENT, sent)
    return failures
