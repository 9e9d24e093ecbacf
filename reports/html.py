"""What all HTML pages share: templates that escape, and a policy under which nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["content_policy", "template_environment"]


def template_environment() -> Environment:
    """Return the templates' environment: it escapes every value, and a missing one is an error."""
    return Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
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
