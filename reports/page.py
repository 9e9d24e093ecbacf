"""The report page of a run: one self-contained HTML file, RUN/report/index.html."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from reports.album import Album
from reports.files import write_whole
from reports.html import content_policy, template_environment
from reports.runs import open_run
from reports.sections import SECTIONS, Absent, Material, Section

__all__ = ["render_page", "write_page"]

_TEMPLATES = Path(__file__).parent / "templates"
#: The page's script, in this order. Its parts share one scope.
_SCRIPT = ("base", "shots", "plane", "pairs", "charts", "selection", "tables", "start")


@dataclass(frozen=True)
class _Part:
    """A section as HTML."""

    key: str
    title: str
    html: Markup


def write_page(run: Path, *, originals: bool = True) -> Path:
    """Write RUN/report/index.html from the files of the run folder and return its path.

    The same run folder gives the same bytes. ``originals``: link images to their files in the run folder.

    Raises:
        ReportError: Results, manifest or spec are missing, or a file is damaged.
        WriteError: The page cannot be written.
    """
    target = run / "report" / "index.html"
    write_whole(target, render_page(run, originals=originals).encode("utf-8"))
    return target


def render_page(run: Path, *, originals: bool = True) -> str:
    """Return the page of a run folder, with links relative to RUN/report.

    Raises:
        ReportError: Results, manifest or spec are missing, or a file is damaged.
    """
    opened = open_run(run)
    material = Material(opened, Album(opened, originals=originals))
    environment = _environment()
    made = {key: section(material) for key, section in SECTIONS.items()}
    parts = {
        key: _Part(key, part.title, Markup(environment.get_template(f"{key}.html.j2").render(part.content)))
        for key, part in made.items()
        if isinstance(part, Section)
    }
    scripts = {"plotly": get_plotlyjs(), "script": _script()}
    return environment.get_template("page.html.j2").render(
        title=opened.title,
        verdict=parts.pop("verdict").html,
        parts=list(parts.values()),
        absent=[part for part in made.values() if isinstance(part, Absent)],
        style=Markup(_text("page.css") + _text("print.css")),
        policy=content_policy(scripts.values()),
        **{name: Markup(code) for name, code in scripts.items()},
    )


def _environment() -> Environment:
    """Return the templates' environment, with the filters of the page."""
    environment = template_environment()
    environment.filters["as_json"] = _as_json
    environment.filters["as_json_text"] = json.dumps
    return environment


def _as_json(value: object) -> Markup:
    """Return JSON that is safe inside a script element, whatever texts it holds."""
    text = json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def _script() -> str:
    parts = "\n".join(_text(f"script/{name}.js") for name in _SCRIPT)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
