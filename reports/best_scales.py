"""The best guidance scale of each curve in words."""

from __future__ import annotations

import pandas as pd

from reports.runs import Run

__all__ = ["best_scale_texts", "best_scales_of", "sentence_of_best_scales"]


def best_scales_of(run: Run, protocol: str) -> pd.DataFrame:
    """Return a row per curve with a known best scale by the protocol."""
    if run.best_scales is None:
        return pd.DataFrame()
    return run.best_scales[run.best_scales["protocol"] == protocol]


def best_scale_texts(run: Run, protocol: str) -> dict[str, tuple[str, str]]:
    """Return the best scale and its 95% interval by curve: ("3.1", "2.6 to 3.9") or ("7", "5.2 or more")."""
    texts = {}
    for row in best_scales_of(run, protocol).to_dict("records"):
        scales = run.cells.loc[run.cells["curve"] == row["curve"], "guidance_scale"]
        below, above = row["low"] <= scales.min(), row["high"] >= scales.max()
        low, high = (f"{row[end]:.3g}" for end in ("low", "high"))
        interval = f"{low} to {high}"
        if below and above:
            interval = "not known within the scales of the run"
        elif below or above:
            interval = f"{high} or less" if below else f"{low} or more"
        texts[str(row["curve"])] = (f"{row['scale']:.3g}", interval)
    return texts


def sentence_of_best_scales(run: Run, protocol: str) -> str:
    """Return the best scale of each curve with its 95% interval, as a sentence; "" if none is known."""
    texts = best_scale_texts(run, protocol)
    if not texts:
        return ""
    label = str(run.of_protocol(protocol)["label"].iloc[0]).split(" (")[0]
    words = "; ".join(f"{curve} {scale} ({interval})" for curve, (scale, interval) in texts.items())
    return f"{label}, best guidance scale (95% interval): {words}."
