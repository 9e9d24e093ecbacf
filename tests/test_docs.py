"""Pages point at what exists, and the specs that they show load."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from sdbench import spec as specs
from sdbench.spec import ExperimentSpec, load_spec

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SPECS_PAGE = ROOT / "docs" / "specs.md"

BLOCK = re.compile(r"^```yaml[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
WHOLE_SPECS = [
    (page.name, block)
    for page in PAGES
    for block in BLOCK.findall(page.read_text(encoding="utf-8"))
    if re.search(r"^name:", block, re.MULTILINE) and re.search(r"^samplers:", block, re.MULTILINE)
]
SHELL_LINE = re.compile(r"^    (?:sdbench|pip) .*$", re.MULTILINE)
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_specs_and_folders_that_are_named_exist(page: Path) -> None:
    named = re.findall(
        r"\b(?:experiments|reference_model|tests)/[\w./-]*\w", page.read_text(encoding="utf-8")
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_quote_what_a_shell_would_expand(page: Path) -> None:
    commands = [line.split(" #")[0] for line in SHELL_LINE.findall(page.read_text(encoding="utf-8"))]
    assert [line for line in commands if re.search(r"[?*\[\]&;<>|$]", QUOTED.sub("", line))] == []


def test_the_pages_for_newcomers_show_a_whole_spec() -> None:
    assert {"README.md", "index.md", "specs.md"} <= {page for page, _ in WHOLE_SPECS}


@pytest.mark.parametrize(("page", "text"), WHOLE_SPECS, ids=[page for page, _ in WHOLE_SPECS])
def test_whole_specs_load(page: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
    assert load_spec(tmp_path / "spec.yaml").name


def test_the_spec_at_the_top_uses_every_key_but_two() -> None:
    (text,) = (text for page, text in WHOLE_SPECS if page == SPECS_PAGE.name)
    keys = re.findall(r"^(\w+):", text, re.MULTILINE)
    assert sorted(keys) == sorted(key for key in ExperimentSpec.model_fields if key not in ("by", "records"))


def rows(first: str) -> list[list[str]]:
    """The cells of each row of the table of docs/specs.md whose first heading is `first`."""
    lines = SPECS_PAGE.read_text(encoding="utf-8").splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"| {first} |"))
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return table


def coded(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_table_of_keys_has_every_key_with_its_default() -> None:
    said = {coded(key)[0]: default for key, _, default, _ in rows("key")}
    fields = ExperimentSpec.model_fields
    assert sorted(said) == sorted(fields)
    assert {key for key in said if said[key] == "required"} == {
        key for key, field in fields.items() if field.is_required()
    }
    assert {key: coded(default) for key, default in said.items() if coded(default)} == {
        key: [field.default]
        for key, field in fields.items()
        if not field.is_required() and isinstance(field.default, str)
    }


@pytest.mark.parametrize("tag", ["`prompts.source`", "`reference.source`", "`records.to`"])
def test_the_tables_of_sources_have_every_source_with_its_keys(tag: str) -> None:
    key, field = tag.strip("`").split(".")
    suffix = {"prompts": "Prompts", "reference": "Reference", "records": "Tracker"}[key]
    models: dict[str, type[BaseModel]] = {}
    for name, model in vars(specs).items():
        if name.endswith(suffix) and isinstance(model, type) and issubclass(model, BaseModel):
            models[get_args(model.model_fields[field].annotation)[0]] = model

    def words(model: type[BaseModel]) -> set[Any]:
        return {
            name if info.is_required() else f"[{name}]"
            for name, info in model.model_fields.items()
            if name != field
        }

    said = {coded(row[0])[0]: set(re.findall(r"`(\[?\w+\]?)`", row[1])) for row in rows(tag)}
    assert said == {source: words(model) for source, model in models.items()}
