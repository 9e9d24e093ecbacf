"""Settings of the C library's memory allocator."""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory"]

# Parameter numbers of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 2**31 - 1


def keep_freed_memory() -> None:
    """Reuse the memory of freed tensors instead of returning it to the system. Works with glibc only.

    By default, glibc returns large blocks at once and requests them again, zeroed, a moment later. For a
    small denoiser on a CPU, that takes a fifth of the time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, _LARGEST)
