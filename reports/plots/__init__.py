"""The plots of a run: each function takes result rows and returns a figure; `save` writes it."""

from __future__ import annotations

from reports.plots.categories import metrics_by_category
from reports.plots.cost import metrics_against_evaluations, metrics_against_seconds
from reports.plots.ledger import guidance_ledger
from reports.plots.plane import distance_against_score
from reports.plots.prompts import prompt_differences
from reports.plots.published import published_look
from reports.plots.scales import metrics_against_scale
from reports.plots.sheet import save

__all__ = [
    "distance_against_score",
    "guidance_ledger",
    "metrics_against_evaluations",
    "metrics_against_scale",
    "metrics_against_seconds",
    "metrics_by_category",
    "prompt_differences",
    "published_look",
    "save",
]
