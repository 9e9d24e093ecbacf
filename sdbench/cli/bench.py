"""`sdbench bench`: how fast this machine is, beside other tools."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sdbench.errors import InputError, SdbenchError, did_you_mean

__all__ = ["add_parser", "run"]

STEPS, ROUNDS = 50, 3


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="how fast this machine is, beside other tools",
        description="Measure sampling, feature extraction, distances, storing and loading beside other tools "
        "on the same work in one run, and what fast settings do to the images. On a GPU with random weights "
        "of Stable Diffusion v1, on a CPU with the embedded family. What a part found is printed and kept as "
        "it ends; one that fails leaves a line, and the exit code is 1.",
    )
    parser.add_argument(
        "--what",
        metavar="A,B",
        help="some of sampling, sweep, features, single, norms, frechet, store, fidelity, load, "
        "single-compiled, fidelity-compiled (default: all, in this order)",
    )
    parser.add_argument(
        "--compile",
        choices=("auto", "on", "off"),
        default="auto",
        help="measure compiled networks too; auto: on a GPU (default: %(default)s)",
    )
    parser.add_argument(
        "--steps", metavar="N", type=int, default=STEPS, help="of PLMS (default: %(default)s)"
    )
    parser.add_argument("--rounds", metavar="N", type=int, default=ROUNDS, help="default: %(default)s")
    parser.add_argument(
        "--minutes",
        metavar="N",
        type=float,
        help="leave out what is not measured by then (default: no limit)",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="keep the figures as JSON")
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Carry out the command."""
    if min(args.steps, args.rounds) < 1:
        raise InputError("--steps and --rounds must be 1 at least")
    if args.minutes is not None and not args.minutes > 0:
        raise InputError("--minutes must be positive")
    from sdbench.bench.deadline import Deadline

    deadline = Deadline(args.minutes)  # importing torch is part of the time
    from sdbench.bench.runs import PARTS, Outcome, bench_for, run_parts
    from sdbench.precision import compiles
    from sdbench.provenance import best_device

    names = [name.strip() for name in args.what.split(",")] if args.what else list(PARTS)
    for name in names:
        if name not in PARTS:
            raise InputError(f"--what: {name!r}: {did_you_mean(name, PARTS)}")
    device = best_device()
    compiled = compiles(args.compile, device)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def done(part: str, outcome: Outcome) -> None:
        print(outcome.text(part), end="\n\n", flush=True)
        if args.out is not None:
            outcome.write(args.out)

    bench = bench_for(device, compiled=compiled, steps=args.steps, rounds=args.rounds, say=say)
    outcome = run_parts(names, bench, done, deadline)
    print(outcome.summary())
    if outcome.failed:
        raise SdbenchError(f"failed: {', '.join(outcome.failed)}")
