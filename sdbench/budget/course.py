"""The course of a run under a budget: blocks of prompts, looks, stops.

What comes next follows from the figures at the looks alone, and these from the shards in prompt order, so a
resumed run, another executor or another order of work takes the same course.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from metrics import Estimate
from metrics.sequential import FEWEST_TO_LOOK
from sdbench.budget.rules import Rule

__all__ = ["Course", "follow", "next_look"]

C = TypeVar("C", bound=Hashable)

SHARE_OF_BLOCK = 8
"""A block is an eighth of the prompts that there are: at most that much too many, and some 40 looks on the
way from 128 to 10,000."""


@dataclass(frozen=True)
class Course(Generic[C]):
    """Where each cell stopped and why, the looks that were taken, and what came out."""

    prompts: Mapping[C, int]
    reasons: Mapping[C, str]
    looks: tuple[int, ...]
    verdict: str


def follow(
    rule: Rule[C],
    cells: Sequence[C],
    ends: Sequence[int],
    work: Callable[[Sequence[C], int, int], None],
    measure: Callable[[C, int], Estimate],
    note: Callable[[str], None],
) -> Course[C]:
    """Add prompts to the open cells until the rule has closed all, or the prompt set is used up.

    ``ends`` are the numbers of prompts that a cell can stop at, rising: the ends of its units. ``work`` makes
    the images of cells from one number of prompts to another; ``measure`` gives the figure of a cell's first
    n.
    """
    prompts: dict[C, int] = {}
    looks: list[int] = []
    still_open = frozenset(cells)
    done, look = 0, next((end for end in ends if end >= FEWEST_TO_LOOK), ends[-1])
    while still_open:
        at_work = [cell for cell in cells if cell in still_open]
        prompts |= dict.fromkeys(at_work, look)
        work(at_work, done, look)
        figures = {cell: measure(cell, look) for cell in at_work}
        looks.append(look)
        still_open = rule.look(look, figures)
        note(f"budget: {look} of {ends[-1]} prompts, {len(still_open)} of {len(cells)} cells open")
        if look == ends[-1]:
            break
        sure = any(figure.standard_error is not None for figure in figures.values())
        done, look = look, next_look(look, ends, errors_known=sure)
    reasons = {cell: "prompt set used up" if cell in still_open else rule.reason(cell) for cell in cells}
    return Course(prompts, reasons, tuple(looks), rule.verdict())


def next_look(n: int, ends: Sequence[int], *, errors_known: bool) -> int:
    """Return the end of a unit at which to look after n prompts; twice as many while no error is known."""
    wanted = n + n // SHARE_OF_BLOCK if errors_known else 2 * n
    return next((end for end in ends if end >= wanted and end > n), ends[-1])
