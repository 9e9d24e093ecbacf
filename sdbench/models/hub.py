"""The Hugging Face hub: what lies in its cache, what a repository holds, and downloads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdbench.core.errors import InputError, one_line

__all__ = ["Listing", "cached_file", "download", "is_hub_id", "list_files"]


@dataclass(frozen=True)
class Listing:
    """A repository at one commit: its files, and the sha256 of those that the hub knows one of."""

    repository: str
    commit: str
    sha256: Mapping[str, str | None]


def is_hub_id(text: str) -> bool:
    """Whether `text` has the form ORGANISATION/NAME."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", text) is not None


def cached_file(repository: str, file: str) -> Path | None:
    """A file in the Hugging Face cache; None where it is not there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, file)
    return Path(found) if isinstance(found, str) else None


def list_files(repository: str) -> Listing:
    """Ask the hub for the files of `repository` now; InputError says in one line why it does not answer."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(repository, files_metadata=True)
    except (OSError, _transport_error()) as error:
        raise _unreachable(repository, error) from None
    files = {file.rfilename: file.lfs.sha256 if file.lfs else None for file in info.siblings or ()}
    return Listing(repository, str(info.sha), files)


def download(listing: Listing, file: str, folder: Path) -> None:
    """Fetch one file of the repository into `folder`; a file that is complete there is not fetched again.

    A broken connection is taken up where it broke, several times. Raises InputError where the hub refuses
    the file or cannot be reached any more.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        HfApi().hf_hub_download(listing.repository, file, revision=listing.commit, local_dir=folder)
    except (HfHubHTTPError, LocalEntryNotFoundError, _transport_error()) as error:
        raise _unreachable(listing.repository, error) from None


def _transport_error() -> type[Exception]:
    """What the HTTP library raises. Which library it is differs from version to version of the hub's."""
    from huggingface_hub.errors import HfHubHTTPError

    base: type[Exception] = HfHubHTTPError.__bases__[0]
    return base


def _unreachable(repository: str, error: BaseException) -> InputError:
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

    match error:
        case OfflineModeIsEnabled():
            why = "HF_HUB_OFFLINE is set, so nothing is downloaded; unset it"
        case GatedRepoError():
            why = (
                f"https://huggingface.co/{repository} asks for consent: give it there, then set "
                "HF_TOKEN or log in with 'hf auth login'"
            )
        case RepositoryNotFoundError():
            why = f"there is no such model at https://huggingface.co/{repository}, or it is private"
        case _:
            why = f"the hub cannot be reached ({one_line(error)}); run the command again to go on"
    return InputError(f"{repository}: {why}")
