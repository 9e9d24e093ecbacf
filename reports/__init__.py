"""Plots, tables and the page of an experiment, drawn from its stored results: no model, no torch."""

from __future__ import annotations

from reports.errors import ReportError

__all__ = ["ReportError"]
