"""What the errors of a run with several images of each prompt are made of, and what to buy next."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.album import Album
from reports.page import render_page
from reports.runs import open_run
from reports.sections import Absent, Material, Section
from reports.sections.variance import variance


def shown(folder: Path) -> Section | Absent:
    run = open_run(folder)
    return variance(Material(run, Album(run)))


def test_prompts_and_noise_say_what_to_buy(scored_run: Path) -> None:
    assert isinstance(shown(scored_run), Absent)
    errors = {"standard_error": 0.1, "with_same_prompts": 0.05, "with_twice_prompts": 0.0707}
    common = {"prompts": 128, "images": 512, "share_prompts": 0.75, "share_noise": 0.25, **errors}
    rows = [
        {"cell": cell, "protocol": protocol, "with_twice_images": twice, **common}
        for protocol, twice in (("fd-test", 0.09), ("clip-score-test", 0.0715))
        for cell in ("v1_s5", "v2_s5")
    ]
    pd.DataFrame(rows).to_csv(scored_run / "variance.csv", index=False)
    section = shown(scored_run)
    assert isinstance(section, Section)
    distance, score = section.content["shares"]
    assert distance.summary == (
        "Prompts make 75% of an image’s variance, noise the rest (medians of 2 cells). Twice the images "
        "lower the standard error from 0.100 to 0.071 as new prompts, and to 0.090 as more images of each "
        "prompt: buy prompts. If only these prompts count, the error is 0.050, and more images of each lower "
        "it."
    )
    assert ": buy either." in score.summary
    assert distance.rows[0] == (
        "v1 at guidance scale 5", ["75%", "25%", "0.100", "0.071", "0.090", "0.050"],
    )  # fmt: skip
    assert section.content["prompts"] == "128"
    assert "Twice the images lower" in render_page(scored_run)
    pd.DataFrame(rows).assign(share_prompts=None, share_noise=None).to_csv(
        scored_run / "variance.csv", index=False
    )
    assert "Nothing varies between the images." in render_page(scored_run)
