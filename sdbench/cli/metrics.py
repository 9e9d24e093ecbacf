"""`sdbench metrics list|show`: the metrics that a spec and `sdbench score` may name."""

from __future__ import annotations

import argparse
import json
from typing import Any

from sdbench.core.terminal import say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    about = "list and describe metrics"
    actions = commands.add_parser(name, help=about, description=f"{about.capitalize()}.").add_subparsers(
        title="actions", metavar="ACTION", required=True
    )
    listed = actions.add_parser("list", help="list the metrics with what they measure")
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=run, action=_list, resumable=False)
    show = actions.add_parser(
        "show", help="show how metrics are computed, and what they can be compared with"
    )
    show.add_argument("names", metavar="NAME", nargs="+", help="a metric, such as fid-inception-tf")
    show.set_defaults(run=run, action=_show, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    args.action(args)


def _list(args: argparse.Namespace) -> None:
    from metrics.protocols import PROTOCOLS

    if args.json:
        rows = [
            {
                "name": name,
                "label": protocol.label,
                "better": protocol.formula.better,
                "extractor": protocol.extractor,
                "needs_reference": protocol.formula.needs_reference,
                "needs_prompts": protocol.needs_prompts,
            }
            for name, protocol in PROTOCOLS.items()
        ]
        say(json.dumps(rows, indent=2))
        return
    width = max(map(len, PROTOCOLS))
    for name, protocol in PROTOCOLS.items():
        say(f"{name:{width}}  {protocol.label}, {protocol.formula.better} is better")


def _show(args: argparse.Namespace) -> None:
    from sdbench.scoring.protocols import protocols_of

    for protocol in protocols_of(args.names):
        formula = protocol.formula
        real = "real images with captions" if formula.needs_captions else "real images"
        texts = "several images of each prompt" if formula.by_prompt else "prompts"
        needs = [real] * protocol.needs_real_images + [texts] * protocol.needs_prompts
        say(f"{protocol.name}, version {protocol.version}: {protocol.label}")
        for key, words in (
            ("value", f"{formula.words}; {formula.better} is better"),
            ("needs", " and ".join(needs) or "generated images alone"),
            ("extractor", protocol.extractor),
            ("resize", protocol.resize),
            ("rounding", protocol.quantisation),
            ("features", protocol.features),
            ("compares with", protocol.agrees_with),
            ("source", protocol.source or "built in"),
        ):
            say(f"  {key}: {words}")
