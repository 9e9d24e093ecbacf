"""Carries out experiment specs, and opens the runs that they made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdbench.api.inputs import as_display
from sdbench.core.errors import InputError, SdbenchError
from sdbench.core.notebook import notebook_shell
from sdbench.runs.local_copy import local_view, write_page
from sdbench.runs.report import one_line_errors
from sdbench.runs.store import existing_store

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from reports.value_tables import ValueTable
    from sdbench.spec import ExperimentSpec

__all__ = ["Run", "open_run", "run"]


class Run:
    """A run that has results. Tables are read when they are first used.

    Attributes:
        place: The folder or URL.
    """

    def __init__(self, place: str) -> None:
        from reports.runs import open_run as read_run

        self.place = place
        self._store = existing_store(place)
        # A run at a URL is copied to a temporary folder, which lasts as long as this object.
        self._folder = ExitStack().enter_context(local_view(self._store))
        with one_line_errors():
            self._run = read_run(self._folder)

    @property
    def name(self) -> str:
        """The name of the experiment."""
        return self._run.title

    @property
    def results(self) -> pd.DataFrame:
        """A row per cell and metric, with the columns of results.csv."""
        return self._run.results.drop(columns=["name", "short"])

    @property
    def comparisons(self) -> pd.DataFrame:
        """A row per metric and pair of cells: the paired difference a - b with its test."""
        with one_line_errors():
            found = self._run.comparisons
        if found is None:
            raise InputError(
                f"{self.place} has no comparisons.csv; write it with: sdbench score {self.place}"
            )
        return found

    @cached_property
    def images(self) -> pd.DataFrame:
        """A row per image: its prompt, digest, flags, and its score or influence by each metric."""
        import pandas as pd

        try:
            return pd.read_parquet(self._folder / "images.parquet")
        except (OSError, ValueError) as error:
            raise InputError(f"{self.place}: images.parquet cannot be read: {error}") from None

    def plot(self) -> Figure:
        """Draw the main plot: distance against score, or each metric against the guidance scale."""
        from reports import plots
        from reports.rows import has_plane

        _show_figures()
        results = self._run.results
        with one_line_errors():
            if has_plane(results):
                return plots.distance_against_score(results, self._run.regions)
            return plots.metrics_against_scale(results)

    @property
    def report(self) -> str:
        """The path or URL of the report page, which is written first if it is missing."""
        key = "report/index.html"
        return self._store.where(key) if self._store.exists(key) else write_page(self._store)

    def __repr__(self) -> str:
        cells = self._run.cells
        images = self._run.results.drop_duplicates("cell")["n"].sum()
        curves = cells["curve"].nunique()
        return f"Run({self.name}: {curves} curves, {len(cells)} cells, {images} images, {self.place})"

    def _repr_html_(self) -> str:
        from reports.value_tables import value_tables

        with one_line_errors():
            tables = "".join(map(_html, value_tables(self._run)))
        return f"<p><b>{escape(self.name)}</b>, {escape(self.place)}</p>{tables}"


def open_run(place: str | os.PathLike[str]) -> Run:
    """Open a run that has results.

    Args:
        place: A folder, or a URL such as s3://BUCKET/RUN.

    Raises:
        InputError: It is no run, or has no results yet.
    """
    return Run(str(place))


def run(
    spec: str | os.PathLike[str] | Mapping[str, Any],
    out: str | os.PathLike[str] | None = None,
    *,
    count: int | None = None,
    progress: bool = True,
) -> Run:
    """Carry out an experiment spec, or resume it; like `sdbench run`.

    Args:
        spec: A YAML file, the name of a spec that comes with sdbench, or the content of one as a mapping.
        out: The run: a folder or a URL. By default `runs/NAME OF THE SPEC`.
        count: Number of prompts, instead of the spec's.
        progress: Whether to show progress.

    Raises:
        SpecError: The spec is not valid.
        InputError: Something that the spec names is missing.
        SdbenchError: Images could not be made; running again retries them.
    """
    from sdbench.runs.trackers import check_records, send_records
    from sdbench.sweep.progress import RunProgress
    from sdbench.sweep.runner import run_experiment

    loaded = _spec(spec, count)
    check_records(loaded.records)
    place = str(out) if out is not None else f"runs/{loaded.name}"
    with RunProgress(as_display(progress)) as shown:
        outcome = run_experiment(loaded, place, shown)
        failures = send_records(place, shown.note) if loaded.records else []
    if outcome.gaps:
        failures.append(f"{len(outcome.gaps)} units could not be made; run the spec again to retry them")
    if failures:
        raise SdbenchError("; ".join(failures))
    return Run(place)


def _spec(spec: str | os.PathLike[str] | Mapping[str, Any], count: int | None) -> ExperimentSpec:
    from sdbench.spec import spec_of
    from sdbench.sweep.names import check_names, read_spec

    if isinstance(spec, Mapping):
        loaded = spec_of(spec)
        check_names(loaded)
    else:
        loaded = read_spec(Path(spec))
    if count is None:
        return loaded
    if count < 1:
        raise InputError(f"count: {count} is less than 1")
    return loaded.with_count(count)


def _html(table: ValueTable) -> str:
    heads = "".join(f"<th>{scale:g}</th>" for scale in table.scales)
    rows = ""
    for place, (curve, texts) in enumerate(table.rows):
        marked = [
            f"<b>{escape(text)}</b>" if (place, column) == table.best else escape(text)
            for column, text in enumerate(texts)
        ]
        rows += f"<tr><th>{escape(curve)}</th>{''.join(f'<td>{text}</td>' for text in marked)}</tr>"
    caption = f"{escape(table.label)}, {table.better} is better, by guidance scale; the best value is bold"
    return f"<table><caption>{caption}</caption><tr><th></th>{heads}</tr>{rows}</table>"


def _show_figures() -> None:
    """Let a notebook show figures that were not made with pyplot."""
    from matplotlib.figure import Figure

    shell = notebook_shell()
    if shell is not None:
        shell.display_formatter.formatters["image/png"].for_type(Figure, _png)


def _png(figure: Figure) -> bytes:
    sink = BytesIO()
    figure.savefig(sink, format="png", dpi=110, bbox_inches="tight")
    return sink.getvalue()
