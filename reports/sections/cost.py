"""What the run cost: seconds by stage and by part of the work, images per second, network evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.runs import Run
from reports.sections._section import Absent, Material, Section
from reports.wording import count, duration, number

__all__ = ["cost"]

_TITLE = "Cost and speed"


def cost(material: Material) -> Section | Absent:
    """Return the times in the manifest; absent if it has none."""
    run = material.run
    stages, parts = (_seconds(run.manifest.get(key)) for key in ("seconds", "worker_seconds"))
    if not stages:
        return Absent(_TITLE, "manifest.json holds no seconds")
    tables = [(f"Time by stage, {duration(sum(stages.values()))} in all", "stage", _shares(stages))]
    if parts:
        words = f"Inside the work, {duration(sum(parts.values()))} summed over all workers"
        tables.append((words, "part", _shares(parts)))
    return Section(_TITLE, {"facts": _facts(run, stages, parts), "tables": tables, "cells": _cells(run)})


def _shares(seconds: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """Return each name, its time in words, and its share of the longest."""
    longest = max(seconds.values())
    return [(name, duration(value), f"{value / longest:.4f}") for name, value in seconds.items()]


def _cells(run: Run) -> tuple[list[str], list[tuple[str, list[str]]]] | None:
    """Return the guidance scales, and each curve's times per image; None if no time is known."""
    if run.cells["seconds_per_image"].isna().all():
        return None
    table = run.cells.pivot(index="curve", columns="guidance_scale", values="seconds_per_image")
    curves = list(dict.fromkeys(run.cells["curve"]))
    rows = [[duration(value) if pd.notna(value) else "" for value in table.loc[name]] for name in curves]
    return [f"{scale:g}" for scale in table.columns], list(zip(curves, rows, strict=True))


def _facts(run: Run, stages: Mapping[str, float], parts: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return what the manifest and the results tell about cost."""
    rows = run.results.drop_duplicates("cell")
    facts = []
    made, found = run.manifest.get("images_made"), run.manifest.get("images_found")
    if isinstance(made, int):
        kept = f", {count(found)} reused from earlier work" if isinstance(found, int) and found else ""
        facts.append(("Images made", f"{count(made)}{kept}"))
        if made and "work" in stages:
            facts.append(("Speed", f"{number(made / stages['work'], 2)} images per second"))
        if made and "generate" in parts:
            facts.append(("Generating an image", f"{duration(parts['generate'] / made)} of a worker's time"))
    if rows["nfe"].notna().all():
        low, high = rows["nfe"].min(), rows["nfe"].max()
        spread = count(low) if low == high else f"{count(low)} to {count(high)}"
        facts.append(("Network evaluations per image (NFE)", spread))
        facts.append(("Network evaluations in all", count(float((rows["nfe"] * rows["n"]).sum()))))
    facts.append(("Batch size", ", ".join(dict.fromkeys(rows["batch_size"].astype(str)))))
    facts.append(("Precision", ", ".join(dict.fromkeys(rows["precision"].astype(str)))))
    facts.append(("Device", ", ".join(dict.fromkeys(rows["device"].astype(str)))))
    return facts


def _seconds(entry: Any) -> dict[str, float]:
    """Return the seconds of a manifest entry by name, leaving out what is not a positive number."""
    if not isinstance(entry, Mapping):
        return {}
    numbers = {str(name): value for name, value in entry.items() if isinstance(value, int | float)}
    return {name: float(value) for name, value in numbers.items() if value > 0}
