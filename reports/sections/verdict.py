"""The verdict: which curve is ahead as a whole, which cell is best, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.answer import answer, either
from reports.curves import CurveOrder
from reports.runs import Run
from reports.sections._section import Material, Section
from reports.standing import SETTLED, Standing, standing
from reports.wording import (
    count,
    count_range,
    listed,
    probability,
    with_interval,
)

__all__ = ["verdict"]


@dataclass(frozen=True)
class Badge:
    """A question, its answer, and its state: settled, not settled or not tested."""

    question: str
    answer: str
    state: str


@dataclass(frozen=True)
class Card:
    """The best cell or curve by one metric, with its value and a remark on how sure it is."""

    heading: str
    winner: str
    value: str
    remark: str


def verdict(material: Material) -> Section:
    """Return the sentences, the badges, and cards for the distance, the score and the curve."""
    run = material.run
    names = [name for name in (run.first("lower"), run.first("higher")) if name]
    stands = [standing(run, name) for name in names]
    found = answer(run)
    cards = [_card(stand) for stand in stands]
    curve = _best_curve(run)
    return Section(
        "Verdict",
        {
            "headline": found.headline,
            "orders": [order.sentence for order in found.orders],
            "winner": found.winner,
            "which": found.lead,
            "sure": found.certainty,
            "badges": [*_order_badges(found.orders), *_scale_badges(stands[0])],
            "cards": [*cards, curve] if curve else cards,
            "facts": _facts(run),
        },
    )


def _order_badges(orders: list[CurveOrder]) -> list[Badge]:
    """Return a badge for each metric with tests: the curves that nothing is settled to be ahead of."""
    return [
        Badge(
            f"Best by {'distance' if order.lower_is_better else 'score'}",
            either(order.leading),
            "settled" if len(order.leading) == 1 else "not settled",
        )
        for order in orders
        if order.tested
    ]


def _scale_badges(stand: Standing) -> list[Badge]:
    """Return a badge for the guidance scale of the best cell's curve."""
    best = stand.best
    own = stand.rivals[stand.rivals["curve"] == best["curve"]]
    if own.empty:
        return []
    scales = [best["guidance_scale"], *(own.loc[~own["settled"], "guidance_scale"] if stand.tests else [])]
    words = either([f"{scale:g}" for scale in sorted(scales)])
    return [Badge(f"Guidance scale of {best['curve']}", words, _state(stand, bool(own["settled"].all())))]


def _state(stand: Standing, settled: bool) -> str:
    if not stand.tests:
        return "not tested"
    return "settled" if settled else "not settled"


def _card(stand: Standing) -> Card:
    word = "Lowest" if stand.lower_is_better else "Highest"
    value = with_interval(stand.best["value"], stand.best["standard_error"], stand.places)
    if not stand.tests:
        remark = "the run stores no tests of it"
    elif stand.unsettled.empty:
        remark = "settled against every other cell"
    else:
        remark = f"cannot be told apart from {listed(list(stand.unsettled['short']))}"
    remark = f"{remark}. {stand.below_zero}" if stand.below_zero else remark
    return Card(f"{word} {stand.label}", str(stand.best["name"]), value, remark)


def _best_curve(run: Run) -> Card | None:
    """Return the curve that is most probably ahead of every other."""
    if run.dominance is None or run.dominance.empty:
        return None
    least = run.dominance.groupby("a", sort=False)["probability"].min()
    rows = run.dominance[run.dominance["a"] == least.idxmax()].sort_values("probability", kind="stable")
    words = [f"{probability(row['probability'])} ahead of {row['b']}" for row in rows.to_dict("records")]
    if least.max() < 0.5:
        return Card("Best curve in both metrics", "None", "no curve is likely to be ahead of all others", "")
    value = f"ahead of each other curve with probability {probability(float(least.max()))}"
    remark = ", ".join(words) if rows["probability"].min() < 1 - SETTLED else ""
    return Card("Best curve in both metrics", str(least.idxmax()), value, remark)


def _guidance(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Return what the scale is to checkpoints that guide in another way, and the negative prompt."""
    ways = rows[~rows["guided_by"].isin(["", "guidance_scale"])].drop_duplicates("checkpoint")
    negatives = [text for text in dict.fromkeys(rows["negative_prompt"]) if text]
    by = [(f"Scale of {way.checkpoint}", str(way.guided_by)) for way in ways.itertuples()]
    return [*by, *(("Negative prompt", text) for text in negatives)]


def _facts(run: Run) -> list[tuple[str, str]]:
    """Return the facts of the run as (word, text)."""
    rows = run.results.drop_duplicates("cell")
    settings = (rows["sampler"].str.upper() + ", " + rows["steps"].astype(str) + " steps").drop_duplicates()
    flagged = int(rows["flagged"].fillna(0).sum())
    return [
        ("Curves", count(run.cells["curve"].nunique())),
        ("Guidance scales", ", ".join(f"{scale:g}" for scale in sorted(set(rows["guidance_scale"])))),
        *_guidance(rows),
        ("Images", f"{count(rows['n'].sum())} ({count_range(rows['n'])} in each of {len(rows)} cells)"),
        ("Sampler", " and ".join(settings) if len(settings) < 4 else f"{len(settings)} settings"),
        ("Size", " and ".join(dict.fromkeys(rows["image_size"])).replace("x", " × ") + " pixels"),
        ("Flagged images", count(flagged) if flagged else "none"),
    ]
