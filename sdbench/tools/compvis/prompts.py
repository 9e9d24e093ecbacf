"""The prompts of a command, in batches."""

from __future__ import annotations

from pathlib import Path

from sdbench.core.errors import InputError
from sdbench.tools.compvis.settings import Options

__all__ = ["prompt_batches"]


def prompt_batches(options: Options) -> list[list[str]]:
    """Return batches of at most `n_samples`: the lines of `from_file`, or the one prompt repeated.

    A blank line is the empty prompt, so that image numbers match line numbers.
    """
    size = options.n_samples
    if options.from_file is None:
        return [[options.prompt] * size]
    path = Path(options.from_file)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"--from-file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"--from-file {path}: not UTF-8 text") from None
    if not lines:
        raise InputError(f"--from-file {path}: contains no prompt")
    return [lines[start : start + size] for start in range(0, len(lines), size)]
