"""`sdbench plan SPEC`: what a run will cost."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sdbench.cli.run import RUNS, add_overrides
from sdbench.core.paths import typed_path
from sdbench.core.terminal import say
from sdbench.tools.compvis.arguments import positive

if TYPE_CHECKING:
    from sdbench.sweep.forecast.forecast import Forecast

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="estimate what a run will cost: images, evaluations, disk, hours",
        description="Count the cells, images and UNet evaluations of a spec, the disk space that it needs "
        "and the images that are already done, then time a few batches to estimate the hours on this "
        "device. Missing weights and data are listed; the rest is planned without them.",
    )
    parser.add_argument(
        "spec",
        metavar="SPEC",
        type=typed_path,
        help="a YAML file, or the name of a spec that comes with sdbench",
    )
    add_overrides(parser)
    parser.add_argument("--out", metavar="RUN", help="the run folder or URL (default: runs/NAME OF THE SPEC)")
    parser.add_argument(
        "--count", metavar="N", type=positive, help="number of prompts (default: what the spec says)"
    )
    parser.add_argument(
        "--no-calibrate", action="store_true", help="do not load a model and estimate no time"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.core.console import display_for
    from sdbench.sweep.names import read_spec
    from sdbench.sweep.progress import RunProgress

    spec = read_spec(args.spec, args.set)
    if args.count is not None:
        spec = spec.with_count(args.count)
    from sdbench.sweep.forecast.forecast import forecast

    with RunProgress(display_for()) as progress:
        found = forecast(spec, args.out or RUNS / spec.name, progress.note, measure=not args.no_calibrate)
    if args.json:
        say(json.dumps(asdict(found), indent=2))
    else:
        say("\n".join(_lines(found)))


def _lines(plan: Forecast) -> list[str]:
    most = "at most " if plan.at_most else ""
    lines = [f"{plan.name}: {plan.prompts}", "", *_table(plan), ""]
    units = "" if plan.units is None else f" in {_number(plan.units, 'unit')}"
    cells = _number(plan.cells, "cell")
    if plan.images is None:
        lines.append(f"{cells}; the number of images depends on the missing prompts")
    else:
        lines.append(f"{cells}, {most}{plan.images:,} images{units}")
    if plan.evaluations is not None:
        assumed = ", assuming one per step for pipelines" if plan.assumed else ""
        lines.append(f"{most}{plan.evaluations:,} UNet evaluations, guidance included{assumed}")
    if plan.disk is not None:
        kept = f"{_size(plan.disk.images)} of images ({plan.disk.basis})" if plan.disk.images else "no images"
        lines.append(f"{most}{_size(plan.disk.shards)} of shards, {kept}")
    if plan.images_done:
        read = f"; {plan.images_read:,} of them are read for features" if plan.images_read else ""
        lines.append(f"{plan.images_done:,} images are made already{read}")
    lines += [f"guidance scales of {name}: {words}" for name, words in _guided(plan).items()]
    return lines + _about_time(plan) + [f"missing: {line}" for line in plan.missing]


def _guided(plan: Forecast) -> dict[str, str]:
    """Return what the scale is to each checkpoint for which it is not just `guidance_scale`."""
    known = {curve.checkpoint: curve.guided_by for curve in plan.curves}
    return {name: words for name, words in known.items() if words not in ("", "guidance_scale")}


def _about_time(plan: Forecast) -> list[str]:
    from sdbench.core.timing import duration

    if plan.speed is None or plan.seconds is None:
        return []
    most = "at most " if plan.at_most else ""
    what = "the rest" if plan.images_done else "all of it"
    words = f"{most}{duration(plan.seconds)} for {what} on {plan.speed.device}, reference images not counted"
    return [words, f"(timed: {plan.speed.basis})"]


def _table(plan: Forecast) -> list[str]:
    from sdbench.runs.labels import sampler_label  # here, since it needs the classes of specs

    rows: list[Sequence[str]] = [("checkpoint", "sampler", "images", "evaluations each", "")]
    for curve in plan.curves:
        each = "?" if curve.evaluations is None else _range(curve.evaluations)
        images = "?" if curve.images is None else f"{curve.images:,}"
        state = "" if curve.found else "missing"
        rows.append(
            (curve.checkpoint, sampler_label(curve.sampler, curve.steps, curve.eta), images, each, state)
        )
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        "  ".join(w.ljust(width) for w, width in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
    ]


def _range(evaluations: Sequence[int]) -> str:
    low, high = min(evaluations), max(evaluations)
    return f"{low}" if low == high else f"{low} to {high}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _size(count: int) -> str:
    for unit, bytes_ in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= bytes_:
            return f"{count / bytes_:.3g} {unit}"
    return f"{count / 1e3:.3g} kB"
