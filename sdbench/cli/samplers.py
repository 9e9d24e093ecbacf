"""`sdbench samplers list`: the samplers that a spec may name."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from sdbench.core.terminal import say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    about = "list samplers"
    actions = commands.add_parser(name, help=about, description=f"{about.capitalize()}.").add_subparsers(
        title="actions", metavar="ACTION", required=True
    )
    listed = actions.add_parser("list", help="list the samplers, with their order and their source")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    rows = _rows()
    if args.json:
        say(json.dumps(rows, indent=2))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        say(f"{row['name']:{width}}  {row['words']}")
    say("also module:function, file.py:function, diffusers:CLASS; default is a pipeline's own")


def _rows() -> list[dict[str, Any]]:
    """Return name, order, whether eta has an effect, and a description of each sampler with a name."""
    from importlib.metadata import entry_points

    from reference_model.samplers import FLOW_SAMPLERS, SAMPLERS
    from sdbench.models.samplers import GROUP

    rows = []
    for name, sampler in (SAMPLERS | FLOW_SAMPLERS).items():
        about = (sys.modules[sampler.run.__module__].__doc__ or "").splitlines()[0].rstrip(".")
        order = f"; order {sampler.order}" if sampler.order else ""
        eta = "; takes eta" if sampler.takes_eta else ""
        facts = {"order": sampler.order, "takes_eta": sampler.takes_eta}
        rows.append({"name": name, **facts, "words": f"{about}{order}{eta}"})
    for point in entry_points(group=GROUP):
        brought = f"{point.value} of {point.dist.name if point.dist else 'an installed package'}"
        rows.append({"name": point.name, "order": None, "takes_eta": None, "words": brought})
    return rows
