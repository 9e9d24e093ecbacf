"""The page: complete, self-contained, honest about what is missing."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from reports import ReportError
from reports.page import write_page
from reports.runs import grid_source, provenance, read_manifest

MakeRun = Callable[..., Path]


class Tags(HTMLParser):
    """Collect tags with their attributes; check that they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_holds_verdict_figures_images_and_provenance(page_text: str) -> None:
    tags = Tags(page_text)
    assert not tags.open
    words = html.unescape(re.sub(r"<[^>]+>", "", page_text))
    assert "v2 at guidance scale 2 has the lowest Fréchet distance (test features): 1.000 ± 0.050" in words
    for heading in ("Distance against CLIP score", "The figures", "The images", "How this was made"):
        assert heading in words
    assert "sdbench run test.yaml" in words
    assert "generate: 12.5" in words
    assert "guidance_scales: [1.5, 2]" in words
    images = [attributes for tag, attributes in tags.found if tag == "img"]
    assert len(images) == 3
    assert all(attributes["alt"] for attributes in images)


def test_the_page_loads_nothing_from_outside(page_text: str) -> None:
    for tag, attributes in Tags(page_text).found:
        assert tag not in {"script", "iframe"}
        for name in ("src", "href"):
            target = attributes.get(name)
            assert target is None or target.startswith("data:") or (tag, target) == ("a", "../results.csv")
    assert "url(" not in page_text
    assert "@import" not in page_text


def test_text_from_prompts_is_escaped(page_text: str) -> None:
    assert "a &lt;small&gt; blue &amp; square" in page_text
    assert "<small>" not in page_text


def test_the_same_run_gives_the_same_bytes(make_run: MakeRun) -> None:
    run = make_run()
    first = write_page(run).read_bytes()
    assert write_page(run).read_bytes() == first


def test_without_images_the_page_says_so(make_run: MakeRun) -> None:
    text = write_page(make_run(images=False)).read_text(encoding="utf-8")
    assert "No images were kept" in text


def test_with_one_metric_the_page_says_what_is_missing(make_run: MakeRun, results: pd.DataFrame) -> None:
    text = write_page(make_run(results[results["better"] == "lower"])).read_text(encoding="utf-8")
    assert "measured only one of the two" in text
    assert "lowest Fréchet distance" in text


def test_the_grid_takes_the_first_prompts_that_have_images(make_run: MakeRun) -> None:
    run = make_run()
    for image in run.glob("images/*/p0.png"):
        image.unlink()
    (run / "images" / "v2_s8" / "p1.png").unlink()
    source = grid_source(run, read_manifest(run), 1)
    assert source is not None
    assert source.prompts == ["a <small> blue & square"]
    assert source.images["v2", 8.0] == [None]
    kept = source.images["v1", 2.0][0]
    assert kept is not None
    assert kept[0, 0].tolist() == [20, 100, 255]


def test_nested_provenance_has_a_line_each_and_no_cells() -> None:
    manifest = {"weights_digests": {"a": "12", "b": "34"}, "cells": [{"cell": "x"}], "threads": 2}
    assert provenance(manifest) == [("weights digests", "a: 12\nb: 34"), ("threads", "2")]


@pytest.mark.parametrize("name", ["results.csv", "manifest.json", "spec.yaml"])
def test_an_incomplete_run_is_refused_in_one_line(make_run: MakeRun, name: str) -> None:
    run = make_run()
    (run / name).unlink()
    with pytest.raises(ReportError, match=f"{name} does not exist") as caught:
        write_page(run)
    assert "\n" not in str(caught.value)


def test_damaged_files_are_named(make_run: MakeRun) -> None:
    run = make_run()
    (run / "images" / "v1_s2" / "p0.png").write_bytes(b"no image")
    with pytest.raises(ReportError, match=r"p0\.png cannot be read as an image"):
        write_page(run)
    (run / "manifest.json").write_text("{")
    with pytest.raises(ReportError, match=r"manifest\.json is not JSON"):
        write_page(run)
    (run / "manifest.json").write_text("[]")
    with pytest.raises(ReportError, match=r"manifest\.json is not the manifest of a run"):
        write_page(run)
    (run / "manifest.json").write_text(json.dumps({"cells": [{"cell": "x"}]}))
    with pytest.raises(ReportError, match="the cells have no checkpoint"):
        write_page(run)


def test_large_images_stay_thumbnails(make_run: MakeRun) -> None:
    run = make_run()
    for image in run.glob("images/*/*.png"):
        Image.effect_noise((256, 256), 60).convert("RGB").save(image)
    assert write_page(run).stat().st_size < 15_000_000


def test_reports_need_no_torch_and_no_sibling() -> None:
    code = (
        "import sys, reports.page, reports.plots, reports.grid\n"
        "sys.exit(bool({'torch', 'metrics', 'sdbench', 'reference_model'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_prompts_of_other_specs_in_the_same_folder_are_not_shown(make_run: MakeRun) -> None:
    run = make_run()
    before = grid_source(run, read_manifest(run), 6)
    for folder in (run / "shards").iterdir():
        pd.DataFrame({"prompt_id": ["p0"], "prompt": ["from another spec"]}).to_parquet(folder / "x.parquet")
    after = grid_source(run, read_manifest(run), 6)
    assert before is not None
    assert after is not None
    assert after.prompts == before.prompts
