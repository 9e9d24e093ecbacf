"""A static plot for print, and for browsers without scripts."""

from __future__ import annotations

import base64
import io

import matplotlib
from matplotlib.figure import Figure

from reports.style import RC

__all__ = ["still"]


def still(figure: Figure) -> str:
    """Return a figure as an SVG data URI, with text as outlines so that it looks the same everywhere."""
    sink = io.BytesIO()
    with matplotlib.rc_context(RC):
        figure.savefig(sink, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(sink.getvalue()).decode('ascii')}"
