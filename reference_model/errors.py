"""What can go wrong with a model that a user brings.

CheckpointError -- a checkpoint or its configuration cannot be used; the message is one line
"""

from __future__ import annotations

__all__ = ["CheckpointError"]


class CheckpointError(Exception):
    """A checkpoint or configuration is missing, damaged, or of another kind than expected."""
