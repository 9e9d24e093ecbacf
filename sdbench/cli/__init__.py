"""The command line. Each command is a module with `add_parser` and `run`; `run` does the heavy imports.

Exit codes: 0 done, 1 the command failed, 2 bad input, 130 interrupted. Every error is one line on stderr.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

from sdbench.cli import (
    bench,
    diff,
    gc,
    grid,
    img2img,
    models,
    plan,
    plot,
    records,
    regress,
    report,
    run,
    score,
    shapes,
    stats,
    status,
    txt2img,
    verify,
)
from sdbench.core.errors import SdbenchError, one_line

__all__ = ["main"]

COMMANDS = {
    "plan": plan,
    "run": run,
    "status": status,
    "verify": verify,
    "gc": gc,
    "score": score,
    "stats": stats,
    "plot": plot,
    "diff": diff,
    "grid": grid,
    "report": report,
    "records": records,
    "models": models,
    "shapes": shapes,
    "regress": regress,
    "txt2img": txt2img,
    "img2img": img2img,
    "bench": bench,
}
INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"sdbench: {one_line(message)} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of `argv` (default: the process's arguments) and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(arguments)
    try:
        args.run(args)
    except SdbenchError as error:
        print(f"sdbench: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"sdbench: {one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        again = f"; to resume: {shlex.join(['sdbench', *arguments])}" if args.resumable else ""
        print(f"\nsdbench: interrupted; completed work is kept{again}", file=sys.stderr)
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="sdbench",
        description="Compare checkpoints of text-to-image models: Fréchet distance against CLIP score.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        command.add_parser(commands, name)
    return parser
