"""What `records` in a spec may be: where results are sent beside the run folder."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sdbench.spec.values import Part, Text

__all__ = ["MlflowRecord", "RecordSpec", "TensorboardRecord", "WandbRecord"]


class MlflowRecord(Part):
    """A run of an MLflow experiment that is called as the spec is.

    `uri`: a tracking server, sqlite:///FILE or file:FOLDER; left out, what MLFLOW_TRACKING_URI says.
    """

    to: Literal["mlflow"]
    uri: Text | None = None


class WandbRecord(Part):
    """A run of a Weights & Biases project; `offline` writes it to ./wandb or WANDB_DIR, for `wandb sync`."""

    to: Literal["wandb"]
    project: Text
    mode: Literal["online", "offline"] = "online"


class TensorboardRecord(Part):
    """Event files in `folder`."""

    to: Literal["tensorboard"]
    folder: Text


RecordSpec = Annotated[MlflowRecord | WandbRecord | TensorboardRecord, Field(discriminator="to")]
