"""`sdbench init FILE`: write a commented spec, or copy one that comes with the package."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sdbench.core.errors import InputError, did_you_mean
from sdbench.core.paths import typed_path
from sdbench.core.terminal import say
from sdbench.tools.compvis.arguments import positive

__all__ = ["add_parser", "run"]

SCALES = (1.5, 3.0, 5.0, 7.5)
QUESTIONS = {
    "checkpoints": "Checkpoints to compare (names, files or folders, separated by spaces): ",
    "prompts": "Prompts (a .txt, .csv, .tsv, .jsonl or .parquet file, or shapes): ",
    "reference": "Real images to compare with (folder, archive, statistics, or shapes; empty for none): ",
}


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="write a commented spec from a few answers, or copy one that comes with sdbench",
        description="Write a commented spec and the JSON Schema by which editors complete it. On a terminal, "
        "ask for what is missing. For example: "
        "sdbench init first.yaml --checkpoints a.ckpt b.ckpt --prompts prompts.csv --reference photos/",
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        type=typed_path,
        nargs="?",
        help="the file to write (default: experiment.yaml, or NAME.yaml with --from)",
    )
    parser.add_argument(
        "--from", metavar="NAME", dest="source", help="copy a spec that comes with sdbench: shapes-demo, ..."
    )
    parser.add_argument(
        "--checkpoints", metavar="MODEL", nargs="+", help="names, weights files, diffusers folders or hub ids"
    )
    parser.add_argument(
        "--prompts", metavar="FILE", help="a .txt, .csv, .tsv, .jsonl or .parquet file, or shapes"
    )
    parser.add_argument("--column", metavar="NAME", help="the column or key of the prompts in that file")
    parser.add_argument(
        "--reference", metavar="PATH", help="real images (folder, archive, statistics), or shapes"
    )
    parser.add_argument(
        "--metrics",
        metavar="NAME",
        nargs="+",
        default=[],
        help="metrics (default: a CLIP score, and a kernel distance if there are real images)",
    )
    parser.add_argument(
        "--sampler", metavar="NAME", help="the sampler (default: plms; default for pipelines)"
    )
    parser.add_argument(
        "--steps", metavar="N", type=positive, default=50, help="sampling steps (default: %(default)s)"
    )
    parser.add_argument(
        "--guidance-scales",
        metavar="N",
        type=float,
        nargs="+",
        default=SCALES,
        help="guidance scales (default: 1.5 3 5 7.5)",
    )
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if args.source is not None:
        _copy(args.source, args.file)
        return
    file = args.file or Path("experiment.yaml")
    _refuse_existing(file)
    _complete(args)
    from sdbench.models.networks import missing_networks
    from sdbench.scoring.extractors import extractor_names
    from sdbench.tools.first_spec import Answers, compose

    answers = Answers(
        file.stem,
        args.checkpoints,
        args.prompts,
        args.column,
        args.reference,
        args.metrics,
        args.sampler,
        args.steps,
        args.guidance_scales,
    )
    text, spec, prompts = compose(answers)
    _write(file, text)
    cells = len(spec.checkpoints) * len(spec.guidance_scales)
    say(f"{cells} settings of {prompts} images each; measured by {', '.join(spec.metrics)}")
    missing = missing_networks(extractor_names(spec))
    if missing:
        say(f"fetch the networks that measure: sdbench models fetch {' '.join(missing)}")
    say(f"what it will cost: sdbench plan {file}")
    say(f"run it, or resume: sdbench run {file}")


def _complete(args: argparse.Namespace) -> None:
    """Ask on the terminal for what the options do not say; InputError if there is no terminal."""
    asked = [key for key in QUESTIONS if getattr(args, key) is None]
    needed = [key for key in ("checkpoints", "prompts") if key in asked]
    if needed and not sys.stdin.isatty():
        raise InputError(f"--{needed[0]} is missing, and there is no terminal to ask for it")
    for key in asked if needed else ():
        say(QUESTIONS[key], end="", file=sys.stderr)
        answer = sys.stdin.readline().strip()
        if not answer and key in needed:
            raise InputError(f"--{key} is missing: nothing was written")
        setattr(args, key, answer.split() if key == "checkpoints" else answer or None)


def _copy(name: str, file: Path | None) -> None:
    """Copy a spec that comes with the package."""
    from sdbench.spec.shipped import shipped_names, shipped_spec

    found = shipped_spec(name)
    if found is None:
        raise InputError(f"--from {name}: {did_you_mean(name, shipped_names())}")
    file = file or Path(f"{name}.yaml")
    _refuse_existing(file)
    _write(file, found.read_text(encoding="utf-8"))


def _refuse_existing(file: Path) -> None:
    if file.suffix not in (".yaml", ".yml"):
        raise InputError(f"{file}: a spec is written as .yaml")
    if file.exists():
        raise InputError(f"{file} exists already: name another file, or delete it")


def _write(file: Path, text: str) -> None:
    """Write the spec, and beside it the schema that its first line names."""
    from sdbench.cli.schema import schema_text
    from sdbench.core.files import write_whole
    from sdbench.spec.schema import SCHEMA_FILE

    write_whole(file, text.encode())
    schema = file.with_name(SCHEMA_FILE)
    write_whole(schema, schema_text().encode())
    say(f"wrote {file}, and {schema} for editors")
