"""The stages of a run: prompts to images, images to features, shards to figures."""

from __future__ import annotations

__all__: list[str] = []
