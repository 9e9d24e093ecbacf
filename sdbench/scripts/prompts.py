"""The prompts of a command, in the batches that go through the model together."""

from __future__ import annotations

from pathlib import Path

from sdbench.errors import InputError
from sdbench.scripts.settings import Settings

__all__ = ["prompt_batches"]


def prompt_batches(settings: Settings) -> list[list[str]]:
    """Batches of at most `n_samples`: lines of `from_file` as they are, or the one prompt repeated.

    A blank line is the empty prompt, so that image numbers go with line numbers.
    """
    size = settings.n_samples
    if settings.from_file is None:
        return [[settings.prompt] * size]
    path = Path(settings.from_file)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"--from-file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"--from-file {path}: is not UTF-8 text") from None
    if not lines:
        raise InputError(f"--from-file {path}: holds no prompt")
    return [lines[start : start + size] for start in range(0, len(lines), size)]
