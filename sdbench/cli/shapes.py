"""`sdbench shapes train`: train the embedded family of checkpoints."""

from __future__ import annotations

import argparse
from typing import Any

from sdbench.core.paths import typed_path
from sdbench.core.terminal import say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    about = "train the embedded family of checkpoints"
    actions = commands.add_parser(name, help=about, description=f"{about.capitalize()}.").add_subparsers(
        title="actions", metavar="ACTION", required=True
    )
    train = actions.add_parser(
        "train",
        help="train the family from scratch",
        description="Train the family on rendered scenes: autoencoder, CLIP, four checkpoints. Deterministic "
        "on one machine. To resume after an interruption, run the command again.",
    )
    train.add_argument(
        "--out", metavar="DIR", type=typed_path, required=True, help="folder for weights, losses and state"
    )
    train.add_argument(
        "--budget",
        default="cpu",
        help="amount of training: cpu (default; over an hour on two cores), cpu-long (about four hours), gpu "
        "or smoke",
    )
    train.add_argument("--seed", type=_seed, default=0, help="seed of all randomness (default: 0)")
    train.add_argument(
        "--first-stage",
        metavar="FILE",
        type=typed_path,
        help="take the autoencoder of this checkpoint of the family (.safetensors) instead of training one",
    )
    train.set_defaults(run=run, resumable=True)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 2147483647")
    return int(text)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from reference_model.errors import TrainingError
    from reference_model.shapes.training import BUDGETS, train
    from sdbench.core.console import display_for
    from sdbench.core.environment import best_device
    from sdbench.core.errors import InputError, did_you_mean
    from sdbench.core.progress import TrainingProgress

    if args.budget not in BUDGETS:
        raise InputError(f"unknown budget {args.budget!r}: {did_you_mean(args.budget, BUDGETS)}")
    with TrainingProgress(display_for()) as progress:
        try:
            weights = train(
                args.out,
                args.budget,
                progress,
                seed=args.seed,
                device=best_device(),
                first_stage=args.first_stage,
            )
        except TrainingError as error:
            raise InputError(f"{error}") from None
    say(f"weights: {weights}")
