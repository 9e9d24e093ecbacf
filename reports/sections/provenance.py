"""How the run was made, how to make it again, and how to cite it."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Mapping, Sequence

from reports.runs import Run
from reports.sections._section import Material, Section

__all__ = ["provenance"]

#: What the manifest holds that other sections show.
_ELSEWHERE = {"cells", "seconds", "worker_seconds", "images_made", "images_found", "command"}


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
    """Return the manifest as pairs of words and text, a line for each nested entry."""
    return [
        (name.replace("_", " "), _as_text(value))
        for name, value in manifest.items()
        if name not in _ELSEWHERE
    ]


def _commands(run: Run) -> list[tuple[str, str]]:
    """Return (what it does, command) pairs."""
    made = str(run.manifest.get("command", ""))
    again = [
        (
            "Make it again from the resolved experiment below, saved as spec.yaml",
            "sdbench run spec.yaml --out again",
        )
    ]
    given = [("The command that made this run", made)] if made else []
    scored = ("Score and report the stored images of this run, in the folder RUN, again", "sdbench score RUN")
    return [*given, *again, scored]


def _citation(run: Run) -> str:
    digests = f"experiment {_short(_spec_digest(run))}, results {_short(_results_digest(run))}"
    return f"{run.title}, made with sdbench {_version(run)}, {_day(run)}; {digests}."


def _bibtex(run: Run) -> str:
    year = _day(run)[:4]
    key = "".join(letter for letter in run.title if letter.isalnum()) or "run"
    lines = [
        f"@misc{{{key}{_short(_results_digest(run))},",
        f"  title = {{{run.title}: a checkpoint sweep with sdbench}},",
        *([f"  year = {{{year}}},"] if year.isdigit() else []),
        f"  howpublished = {{made with sdbench {_version(run)}}},",
        f"  note = {{experiment {_spec_digest(run)},",
        f"          results {_results_digest(run)}}},",
        "}",
    ]
    return "\n".join(lines)


def _digests(run: Run) -> list[tuple[str, str]]:
    """Return the digests that the results carry, each once."""
    names = {
        "prompts_digest": "Prompts",
        "reference_digest": "Reference images",
    }
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
    """Return sdbench's version from the results' list of versions."""
    pairs = dict(part.split("=", 1) for part in str(run.results["versions"].iloc[0]).split() if "=" in part)
    return pairs.get("sdbench", "(version not known)")


def _day(run: Run) -> str:
    return (
        str(run.manifest.get("finished", "date not known"))[:10] if "finished" in run.manifest else "undated"
    )


def _short(digest: str) -> str:
    return digest[:12]


def _line(name: str, value: object) -> str:
    """Return "name: value"; what has names of its own or several lines stands below, indented."""
    text = _as_text(value)
    below = isinstance(value, Mapping) or "\n" in text
    return f"{name}:\n{textwrap.indent(text, '  ')}" if below else f"{name}: {text}"


def _as_text(value: object) -> str:
    if isinstance(value, Mapping):
        return "\n".join(_line(str(name), entry) for name, entry in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(map(_as_text, value))
    return str(value)
