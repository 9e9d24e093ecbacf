"""`sdbench schema`: print the JSON Schema of specs."""

from __future__ import annotations

import argparse
import json
from typing import Any

from sdbench.core.terminal import say

__all__ = ["add_parser", "run", "schema_text"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="print the JSON Schema of specs, for editors",
        description="Print the JSON Schema of specs. Editors with a YAML language server complete keys and "
        "mark mistakes if it lies beside a spec as spec.schema.json.",
    )
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    say(schema_text(), end="")


def schema_text() -> str:
    """Return the schema as JSON."""
    from metrics.protocols import PROTOCOLS
    from sdbench.spec.schema import spec_schema

    return json.dumps(spec_schema(PROTOCOLS), indent=1, ensure_ascii=False) + "\n"
