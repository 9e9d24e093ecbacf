"""How cells and curves are called wherever people read of them: tables, plots, progress, trackers.

Names of folders and files are made in sdbench.runs.plan: they carry a digest and no blanks.
"""

from __future__ import annotations

__all__ = ["cell_label", "curve_label", "sampler_label"]


def sampler_label(sampler: str, steps: int, eta: float) -> str:
    """A sampler setting, such as "plms 50" or "ddim 20, eta 0.5"."""
    return f"{sampler} {steps}" + (f", eta {eta:g}" if eta else "")


def curve_label(checkpoint: str, sampler: str, steps: int, eta: float, *, several: bool) -> str:
    """The checkpoint, with the sampler setting if the run has several of them."""
    return f"{checkpoint}, {sampler_label(sampler, steps, eta)}" if several else checkpoint


def cell_label(curve: str, guidance_scale: float) -> str:
    """A cell's full name, such as "shapes-v1-4 at guidance scale 7.5"."""
    return f"{curve} at guidance scale {guidance_scale:g}"
