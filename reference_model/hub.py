"""The Hugging Face hub: its local cache, the contents of repositories, and downloads."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub

from reference_model.errors import CheckpointError
from reference_model.folder_files import INDEX, is_whole, needed_files

__all__ = ["Listing", "cached_file", "download", "hub_file", "hub_folder", "is_hub_id", "list_files"]


@dataclass(frozen=True)
class Listing:
    """A repository at one commit: its files, each with the sha256 that the hub reports, or None."""

    repository: str
    commit: str
    sha256: Mapping[str, str | None]


def is_hub_id(text: str) -> bool:
    """Whether ``text`` has the form ORGANISATION/NAME."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", text) is not None


def cached_file(repository: str, file: str) -> Path | None:
    """Path of a file in the Hugging Face cache, or None if it is not cached."""
    found = huggingface_hub.try_to_load_from_cache(repository, file)
    return Path(found) if isinstance(found, str) else None


def list_files(repository: str) -> Listing:
    """Ask the hub for the files of a repository.

    Raises:
        CheckpointError: the hub does not answer.
    """
    with _one_line(repository):
        info = huggingface_hub.HfApi().model_info(repository, files_metadata=True)
    files = {file.rfilename: file.lfs.sha256 if file.lfs else None for file in info.siblings or ()}
    return Listing(repository, str(info.sha), files)


def download(listing: Listing, file: str, folder: Path) -> None:
    """Download one file of a repository into ``folder``, unless it is complete there.

    An interrupted download is resumed several times.

    Raises:
        CheckpointError: the hub refuses the file or cannot be reached.
    """
    with _one_line(listing.repository):
        huggingface_hub.HfApi().hf_hub_download(
            listing.repository, file, revision=listing.commit, local_dir=folder
        )


def hub_file(repository: str, file: str) -> Path:
    """Path of a repository's file in the cache, downloaded if missing. Raises as `list_files` does."""
    cached = cached_file(repository, file)
    if cached is not None:
        return cached
    with _one_line(repository):
        return Path(huggingface_hub.HfApi().hf_hub_download(repository, file))


def hub_folder(repository: str, parts: Collection[str]) -> Path:
    """A diffusers folder in the cache with these components; missing files are downloaded.

    If the cache holds all components, the hub is not asked for a newer version.

    Raises:
        CheckpointError: the repository is not a diffusers folder, or as in `list_files`.
    """
    index = cached_file(repository, INDEX)
    if index is not None and _is_whole(index.parent, parts):
        return index.parent
    names = list_files(repository).sha256
    if not any(name.startswith("unet/") for name in names):
        single = sorted(n for n in names if n.endswith((".ckpt", ".safetensors")) and "/" not in n)
        hint = f"; download {single[0]} from there and give its path" if single else ""
        raise CheckpointError(
            f"https://huggingface.co/{repository} holds no diffusers folder with a unet{hint}"
        )
    with _one_line(repository):
        wanted = needed_files(names, parts)
        return Path(huggingface_hub.HfApi().snapshot_download(repository, allow_patterns=wanted))


def _is_whole(folder: Path, parts: Collection[str]) -> bool:
    try:
        # Some repositories have no tokenizer_config.json.
        return is_whole(folder, parts, loose=("scheduler", "tokenizer"))
    except (OSError, RecursionError, ValueError):
        return False


@contextmanager
def _one_line(repository: str) -> Iterator[None]:
    """Turn any error of the hub into one line, and silence its log of retries."""
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise CheckpointError(
            f"{repository}: HF_HUB_OFFLINE is set, so nothing is downloaded; unset it, or give a local path"
        )
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    except Exception as error:  # the HTTP libraries' errors share no base class
        raise CheckpointError(f"{repository}: {_reason(repository, error)}") from error
    finally:
        log.setLevel(level)


def _reason(repository: str, error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    page = f"https://huggingface.co/{repository}"
    if isinstance(error, GatedRepoError):
        return f"{page} asks for consent: accept the licence there, then set HF_TOKEN or run 'hf auth login'"
    if isinstance(error, RepositoryNotFoundError):
        return f"there is no such model at {page}, or it is private"
    cause = error.__cause__ or error
    reason = " ".join(str(cause).split()) or type(cause).__name__
    return f"cannot download from {page} ({reason:.200}); run the command again to resume"
