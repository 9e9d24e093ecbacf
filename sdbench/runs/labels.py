"""Labels of cells and curves for people: in tables, plots, progress and trackers.

Names of folders and files, which carry a digest and no spaces, are made in sdbench.runs.plan.
"""

from __future__ import annotations

from urllib.parse import unquote

from sdbench.spec.guidance import PLAIN

__all__ = ["cell_label", "curve_label", "guided_label", "sampler_label"]


def sampler_label(sampler: str, steps: int, eta: float) -> str:
    """Return the label of a sampler setting, such as "plms 50" or "ddim 20, eta 0.5"."""
    return f"{sampler} {steps}" + (f", eta {eta:g}" if eta else "")


def curve_label(checkpoint: str, sampler: str, steps: int, eta: float, *, several: bool) -> str:
    """Return the checkpoint, with the sampler setting if the run has several of them."""
    return f"{checkpoint}, {sampler_label(sampler, steps, eta)}" if several else checkpoint


def guided_label(curve: str, guidance: str) -> str:
    """Return the curve with its way of guiding, such as "shapes-v1-4, apg (momentum 0, norm 5)"."""
    name, _, settings = guidance.partition("?")
    if guidance == PLAIN:
        return curve
    words = unquote(settings).replace("=", " ").replace("&", ", ")
    return f"{curve}, {name} ({words})" if words else f"{curve}, {name}"


def cell_label(curve: str, guidance_scale: float) -> str:
    """Return a cell's full label, such as "shapes-v1-4 at guidance scale 7.5"."""
    return f"{curve} at guidance scale {guidance_scale:g}"
