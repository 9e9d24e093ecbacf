"""`sdbench models`: list models, download their weights, verify and describe them."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from sdbench.core.terminal import note, say
from sdbench.models.catalogue import LAYOUTS

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    about = "list, fetch, verify and describe models"
    actions = commands.add_parser(name, help=about, description=f"{about.capitalize()}.").add_subparsers(
        title="actions", metavar="ACTION", required=True
    )
    listed = actions.add_parser(
        "list", help="list the models and networks of metrics by name, and which are on this machine"
    )
    listed.add_argument("--json", action="store_true", help="print JSON")
    listed.set_defaults(run=run, action=_list, resumable=False)

    fetch = actions.add_parser("fetch", help="download weights of models and of networks of metrics")
    fetch.add_argument(
        "names",
        metavar="NAME",
        nargs="+",
        help="sd-v1-1 to sd-v1-4, a network such as inception-v3, a model of your own, or ORG/NAME",
    )
    fetch.add_argument(
        "--layout",
        choices=LAYOUTS,
        default=LAYOUTS[0],
        help="for sd-v1-N: download one .ckpt file (default) or the diffusers folder",
    )
    fetch.add_argument(
        "--accept-licence", action="store_true", help="accept the licences without being asked"
    )
    fetch.set_defaults(run=run, action=_fetch, resumable=True)

    verify = actions.add_parser("verify", help="hash weights again and compare with what was fetched")
    verify.add_argument("names", metavar="NAME", nargs="+", help="a model that was fetched")
    verify.set_defaults(run=run, action=_verify, resumable=False)

    info = actions.add_parser("info", help="show a model's path, its source and how it was trained")
    info.add_argument("names", metavar="NAME", nargs="+", help="a model, or ORG/NAME")
    info.set_defaults(run=run, action=_info, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    args.action(args)


def _list(args: argparse.Namespace) -> None:
    from sdbench.models.status import overview

    rows = overview()
    if args.json:
        say(json.dumps([asdict(row) for row in rows], indent=2))
        return
    width = max(len(row.name) for row in rows)
    for row in rows:
        say(f"{row.name:{width}}  {row.words}")


def _fetch(args: argparse.Namespace) -> None:
    from sdbench.models.download import fetch, wanted_download

    wanted = [wanted_download(name, args.layout) for name in args.names]
    missing = [download for download in wanted if download.present() is None]
    if missing:
        _consent([f"{download.name}: {download.licence}" for download in missing], args.accept_licence)
    for download in wanted:
        found = download.present() or fetch(download, note)
        say(f"{download.name}: {found}")


def _consent(licences: list[str], accepted: bool) -> None:
    """Show the licences, and raise InputError unless they are accepted."""
    from sdbench.core.errors import InputError

    note("The weights to download have these licences:")
    for line in licences:
        note(f"  {line}")
    if accepted:
        return
    if not sys.stdin.isatty():
        raise InputError("nothing was downloaded: read the licences above and add --accept-licence")
    say("Do you accept them? [y/N] ", end="", file=sys.stderr)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise InputError("nothing was downloaded: the licences were not accepted")


def _verify(args: argparse.Namespace) -> None:
    from sdbench.models.status import verify

    for name in args.names:
        for line in verify(name):
            say(line)


def _info(args: argparse.Namespace) -> None:
    from sdbench.models.status import facts

    for name in args.names:
        for line in facts(name):
            say(line)
