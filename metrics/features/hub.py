"""Published weights on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

__all__ = ["hub_file"]


def hub_file(repository: str, file: str) -> Path:
    """Return a file of a repository: from the hub's cache, or fetched into it once.

    Whatever the hub client raises where it cannot be had is let through, at once and without a log.
    """
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    # Without a network this fails in a moment; the download itself would try for a minute and log each time.
    HfApi().model_info(repository)
    return Path(hf_hub_download(repository, file))
