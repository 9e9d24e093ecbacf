"""Looking after a run: how far it is, whether it is whole, what nobody needs any more. Loads no model."""

from __future__ import annotations

__all__: list[str] = []
