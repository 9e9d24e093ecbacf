"""`sdbench bench`: how fast sdbench and other tools are on this machine."""

from __future__ import annotations

import argparse
from typing import Any

from sdbench.cli.parser import comma_separated
from sdbench.core.errors import InputError, SdbenchError, did_you_mean
from sdbench.core.files import say_replaced
from sdbench.core.paths import typed_path
from sdbench.core.terminal import note, say

__all__ = ["add_parser", "run"]

STEPS, ROUNDS = 50, 3


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="measure the speed of this machine, and compare other tools",
        description="Measure sampling, feature extraction, distances, storing and loading in one run, "
        "against other tools on the same workload, and what fast settings change in the images. Uses "
        "Stable Diffusion v1 with random weights on a GPU, the embedded family on a CPU. The results of a "
        "part are printed and saved when it ends; a part that fails leaves a line, and the exit code is 1.",
    )
    parser.add_argument(
        "--what",
        metavar="A,B",
        help="measure only these parts: sampling, sweep, features, single, norms, frechet, store, fidelity, "
        "load, single-compiled, fidelity-compiled (default: all, in this order)",
    )
    parser.add_argument(
        "--compile",
        choices=("auto", "on", "off"),
        default="auto",
        help="measure compiled networks too; auto: only on a GPU (default: %(default)s)",
    )
    parser.add_argument(
        "--steps", metavar="N", type=int, default=STEPS, help="PLMS steps (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", metavar="N", type=int, default=ROUNDS, help="timed rounds (default: %(default)s)"
    )
    parser.add_argument(
        "--minutes",
        metavar="N",
        type=float,
        help="stop after N minutes and leave out the remaining parts (default: no limit)",
    )
    parser.add_argument("--out", metavar="FILE", type=typed_path, help="save the results as JSON")
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if min(args.steps, args.rounds) < 1:
        raise InputError("--steps and --rounds must be at least 1")
    if args.minutes is not None and not args.minutes > 0:
        raise InputError("--minutes must be positive")
    from sdbench.tools.bench.deadline import Deadline

    deadline = Deadline(args.minutes)  # the limit includes importing torch
    from sdbench.core.environment import best_device
    from sdbench.core.precision import compiles
    from sdbench.tools.bench.runs import PARTS, Measurements, bench_for, run_parts

    names = comma_separated(args.what) if args.what else tuple(PARTS)
    for name in names:
        if name not in PARTS:
            raise InputError(f"--what: {name!r}: {did_you_mean(name, PARTS)}")
    device = best_device()
    compiled = compiles(args.compile, device)

    def done(part: str, measured: Measurements) -> None:
        say(measured.text(part), end="\n\n")
        if args.out is not None:
            measured.write(args.out)

    if args.out is not None:
        say_replaced([args.out], note)
    bench = bench_for(device, compiled=compiled, steps=args.steps, rounds=args.rounds, say=note)
    measured = run_parts(names, bench, done, deadline)
    say(measured.summary())
    if measured.failed:
        raise SdbenchError(f"failed: {', '.join(measured.failed)}")
