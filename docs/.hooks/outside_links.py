"""Links to files outside docs/ lead somewhere in the repository only: the site shows their words alone."""

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the page without links that leave the folder of the documentation."""
    return _OUTSIDE.sub(r"\1", markdown)
