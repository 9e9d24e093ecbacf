"""Plots and pages from stored results. Imports no model: drawing takes seconds and needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdbench.errors import InputError

__all__ = ["draw_published", "draw_results", "write_report"]

PLANE = "distance-against-clip-score"
SCALES = "metrics-against-scale"
"""The stems of the plots' files."""

PUBLISHED = Path(__file__).parents[1] / "experiments" / "published" / "sd-v1-variants-scores.csv"


def write_report(root: Path) -> Path:
    """Draw the plots of the run folder `root` and write its page; returns the page.

    Raises InputError where the folder holds no results, or none that can be drawn.
    """
    from reports import page

    if not root.is_dir():
        raise InputError(f"{root} is not a run folder")
    draw_results(root, None)
    with _one_line_errors():
        return page.write_page(root)


def draw_results(source: Path, folder: Path | None) -> list[Path]:
    """Draw the results of a run folder or results.csv into `folder`; returns the files.

    The default folder is the run's report folder, or the one that the CSV lies in. Raises InputError where
    there are no results, or none that can be drawn.
    """
    from reports import plots, rows

    target = folder or (source / "report" if source.is_dir() else source.parent)
    with _one_line_errors():
        results = rows.read_results(source)
        plane = plots.distance_against_score(results) if rows.has_plane(results) else None
        drawn = plots.save(plane, target, PLANE) if plane else []
        return drawn + plots.save(plots.metrics_against_scale(results), target, SCALES)


def draw_published(folder: Path) -> list[Path]:
    """Draw the points of the Stable Diffusion v1 release into `folder`; returns the files."""
    from reports import plots, rows

    with _one_line_errors():
        return plots.save(plots.distance_against_score(rows.read_published(PUBLISHED)), folder, "published")


@contextmanager
def _one_line_errors() -> Iterator[None]:
    from reports.errors import ReportError

    try:
        yield
    except (ReportError, OSError) as error:
        raise InputError(f"{error}") from None
