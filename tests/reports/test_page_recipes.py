"""The section of recipes: values, the parts of their errors, and which recipe is ahead."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.album import Album
from reports.page import render_page
from reports.runs import open_run
from reports.sections import SECTIONS, Absent, Material, Section


def test_recipes_show_their_errors_and_what_is_settled(scored_run: Path) -> None:
    run = open_run(scored_run)
    absent = SECTIONS["recipes"](Material(run, Album(run)))
    assert isinstance(absent, Absent)
    common = {"protocol": "fd-test", "standard_error": 0.5, "n": 512, "note": ""}
    values = [
        {
            "recipe": recipe, "guidance_scale": 2.0, "value": value, "low": value - 2, "high": value + 2,
            "of_checkpoints": 0.4, "of_images": 0.3, "checkpoints": 3, **common,
        }
        for recipe, value in (("<i>old</i>", 12.0), ("new", 9.0))
    ]  # fmt: skip
    tests = {"difference": 3.0, "low": 1.0, "high": 5.0, "p_value": 0.01, "p_holm": 0.02, "scales": 1}
    pair = {"a": "<i>old</i>", "b": "new", **tests, **common}
    pd.DataFrame(values).to_csv(scored_run / "recipes.csv", index=False)
    pd.DataFrame([pair]).to_csv(scored_run / "recipe_comparisons.csv", index=False)
    run = open_run(scored_run)
    section = SECTIONS["recipes"](Material(run, Album(run)))
    assert isinstance(section, Section)
    (view,) = section.content["views"]
    assert view.pairs == [
        "new is ahead of <i>old</i>: −3.00 (95% interval −5.00 to −1.00), p = 0.02, settled."
    ]
    assert [(line.recipe, line.value, line.span) for line in view.lines] == [
        ("<i>old</i>", "12.00", "10.00 to 14.00"),
        ("new", "9.00", "7.00 to 11.00"),
    ]
    assert (view.lines[0].of_checkpoints, view.lines[0].of_images) == ("0.40", "0.30")
    page = render_page(scored_run)
    assert "new is ahead of &lt;i&gt;old&lt;/i&gt;" in page
    assert "<i>old</i>" not in page
