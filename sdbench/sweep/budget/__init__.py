"""Adaptive budgets: a cell gets prompts until its value, or its place in the ranking, is certain enough.

`spec.budget` is what a YAML file may say. Here `rules` decides which cells need more prompts (pure functions
of the values at each look), `course` is the loop of blocks, looks and stops, and `spending` applies both to a
plan and its shards. docs/budgets.md has the statistics.
"""

from __future__ import annotations

__all__: list[str] = []
