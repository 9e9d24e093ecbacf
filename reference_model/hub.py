"""Files from the Hugging Face hub, or from its cache on this machine."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from reference_model.errors import CheckpointError

__all__ = ["hub_file", "hub_folder"]

#: Components of settings alone: some repositories have none, so ``choose`` does not miss them.
_SETTINGS = ("scheduler", "tokenizer")


def hub_file(repo: str, name: str) -> Path:
    """One file of a repository, from the cache if it is there.

    Raises:
        CheckpointError: neither the cache nor the hub gives it; the line says why.
    """
    cached = try_to_load_from_cache(repo, name)
    if isinstance(cached, str):
        return Path(cached)
    with _one_line(repo, name):
        return Path(hf_hub_download(repo, name))


def hub_folder(repo: str, choose: Callable[[list[str]], list[str]], witness: str) -> Path:
    """A folder with those files of a repository that ``choose`` picks from the names of all.

    The folder in the cache that holds the file ``witness`` is taken when ``choose`` finds there what it needs
    (it raises CheckpointError otherwise), without asking the hub for a newer one. The witness is a JSON
    object with a key for each component; the scheduler and the tokenizer must be there where it names them.

    Raises:
        CheckpointError: neither the cache nor the hub gives them; the line says why.
    """
    cached = try_to_load_from_cache(repo, witness)
    if isinstance(cached, str):
        folder = Path(cached).parent
        try:
            choose([path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()])
            named = json.loads((folder / witness).read_text(encoding="utf-8"))
            wanted = [part for part in _SETTINGS if named.get(part) not in (None, [None, None])]
            if all((folder / part).is_dir() for part in wanted):
                return folder
        except (CheckpointError, ValueError):
            pass  # fetched in part: the hub has the rest
    with _one_line(repo, "it"):
        return Path(snapshot_download(repo, allow_patterns=choose(HfApi().list_repo_files(repo))))


@contextmanager
def _one_line(repo: str, what: str) -> Iterator[None]:
    """Turn whatever goes wrong with the hub into one line, its log of retries into none."""
    if constants.HF_HUB_OFFLINE:
        raise CheckpointError(
            f"HF_HUB_OFFLINE is set and the cache does not hold {repo}: unset it to download {what}, "
            "or give a local path"
        )
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:  # the HTTP libraries' errors have no base in common
        raise CheckpointError(_reason(repo, what, error)) from error
    finally:
        log.setLevel(level)


def _reason(repo: str, what: str, error: Exception) -> str:
    page = f"https://huggingface.co/{repo}"
    if isinstance(error, GatedRepoError):
        return f"{page} asks for an accepted licence: accept it there and run 'hf auth login'"
    if isinstance(error, RepositoryNotFoundError):
        return f"{page} does not exist, or only for those who are logged in"
    cause = error.__cause__ or error
    reason = " ".join(str(cause).split()) or type(cause).__name__
    return f"cannot download {what} from {page}, and the cache does not hold it: {reason:.200}"
