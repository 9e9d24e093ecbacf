"""The exceptions of this package.

Exception
  ReportError    results that cannot be drawn; one line that says what is wrong and where
  OSError
    WriteError   a file that cannot be written, for example on a full disk
"""

from __future__ import annotations

__all__ = ["ReportError", "WriteError"]


class ReportError(Exception):
    """Results or a run folder that cannot be drawn; the message is one line."""


class WriteError(OSError):
    """A file that cannot be written: ``filename`` says which, ``strerror`` why."""
