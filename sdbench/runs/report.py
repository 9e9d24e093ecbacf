"""Plots, tables and pages from stored results. Needs neither models nor torch, so drawing takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sdbench.core.errors import InputError, StoreError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from reports.runs import Run

__all__ = ["PUBLISHED", "draw_published", "draw_results", "one_line_errors", "write_report"]

PLANE = "distance-against-clip-score"
SCALES = "metrics-against-scale"
EVALUATIONS = "metrics-against-evaluations"
SECONDS = "metrics-against-seconds"
PROMPTS = "clip-score-by-prompt"
LEDGER = "guidance-ledger"
CATEGORIES = "metrics-by-category"
TABLE = "results-table"
"""File names without their suffixes."""

PUBLISHED = "published"
_PUBLISHED_POINTS = Path(__file__).parents[2] / "experiments" / "published" / "sd-v1-variants-scores.csv"


def write_report(root: Path, *, originals: bool = True) -> Path:
    """Draw all plots of the run folder `root`, write its tables and its page, and return the page's path.

    Args:
        root: The run folder.
        originals: Link each image of the page to its file in the run folder.

    Raises:
        InputError: The folder holds no results, or none that can be drawn.
        StoreError: A file cannot be written.
    """
    from reports import page

    if not root.is_dir():
        raise InputError(f"{root} is not a run folder")
    draw_results(root, None, every=True)
    with one_line_errors():
        return page.write_page(root, originals=originals)


def draw_results(
    source: Path,
    folder: Path | None,
    *,
    every: bool = False,
    overlay: bool = False,
    published_look: bool = False,
) -> list[Path]:
    """Draw the main plot of some results, write their tables, and return the files.

    Args:
        source: A run folder or a results.csv.
        folder: Where the files go; by default the run's report folder, or the folder of the CSV.
        every: Also draw all other plots that the results allow.
        overlay: Draw the published curves behind.
        published_look: Draw only the main plot, in the style of the published one.

    Raises:
        InputError: There are no results, or none that can be drawn as asked.
        StoreError: A file cannot be written.
    """
    from reports import plots, rows
    from reports.table_files import write_tables

    target = folder or (source / "report" if source.is_dir() else source.parent)
    with one_line_errors():
        run = _run_of(source)
        results = rows.read_results(source) if run is None else run.results
        if published_look:
            return plots.save(plots.published_look(results), target, f"{PLANE}-published-style")
        behind = rows.read_published(_PUBLISHED_POINTS) if overlay else None
        figures = _figures(results, run, behind, every)
        drawn = [path for stem, figure in figures for path in plots.save(figure, target, stem)]
        return drawn + write_tables(results, target, TABLE)


def draw_published(folder: Path, *, published_look: bool = False) -> list[Path]:
    """Draw the points of the Stable Diffusion v1 release into `folder`; return the files."""
    from reports import plots, rows

    with one_line_errors():
        results = rows.read_published(_PUBLISHED_POINTS)
        draw = plots.published_look if published_look else plots.distance_against_score
        return plots.save(draw(results), folder, PUBLISHED)


def _figures(
    results: pd.DataFrame, run: Run | None, behind: pd.DataFrame | None, every: bool
) -> Iterator[tuple[str, Figure]]:
    from reports import plots, rows

    plane = rows.has_plane(results)
    if plane or behind is not None:
        regions = None if run is None else run.regions
        yield PLANE, plots.distance_against_score(results, regions, behind)
    if every or not plane:
        yield SCALES, plots.metrics_against_scale(results)
    if not every:
        return
    if results["nfe"].nunique() > 1 or results["steps"].nunique() > 1:
        yield EVALUATIONS, plots.metrics_against_evaluations(results)
    if run is not None:
        yield from _figures_of_run(run)


def _figures_of_run(run: Run) -> Iterator[tuple[str, Figure]]:
    from reports import plots
    from reports.by_category import by_category
    from reports.costs import seconds_per_image, times_differ
    from reports.plots.sheet import styles_of
    from reports.prompt_scores import best_pair

    seconds = seconds_per_image(run)
    if seconds is not None and times_differ(run.results, seconds):
        yield SECONDS, plots.metrics_against_seconds(run.results, seconds)
    pair = best_pair(run)
    if pair is not None:
        yield PROMPTS, plots.prompt_differences(pair)
    ledger = plots.guidance_ledger(run)
    if ledger is not None:
        yield LEDGER, ledger
    views = by_category(run)
    if views:
        yield CATEGORIES, plots.metrics_by_category(views, styles_of(run.results))


def _run_of(source: Path) -> Run | None:
    """Return the run that `source` is or belongs to; None for a table by itself."""
    from reports.runs import open_run

    folder = source if source.is_dir() else source.parent
    whole = all((folder / name).is_file() for name in ("manifest.json", "spec.yaml", "results.csv"))
    return open_run(folder) if whole and (source.is_dir() or source.name == "results.csv") else None


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Raise errors of reading and drawing in the block as InputError or StoreError."""
    from reports.errors import ReportError, WriteError

    try:
        yield
    except WriteError as error:
        raise StoreError(f"{error.filename}: cannot be written: {error.strerror}") from None
    except (ReportError, OSError) as error:
        raise InputError(f"{error}") from None
