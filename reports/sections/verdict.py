"""The verdict in two sentences: which cell is best and by how much, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.runs import Run
from reports.sections._section import Material, Section
from reports.standing import SETTLED, Standing, standing
from reports.wording import count, count_range, interval, number, p_value, probability, with_interval

__all__ = ["verdict"]

#: Most cells that a sentence names; it counts the rest.
_NAMED = 3


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
    """Return the two sentences, the badges, and cards for the distance, the score and the curve."""
    run = material.run
    stands = [standing(run, name) for name in (run.first("lower"), run.first("higher")) if name]
    cards = [_card(stand) for stand in stands]
    curve = _best_curve(run)
    return Section(
        "Verdict",
        {
            "winner": str(stands[0].best["name"]),
            "which": _which(stands[0]),
            "sure": _sure(stands[0], run),
            "badges": _badges(stands[0]),
            "cards": [*cards, curve] if curve else cards,
            "facts": _facts(run),
        },
    )


def _which(stand: Standing) -> str:
    """Return the first sentence after the winner's name: its value, and how far it is ahead."""
    best, word = stand.best, "lowest" if stand.lower_is_better else "highest"
    value = with_interval(best["value"], best["standard_error"], stand.places)
    head = f"has the {word} {stand.label}: {value.replace('(', '(95% interval ', 1)}"
    others = stand.other_checkpoints
    rivals, who = (others, "the best of the other checkpoints") if len(others) else (stand.rivals, "the next")
    if rivals.empty:
        return f"{head}."
    rival = rivals.iloc[0]
    gap = number(abs(rival["difference"]), stand.places)
    side = "lower" if rival["difference"] > 0 else "higher"
    return f"{head}, {gap} {side} than {who}, {rival['name']}{_bounds(rival, stand.places)}."


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
    if not stand.tests and run.comparisons is not None:
        return "How sure that is cannot be told: with so few images this metric has no error (see its note)."
    if not stand.tests:
        return (
            "How sure that is cannot be told: the run has no comparisons.csv with paired tests. "
            "sdbench score writes it."
        )
    corrected = f"paired tests, corrected for all {count(stand.tests)} pairs"
    if stand.unsettled.empty:
        text = f"The lead over every other cell is settled: {_largest(stand.rivals)} ({corrected})"
    elif len(others) and others["settled"].all():
        text = (
            f"The lead of {best['checkpoint']} is settled: {_largest(others)} against every cell of the "
            f"other checkpoints ({corrected}). Its guidance scale is not: {best['guidance_scale']:g} cannot "
            f"be told apart from {_own(stand)}"
        )
    else:
        who = _listed(list(stand.unsettled["short"]))
        text = f"The lead is not settled: the cell cannot be told apart from {who} ({corrected})"
    return f"{text}.{_about_curve(run, str(best['curve']))}"


def _largest(rivals: pd.DataFrame) -> str:
    """Return the largest p-value of the rivals in words."""
    text = p_value(float(rivals["p_holm"].max()))
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


def _badges(stand: Standing) -> list[Badge]:
    """Return badges for the checkpoint and the guidance scale."""
    best, badges = stand.best, []
    if len(stand.other_checkpoints):
        settled = bool(stand.other_checkpoints["settled"].all())
        open_ones = stand.unsettled["checkpoint"]
        names = dict.fromkeys([best["checkpoint"], *([] if settled or not stand.tests else open_ones)])
        badges.append(Badge("Checkpoint", _either(list(names)), _state(stand, settled)))
    own = stand.rivals[stand.rivals["curve"] == best["curve"]]
    if len(own):
        scales = [
            best["guidance_scale"],
            *(own.loc[~own["settled"], "guidance_scale"] if stand.tests else []),
        ]
        words = _either([f"{scale:g}" for scale in sorted(scales)])
        badges.append(Badge("Guidance scale", words, _state(stand, bool(own["settled"].all()))))
    return badges


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
        remark = f"cannot be told apart from {_listed(list(stand.unsettled['short']))}"
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


def _own(stand: Standing) -> str:
    """Return what cannot be told apart: guidance scales, or cells if the checkpoint has several curves."""
    rows = stand.unsettled
    if rows["curve"].nunique() > 1 or rows["curve"].iloc[0] != stand.best["curve"]:
        return _listed(list(rows["short"]))
    return _either([f"{scale:g}" for scale in sorted(rows["guidance_scale"])])


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _listed(names: list[str]) -> str:
    if len(names) > _NAMED:
        return f"{', '.join(names[: _NAMED - 1])} and {len(names) - _NAMED + 1} other cells"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _facts(run: Run) -> list[tuple[str, str]]:
    """Return the facts of the run as (word, text)."""
    rows = run.results.drop_duplicates("cell")
    settings = (rows["sampler"].str.upper() + ", " + rows["steps"].astype(str) + " steps").drop_duplicates()
    flagged = int(rows["flagged"].fillna(0).sum())
    return [
        ("Curves", count(run.cells["curve"].nunique())),
        ("Guidance scales", ", ".join(f"{scale:g}" for scale in sorted(set(rows["guidance_scale"])))),
        ("Images", f"{count(rows['n'].sum())} ({count_range(rows['n'])} in each of {len(rows)} cells)"),
        ("Sampler", " and ".join(settings) if len(settings) < 4 else f"{len(settings)} settings"),
        ("Size", " and ".join(dict.fromkeys(rows["image_size"])).replace("x", " × ") + " pixels"),
        ("Flagged images", count(flagged) if flagged else "none"),
    ]
