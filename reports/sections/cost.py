"""What the run cost: seconds by stage, images a second, network evaluations."""

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
    """Return the times of the manifest; absent where it holds none."""
    run = material.run
    seconds = _seconds(run.manifest.get("seconds"))
    if not seconds:
        return Absent(_TITLE, "manifest.json holds no seconds")
    longest, total = max(seconds.values()), sum(seconds.values())
    stages = [(name, duration(value), f"{value / longest:.4f}") for name, value in seconds.items()]
    content = {
        "facts": _facts(run, seconds),
        "stages": stages,
        "total": duration(total),
        "cells": _cells(run),
    }
    return Section(_TITLE, content)


def _cells(run: Run) -> tuple[list[str], list[tuple[str, list[str]]]] | None:
    """Return the guidance scales, and each curve's times per image at them; None where none are known."""
    if "seconds_per_image" not in run.cells:
        return None
    table = run.cells.pivot(index="curve", columns="guidance_scale", values="seconds_per_image")
    curves = list(dict.fromkeys(run.cells["curve"]))
    rows = [[duration(value) if pd.notna(value) else "" for value in table.loc[name]] for name in curves]
    return [f"{scale:g}" for scale in table.columns], list(zip(curves, rows, strict=True))


def _facts(run: Run, seconds: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return the figures of cost that the manifest and the results allow."""
    rows = run.results.drop_duplicates("cell")
    facts = []
    made, found = run.manifest.get("images_made"), run.manifest.get("images_found")
    if isinstance(made, int):
        kept = f", {count(found)} taken from earlier work" if isinstance(found, int) and found else ""
        facts.append(("Images made", f"{count(made)}{kept}"))
        if made and seconds.get("generate"):
            rate = made / seconds["generate"]
            facts.append(("Speed", f"{number(rate, 2)} images a second while generating"))
            facts.append(("An image", duration(1 / rate)))
    if rows["nfe"].notna().all():
        low, high = rows["nfe"].min(), rows["nfe"].max()
        spread = count(low) if low == high else f"{count(low)} to {count(high)}"
        facts.append(("Network evaluations an image (NFE)", spread))
        facts.append(("Network evaluations in all", count(float((rows["nfe"] * rows["n"]).sum()))))
    facts.append(("Batch size", ", ".join(dict.fromkeys(rows["batch_size"].astype(str)))))
    facts.append(("Precision", ", ".join(dict.fromkeys(rows["precision"].astype(str)))))
    facts.append(("Device", ", ".join(dict.fromkeys(rows["device"].astype(str)))))
    return facts


def _seconds(entry: Any) -> dict[str, float]:
    """Return the manifest's seconds by stage, as far as they are numbers."""
    if not isinstance(entry, Mapping):
        return {}
    numbers = {str(name): value for name, value in entry.items() if isinstance(value, int | float)}
    return {name: float(value) for name, value in numbers.items() if value > 0}
