"""The parser of the command line: errors of one line that point to the help of the command they are about."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from sdbench.core.errors import did_you_mean, nearest, one_line
from sdbench.core.terminal import in_terminal

__all__ = ["Parser", "comma_separated"]


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line; every command takes --quiet, --verbose and --debug."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for flags, words in (
            (("-q", "--quiet"), "show no progress; errors and results remain"),
            (("-v", "--verbose"), "show each unit and stage with its seconds"),
            (("--debug",), "show the traceback of an error"),
        ):
            self.add_argument(*flags, action="store_true", default=argparse.SUPPRESS, help=words)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and refuse unknown arguments here, so that the error names the right command."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            first = unknown[0].split("=")[0]
            meant = nearest(first, self._option_string_actions) if first.startswith("-") else None
            hint = f"; did you mean {meant}?" if meant else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        self.exit(2, f"sdbench: {in_terminal(one_line(message))} (see {self.prog} --help)\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            hint = did_you_mean(str(value), map(str, action.choices))
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}; {hint}")


def comma_separated(text: str) -> tuple[str, ...]:
    """Return the names in "A,B"."""
    return tuple(name.strip() for name in text.split(","))
