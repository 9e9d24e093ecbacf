"""The `records` of a spec: trackers that results are sent to, in addition to the run folder."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sdbench.spec.values import Part, Text

__all__ = ["MlflowRecord", "RecordSpec", "TensorboardRecord", "WandbRecord"]


class MlflowRecord(Part):
    """A run in the MLflow experiment with the name of the spec.

    `uri` is a tracking server, sqlite:///FILE or file:FOLDER; by default, MLFLOW_TRACKING_URI decides.
    """

    to: Literal["mlflow"]
    uri: Text | None = None


class WandbRecord(Part):
    """A run in a Weights & Biases project.

    `mode` "offline" writes it to ./wandb or WANDB_DIR, for `wandb sync`.
    """

    to: Literal["wandb"]
    project: Text
    mode: Literal["online", "offline"] = "online"


class TensorboardRecord(Part):
    """TensorBoard event files in `folder`."""

    to: Literal["tensorboard"]
    folder: Text


RecordSpec = Annotated[MlflowRecord | WandbRecord | TensorboardRecord, Field(discriminator="to")]
