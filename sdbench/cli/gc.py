"""`sdbench gc RUN`: list or delete what the spec of a run does not need; `sdbench gc --cache`: the cache."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from sdbench.core.errors import InputError, StoreError
from sdbench.core.terminal import say

__all__ = ["add_parser", "run"]


def add_parser(commands: Any, name: str) -> None:
    """Add the command to argparse's subparsers."""
    parser = commands.add_parser(
        name,
        help="list or delete what the current spec of a run does not need, or the cache",
        description="List shards and images of cells that the current spec does not contain, and remains of "
        "interrupted writes; with --cache, the features of reference sets that runs on this machine share. "
        "Deletes nothing without --delete.",
    )
    parser.add_argument("place", metavar="RUN", nargs="?", help="a run folder, or the URL of a run")
    parser.add_argument(
        "--cache", action="store_true", help="the cache of reference features instead of a run"
    )
    parser.add_argument("--delete", action="store_true", help="delete what is listed")
    parser.set_defaults(run=run, resumable=False)


def run(args: argparse.Namespace) -> None:
    """Run the command."""
    if (args.place is None) != args.cache:
        raise InputError("name a run, as in 'sdbench gc RUN', or the cache: 'sdbench gc --cache'")
    if args.cache:
        _clear_cache(delete=args.delete)
        return
    from sdbench.runs.garbage import delete, unneeded
    from sdbench.runs.store import existing_store

    store = existing_store(args.place)
    keys = unneeded(store)
    if args.delete:
        delete(store, keys)
    for key in keys:
        say(store.where(key))
    done = "deleted" if args.delete else "not needed; --delete deletes them"
    say(f"{len(keys)} files {done}" if keys else "the current spec needs all files")


def _clear_cache(*, delete: bool) -> None:
    from sdbench.scoring.reference_cache import cache_folder, cached_files, size_limit

    limit, entries = size_limit(), cached_files()
    for entry in entries:
        try:
            if delete:
                entry.path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{entry.path}: cannot be deleted: {error.strerror}") from None
        used = datetime.fromtimestamp(entry.used).astimezone().isoformat(sep=" ", timespec="minutes")
        say(f"{entry.path}  {entry.size / 1e6:.1f} MB, last used {used}")
    total = sum(entry.size for entry in entries) / 1e6
    done = "deleted" if delete else "--delete deletes them; runs measure again what they need"
    about = f"{len(entries)} files, {total:.1f} MB of at most {limit / 1e6:.0f}"
    say(f"{about}: {done}" if entries else f"{cache_folder()}: the cache is empty")
