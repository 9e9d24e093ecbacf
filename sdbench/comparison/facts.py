"""A comparison as plain values: what tables, pages and certificates are made from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sdbench.comparison.closeness import psnr
from sdbench.comparison.compare import Compared
from sdbench.comparison.verdicts import Verdict
from sdbench.comparison.weighing import SUBSETS
from sdbench.core.digest import digest_value

__all__ = ["facts", "reason"]

QUANTILES = {"worst": 0.0, "5%": 0.05, "median": 0.5, "best": 1.0}
NAMED = 20
"""Most pairs named in a list; counts are always whole."""


def facts(compared: Compared) -> dict[str, Any]:
    """Return everything that a comparison found, as JSON values."""
    weighed, pairing = compared.weighed, compared.pairing
    return {
        "label": compared.label,
        "a": compared.sides[0].name,
        "b": compared.sides[1].name,
        "verdict": str(compared.verdict),
        "passed": compared.passed,
        "reason": reason(compared),
        "pairs": len(pairing.both),
        "judged": len(compared.keys),
        "same": _same(compared),
        "agreeing_subsets": None if weighed is None else weighed.agreeing,
        "measures": _measures(compared),
        "pixels": _pixels(compared),
        "noise": _noise(compared),
        "second_mode": _strays(compared),
        "flagged": [{"pair": one.key, "a": one.a, "b": one.b} for one in compared.flagged],
        "missing_in_b": list(pairing.only_a),
        "only_in_b": list(pairing.only_b),
        "notes": list(compared.notes),
        "digests": _digests(compared),
    }


def _same(compared: Compared) -> int:
    a, b = (compared.gathered.pictures[side.name] for side in compared.sides)
    return sum(a[key].sha256 == b[key].sha256 for key in compared.keys)


def reason(compared: Compared) -> str:
    """Return in one line why the verdict is what it is."""
    parts = []
    if compared.flagged:
        first = compared.flagged[0]
        what = f"A: {first.a}" if not first.b else f"B: {first.b}"
        parts.append(f"{_count(len(compared.flagged), 'pair')} flagged ({first.key}, {what})")
    if compared.pairing.only_a:
        parts.append(f"{_count(len(compared.pairing.only_a), 'image')} missing in B")
    if compared.weighed is not None:
        others = f"the others: {compared.weighed.verdict}, " if parts else ""
        parts.append(f"{others}{_why(compared)}")
    return "; ".join(parts)


def _why(compared: Compared) -> str:
    weighed = compared.weighed
    assert weighed is not None
    measures = compared.measures
    match weighed.verdict:
        case Verdict.IDENTICAL:
            return "all pairs have the same pixels"
        case Verdict.ROUNDING:
            strays = int((weighed.strays).sum())
            but = f", but for {_count(strays, 'pair')} in a second mode" if strays else ""
            near = max(one.largest for one in compared.closeness) <= 1
            how = "no value differs by more than 1 of 255 levels" if near else _closer(compared)
            return f"{how}{but}"
        case Verdict.EQUIVALENT:
            return f"all {len(measures)} measures are within their margins at the 5% level"
        case Verdict.CHANGED:
            names = [one.name for one, is_so in zip(measures, weighed.tests.changed, strict=True) if is_so]
            return f"beyond the margin: {', '.join(names)}"
    if weighed.unstable is not None:
        return (
            f"{weighed.unstable}, but too few of {SUBSETS} subsets of 80% of the pairs agree{_more(compared)}"
        )
    names = [one.name for one, is_so in zip(measures, weighed.tests.equivalent, strict=True) if not is_so]
    if not names:
        return "no network judged the content, and too few images are closest to their own partner"
    return f"not settled: {', '.join(names)}{_more(compared)}"


def _closer(compared: Compared) -> str:
    if compared.repeats:
        return f"as close to A as {_count(len(compared.repeats), 'repeat')} of A"
    return "nearly all values differ by at most 1 of 255 levels"


def _more(compared: Compared) -> str:
    weighed = compared.weighed
    assert weighed is not None
    open_ = ~weighed.tests.equivalent & ~weighed.tests.changed
    wanted = float(weighed.tests.wanted[open_].max()) if open_.any() else 0.0
    if math.isinf(wanted):
        return "; a difference is so close to its margin that more prompts will not decide"
    more = math.ceil(wanted) - len(compared.keys)
    return f"; about {more} more prompts would decide" if more > 0 else ""


def _measures(compared: Compared) -> list[dict[str, Any]]:
    weighed = compared.weighed
    if weighed is None:
        return []
    tests, rows = weighed.tests, []
    for place, one in enumerate(compared.measures):
        share = compared.policy.margins.get(one.name, compared.policy.margin)
        mean, half = float(tests.means[place]), float(tests.halves[place])
        wanted = float(tests.wanted[place])
        rows.append(
            {
                "name": one.name,
                "words": one.words,
                "a": one.values[0],
                "b": one.values[1],
                "difference": mean,
                "standard_error": float(tests.errors[place]),
                "low": mean - half,
                "high": mean + half,
                "margin": share * one.spread,
                "margin_in_deviations": share,
                "detectable": float(tests.detectable[place]),
                "equivalent": bool(tests.equivalent[place]),
                "changed": bool(tests.changed[place]),
                "pairs_wanted": None if math.isinf(wanted) else math.ceil(wanted),
            }
        )
    return rows


def _pixels(compared: Compared) -> dict[str, Any]:
    """Return how close the pairs are; of each measure the worst, the 5% quantile, the median and the best."""
    closeness = compared.closeness
    if not closeness:
        return {}
    rms = np.array([one.rms for one in closeness])
    ssim = np.array([one.ssim for one in closeness])
    at = {
        name: (float(np.quantile(ssim, q)), float(np.quantile(rms, 1 - q))) for name, q in QUANTILES.items()
    }
    seen = [value for value in compared.lpips if value is not None]
    lpips = (
        {"lpips": {name: float(np.quantile(seen, 1 - q)) for name, q in QUANTILES.items()}} if seen else {}
    )
    return {
        **lpips,
        "ssim": {name: value for name, (value, _) in at.items()},
        "ssim_mean": float(ssim.mean()),
        "psnr": {name: _finite(psnr(value)) for name, (_, value) in at.items()},
        "rms": {name: value for name, (_, value) in at.items()},
        "largest": max(one.largest for one in closeness),
        "shift": [float(value) for value in np.mean([one.shift for one in closeness], axis=0)],
    }


def _noise(compared: Compared) -> dict[str, Any]:
    """Return the root mean square differences of the repeats from A."""
    return {
        name: {word: float(np.quantile(values, 1 - q)) for word, q in QUANTILES.items()}
        for name, values in compared.repeats.items()
        if len(values)
    }


def _strays(compared: Compared) -> dict[str, Any]:
    weighed = compared.weighed
    if weighed is None or weighed.reach is None:
        return {"count": 0, "beyond_rms": None, "pairs": [], "count_in_repeats": 0}
    names = [key for key, stray in zip(compared.keys, weighed.strays, strict=True) if stray]
    values: Sequence[Sequence[float]] = list(compared.repeats.values())
    before = sum(value > weighed.reach for repeat in values for value in repeat)
    return {
        "count": len(names),
        "beyond_rms": weighed.reach,
        "pairs": names[:NAMED],
        "count_in_repeats": int(before),
    }


def _digests(compared: Compared) -> dict[str, Any]:
    """Return what identifies the inputs: the pixels of both sides, and the prompts."""
    pictures = compared.gathered.pictures
    both = compared.pairing.both
    sides = {
        name: digest_value([[key, pictures[side.name][key].sha256] for key in both])
        for name, side in zip("ab", compared.sides, strict=True)
    }
    prompts = [[key, compared.prompts.get(key, "")] for key in both]
    return {
        **sides,
        "prompts": digest_value(prompts) if compared.prompts else "",
        "extractors": dict(compared.extractors),
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
