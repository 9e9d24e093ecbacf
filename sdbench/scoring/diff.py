"""What changed between two runs: the spec, the environment, and every value of the cells that both have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from metrics import PROTOCOLS
from reports.errors import ReportError
from reports.rows import SETTINGS
from reports.runs import Run, open_run
from sdbench.core.errors import InputError, one_line
from sdbench.scoring.value_changes import ValueChange, shared_images, value_changes

__all__ = ["Change", "Difference", "compare_runs"]

ABSENT = "(absent)"

#: Entries of the manifest that belong to a single invocation, or that are compared elsewhere.
_PASSING = {
    "name",
    "cells",
    "seconds",
    "worker_seconds",
    "started",
    "finished",
    "images_made",
    "images_found",
    "command",
    "spec_digest",
}
#: Columns of the results that say how the images were made.
_MADE = ("device", "precision", "batch_size")


@dataclass(frozen=True)
class Change:
    """A key that differs, with both values as text."""

    key: str
    a: str
    b: str


@dataclass(frozen=True)
class Difference:
    """Two runs compared.

    `same_images` of the `common_images` are equal bit for bit; both are None if a run has no table of its
    images.
    """

    a: str
    b: str
    spec: tuple[Change, ...]
    environment: tuple[Change, ...]
    common_images: int | None
    same_images: int | None
    values: tuple[ValueChange, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


def compare_runs(a: Path, b: Path) -> Difference:
    """Compare the run folders a and b; raise InputError if one is not a scored run."""
    first, second = _open(a), _open(b)
    matched = _matched(_with_identities(first), _with_identities(second))
    shared = shared_images(a, b, matched[["cell_a", "cell_b"]].drop_duplicates())
    return Difference(
        a=str(a),
        b=str(b),
        spec=tuple(_changes(_flat_yaml(first.spec, a), _flat_yaml(second.spec, b))),
        environment=tuple(_changes(_environment(first), _environment(second))),
        common_images=None if shared is None else len(shared.rows),
        same_images=None if shared is None else shared.same,
        values=tuple(value_changes(matched, first.names, shared)),
        only_a=tuple(name for cell, name in first.names.items() if cell not in set(matched["cell_a"])),
        only_b=tuple(name for cell, name in second.names.items() if cell not in set(matched["cell_b"])),
    )


def _matched(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Return the results of both runs side by side, a row for each cell and protocol that both have.

    Cells are matched by the settings that vary within a run. A setting with a single value in each run is
    either the same in both or the thing that was changed: a run with PLMS and one with DDIM are matched by
    checkpoint and guidance scale.
    """
    varying = [name for name in SETTINGS if max(a[name].nunique(), b[name].nunique()) > 1]
    keyed = [
        frame.assign(key=frame[["protocol", *varying]].astype(str).agg("\n".join, axis=1)) for frame in (a, b)
    ]
    return keyed[0].merge(keyed[1], on="key", suffixes=("_a", "_b"), validate="one_to_one")


def _with_identities(run: Run) -> pd.DataFrame:
    """Return the results with the identity of the features behind each value, "" if unknown."""
    identities = run.manifest.get("features_identities", {})
    extractors = {name: protocol.extractor for name, protocol in PROTOCOLS.items()}
    if run.protocols is not None:  # metrics from outside too
        extractors |= dict(zip(run.protocols["protocol"], run.protocols["extractor"], strict=True))
    known = [str(identities.get(extractors.get(name, ""), "")) for name in run.results["protocol"]]
    return run.results.assign(features_identity=known)


def _open(folder: Path) -> Run:
    if not folder.is_dir():
        raise InputError(f"{folder} is not a run folder")
    try:
        return open_run(folder)
    except (ReportError, OSError) as error:
        raise InputError(f"{error}") from None


def _environment(run: Run) -> dict[str, str]:
    """Return digests, versions and the machine, from the manifest and the results."""
    manifest = {key: value for key, value in run.manifest.items() if key not in _PASSING}
    versions = str(manifest.pop("versions", ""))
    packages = dict(part.split("=", 1) for part in versions.split() if "=" in part)
    made = {name: " and ".join(map(str, dict.fromkeys(run.results[name]))) for name in _MADE}
    return _flat({**manifest, "versions": packages, "images made": made})


def _flat_yaml(text: str, run: Path) -> dict[str, str]:
    try:
        return _flat(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise InputError(f"{run / 'spec.yaml'}: not valid YAML: {one_line(error)}") from None


def _flat(value: Any, key: str = "") -> dict[str, str]:
    """Return leaves by path, such as checkpoints.sd-v1-4.path; list entries go by name or index."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        names = [entry.get("name") for entry in value if isinstance(entry, Mapping)]
        if names and len(set(names)) == len(value) and None not in names:
            value = {str(entry["name"]): entry for entry in value}
        elif names:
            value = {str(place): entry for place, entry in enumerate(value)}
    if isinstance(value, Mapping):
        leaves: dict[str, str] = {}
        for name, entry in value.items():
            leaves.update(_flat(entry, f"{key}.{name}" if key else str(name)))
        return leaves
    return {key: ", ".join(map(str, value)) if isinstance(value, list) else str(value)}


def _changes(a: Mapping[str, str], b: Mapping[str, str]) -> Iterable[Change]:
    for key in dict.fromkeys([*a, *b]):
        old, new = a.get(key, ABSENT), b.get(key, ABSENT)
        if old != new:
            yield Change(key, old, new)
