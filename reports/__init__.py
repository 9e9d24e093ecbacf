"""Figures, tables and the page of an experiment, from its stored results alone: no model, no torch."""

from __future__ import annotations

from reports.errors import ReportError

__all__ = ["ReportError"]
