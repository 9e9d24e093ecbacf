"""The course of a run under a budget: blocks of prompts, looks, stops.

The next step depends only on the values at the looks, and these only on the shards in prompt order. So a
resumed run, another executor and another order of work take the same course.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from metrics import Estimate
from metrics.sequential import FEWEST_TO_LOOK
from sdbench.sweep.budget.rules import Rule

__all__ = ["Course", "follow", "next_look"]

C = TypeVar("C", bound=Hashable)

SHARE_OF_BLOCK = 8
"""The number of prompts grows by 1/8 per look: that overshoots by at most 12.5%, and makes some 40 looks from
128 to 10,000 prompts."""


@dataclass(frozen=True)
class Course(Generic[C]):
    """The outcome of a run under a budget.

    Attributes:
        prompts: The number of prompts at which each cell stopped.
        reasons: Why each cell stopped.
        looks: The numbers of prompts at which there was a look.
        verdict: The result in words.
    """

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
    """Add prompts to the open cells until the rule has closed all of them or the prompt set is used up.

    Args:
        rule: Closes cells.
        cells: The cells, in plan order.
        ends: The numbers of prompts at which a cell can stop, rising: the ends of its units.
        work: (cells, from, to) makes the images of cells from one number of prompts to another.
        measure: (cell, n) returns the metric of a cell's first n images.
        note: Receives progress messages.
    """
    prompts: dict[C, int] = {}
    looks: list[int] = []
    still_open = frozenset(cells)
    done, look = 0, next((end for end in ends if end >= FEWEST_TO_LOOK), ends[-1])
    while still_open:
        at_work = [cell for cell in cells if cell in still_open]
        prompts |= dict.fromkeys(at_work, look)
        work(at_work, done, look)
        values = {cell: measure(cell, look) for cell in at_work}
        looks.append(look)
        still_open = rule.look(look, values)
        note(f"budget: {look} of {ends[-1]} prompts, {len(still_open)} of {len(cells)} cells open")
        if look == ends[-1]:
            break
        known = any(value.standard_error is not None for value in values.values())
        done, look = look, next_look(look, ends, errors_known=known)
    reasons = {cell: "prompt set used up" if cell in still_open else rule.reason(cell) for cell in cells}
    return Course(prompts, reasons, tuple(looks), rule.verdict())


def next_look(n: int, ends: Sequence[int], *, errors_known: bool) -> int:
    """Return the end of the unit for the look after n prompts; n doubles while no standard error is known."""
    wanted = n + n // SHARE_OF_BLOCK if errors_known else 2 * n
    return next((end for end in ends if end >= wanted and end > n), ends[-1])
