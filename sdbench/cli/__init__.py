"""The command line. Each command is a module with `add_parser` and `run`; `run` does the heavy imports.

Exit codes: 0 done, 1 the command failed, 2 bad input, 130 interrupted. Every error is one line on stderr; for
an error that nobody foresaw it names a file with the traceback, which --debug shows.
"""

from __future__ import annotations

import argparse
import errno
import shlex
import sys
import tempfile
import traceback
from collections.abc import Sequence

from sdbench.cli import (
    audit_metrics,
    bench,
    compare,
    completion,
    diff,
    gc,
    grid,
    img2img,
    init,
    metrics,
    models,
    plan,
    plot,
    records,
    regress,
    report,
    run,
    samplers,
    schema,
    score,
    shapes,
    show,
    stats,
    status,
    txt2img,
    verify,
)
from sdbench.cli.parser import Parser
from sdbench.core.errors import SdbenchError, SpecError, one_line
from sdbench.core.terminal import VERBOSITY, Verbosity, note, say, tolerate_encodings

__all__ = ["main"]

COMMANDS = {
    "init": init,
    "plan": plan,
    "run": run,
    "show": show,
    "status": status,
    "verify": verify,
    "gc": gc,
    "score": score,
    "stats": stats,
    "plot": plot,
    "diff": diff,
    "compare": compare,
    "grid": grid,
    "report": report,
    "records": records,
    "models": models,
    "metrics": metrics,
    "audit-metrics": audit_metrics,
    "samplers": samplers,
    "schema": schema,
    "shapes": shapes,
    "regress": regress,
    "txt2img": txt2img,
    "img2img": img2img,
    "bench": bench,
    "completion": completion,
}
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of `argv` (default: the process's arguments) and return the exit code."""
    tolerate_encodings()
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(arguments)
    level = VERBOSITY.set(
        Verbosity.QUIET if "quiet" in args else Verbosity.VERBOSE if "verbose" in args else Verbosity.NORMAL
    )
    try:
        args.run(args)
    except KeyboardInterrupt:
        again = f"; to resume: {shlex.join(['sdbench', *arguments])}" if args.resumable else ""
        _complain(f"interrupted; completed work is kept{again}", start="\n")
        return INTERRUPTED
    except Exception as error:
        if "debug" in args:
            traceback.print_exc()
        return _failed(error)
    finally:
        VERBOSITY.reset(level)
    return 0


def _failed(error: Exception) -> int:
    """Say what ended the command: a line, or a line for each problem of a spec. Return its exit code."""
    if isinstance(error, SpecError):
        for problem in str(error).splitlines():
            _complain(one_line(problem))
        return error.exit_code
    if isinstance(error, SdbenchError):
        _complain(one_line(error))
        return error.exit_code
    if isinstance(error, OSError):
        _complain(one_line(error))
        return 2 if error.errno == errno.ENAMETOOLONG else 1
    what = one_line(f"{type(error).__name__}: {error}")
    _complain(f"{what}: an error that sdbench did not foresee; please report it{_log()}")
    return 1


def _log() -> str:
    """Write the traceback of the current error to a file; return where it is, as the end of a message."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="sdbench-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            traceback.print_exc(file=file)
    except OSError:
        return " with what --debug shows"
    return f" with the traceback in {file.name}"


def _complain(message: str, start: str = "") -> None:
    note(f"{start}sdbench: {message}")


class _Version(argparse.Action):
    """Prints the version; looking it up takes a while, so only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *unused: object) -> None:
        import sdbench

        say(f"sdbench {sdbench.__version__}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="sdbench",
        description="Compare checkpoints of text-to-image models: Fréchet distance against CLIP score.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version of sdbench and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        command.add_parser(commands, name)
    return parser
