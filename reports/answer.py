"""The answer of a run in sentences: which curve is ahead, which cell is best, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.best_scales import sentence_of_best_scales
from reports.curves import CurveOrder, curve_order, order_of_own_bests
from reports.runs import Run
from reports.standing import SETTLED, Standing, standing
from reports.wording import (
    count,
    count_range,
    images_needed,
    interval,
    listed,
    number,
    p_value,
    probability,
    with_interval,
)

__all__ = ["Answer", "answer", "either"]


@dataclass(frozen=True)
class Answer:
    """The answer in one sentence, and in full: one sentence per metric about whole curves; the best cell's
    name, its lead, its certainty; ``scales``, about best guidance scales and curves at their own."""

    headline: str
    orders: list[CurveOrder]
    winner: str
    lead: str
    certainty: str
    scales: list[str]

    @property
    def sentences(self) -> list[str]:
        """The full answer, for a reader of plain text."""
        orders = [order.sentence for order in self.orders]
        return [*orders, f"{self.winner} {self.lead}", self.certainty, *self.scales]


def answer(run: Run) -> Answer:
    """Return the answer of a run by its first distance and its first score."""
    names = [name for name in (run.first("lower"), run.first("higher")) if name]
    stand = standing(run, names[0])
    orders = [order for name in names if (order := curve_order(run, name))]
    headline = _headline(orders, run) or f"{stand.best['name']} is the best cell by {_short(stand.label)}."
    scales = [text for name in names for text in _about_scales(run, name) if text]
    return Answer(headline, orders, str(stand.best["name"]), _which(stand), _sure(stand, run), scales)


def _headline(orders: list[CurveOrder], run: Run) -> str:
    """Return what is settled about whole curves in one sentence; "" without tests of them."""
    tested = [order for order in orders if order.tested]
    if not any(order.settled for order in tested):
        n = count_range(run.results["n"])
        return f"The order of the curves is not settled with {n} images a cell." if tested else ""
    sides: dict[str, list[str]] = {}
    for order in sorted(tested, key=lambda order: not order.settled):
        side = "distance" if order.lower_is_better else "score"
        sides.setdefault(order.settled or "no order of the curves is settled", []).append(f"by {side}")
    words = "; ".join(f"{' and '.join(by)}, {clause}" for clause, by in sides.items())
    return f"{words[0].upper()}{words[1:]}."


def _short(label: str) -> str:
    """Return a label without what is in its brackets."""
    return label.split(" (")[0]


def _about_scales(run: Run, protocol: str) -> list[str]:
    order = order_of_own_bests(run, protocol)
    return [sentence_of_best_scales(run, protocol), order.sentence if order else ""]


def _which(stand: Standing) -> str:
    """Return the first sentence after the winner's name: its value, and how far it is ahead."""
    best, word = stand.best, "lowest" if stand.lower_is_better else "highest"
    value = with_interval(best["value"], best["standard_error"], stand.places)
    head = f"has the {word} {stand.label}: {value.replace('(', '(95% interval ', 1)}"
    others = stand.other_checkpoints
    rivals, who = (others, "the best of the other checkpoints") if len(others) else (stand.rivals, "the next")
    end = f". {stand.below_zero}" if stand.below_zero else "."
    if rivals.empty:
        return f"{head}{end}"
    rival = rivals.iloc[0]
    gap = number(abs(rival["difference"]), stand.places)
    side = "lower" if rival["difference"] > 0 else "higher"
    return f"{head}, {gap} {side} than {who}, {rival['name']}{_bounds(rival, stand.places)}{end}"


def _bounds(rival: pd.Series, places: int) -> str:
    low, high = sorted((abs(rival["low"]), abs(rival["high"])))
    if rival["low"] < 0 < rival["high"]:
        return f" (95% interval of the difference {interval(rival['low'], rival['high'], places)})"
    text = interval(low, high, places)
    return f" (95% interval of the difference {text})" if text else ""


def _sure(stand: Standing, run: Run) -> str:
    best, others = stand.best, stand.other_checkpoints
    if stand.rivals.empty:
        return "There is nothing to compare it with: the run has one cell."
    if not stand.tests and run.best is not None:
        return "How sure that is cannot be told: with so few images this metric has no error (see its note)."
    if not stand.tests:
        return (
            "How sure that is cannot be told: the run has no best.csv with tests against the best. "
            "sdbench score writes it."
        )
    corrected = f"paired tests with the best, corrected for all {count(stand.tests)} other cells"
    if stand.unsettled.empty:
        largest = _largest(stand.rivals)
        text = f"The lead over every other cell is settled for these weights: {largest} ({corrected})"
    elif len(others) and others["settled"].all():
        text = (
            f"The lead of {best['checkpoint']} is settled for these weights: {_largest(others)} against "
            f"every cell of the other checkpoints ({corrected}). Its guidance scale is not: "
            f"{best['guidance_scale']:g} cannot be told apart from {_own(stand)}{_needed(stand)}"
        )
    else:
        who = listed(list(stand.unsettled["short"]))
        text = (
            f"The lead is not settled: the cell cannot be told apart from {who}{_needed(stand)} ({corrected})"
        )
    return f"{text}.{_about_curve(run, str(best['curve']))}"


def _needed(stand: Standing) -> str:
    """Return how many images settle the closest race, as the end of a clause."""
    closest = stand.unsettled.sort_values("needed_low", kind="stable").iloc[-1]
    number = images_needed(*closest[["needed_low", "needed_high", "n_best"]])
    return f"; settling it takes {number} images a cell" if number else ""


def _largest(rivals: pd.DataFrame) -> str:
    """Return the largest p-value of the rivals in words."""
    text = p_value(float(rivals["p_best"].max()))
    return text if "<" in text else f"{text} or less"


def _about_curve(run: Run, curve: str) -> str:
    if run.dominance is None:
        return ""
    rows = run.dominance[run.dominance["a"] == curve]
    if rows.empty:
        return ""
    least = rows.sort_values("probability", kind="stable").iloc[0]
    whom = f"that of {least['b']}" if len(rows) == 1 else "that of each other curve"
    if least["probability"] < 1 - SETTLED and len(rows) > 1:
        whom = f"that of {least['b']}"
    return (
        f" The probability that its whole curve is ahead of {whom} in both metrics is "
        f"{probability(float(least['probability']))}."
    )


def _own(stand: Standing) -> str:
    """Return what cannot be told apart: guidance scales, or cells if the checkpoint has several curves."""
    rows = stand.unsettled
    if rows["curve"].nunique() > 1 or rows["curve"].iloc[0] != stand.best["curve"]:
        return listed(list(rows["short"]))
    return either([f"{scale:g}" for scale in sorted(rows["guidance_scale"])])


def either(words: list[str]) -> str:
    """Return "a, b or c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
