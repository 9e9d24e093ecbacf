"""The reports of a comparison: a terminal table, Markdown for a CI job's summary, and JUnit XML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from reports.escaping import in_markdown
from sdbench.core.console import plain
from sdbench.core.junit import JunitCase, junit

__all__ = ["HEADINGS", "as_junit", "as_lines", "as_markdown", "as_row", "as_table", "flag_words", "headline"]

Facts = Mapping[str, Any]

HEADINGS = ("measure", "A", "B", "B − A", "90% interval", "margin", "verdict")
NAMED = 5


def headline(found: Facts) -> str:
    """Return the verdict in one line."""
    label = f"{found['label']}: " if found["label"] else ""
    return f"{label}{found['verdict']} ({found['pairs']} pairs): {found['reason']}"


def as_table(found: Facts) -> Table:
    """Return the measures as a table for the terminal."""
    table = Table(title=plain(headline(found)), title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in HEADINGS[::6] else "right", no_wrap=True)
    for row in found["measures"]:
        table.add_row(*map(plain, as_row(row)), style="bold red" if row["changed"] else "")
    return table


def as_lines(found: Facts) -> list[str]:
    """Return what else there is to say: pixels, a second mode, flagged pairs, images without a partner."""
    lines = []
    pixels = found["pixels"]
    if not pixels and found["judged"]:
        lines.append(f"pixels: {found['same']} of {found['judged']} pairs are the same")
    if pixels:
        worst, median = (_pixel_words(pixels, word) for word in ("worst", "median"))
        lines.append(
            f"pixels: {found['same']} of {found['judged']} pairs are the same; worst pair {worst}; "
            f"median {median}"
        )
    for name, band in found["noise"].items():
        lines.append(
            f"repeat {name}: differs from A by {band['median']:.3g} levels (median), at most "
            f"{band['worst']:.3g}"
        )
    other = found["second_mode"]
    if 0 < other["count"] <= found["judged"] / 2:
        lines.append(
            f"second mode: {other['count']} pairs differ by more than {other['beyond_rms']:.3g} levels "
            f"({other['count_in_repeats']} among the repeats): {_some(other['pairs'], other['count'])}"
        )
    if found["agreeing_subsets"] is not None:
        lines.append(f"stability: {found['agreeing_subsets']} of 100 random subsets of 80% give this verdict")
    lines += [f"flagged: {one['pair']} ({flag_words(one)})" for one in found["flagged"]]
    lines += [f"missing in B: {key}" for key in found["missing_in_b"]]
    lines += [f"only in B: {key}" for key in found["only_in_b"]]
    return [*lines, *(f"note: {note}" for note in found["notes"])]


def as_markdown(comparisons: Sequence[Facts]) -> str:
    """Return Markdown, for $GITHUB_STEP_SUMMARY and the like."""
    lines = []
    for found in comparisons:
        mark = "" if found["passed"] else "**"
        lines += [f"### {mark}{in_markdown(headline(found))}{mark}", ""]
        lines += [f"A: {in_markdown(found['a'])}  ", f"B: {in_markdown(found['b'])}", ""]
        if found["measures"]:
            lines += [_markdown_row(HEADINGS), _markdown_row(["---"] * len(HEADINGS))]
            lines += [_markdown_row(as_row(row)) for row in found["measures"]]
            lines.append("")
        lines += [f"- {in_markdown(line)}" for line in as_lines(found)]
        lines.append("")
    return "\n".join(lines)


def as_junit(comparisons: Sequence[Facts]) -> str:
    """Return JUnit XML: for each comparison a test case of the verdict and one of the flagged images."""
    return junit("sdbench compare", [case for found in comparisons for case in _cases(found)])


def _cases(found: Facts) -> Iterable[JunitCase]:
    name = found["label"] or "images"
    kind = "" if found["passed"] else "error" if found["verdict"] == "undecided" else "failure"
    yield JunitCase("comparison", f"{name}: verdict", kind, headline(found))
    for row in found["measures"]:
        words = f"{row['difference']:+.4g}, margin ±{row['margin']:.4g}"
        yield JunitCase("comparison", f"{name}: {row['name']}", "failure" if row["changed"] else "", words)


def as_row(row: Facts) -> list[str]:
    """Return a measure as texts under HEADINGS."""
    numbers = [f"{row[name]:.4g}" for name in ("a", "b")]
    ends = f"{row['low']:+.3g} to {row['high']:+.3g}"
    word = "changed" if row["changed"] else "within" if row["equivalent"] else "open"
    return [row["name"], *numbers, f"{row['difference']:+.3g}", ends, f"±{row['margin']:.3g}", word]


def _pixel_words(pixels: Facts, word: str) -> str:
    psnr = pixels["psnr"][word]
    lpips = f", LPIPS {pixels['lpips'][word]:.4f}" if "lpips" in pixels else ""
    return f"SSIM {pixels['ssim'][word]:.4f}, PSNR {'∞' if psnr is None else f'{psnr:.1f}'} dB{lpips}"


def flag_words(one: Mapping[str, str]) -> str:
    """Return what is wrong with either image of a pair."""
    return ", ".join(f"{side.upper()}: {one[side]}" for side in "ab" if one[side])


def _some(names: Sequence[str], count: int) -> str:
    shown = ", ".join(names[:NAMED])
    return f"{shown} and {count - NAMED} more" if count > NAMED else shown


def _markdown_row(fields: Iterable[str]) -> str:
    return f"| {' | '.join(in_markdown(field) for field in fields)} |"
