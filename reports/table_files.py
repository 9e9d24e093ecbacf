"""The results as tables for papers: CSV with a row per cell, Markdown and LaTeX with one per protocol."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.escaping import in_csv, in_latex, in_markdown
from reports.files import write_whole
from reports.rows import SETTINGS
from reports.tables import MatrixCell, ProtocolTable, protocol_tables

__all__ = ["write_tables"]


def write_tables(results: pd.DataFrame, folder: Path, stem: str) -> list[Path]:
    """Write ``folder/stem`` as .csv, .md and .tex and return the paths."""
    tables = protocol_tables(results)
    texts = {
        "csv": _wide(results).to_csv(index=False, lineterminator="\n", float_format="%.9g"),
        "md": "\n".join(map(_markdown, tables)),
        "tex": "\n".join(map(_latex, tables)),
    }
    paths = []
    for kind, text in texts.items():
        path = folder / f"{stem}.{kind}"
        write_whole(path, text.encode("utf-8"))
        paths.append(path)
    return paths


def _wide(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row per cell: its settings and NFE, and each protocol's value, standard error and n."""
    cells = results.drop_duplicates("cell")[["cell", "curve", *SETTINGS, "nfe"]]
    for protocol, rows in results.groupby("protocol", sort=False):
        columns = {"value": protocol, "standard_error": f"{protocol} standard error", "n": f"{protocol} n"}
        cells = cells.merge(rows[["cell", *columns]].rename(columns=columns), on="cell", how="left")
    texts = cells.select_dtypes(include=["object", "string"]).columns
    return cells.assign(**{name: cells[name].map(in_csv, na_action="ignore") for name in texts})


def _markdown(table: ProtocolTable) -> str:
    head = ["guidance scale", *table.scales]
    lines = [
        f"### {in_markdown(table.label)}",
        "",
        f"`{table.protocol}`, n = {table.count}, {table.better} is better, ± standard error; "
        "the best of each row in bold.",
        "",
        *(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head))),
    ]
    for curve, cells in table.rows:
        lines.append(f"| {' | '.join([in_markdown(curve), *(_in_markdown(cell) for cell in cells)])} |")
    return "\n".join([*lines, *(f"\n{in_markdown(note)}" for note in table.notes), ""])


def _in_markdown(cell: MatrixCell | None) -> str:
    if cell is None:
        return ""
    text = f"{cell.value} ± {cell.error}" if cell.error else cell.value
    return f"**{text}**" if cell.best_of_row else text


def _latex(table: ProtocolTable) -> str:
    """Return a LaTeX table; it needs the package booktabs."""
    caption = (
        f"{in_latex(table.label)}: \\texttt{{{in_latex(table.protocol)}}}, "
        f"$n$ = {table.count}, {table.better} is better, standard errors after $\\pm$."
    )
    scales = " & ".join(table.scales)
    lines = [
        r"\begin{table}",
        r"\centering",
        f"\\caption{{{caption}}}",
        f"\\begin{{tabular}}{{l{'r' * len(table.scales)}}}",
        r"\toprule",
        f"guidance scale & {scales} \\\\",
        r"\midrule",
        *(f"{in_latex(curve)} & {' & '.join(map(_in_latex, cells))} \\\\" for curve, cells in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _in_latex(cell: MatrixCell | None) -> str:
    if cell is None:
        return "--"
    value = f"\\mathbf{{{cell.value}}}" if cell.best_of_row else cell.value
    return f"${value} \\pm {cell.error}$" if cell.error else f"${value}$"
