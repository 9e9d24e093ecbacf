"""Writes the reports of a comparison into a folder."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from reports.escaping import in_csv
from sdbench.comparison.certificate import CERTIFICATE, certificate
from sdbench.comparison.closeness import psnr
from sdbench.comparison.compare import Compared, CompareRequest
from sdbench.comparison.facts import facts
from sdbench.comparison.outputs import as_junit, as_markdown, headline
from sdbench.comparison.page import page
from sdbench.comparison.verdicts import Verdict
from sdbench.core.errors import ChangedError, InputError, UndecidedError, encodable
from sdbench.core.files import say_replaced
from sdbench.core.terminal import note
from sdbench.runs.store import LocalStore

__all__ = ["require", "write_reports"]


def write_reports(folder: Path, request: CompareRequest, comparisons: Sequence[Compared]) -> list[Path]:
    """Write index.html, certificate.json, junit.xml, summary.md and pairs.csv; return the paths.

    Earlier reports in the folder are replaced, and a note says so.

    Raises:
        InputError: The folder is a file, or a run, which reports would mix with.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder} is not a folder")
    if any((folder / name).exists() for name in ("spec.yaml", "plan.json")):
        raise InputError(f"--out {folder} is a run: name another folder")
    found = [facts(one) for one in comparisons]
    made = certificate(request, found)
    files = {
        "index.html": page(list(zip(comparisons, found, strict=True))),
        CERTIFICATE: json.dumps(made, indent=1, ensure_ascii=False) + "\n",
        "junit.xml": as_junit(found),
        "summary.md": as_markdown(found),
        "pairs.csv": _pairs(comparisons),
    }
    say_replaced([folder / name for name in files], note)
    store = LocalStore(folder)
    for name, text in files.items():
        store.write(name, encodable(text).encode(), durable=False)
    return [folder / name for name in files]


def require(comparisons: Sequence[Compared]) -> None:
    """Raise ChangedError or UndecidedError unless all comparisons pass."""
    failed = [one for one in comparisons if not one.passed]
    words = "; ".join(headline(facts(one)) for one in failed)
    if any(one.verdict is not Verdict.UNDECIDED for one in failed):
        raise ChangedError(words)
    if failed:
        raise UndecidedError(words)


def _pairs(comparisons: Sequence[Compared]) -> str:
    """Return a row per pair without flags: how close its pixels are, and its part in every measure."""
    sink = io.StringIO()
    table = csv.writer(sink, lineterminator="\n")
    measures = [one.name for one in comparisons[0].measures]
    heads = ["comparison", "pair", "prompt", "rms", "psnr", "ssim", "lpips", "largest", "second_mode"]
    table.writerow([*heads, *(f"difference_{name}" for name in measures)])
    for one in comparisons:
        strays = [] if one.weighed is None else one.weighed.strays.tolist()
        for place, key in enumerate(one.keys):
            pixels: list[object] = [""] * 6
            if one.closeness:
                close = one.closeness[place]
                lpips = one.lpips[place] if one.lpips else None
                shown = "" if lpips is None else lpips
                pixels = [close.rms, psnr(close.rms), close.ssim, shown, close.largest, int(strays[place])]
            shifts = [float(measure.differences[place]) for measure in one.measures]
            texts = map(in_csv, (one.label, key, one.prompts.get(key, "")))
            table.writerow([*texts, *pixels, *shifts])
    return sink.getvalue()
