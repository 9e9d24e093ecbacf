"""The one exception of this package.

Exception
  MetricsError    everything a user can cause; its message is one line that says what is wrong and what to do
"""

from __future__ import annotations

__all__ = ["MetricsError"]


class MetricsError(Exception):
    """Unusable input or missing weights; the message is one line."""
