"""What can go wrong with a model that a user brings or trains. The messages are one line.

CheckpointError -- a checkpoint or its configuration cannot be used
TrainingError -- a training cannot start or resume
"""

from __future__ import annotations

__all__ = ["CheckpointError", "TrainingError"]


class CheckpointError(Exception):
    """A checkpoint or configuration is missing, damaged, or of another kind than expected."""


class TrainingError(Exception):
    """The folder of a training cannot be used."""
