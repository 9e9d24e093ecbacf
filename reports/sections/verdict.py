"""The verdict: which cell is best and by how much, in one sentence, and how sure that is, in another."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.runs import Run
from reports.sections._section import Material, Section
from reports.standing import SETTLED, Standing, standing
from reports.wording import count, count_range, figure, interval, number, p_value, probability

__all__ = ["verdict"]

#: How many cells a sentence names before it counts the rest.
_NAMED = 3


@dataclass(frozen=True)
class Badge:
    """One question of the reader: its answer, and whether that is settled, not settled or not tested."""

    question: str
    answer: str
    state: str


@dataclass(frozen=True)
class Card:
    """The best by one measure, with its figure and what stands beside it."""

    heading: str
    winner: str
    figure: str
    remark: str


def verdict(material: Material) -> Section:
    """Return the two sentences, the badges and a card for the distance, the score and the curve."""
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
    """Return what follows the winner's name: its figure, and how far it is ahead."""
    best, word = stand.best, "lowest" if stand.lower_is_better else "highest"
    shown = figure(best["value"], best["standard_error"], stand.places).replace("(", "(95% interval ", 1)
    head = f"has the {word} {stand.label}: {shown}"
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
        return "How sure that is cannot be said: at so few images this figure has no error (see its note)."
    if not stand.tests:
        return (
            "How sure that is cannot be said from this run: it stores no paired comparisons "
            "(comparisons.csv); sdbench score makes them."
        )
    corrected = f"paired tests, corrected for all {count(stand.tests)} pairs"
    if stand.unsettled.empty:
        text = f"That is settled against every other cell: {_largest(stand.rivals)} ({corrected})"
    elif len(others) and others["settled"].all():
        text = (
            f"That {best['checkpoint']} leads is settled, {_largest(others)} against every cell of the "
            f"others ({corrected}); its guidance scale is not: {best['guidance_scale']:g} cannot be told "
            f"apart from {_own(stand)}"
        )
    else:
        who = _listed(list(stand.unsettled["short"]))
        text = f"That is not settled: it cannot be told apart from {who} ({corrected})"
    return f"{text}{_about_curve(run, str(best['curve']))}."


def _largest(rivals: pd.DataFrame) -> str:
    """Return the weakest test of the rivals in words."""
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
        f"; its whole curve is ahead of {whom} in both figures with probability "
        f"{probability(float(least['probability']))}"
    )


def _badges(stand: Standing) -> list[Badge]:
    """Return the answers to "which checkpoint" and "which guidance scale"."""
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
    shown = figure(stand.best["value"], stand.best["standard_error"], stand.places)
    if not stand.tests:
        remark = "no test of its differences is stored"
    elif stand.unsettled.empty:
        remark = "settled against every other cell"
    else:
        remark = f"cannot be told apart from {_listed(list(stand.unsettled['short']))}"
    return Card(f"{word} {stand.label}", str(stand.best["name"]), shown, remark)


def _best_curve(run: Run) -> Card | None:
    """Return the curve that most surely leaves all others behind."""
    if run.dominance is None or run.dominance.empty:
        return None
    least = run.dominance.groupby("a", sort=False)["probability"].min()
    rows = run.dominance[run.dominance["a"] == least.idxmax()].sort_values("probability", kind="stable")
    words = [f"{probability(row['probability'])} ahead of {row['b']}" for row in rows.to_dict("records")]
    if least.max() < 0.5:
        return Card("Best curve in both figures", "None", "no curve is likely ahead of all others", "")
    shown = f"ahead of each other one with probability {probability(float(least.max()))}"
    remark = f"{', '.join(words)}" if rows["probability"].min() < 1 - SETTLED else ""
    return Card("Best curve in both figures", str(least.idxmax()), shown, remark)


def _own(stand: Standing) -> str:
    """Return what of the best checkpoint is not settled: scales, or cells where it has several curves."""
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
    """Return what the run was, in a few words each."""
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
