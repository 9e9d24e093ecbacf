"""Spends a budget: makes the units of a plan that the budget asks for, and records where cells stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from metrics import Estimate, MetricsError, Protocol
from metrics.evaluate import evaluate
from metrics.scale_spline import FEWEST_SCALES
from sdbench.core.errors import InputError, SdbenchError
from sdbench.core.progress import Note
from sdbench.runs.plan import Cell, Plan, Unit
from sdbench.runs.tables import ResultRow
from sdbench.scoring.protocols import protocol_of
from sdbench.scoring.references import Real
from sdbench.scoring.sample import SampleReader
from sdbench.spec import ExperimentSpec
from sdbench.spec.budget import Budget
from sdbench.sweep.budget.course import Course, follow
from sdbench.sweep.budget.rules import BestScales, Ranking, Rule, Until

__all__ = ["Spent", "spend"]


@dataclass(frozen=True)
class Spent:
    """The part of a plan that was made, and what to record of it; the whole plan if the spec has no budget.

    Attributes:
        plan: The plan, or the part of it that the budget asked for.
        facts: Entries for the manifest.
        notes: A note for the result rows of a cell.
        stopped: Number of prompts used, by the cell's folder.
    """

    plan: Plan
    facts: dict[str, Any]
    notes: Mapping[Cell, str]
    stopped: Mapping[str, int]

    def noted(self, rows: Sequence[ResultRow]) -> list[ResultRow]:
        """Return the result rows with the cells' notes added; each cell must have equally many rows."""
        each = len(rows) // len(self.plan.cells)
        notes = [self.notes.get(cell, "") for cell in self.plan.cells for _ in range(each)]
        return [
            replace(row, note="; ".join(filter(None, [row.note, note])))
            for row, note in zip(rows, notes, strict=True)
        ]


def spend(
    spec: ExperimentSpec,
    plan: Plan,
    samples: SampleReader,
    reference: Mapping[str, Real],
    work: Callable[[Plan], None],
    note: Note,
) -> Spent:
    """Make the images of `plan`: all of them, or, if the spec has a budget, those that it asks for.

    Args:
        spec: The experiment.
        plan: The whole plan.
        samples: Reads the run's images with their features.
        reference: What each distance needs of the reference set, by the protocol's name.
        work: Makes the missing images of a plan.
        note: Called with a line for each look.

    Raises:
        InputError: Nothing can be ranked, or a value cannot be computed.
        SdbenchError: Images that the budget needs for a decision could not be made.
    """
    if spec.budget is None:
        work(plan)
        return Spent(plan, {}, {}, {})
    protocol = protocol_of(spec.budget.protocol_of(spec.metrics))
    rule = _rule(spec.budget, plan, protocol)

    def make(cells: Sequence[Cell], done: int, wanted: int) -> None:
        units = tuple(u for cell in cells for u in plan.units_of(cell) if done < u.chunk.end <= wanted)
        work(Plan(tuple(cells), units))
        _refuse_gaps(units, samples)

    def measure(cell: Cell, n: int) -> Estimate:
        units = [unit for unit in plan.units_of(cell) if unit.chunk.end <= n]
        return _measure(protocol, cell, units, samples, reference)

    ends = [unit.chunk.end for unit in plan.units_of(plan.cells[0])]
    course = follow(rule, plan.cells, ends, make, measure, note)
    taken = plan.only(course.prompts)
    saving = 1 - taken.images / plan.images
    note(f"budget: {course.verdict}; {taken.images} images instead of {plan.images}, {saving:.0%} saved")
    facts = {
        "rule": _words(spec.budget, protocol),
        "verdict": course.verdict,
        "settled": rule.claims(),
        "images": taken.images,
        "images_of_fixed_budget": plan.images,
        "saving": round(saving, 4),
        "looks": list(course.looks),
        "cells": _stops(plan, course),
    }
    stopped = {cell.folder: count for cell, count in course.prompts.items()}
    return Spent(taken, {"budget": facts}, _notes(plan, course, ends[-1]), stopped)


def _rule(budget: Budget, plan: Plan, protocol: Protocol) -> Rule[Cell]:
    if budget.half_width is not None:
        return Until(budget.half_width, budget.confidence)
    if budget.resolve == "best-scale":
        return _best_scales(budget, plan, protocol)
    contenders = _contenders(plan)
    if len(contenders) < 2:
        raise InputError("budget: resolve: ranking needs two checkpoints, samplers or scales to rank")
    return Ranking(contenders, protocol.formula.better, budget.confidence)


def _best_scales(budget: Budget, plan: Plan, protocol: Protocol) -> Rule[Cell]:
    curves: dict[str, dict[float, Cell]] = {}
    for cell in plan.cells:
        curves.setdefault(plan.curves[cell], {})[cell.settings.guidance_scale] = cell
    if all(len(cells) < FEWEST_SCALES for cells in curves.values()):
        raise InputError(f"budget: resolve: best-scale needs {FEWEST_SCALES} guidance scales or more")
    return BestScales(curves, protocol.formula.better, budget.confidence)


def _contenders(plan: Plan) -> dict[str, list[Cell]]:
    """Return the cells of each curve; if there is one curve, each of its cells by guidance scale."""
    contenders: dict[str, list[Cell]] = {}
    for cell in plan.cells:
        contenders.setdefault(plan.curves[cell], []).append(cell)
    if len(contenders) > 1:
        return contenders
    return {f"scale {cell.settings.guidance_scale:g}": [cell] for cell in plan.cells}


def _refuse_gaps(units: Sequence[Unit], samples: SampleReader) -> None:
    missing = samples.missing(units)
    if missing:
        raise SdbenchError(f"budget: {missing} images of this block could not be made; run again to resume")


def _measure(
    protocol: Protocol,
    cell: Cell,
    units: Sequence[Unit],
    samples: SampleReader,
    reference: Mapping[str, Real],
) -> Estimate:
    sample, _ = samples.read(units)
    real = reference.get(protocol.name)
    try:
        return evaluate(
            protocol,
            generated=sample.features[protocol.extractor],
            real=real.prepared if real else None,
            text=sample.text_features.get(protocol.extractor),
            prompts=sample.prompts,
        )
    except MetricsError as error:
        raise InputError(f"budget: {protocol.name} of cell {cell.folder}: {error}") from None


def _words(budget: Budget, protocol: Protocol) -> str:
    aim = f"until {budget.until}" if budget.until else f"resolve {budget.resolve} by {protocol.name}"
    return f"{aim}, confidence {budget.confidence:g}"


def _stops(plan: Plan, course: Course[Cell]) -> list[dict[str, Any]]:
    return [
        {"cell": cell.folder, "prompts": course.prompts[cell], "reason": course.reasons[cell]}
        for cell in plan.cells
    ]


def _notes(plan: Plan, course: Course[Cell], full: int) -> dict[Cell, str]:
    return {
        cell: f"budget: all {full} prompts used"
        if course.prompts[cell] == full
        else f"budget: stopped at {course.prompts[cell]} of {full} prompts, {course.reasons[cell]}"
        for cell in plan.cells
    }
