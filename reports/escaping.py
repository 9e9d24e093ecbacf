"""People's names and texts where they would mean something else: one function for each place.

HTML is escaped by jinja, and matplotlib reads no mathematics (reports.style.RC).
"""

from __future__ import annotations

import html
import re

__all__ = ["from_csv", "in_chart", "in_csv", "in_figure", "in_latex", "in_markdown"]

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{letter: f"\\{letter}" for letter in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        # After the \\ of a row these would be its options.
        "[": "{[}",
        "]": "{]}",
        "*": "{*}",
        "é": r"\'e",
        "×": r"$\times$",
        "±": r"$\pm$",
    }
)
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~])")
_BLANKS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
_FORMULA = re.compile(r"'*[=+\-@＝＋－＠\t\r\n]")
"""How a field starts that spreadsheets compute, wide letters too; quotes before it keep this reversible."""


def in_latex(text: str) -> str:
    """The text for LaTeX, on one line."""
    return _one_line(text).translate(_LATEX)


def in_markdown(text: str) -> str:
    """The text for a cell or a paragraph of Markdown, on one line."""
    return _MARKDOWN.sub(r"\\\1", _one_line(text))


def in_chart(text: str) -> str:
    """The text for plotly, which reads tags and entities."""
    return html.escape(text, quote=False)


def in_figure(text: str) -> str:
    """The text for matplotlib: fonts have no control characters, and SVG must not hold any."""
    return _CONTROL.sub(" ", text)


def in_csv(text: str) -> str:
    """The text for a field of a CSV file: a quote keeps spreadsheets from computing =1+1."""
    return f"'{text}" if _FORMULA.match(text) else text


def from_csv(text: str) -> str:
    """The text that `in_csv` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _one_line(text: str) -> str:
    return _BLANKS.sub(" ", text)
