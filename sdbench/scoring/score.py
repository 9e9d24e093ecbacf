"""Scores a run: from its shards to metric values, a row per cell and protocol, and comparisons of the cells.

To save memory, the features of a cell are dropped before the next cell is read; each image's part in the
values is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from metrics import Protocol
from sdbench.core.progress import Note
from sdbench.data.prompts import prompt_by_prompt
from sdbench.runs.ledger_tables import CfgCurveRow, EffectiveScaleRow, LedgerRow
from sdbench.runs.plan import Cell, Plan
from sdbench.runs.recipe_tables import RecipeComparisonRow, RecipeRow
from sdbench.runs.shards import Made
from sdbench.runs.store import Store
from sdbench.runs.tables import (
    BestRow,
    BestScaleRow,
    CategoryComparisonRow,
    CategoryRow,
    ComparisonRow,
    CurveRow,
    DominanceRow,
    FlaggedRow,
    ProtocolRow,
    RegionRow,
    ResultRow,
    VarianceRow,
    write_images,
    write_results,
    write_rows,
)
from sdbench.scoring.best_scales import best_scales
from sdbench.scoring.categories import Categories, category_comparisons, category_rows
from sdbench.scoring.compare import (
    CellValues,
    Ids,
    comparisons,
    dominances,
    ids_to_measure,
    plane_axes,
    regions,
)
from sdbench.scoring.ledger import GuidedCell, Ledger, guidance_ledger
from sdbench.scoring.measure import MetricValue, image_table, measure, measure_some, protocol_rows
from sdbench.scoring.protocols import protocols_of
from sdbench.scoring.recipes import recipe_comparisons, recipe_rows
from sdbench.scoring.references import Real
from sdbench.scoring.replicates import variance_rows
from sdbench.scoring.sample import Sample, SampleReader
from sdbench.scoring.verdict import best_cells, curve_pairs
from sdbench.spec import ExperimentSpec

__all__ = ["Scores", "score", "write_scores"]


@dataclass(frozen=True)
class Scores:
    """The results of a run; `write_scores` writes each field as a file."""

    rows: list[ResultRow]
    flagged: list[FlaggedRow]
    protocols: list[ProtocolRow]
    comparisons: list[ComparisonRow]
    best: list[BestRow]
    curves: list[CurveRow]
    best_scales: list[BestScaleRow]
    own_bests: list[CurveRow]
    regions: list[RegionRow]
    dominance: list[DominanceRow]
    images: pa.Table
    categories: list[CategoryRow]
    category_comparisons: list[CategoryComparisonRow]
    variance: list[VarianceRow]
    recipes: list[RecipeRow]
    recipe_comparisons: list[RecipeComparisonRow]
    ledger: Ledger


@dataclass(frozen=True)
class _Measured:
    """What is kept of a cell after its features are dropped."""

    rows: list[ResultRow]
    flagged: list[FlaggedRow]
    protocols: list[ProtocolRow]
    images: pa.Table
    values: CellValues
    guided: GuidedCell


def write_scores(store: Store, scores: Scores) -> None:
    """Write the tables of a run, the results last."""
    write_rows(store, "flagged.csv", FlaggedRow, scores.flagged)
    write_rows(store, "protocols.csv", ProtocolRow, scores.protocols)
    write_rows(store, "comparisons.csv", ComparisonRow, scores.comparisons)
    write_rows(store, "best.csv", BestRow, scores.best)
    write_rows(store, "curves.csv", CurveRow, scores.curves)
    write_rows(store, "best_scales.csv", BestScaleRow, scores.best_scales)
    write_rows(store, "own_bests.csv", CurveRow, scores.own_bests)
    write_rows(store, "regions.csv", RegionRow, scores.regions)
    write_rows(store, "dominance.csv", DominanceRow, scores.dominance)
    # Not every run has these tables. One that an earlier spec of the run wrote is emptied.
    if scores.categories or store.exists("categories.csv"):
        write_rows(store, "categories.csv", CategoryRow, scores.categories)
        write_rows(store, "category_comparisons.csv", CategoryComparisonRow, scores.category_comparisons)
    if scores.variance or store.exists("variance.csv"):
        write_rows(store, "variance.csv", VarianceRow, scores.variance)
    if scores.recipes or store.exists("recipes.csv"):
        write_rows(store, "recipes.csv", RecipeRow, scores.recipes)
        write_rows(store, "recipe_comparisons.csv", RecipeComparisonRow, scores.recipe_comparisons)
    if scores.ledger.rows or store.exists("ledger.csv"):
        write_rows(store, "ledger.csv", LedgerRow, scores.ledger.rows)
        write_rows(store, "effective_scales.csv", EffectiveScaleRow, scores.ledger.scales)
        write_rows(store, "cfg_curves.csv", CfgCurveRow, scores.ledger.curves)
    write_images(store, scores.images)
    write_results(store, scores.rows)


def score(
    spec: ExperimentSpec,
    plan: Plan,
    samples: SampleReader,
    reference: Mapping[str, Real],
    note: Note = lambda text: None,
    step: Callable[[int, int], None] = lambda done, total: None,
    categories: Categories = MappingProxyType({}),
) -> Scores:
    """Return the results of the plan's cells, in plan order, with the protocols in spec order.

    Args:
        spec: The run's spec.
        plan: The cells and units to score.
        samples: Reads the run's images with their features.
        reference: What each distance needs of the reference set, by the protocol's name.
        note: Called with a line when the cells are compared.
        step: Called with the number of scored cells, and of all.
        categories: Each prompt's category, by the columns that results are grouped by.

    Raises:
        StoreError: A shard is missing or damaged.
        InputError: A metric cannot be computed.
    """
    protocols = protocols_of(spec.metrics)
    wanted = ids_to_measure([_ids(plan, cell) for cell in plan.cells])
    measured = []
    for place, cell in enumerate(plan.cells):
        step(place, len(plan.cells))
        curve = plan.curves[cell]
        sample, made = samples.read(plan.units_of(cell))
        values = measure(protocols, sample, reference, f"cell {cell.folder}")
        over = {sample.ids: {name: value.estimate for name, value in values.items()}}
        for fewer in wanted[sample.ids] - {sample.ids}:
            over[fewer] = measure_some(protocols, sample.only(np.isin(sample.ids, fewer)), reference)
        worth = CellValues(cell.folder, curve, cell.settings.guidance_scale, sample.ids, over)
        measured.append(
            _Measured(
                [
                    _row(spec, cell, curve, p, values[p.name], sample, reference.get(p.name), made)
                    for p in protocols
                ],
                sample.flagged_rows(cell.folder),
                protocol_rows(protocols, sample.features),
                image_table(cell.folder, cell.settings.seed, sample, protocols, values),
                worth,
                GuidedCell(cell, worth, sample.prompts, made[0].nfe, sample.guidance_scales),
            )
        )
    step(len(measured), len(measured))
    note(f"comparing {len(measured)} cells")
    recipes = {cell.folder: curve for cell, curve in plan.curves_of(spec.groups).items()}
    return _compared(spec, protocols, measured, categories, recipes)


def _compared(
    spec: ExperimentSpec,
    protocols: Sequence[Protocol],
    measured: Sequence[_Measured],
    categories: Categories,
    recipes: Mapping[str, str],
) -> Scores:
    cells = [one.values for one in measured]
    axes = plane_axes(protocols)
    return Scores(
        [row for one in measured for row in one.rows],
        [row for one in measured for row in one.flagged],
        measured[0].protocols,
        comparisons(cells, protocols),
        best_cells(cells, protocols),
        curve_pairs(cells, protocols),
        *best_scales(
            cells, protocols, longest_only=spec.budget is not None and spec.budget.resolve == "best-scale"
        ),
        regions(cells, axes) if axes else [],
        dominances(cells, axes) if axes else [],
        pa.concat_tables(one.images for one in measured),
        category_rows(cells, protocols, categories),
        category_comparisons(cells, protocols, categories),
        variance_rows(cells, protocols) if spec.images_per_prompt > 1 else [],
        recipe_rows(cells, protocols, recipes),
        recipe_comparisons(cells, protocols, recipes),
        guidance_ledger([one.guided for one in measured], axes, spec.controlled),
    )


def _ids(plan: Plan, cell: Cell) -> Ids:
    prompts = [prompt for unit in plan.units_of(cell) for prompt in unit.chunk.prompts]
    return tuple(prompts[place].id for place in prompt_by_prompt(prompts))


def _row(
    spec: ExperimentSpec,
    cell: Cell,
    curve: str,
    protocol: Protocol,
    value: MetricValue,
    sample: Sample,
    real: Real | None,
    made: Sequence[Made],
) -> ResultRow:
    asked = cell.settings
    return ResultRow(
        cell=cell.folder,
        curve=curve,
        checkpoint=cell.checkpoint,
        sampler=asked.sampler,
        steps=asked.steps,
        eta=asked.eta,
        guidance_scale=asked.guidance_scale,
        protocol=protocol.name,
        label=protocol.label,
        better=protocol.formula.better,
        value=value.estimate.value,
        standard_error=value.estimate.standard_error,
        note="; ".join(filter(None, [value.note, _again(made)])),
        n=len(sample.ids),
        flagged=sample.flagged,
        nfe=made[0].nfe,
        image_size=f"{asked.height}x{asked.width}",
        seed=asked.seed,
        precision=asked.precision,
        batch_size=_distinct(str(size) for part in made for size in part.batch_sizes),
        device=_distinct(part.device for part in made),
        weights_digest=cell.weights_digest,
        spec_digest=spec.digest,
        versions=_distinct(part.versions for part in made),
        prompts_digest=sample.prompts_digest,
        reference_digest=real.digest if real else "",
        guided_by=cell.guided_by,
        negative_prompt=spec.negative_words,
        metric_source=protocol.source,
        guidance=asked.guidance,
    )


def _again(made: Sequence[Made]) -> str:
    count = sum(part.decoded_again for part in made)
    return f"{count} images left float16's range and were decoded again in bfloat16" if count else ""


def _distinct(values: Iterable[str]) -> str:
    """Return the value that all shards share, or else all their values, joined by " + "."""
    return " + ".join(dict.fromkeys(values))
