"""The report page of a run: one HTML file that needs nothing else, RUN/report/index.html."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure
from PIL import Image

from reports.errors import ReportError
from reports.grid import image_grid
from reports.plots import distance_against_score, metrics_against_scale
from reports.rows import CELL, curve_names, has_plane, read_results
from reports.runs import grid_source, provenance, read_manifest
from reports.style import RC
from reports.tables import protocol_tables, verdicts

__all__ = ["write_page"]

#: How many prompts the image grid shows.
_PROMPTS = 6
#: The largest side of a WebP picture in pixels.
_WEBP_LIMIT = 16383


def write_page(run: Path) -> Path:
    """Write RUN/report/index.html from results.csv, manifest.json, spec.yaml, shards and images; return it.

    The same run folder gives the same bytes. Images are shown as far as they were kept, distance against CLIP
    score where the run measured both. Raises ReportError where results, manifest or spec are missing.
    """
    results, manifest = read_results(run), read_manifest(run)
    spec_path = run / "spec.yaml"
    if not spec_path.is_file():
        raise ReportError(f"{spec_path} does not exist: {run} is not a complete run folder")
    source = grid_source(run, manifest, _PROMPTS)
    page = (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=run.resolve().name,
            verdicts=verdicts(results),
            facts=_facts(results),
            plane=_svg(distance_against_score(results)) if has_plane(results) else None,
            scales=_svg(metrics_against_scale(results)),
            tables=protocol_tables(results),
            grid=_picture(image_grid(source.images, source.prompts)) if source else None,
            prompts=source.prompts if source else [],
            grid_rows=list(dict.fromkeys(name for name, _ in source.images)) if source else [],
            provenance=provenance(manifest),
            spec=spec_path.read_text(encoding="utf-8"),
        )
    )
    target = run / "report" / "index.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return target


def _environment() -> Environment:
    """Return the templates' environment: everything escaped, a forgotten value an error."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _facts(results: pd.DataFrame) -> list[tuple[str, str]]:
    """Return what the run was, in a few words each."""
    cells = results.drop_duplicates(CELL)
    samplers = (cells["sampler"].str.upper() + ", " + cells["steps"].astype(str) + " steps").drop_duplicates()
    flagged = int(cells["flagged"].fillna(0).sum())
    return [
        ("curves", ", ".join(dict.fromkeys(curve_names(cells)))),
        ("guidance scales", ", ".join(f"{scale:g}" for scale in sorted(set(cells["guidance_scale"])))),
        ("images", f"{cells['n'].sum():,} in {len(cells)} cells, {_span(cells['n'])} a cell"),
        ("sampler", " and ".join(samplers)),
        ("evaluations an image", _span(cells["nfe"])),
        ("image size", " and ".join(dict.fromkeys(cells["image_size"])).replace("x", "×") + " pixels"),
        ("flagged images", f"{flagged:,} (named in flagged.csv)" if flagged else "none"),
        ("device", " and ".join(dict.fromkeys(cells["device"]))),
    ]


def _span(values: pd.Series[int]) -> str:
    values = values.dropna()
    if values.empty:
        return "unknown"
    low, high = values.min(), values.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _svg(figure: Figure) -> str:
    """Return a figure as a data URI; text as outlines, so it looks the same everywhere."""
    sink = io.BytesIO()
    with matplotlib.rc_context(RC):
        figure.savefig(sink, format="svg", metadata={"Date": None})
    return _data_uri(sink.getvalue(), "image/svg+xml")


def _picture(image: Image.Image) -> dict[str, Any]:
    """Return a picture as a lossless data URI with its size in pixels."""
    sink = io.BytesIO()
    kind = "webp" if max(image.size) <= _WEBP_LIMIT else "png"
    image.save(sink, format=kind, **({"lossless": True, "method": 4} if kind == "webp" else {}))
    return {"uri": _data_uri(sink.getvalue(), f"image/{kind}"), "width": image.width, "height": image.height}


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
