"""The page as a file: complete, self-contained, the same bytes, honest about what is missing."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reports import ReportError
from reports.errors import WriteError
from reports.page import render_page, write_page
from reports.sections import SECTIONS

MakeRun = Callable[..., Path]

VOID = {"meta", "link", "img", "br", "input"}


class Tags(HTMLParser):
    """Collect tags with their attributes; check that they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def words(text: str) -> str:
    """Return what a reader sees: no scripts, no styles, no tags, single spaces."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", bare)))


def test_every_section_of_a_scored_run_is_present_in_order(scored_page: Path) -> None:
    text = scored_page.read_text(encoding="utf-8")
    tags = Tags(text)
    assert not tags.open
    sections = [attributes["id"] for tag, attributes in tags.found if tag == "section"]
    # This run has no categories, no groups of checkpoints, and one image of each prompt.
    assert sections == [
        *(key for key in SECTIONS if key not in ("verdict", "ledger", "categories", "recipes", "variance")),
        "absent",
    ]
    links = [str(attributes["href"]) for tag, attributes in tags.found if tag == "a"]
    assert [link for link in links if link in {f"#{key}" for key in SECTIONS}] == [
        f"#{key}" for key in sections[:-1]
    ]
    images = [attributes for tag, attributes in tags.found if tag == "img"]
    assert all(attributes["alt"] for attributes in images if attributes.get("id") != "viewer-image")


def test_what_scoring_did_not_write_is_left_out_with_its_reason(page_text: str) -> None:
    text = words(page_text)
    assert "Which differences are settled : comparisons.csv is missing: sdbench score writes it." in text
    assert "Best and worst prompts : images.parquet is missing" in text
    assert "What the images look like : images.parquet is missing" in text
    assert "What each metric measures : protocols.csv is missing" in text
    assert "Sample audit : flagged.csv is missing" in text
    sections = [attributes["id"] for tag, attributes in Tags(page_text).found if tag == "section"]
    assert sections == ["picture", "values", "cost", "provenance", "absent"]


def test_the_page_loads_nothing_from_outside(scored_page: Path) -> None:
    text = scored_page.read_text(encoding="utf-8")
    for tag, attributes in Tags(text).found:
        assert tag not in {"iframe", "object", "embed"}
        for name in ("src", "href"):
            target = attributes.get(name)
            relative = tag == "a" and target is not None and re.match(r"#|\.\./|distance-against", target)
            assert target is None or target.startswith("data:") or relative, (tag, target)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_the_policy_allows_the_two_scripts_and_no_connection(scored_page: Path) -> None:
    text = scored_page.read_text(encoding="utf-8")
    policy = next(
        attributes["content"]
        for tag, attributes in Tags(text).found
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "img-src data:;" in policy
    assert "connect-src" not in policy
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_text_from_prompts_is_escaped_in_html_and_in_json(make_run: MakeRun) -> None:
    run = make_run()
    prompt = '</script><script>alert(1)</script> " & <b>'
    pd.read_parquet(run / "images.parquet").assign(prompt=prompt).to_parquet(run / "images.parquet")
    rows = pd.read_csv(run / "results.csv").replace("v2", "v2</script><i>")
    rows.to_csv(run / "results.csv", index=False)
    text = write_page(run).read_text(encoding="utf-8")
    assert not Tags(text).open
    assert "alert(1)</script>" not in text
    assert "v2</script>" not in text
    for block in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL):
        json.loads(block)


def test_the_same_run_gives_the_same_bytes(scored_run: Path) -> None:
    assert write_page(scored_run).read_bytes() == render_page(scored_run).encode()


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    scored_run: Path, small_files: Callable[[int], AbstractContextManager[None]]
) -> None:
    page = write_page(scored_run)
    before = page.read_bytes()
    with small_files(len(before) // 2), pytest.raises(WriteError) as error:
        write_page(scored_run)
    assert error.value.filename == str(page)
    assert page.read_bytes() == before
    assert [path.name for path in page.parent.iterdir()] == [page.name]


def test_without_images_the_page_says_so(make_run: MakeRun) -> None:
    text = words(write_page(make_run(images=False)).read_text(encoding="utf-8"))
    assert "What the images look like : this run folder has no images" in text


@pytest.mark.parametrize(
    ("better", "lacks", "winner"),
    [
        ("lower", "a distance and no score", "v2 at guidance scale 2 has the lowest Fréchet distance"),
        ("higher", "a score and no distance", "v2 at guidance scale 5 has the highest CLIP score"),
    ],
)
def test_with_one_metric_the_page_says_what_is_missing(
    make_run: MakeRun, results: pd.DataFrame, better: str, lacks: str, winner: str
) -> None:
    text = words(write_page(make_run(results[results["better"] == better])).read_text(encoding="utf-8"))
    assert f"the run measured {lacks}" in text
    assert winner in text


@pytest.mark.parametrize("name", ["results.csv", "manifest.json", "spec.yaml"])
def test_an_incomplete_run_is_refused_in_one_line(make_run: MakeRun, name: str) -> None:
    run = make_run()
    (run / name).unlink()
    with pytest.raises(ReportError, match=f"{name} does not exist") as caught:
        write_page(run)
    assert "\n" not in str(caught.value)
    assert not (run / "report" / "index.html").exists()


def test_damaged_files_are_named(scored_run: Path) -> None:
    (scored_run / "dominance.csv").write_text("a,b\n")
    with pytest.raises(ReportError, match=r"dominance\.csv: the table has no probability"):
        write_page(scored_run)
    (scored_run / "dominance.csv").unlink()
    (scored_run / "images" / "v1_s2" / "p0.png").write_bytes(b"no image")
    with pytest.raises(ReportError, match=r"p0\.png cannot be read as an image"):
        write_page(scored_run)
    (scored_run / "images.parquet").write_bytes(b"no table")
    with pytest.raises(ReportError, match=r"images\.parquet cannot be read"):
        write_page(scored_run)
    manifest = json.loads((scored_run / "manifest.json").read_text())
    (scored_run / "manifest.json").write_text("{")
    with pytest.raises(ReportError, match=r"manifest\.json is not JSON"):
        write_page(scored_run)
    (scored_run / "manifest.json").write_text("[]")
    with pytest.raises(ReportError, match=r"manifest\.json is not the manifest of a run"):
        write_page(scored_run)
    manifest["cells"] = [{"folder": "x"}]
    (scored_run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ReportError, match=r"manifest\.json: 'cells' is not a list of cells"):
        write_page(scored_run)


def test_a_manifest_of_other_cells_is_refused(make_run: MakeRun) -> None:
    run = make_run()
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["cells"] = manifest["cells"][:-1]
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ReportError, match=r"has no cell v2 at guidance scale 8, which results\.csv has"):
        write_page(run)


def test_large_images_are_kept_within_the_budget(make_run: MakeRun) -> None:
    run = make_run()
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    for image in run.glob("images/*/*.png"):
        Image.fromarray(noise).save(image)
    assert write_page(run).stat().st_size < 15_000_000


def test_reports_need_no_torch_and_no_sibling() -> None:
    code = (
        "import sys, reports.page, reports.plots, reports.xyz_grid\n"
        "sys.exit(bool({'torch', 'metrics', 'sdbench', 'reference_model'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
