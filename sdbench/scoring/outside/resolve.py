"""Protocols of metrics from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, Literal

import numpy as np

from metrics import FORMULAS, PROTOCOLS, Estimate, Formula, MetricsError, Protocol
from metrics.features import EXTRACTORS
from metrics.mean_value import mean_value_estimate
from sdbench.core.errors import InputError, did_you_mean
from sdbench.core.outside import FORMS, is_outside
from sdbench.scoring.outside.build import VALUES, mode_of, takes_of
from sdbench.scoring.outside.found import EXTRACTOR, FORMULA, METRIC, Found, find, parameters
from sdbench.scoring.outside.from_torchmetrics import is_torchmetrics, takes_of_class
from sdbench.scoring.outside.sets import set_formula
from sdbench.scoring.outside.values import PROMPTS, REFERENCES, as_array, guarded
from sdbench.scoring.pictures import PICTURES
from sdbench.spec.metric_names import MetricName, parse_metric_name

__all__ = ["outside_protocol"]

_ITSELF = "by the metric itself"
_EXTRACTS = "by the extractor itself"
_NOBODY = "nobody else's: a metric from outside"
_MANY = {"prompt": PROMPTS, "reference image": REFERENCES}


@cache
def outside_protocol(text: str) -> Protocol:
    """Return the protocol of a metric from outside.

    Raises:
        InputError: The name has no such form, or what it names cannot be used.
    """
    try:
        name = parse_metric_name(text)
    except ValueError as error:
        raise InputError(f"{error}") from None
    return _of_features(name) if name.formula else _of_images(name)


def _of_images(name: MetricName) -> Protocol:
    """Return the protocol of a value per image."""
    found = find(name.target, METRIC)
    if not is_torchmetrics(found.thing):
        return _values(name, found, found.better, takes_of(found, name.args))
    higher = found.thing.higher_is_better
    if higher is None:
        raise InputError(f"{found.where} does not say which direction is better: set its higher_is_better")
    better: Literal["lower", "higher"] = "higher" if higher else "lower"
    takes = takes_of_class(found)
    values = _values(name, found, better, takes)
    if mode_of(name) != "set":
        return values
    formula = set_formula(found, name, better, takes)
    return replace(values, formula=formula, extractor=PICTURES, features="images, by the metric itself")


def _values(
    name: MetricName, found: Found, better: Literal["lower", "higher"], takes: Sequence[str]
) -> Protocol:
    beside = "".join(f", and its {word}" for word, many in _MANY.items() if many in takes)
    return Protocol(
        name=name.text,
        version=1,
        formula=Formula(f"mean of {name.text}", mean_value_estimate, better, is_mean=True),
        extractor=VALUES + name.text,
        resize=_ITSELF,
        quantisation=_ITSELF,
        features=f"a value of each image{beside}",
        label=f"{found.title} ({found.words})",
        agrees_with=_NOBODY,
        source=found.identity,
        with_prompts=PROMPTS in takes,
        with_reference=REFERENCES in takes,
    )


def _of_features(name: MetricName) -> Protocol:
    """Return the protocol of a formula over an extractor's features; one of them is from outside."""
    formula, title, ours = _formula(name.formula)
    parts = [ours] if ours else []
    with_prompts = name.target in EXTRACTORS and EXTRACTORS[name.target].with_prompts
    if is_outside(name.target):
        extractor = find(name.target, EXTRACTOR)
        parts.append(extractor)
        resize, quantisation, features = _EXTRACTS, _EXTRACTS, f"features of {extractor.title}"
        of_what = extractor.title
    elif name.target in EXTRACTORS:
        alike = next(p for p in PROTOCOLS.values() if p.extractor == name.target)
        resize, quantisation, features = alike.resize, alike.quantisation, alike.features
        of_what = name.target
    else:
        raise InputError(
            f"unknown extractor {name.target!r}: {did_you_mean(name.target, EXTRACTORS)}; or {FORMS}"
        )
    return Protocol(
        name=name.text,
        version=1,
        formula=formula,
        extractor=name.extractor,
        resize=resize,
        quantisation=quantisation,
        features=features,
        label=f"{title} ({of_what}; {'; '.join(part.words for part in parts)})",
        agrees_with=_NOBODY,
        source="; ".join(part.identity for part in parts),
        with_prompts=with_prompts,
    )


def _formula(name: str) -> tuple[Formula, str, Found | None]:
    """Return the formula of this name, its title, and what it is if it comes from outside."""
    if name in FORMULAS:
        formula = FORMULAS[name]
        alike = next(p for p in PROTOCOLS.values() if p.formula == formula)
        return formula, alike.label.split(" (")[0], None
    if not is_outside(name):
        raise InputError(f"unknown formula {name!r}: {did_you_mean(name, FORMULAS)}; or {FORMS}")
    found = find(name, FORMULA)
    takes = parameters(found, found.thing)
    if "generated" not in takes:
        raise InputError(
            f"{found.where} takes no 'generated': its parameters are {', '.join(takes) or 'none'}"
        )
    formula = Formula(
        f"{found.title}, {found.words}",
        partial(_estimate, found),
        found.better,
        prepare=np.asarray if "real" in takes else None,
        needs_text="text" in takes,
        is_mean=bool(getattr(found.thing, "is_mean", False)),
    )
    return formula, found.title, found


def _estimate(found: Found, **inputs: Any) -> Estimate:
    """Call a formula from outside and check its result.

    Raises:
        MetricsError: It raises, or returns no finite value, or values per image of another length.
    """
    made, n = guarded(found.thing, **inputs), len(inputs["generated"])
    if not isinstance(made, Estimate):
        value = as_array(made)
        if value.size != 1:
            raise MetricsError(f"{found.where} returns {value.size} numbers, not an Estimate or one number")
        note = "no standard error: the formula gives none"
        made = Estimate(float(value.reshape(())), None, n, None, note=note)
    numbers = [made.value, 0.0 if made.standard_error is None else made.standard_error]
    if not np.isfinite(numbers).all():
        raise MetricsError(f"{found.where} returns the value {made.value} ± {made.standard_error}")
    parts = made.per_image
    if parts is not None and (np.shape(parts) != (n,) or not np.isfinite(parts).all()):
        raise MetricsError(f"{found.where} returns values per image that are not {n} finite numbers")
    return made
