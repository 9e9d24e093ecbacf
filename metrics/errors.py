"""The one exception of this package.

Exception
  MetricsError    anything a user can cause: its text is one line that says what is wrong and what to do
"""

from __future__ import annotations

__all__ = ["MetricsError"]


class MetricsError(Exception):
    """Input that cannot be measured, or weights that are not there; the message is one line."""
