"""What all HTML pages share: templates that escape, and a policy under which nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

__all__ = ["content_policy", "template_environment", "whole_names"]

#: Most letters of a name that is kept on one line; a longer one would not fit into a narrow card.
_LONGEST_NAME = 24


def template_environment() -> Environment:
    """Return the templates' environment: it escapes every value, and a missing one is an error."""
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["whole_names"] = whole_names
    return environment


def whole_names(text: str) -> Markup:
    """Return a sentence for HTML in which no short name such as shapes-v1-4 is broken at its hyphens."""
    words = re.split(r"(\s+)", text)
    return Markup("").join(
        Markup('<span class="whole">{}</span>').format(word)
        if "-" in word and len(word) <= _LONGEST_NAME
        else escape(word)
        for word in words
    )


def content_policy(scripts: Iterable[str]) -> str:
    """Return a Content-Security-Policy that runs only these scripts and fetches nothing.

    Inline styles are allowed, because plotly sets them; pictures are data URIs.
    """
    digests = (hashlib.sha256(script.encode("utf-8")).digest() for script in scripts)
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
