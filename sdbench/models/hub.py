"""The Hugging Face hub; see `reference_model.hub`, whose errors become an InputError here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reference_model import hub
from reference_model.errors import CheckpointError
from reference_model.hub import Listing, cached_file, is_hub_id
from sdbench.core.errors import InputError

__all__ = ["Listing", "cached_file", "download", "is_hub_id", "list_files"]


def list_files(repository: str) -> Listing:
    """Ask the hub for the files of `repository`; InputError says in one line why it does not answer."""
    with _input_error():
        return hub.list_files(repository)


def download(listing: Listing, file: str, folder: Path) -> None:
    """Fetch one file of the repository into `folder`; InputError says in one line why it cannot."""
    with _input_error():
        hub.download(listing, file, folder)


@contextmanager
def _input_error() -> Iterator[None]:
    try:
        yield
    except CheckpointError as error:
        raise InputError(str(error)) from None
