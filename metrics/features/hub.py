"""Published weights on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

__all__ = ["hub_file"]


def hub_file(repository: str, file: str) -> Path:
    """Return a file of a repository, fetched into the hub's cache if it is not there.

    If it is unavailable, the hub client's own error comes at once and without logging.
    """
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    # Without a network this fails at once; the download would retry for a minute and log every attempt.
    HfApi().model_info(repository)
    return Path(hf_hub_download(repository, file))
