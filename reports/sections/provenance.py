"""How the run was made, how to repeat it, and how to cite it."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Mapping, Sequence

from reports.runs import Run
from reports.sections._section import Material, Section

__all__ = ["provenance"]

#: Entries of the manifest that other sections show.
_ELSEWHERE = {"name", "cells", "seconds", "worker_seconds", "images_made", "images_found", "command"}


def provenance(material: Material) -> Section:
    """Return digests, versions, device and spec, the commands that repeat the run, and a citation."""
    run = material.run
    return Section(
        "How this was made",
        {
            "commands": _commands(run),
            "citation": _citation(run),
            "bibtex": _bibtex(run),
            "entries": entries(run.manifest),
            "digests": _digests(run),
            "spec": run.spec,
        },
    )


def entries(manifest: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the manifest as (words, text) pairs, with a line for each nested entry."""
    return [
        (name.replace("_", " "), _as_text(value))
        for name, value in manifest.items()
        if name not in _ELSEWHERE
    ]


def _commands(run: Run) -> list[tuple[str, str]]:
    """Return (what it does, command) pairs."""
    return [
        ("The command that made this run", str(run.manifest["command"])),
        (
            "Repeat it with the resolved experiment below, saved as spec.yaml",
            "sdbench run spec.yaml --out again",
        ),
        ("Score the stored images again and draw this page, in the run folder RUN", "sdbench score RUN"),
    ]


def _citation(run: Run) -> str:
    digests = f"experiment {_short(_spec_digest(run))}, results {_short(_results_digest(run))}"
    return f"{run.title}, made with sdbench {_version(run)}, {_day(run)}; {digests}."


def _bibtex(run: Run) -> str:
    key = "".join(letter for letter in run.title if letter.isalnum()) or "run"
    lines = [
        f"@misc{{{key}{_short(_results_digest(run))},",
        f"  title = {{{run.title}: a checkpoint sweep with sdbench}},",
        f"  year = {{{_day(run)[:4]}}},",
        f"  howpublished = {{made with sdbench {_version(run)}}},",
        f"  note = {{experiment {_spec_digest(run)},",
        f"          results {_results_digest(run)}}},",
        "}",
    ]
    return "\n".join(lines)


def _digests(run: Run) -> list[tuple[str, str]]:
    """Return the digests in the results, each once."""
    names = {"prompts_digest": "Prompts", "reference_digest": "Reference images"}
    found = [("results.csv (sha256)", _results_digest(run))]
    for column, word in names.items():
        digests = [digest for digest in dict.fromkeys(run.results[column]) if digest]
        found += [(word, "\n".join(digests))] if digests else []
    return found


def _results_digest(run: Run) -> str:
    return hashlib.sha256((run.folder / "results.csv").read_bytes()).hexdigest()


def _spec_digest(run: Run) -> str:
    return str(run.results["spec_digest"].iloc[0])


def _version(run: Run) -> str:
    """Return the version of sdbench from the versions in the results."""
    versions = str(run.results["versions"].iloc[0])
    return next(part.removeprefix("sdbench=") for part in versions.split() if part.startswith("sdbench="))


def _day(run: Run) -> str:
    return str(run.manifest["finished"])[:10]


def _short(digest: str) -> str:
    return digest[:12]


def _line(name: str, value: object) -> str:
    """Return "name: value", with a nested or multi-line value indented below the name."""
    text = _as_text(value)
    below = isinstance(value, Mapping) or "\n" in text
    return f"{name}:\n{textwrap.indent(text, '  ')}" if below else f"{name}: {text}"


def _as_text(value: object) -> str:
    if isinstance(value, Mapping):
        return "\n".join(_line(str(name), entry) for name, entry in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(map(_as_text, value))
    return str(value)
