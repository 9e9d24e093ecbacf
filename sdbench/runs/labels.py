"""Labels of cells and curves for people: in tables, plots, progress and trackers.

Names of folders and files, which carry a digest and no spaces, are made in sdbench.runs.plan.
"""

from __future__ import annotations

__all__ = ["cell_label", "curve_label", "sampler_label"]


def sampler_label(sampler: str, steps: int, eta: float) -> str:
    """Return the label of a sampler setting, such as "plms 50" or "ddim 20, eta 0.5"."""
    return f"{sampler} {steps}" + (f", eta {eta:g}" if eta else "")


def curve_label(checkpoint: str, sampler: str, steps: int, eta: float, *, several: bool) -> str:
    """Return the checkpoint, with the sampler setting if the run has several of them."""
    return f"{checkpoint}, {sampler_label(sampler, steps, eta)}" if several else checkpoint


def cell_label(curve: str, guidance_scale: float) -> str:
    """Return a cell's full label, such as "shapes-v1-4 at guidance scale 7.5"."""
    return f"{curve} at guidance scale {guidance_scale:g}"
