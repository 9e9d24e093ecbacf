"""`sdbench completion SHELL`: print a script that completes commands and options."""

from __future__ import annotations

import argparse
from typing import Any

from sdbench.core.terminal import say

__all__ = ["add_parser", "run"]

SHELLS = ("bash", "zsh", "tcsh")


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="print a script with which a shell completes commands and options",
        description="Print a completion script. For bash: sdbench completion bash > "
        "~/.local/share/bash-completion/completions/sdbench; for zsh: into _sdbench in a folder of fpath.",
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or tcsh")
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    import shtab

    from sdbench.cli import _parser

    say(shtab.complete(_parser(), args.shell))
