"""The one exception of this package.

Exception
  ReportError    results that cannot be drawn: its text is one line that says what is wrong and where
"""

from __future__ import annotations

__all__ = ["ReportError"]


class ReportError(Exception):
    """Results or a run folder that no report can be made of; the message is one line."""
