"""certificate.json: what was compared, how, and what was found, so that others can find it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from metrics import PROTOCOLS
from sdbench.comparison.compare import CompareRequest
from sdbench.comparison.made import Asked
from sdbench.comparison.policy import policy_of
from sdbench.core import environment
from sdbench.core.errors import InputError
from sdbench.core.json import load_json

__all__ = ["CERTIFICATE", "certificate", "differences", "read_certificate", "request_of"]

CERTIFICATE = "certificate.json"
FORMAT = 1

TOLERANCE = 0.05
"""How far a mean difference may move on another machine, in margins: features differ in their last bits."""

Facts = Mapping[str, Any]


def certificate(request: CompareRequest, comparisons: Sequence[Facts]) -> dict[str, Any]:
    """Return the certificate of a comparison, as JSON values."""
    return {
        "format": FORMAT,
        "options": {
            "repeats": list(request.repeats),
            "prompts": request.prompts,
            "mapping": request.mapping,
            "metrics": [row["name"] for row in comparisons[0]["measures"] if row["name"] in PROTOCOLS],
            "reference": request.reference,
            "asked": asdict(request.asked),
            "policy": {**asdict(request.policy), "margins": dict(request.policy.margins)},
        },
        "environment": environment.machine(environment.best_device()),
        "comparisons": list(comparisons),
    }


def read_certificate(path: Path) -> dict[str, Any]:
    """Return the certificate in a file; InputError if it holds none."""
    try:
        content = load_json(path.read_bytes())
        if content["format"] != FORMAT:
            raise InputError(f"{path}: a certificate of format {content['format']}; this is format {FORMAT}")
        if not {"options", "comparisons"} <= content.keys():
            raise KeyError
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(f"{path} is not a certificate that sdbench compare --out wrote") from None
    return dict(content)


def request_of(content: Mapping[str, Any], request: CompareRequest) -> CompareRequest:
    """Return the request with the metrics, the mapping and the policy of a certificate.

    Raises:
        InputError: The certificate needs repeats, prompts or real images that the request does not name.
    """
    options = content["options"]
    for key in ("repeats", "prompts", "reference"):
        if options[key] and not getattr(request, key):
            raise InputError(f"the certificate was made with --{key}: give your own copy by --{key}")
    if len(options["repeats"]) != len(request.repeats):
        raise InputError(f"the certificate was made with {len(options['repeats'])} repeats")
    metrics = tuple(options["metrics"])
    policy, asked = policy_of(options["policy"]), Asked(**options["asked"])
    return replace(request, mapping=options["mapping"], metrics=metrics, policy=policy, asked=asked)


def differences(content: Mapping[str, Any], found: Sequence[Facts]) -> list[str]:
    """Return how a repeated comparison differs from the certificate; empty if it is confirmed."""
    before = content["comparisons"]
    if len(before) != len(found):
        return [f"{len(before)} comparisons in the certificate, {len(found)} now"]
    return [line for old, new in zip(before, found, strict=True) for line in _changes(old, new)]


def _changes(old: Facts, new: Facts) -> list[str]:
    lines = []
    for key, what in (("a", "the images of A"), ("b", "the images of B"), ("prompts", "the prompts")):
        if old["digests"][key] != new["digests"][key]:
            lines.append(f"{what} are not those of the certificate")
    if old["digests"]["extractors"] != new["digests"]["extractors"]:
        lines.append("the weights of an extractor are not those of the certificate")
    for key in ("verdict", "passed", "pairs", "judged", "flagged", "missing_in_b"):
        if old[key] != new[key]:
            lines.append(f"{key}: {old[key]} in the certificate, {new[key]} now")
    measures = {row["name"]: row for row in old["measures"]}
    if measures.keys() != {row["name"] for row in new["measures"]}:
        return [*lines, "other measures were taken"]
    for row in new["measures"]:
        was = measures[row["name"]]
        for key in ("difference", "margin"):
            if not abs(row[key] - was[key]) <= TOLERANCE * row["margin"]:
                lines.append(f"{row['name']}: {key} {was[key]:.4g} in the certificate, {row[key]:.4g} now")
    return lines
