"""Adaptive budgets: a cell gets prompts until its figure, or its place in the ranking, is sure enough.

`spec` is what a YAML file may say, `rules` which cells need more prompts (pure functions of the figures at
each look), `course` the loop of blocks, looks and stops, `spending` ties them to a plan and its shards.
docs/budgets.md holds the statistics.
"""

from __future__ import annotations

__all__: list[str] = []
