"""The evaluation harness: experiment specs to images, figures and reports. The command is `sdbench`."""

from __future__ import annotations

__all__: list[str] = []
