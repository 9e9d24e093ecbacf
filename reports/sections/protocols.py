"""What each metric measures, and why two protocols for one quantity give different values."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.runs import Run
from reports.sections._section import Absent, Material, Section
from reports.standing import standing
from reports.wording import number, signed

__all__ = ["protocols"]

_TITLE = "What each metric measures"
_STEPS = {"extractor": "the network", "resize": "the resize", "quantisation": "the rounding"}


@dataclass(frozen=True)
class Recipe:
    """One protocol: its recipe, its value for the verdict's cell, and the cell that it prefers.

    ``gap`` is the difference to the first protocol for the same quantity, ``because`` names the steps that
    differ, ``agreement`` is the rank correlation of the cells by the two protocols. All three are "" for the
    first protocol itself.
    """

    protocol: str
    label: str
    network: str
    resize: str
    quantisation: str
    agrees_with: str
    notes: str
    value: str
    gap: str
    because: str
    agreement: str
    preferred: str


def protocols(material: Material) -> Section | Absent:
    """Return a recipe for every protocol; absent without protocols.csv."""
    run = material.run
    if run.protocols is None or run.protocols.empty:
        return Absent(_TITLE, "protocols.csv is missing: sdbench score writes it")
    known = run.protocols.set_index("protocol")
    names = [name for name in dict.fromkeys(run.results["protocol"]) if name in known.index]
    main = str(run.first("lower") or run.first("higher"))
    best = str(standing(run, main).best["cell"])
    firsts: dict[str, str] = {}
    recipes = []
    for name in names:
        first = firsts.setdefault(_quantity(run, name), name)
        recipes.append(_recipe(run, known, name, None if first == name else first, best))
    return Section(
        _TITLE,
        {"recipes": recipes, "cell": standing(run, main).best["short"], "gaps": any(r.gap for r in recipes)},
    )


def _recipe(run: Run, known: pd.DataFrame, name: str, first: str | None, best: str) -> Recipe:
    facts, stand = known.loc[name], standing(run, name)
    values = run.of_protocol(name).set_index("cell")["value"]
    gap = because = agreement = ""
    if first is not None:
        others = run.of_protocol(first).set_index("cell")["value"]
        if best in values and best in others:
            gap = signed(values[best] - others[best], stand.places)
        differing = [word for step, word in _STEPS.items() if facts[step] != known.loc[first, step]]
        because = f"against {first}: {' and '.join(differing) or 'the formula'}"
        agreement = _agreement(values, others)
    return Recipe(
        protocol=f"{name}, version {facts['version']}",
        label=stand.label,
        network=f"{facts['extractor']}, {facts['dimension']} dimensions",
        resize=str(facts["resize"]),
        quantisation=str(facts["quantisation"]),
        agrees_with=str(facts["agrees_with"]),
        notes=str(facts["notes"]),
        value=number(values[best], stand.places) if best in values else "not measured",
        gap=gap,
        because=because,
        agreement=agreement,
        preferred=str(stand.best["short"]),
    )


def _quantity(run: Run, protocol: str) -> str:
    """Return the quantity that a protocol measures: its label without the brackets."""
    return str(run.of_protocol(protocol)["label"].iloc[0]).split(" (")[0]


def _agreement(values: pd.Series, others: pd.Series) -> str:
    """Return Spearman's rank correlation over the cells that have both, "" for fewer than three."""
    both = pd.concat([values, others], axis=1, join="inner").rank()
    correlation = both.iloc[:, 0].corr(both.iloc[:, 1]) if len(both) > 2 else float("nan")
    return "" if pd.isna(correlation) else number(float(correlation), 2)
