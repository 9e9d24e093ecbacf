"""What the errors are made of, in runs with several images of each prompt, and what to buy next."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.runs import Run
from reports.sections._embedded import embedded
from reports.sections._section import Absent, Material, Section
from reports.wording import count_range, decimals, number

__all__ = ["variance"]

_TITLE = "Prompts and noise"
_ERRORS = ["standard_error", "with_twice_prompts", "with_twice_images", "with_same_prompts"]
#: More images of each prompt do as well as more prompts if they bring this part of what those bring.
_AS_GOOD = 0.9


@dataclass(frozen=True)
class Shares:
    """One protocol: what to buy next in words, and (cell, shares of both, the four errors) as text."""

    protocol: str
    label: str
    summary: str
    rows: list[tuple[str, list[str]]]


def variance(material: Material) -> Section | Absent:
    """Return the shares of each protocol; absent if every prompt has one image."""
    run = material.run
    if run.variance is None or run.variance.empty:
        return Absent(_TITLE, "every prompt has one image; images_per_prompt in the spec makes several")
    shares = [_shares(run, str(name), rows) for name, rows in run.variance.groupby("protocol", sort=False)]
    return Section(
        _TITLE,
        {
            "shares": shares,
            "choices": [(one.protocol, one.label) for one in shares],
            "prompts": count_range(run.variance["prompts"]),
            "images": count_range(run.variance["images"]),
            "file": embedded(run, "variance.csv"),
        },
    )


def _shares(run: Run, protocol: str, rows: pd.DataFrame) -> Shares:
    results = run.of_protocol(protocol)
    places = decimals(results)
    lines = [
        (
            run.names[row["cell"]],
            [_percent(row["share_prompts"]), _percent(row["share_noise"])]
            + [number(row[name], places) for name in _ERRORS],
        )
        for row in rows.to_dict("records")
    ]
    return Shares(protocol, str(results["label"].iloc[0]), _summary(rows, places), lines)


def _summary(rows: pd.DataFrame, places: int) -> str:
    """Return what the typical cell's error is made of, and which images lower it most."""
    middle = rows[["share_prompts", *_ERRORS]].median()
    if pd.isna(middle["share_prompts"]):
        return "Nothing varies between the images."
    now, prompts, images, same = (number(middle[name], places) for name in _ERRORS)
    gain = middle["standard_error"] - middle[["with_twice_prompts", "with_twice_images"]]
    advice = (
        "buy either" if gain["with_twice_images"] >= _AS_GOOD * gain["with_twice_prompts"] else "buy prompts"
    )
    whose = "" if len(rows) == 1 else f" (medians of {len(rows)} cells)"
    return (
        f"Prompts make {_percent(middle['share_prompts'])} of an image’s variance, noise the rest{whose}. "
        f"Twice the images lower the standard error from {now} to {prompts} as new prompts, and to {images} "
        f"as more images of each prompt: {advice}. If only these prompts count, the error is {same}, and "
        "more images of each lower it."
    )


def _percent(share: float) -> str:
    return "not known" if pd.isna(share) else f"{share * 100:.0f}%"
