"""The JSON Schema of a spec, with which editors complete keys and mark mistakes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sdbench.spec.experiment import ExperimentSpec

__all__ = ["SCHEMA_FILE", "SCHEMA_LINE", "spec_schema"]

SCHEMA_FILE = "spec.schema.json"
"""Its name beside specs."""

SCHEMA_LINE = f"# yaml-language-server: $schema={SCHEMA_FILE}"
"""The line of a spec that leads editors to the schema beside it."""


def spec_schema(metrics: Iterable[str]) -> dict[str, Any]:
    """Return the schema; an editor offers the names of `metrics`, and other names remain valid."""
    schema = ExperimentSpec.model_json_schema()
    names = schema["properties"]["metrics"]
    with_args = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "args": {"type": "object"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    names["items"] = {"anyOf": [{"enum": sorted(metrics)}, {"type": "string"}, with_args]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "sdbench experiment spec",
    }
