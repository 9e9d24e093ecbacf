"""Errors in a model that a user loads or trains. Each message is one line.

CheckpointError -- a checkpoint or its configuration cannot be used
TrainingError -- a training cannot start or resume
"""

from __future__ import annotations

__all__ = ["CheckpointError", "TrainingError"]


class CheckpointError(Exception):
    """A checkpoint or configuration is missing, damaged or of an unexpected kind."""


class TrainingError(Exception):
    """The folder of a training run cannot be used."""
