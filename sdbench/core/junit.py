"""JUnit XML, which CI systems read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from sdbench.core.terminal import in_terminal

__all__ = ["JunitCase", "junit"]


class JunitCase(NamedTuple):
    """A test case: `kind` is "failure", "error", or "" if it passed; `words` say why it did not."""

    group: str
    name: str
    kind: str
    words: str


def junit(suite: str, cases: Sequence[JunitCase]) -> str:
    """Return the cases as a suite; characters that XML cannot hold are escaped."""
    counts = {f"{kind}s": str(sum(case.kind == kind for case in cases)) for kind in ("failure", "error")}
    root = ElementTree.Element("testsuite", {"name": suite, "tests": str(len(cases)), **counts})
    for case in cases:
        made = ElementTree.SubElement(root, "testcase", classname=case.group, name=in_terminal(case.name))
        if case.kind:
            ElementTree.SubElement(made, case.kind, message=in_terminal(case.words))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
