"""`sdbench plot RUN`: redraw the plots of stored results, without a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sdbench.core.paths import typed_path
from sdbench.core.terminal import note, say

__all__ = ["add_parser", "run"]

PUBLISHED = "published"


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="redraw the plots and tables from stored results",
        description="Plot the Fréchet distance against the CLIP score, with a curve per checkpoint, as PNG, "
        "SVG and PDF, and write the values as a table in CSV, Markdown and LaTeX.",
    )
    parser.add_argument(
        "source",
        metavar="RUN|CSV|published",
        help="a run folder or its URL, a results.csv, or 'published' for the points of the Stable Diffusion "
        "v1 release",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=typed_path,
        help="folder for the files (default: RUN/report, or the folder of the CSV)",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="also plot metrics against guidance scale, evaluations and seconds, and CLIP scores per prompt",
    )
    parser.add_argument(
        "--overlay", choices=[PUBLISHED], help="draw the published curves faintly behind plots of an FID"
    )
    parser.add_argument(
        "--style",
        choices=["sdbench", PUBLISHED],
        default="sdbench",
        help="'published': imitate the picture of the Stable Diffusion v1 release (default: %(default)s)",
    )
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    from sdbench.core.errors import InputError
    from sdbench.core.files import say_replaced
    from sdbench.runs.report import draw_published

    published_look = args.style == PUBLISHED
    if published_look and (args.all or args.overlay):
        raise InputError("--style published draws one plain picture: leave out --all and --overlay")
    here = args.out or (Path() if args.source == PUBLISHED else Path(args.source).parent)
    earlier = set(here.glob("*"))
    if args.source == PUBLISHED:
        if args.all or args.overlay:
            raise InputError("'published' has one picture: leave out --all and --overlay")
        files = list(map(str, draw_published(args.out or Path(), published_look=published_look)))
    else:
        look = {"every": args.all, "overlay": args.overlay is not None, "published_look": published_look}
        files = _draw(args.source, args.out, look)
    say_replaced([file for file in map(Path, files) if file in earlier], note)
    for file in files:
        say(file)


def _draw(source: str, out: Path | None, look: dict[str, bool]) -> list[str]:
    """Draw the plots of a folder, a table or a run at a URL; return the paths or URLs of the files."""
    from sdbench.runs.report import draw_results
    from sdbench.runs.store import existing_store, is_url

    if not is_url(source):
        return [str(file) for file in draw_results(Path(source), out, **look)]
    from sdbench.runs.local_copy import local_view

    store = existing_store(source)
    with local_view(store) as folder:
        files = draw_results(folder, out, **look)
        return [str(file) if out else store.where(file.relative_to(folder).as_posix()) for file in files]
