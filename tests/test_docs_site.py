"""The documentation builds into a site that needs no network, and the commands in it are accepted."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from sdbench.cli import _parser
from sdbench.spec import load_spec

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = [
    (page.name, line.split(" #")[0].strip())
    for page in PAGES
    for line in page.read_text(encoding="utf-8").splitlines()
    if line.startswith("    sdbench ")
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("material") is None:
        pytest.skip("mkdocs-material is not installed: pip install 'sdbench[docs]'")
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    result = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_every_page_is_in_the_site_and_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in PAGES[1:]:
        assert (site / f"{page.stem}.html").is_file()
    for page in site.rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)\b[^>]*\bsrc=\"?(https?:[^\s\">]+)", html)
        loaded += re.findall(r"<link\b(?=[^>]*stylesheet)[^>]*href=\"?(https?:[^\s\">]+)", html)
        assert loaded == [], page
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[f"{page}: {line}" for page, line in COMMANDS])
def test_commands_are_accepted(page: str, line: str) -> None:
    words = [word for word in shlex.split(line)[1:] if word != "..."]
    assert callable(_parser().parse_args(words).run)


def test_the_first_spec_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    (tmp_path / "first.yaml").write_text(text.split('```yaml title="first.yaml"\n')[1].split("```")[0])
    assert load_spec(tmp_path / "first.yaml").name == "first"


def test_changelog_and_citation_speak_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    allowed = {"cff-version", "message", "type", "title", "abstract", "authors", "version", "date-released"}
    assert (
        {"cff-version", "message", "title", "authors"} <= set(citation) <= allowed | {"license", "keywords"}
    )
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] == [{"name": "The sdbench developers"}]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    newest = re.search(
        r"^## (\d\S*) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert newest is not None
    assert newest.groups() == (project["version"], str(citation["date-released"]))
