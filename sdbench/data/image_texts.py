"""The prompt that a program wrote into a PNG beside the pixels.

Web interfaces write a text chunk named "parameters": the prompt, then a negative prompt and settings. ComfyUI
writes one named "prompt": the nodes of its workflow, as JSON. Other programs write the prompt itself there.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from sdbench.core.json import load_json
from sdbench.data.image_sets.decoding import png_chunks

__all__ = ["prompt_in_png", "without_settings"]

LARGEST = 1 << 24
"""Bytes of a text once unpacked; larger ones are refused, since a few bytes can unpack to gigabytes."""

TEXT_INPUTS = ("text", "text_g", "string", "value")
"""Inputs of ComfyUI's nodes that hold a text."""

CONDITIONING = ("positive", "conditioning")
"""Inputs that lead from a sampler to the text it is conditioned on; the first that any node has counts."""

_SETTINGS = re.compile(r"Negative prompt:|Steps: \d+, ")
"""How the lines after the prompt start in the texts that web interfaces write."""


def without_settings(text: str) -> str:
    """Return the prompt of a web interface's text, without the settings that follow it."""
    lines = text.split("\n")
    end = next((place for place, line in enumerate(lines) if _SETTINGS.match(line)), len(lines))
    return "\n".join(lines[:end])


def prompt_in_png(blob: bytes) -> str:
    """Return the prompt in a PNG file's text chunks.

    Raises:
        ValueError: It has none, or not exactly one; the one-line message says what is wrong.
    """
    texts: dict[str, str] = {}
    for name, text in _texts(blob):
        texts.setdefault(name, text)
    if "parameters" in texts:
        return without_settings(texts["parameters"])
    if "prompt" not in texts:
        found = f"; its texts are {', '.join(map(repr, sorted(texts)))}" if texts else ""
        raise ValueError(f"has no text chunk 'parameters' or 'prompt'{found}")
    try:
        nodes = load_json(texts["prompt"])
    except ValueError:
        return texts["prompt"]
    return _of_workflow(nodes) if isinstance(nodes, dict) else texts["prompt"]


def _texts(blob: bytes) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of chunks tEXt, zTXt and iTXt (PNG specification, section 11.3.3)."""
    for kind, data in png_chunks(blob):
        if kind not in (b"tEXt", b"zTXt", b"iTXt"):
            continue
        name, _, rest = data.partition(b"\0")
        encoding, is_packed = "latin-1", kind == b"zTXt"
        if kind == b"iTXt":
            encoding, is_packed = "utf-8", rest[:1] == b"\1"
            rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]  # language, translated name
        elif is_packed:
            rest = rest[1:]
        yield name.decode("latin-1"), _unpacked(rest, is_packed).decode(encoding, "replace")


def _unpacked(data: bytes, is_packed: bool) -> bytes:
    if not is_packed:
        return data
    unpacking = zlib.decompressobj()
    try:
        found = unpacking.decompress(data, LARGEST)
    except zlib.error:
        raise ValueError("has a damaged text chunk") from None
    if unpacking.unconsumed_tail:
        raise ValueError(f"has a text chunk of more than {LARGEST >> 20} MiB")
    if not unpacking.eof:
        raise ValueError("has a damaged text chunk")
    return found


def _of_workflow(nodes: Mapping[str, Any]) -> str:
    """Return the one text that the samplers of a ComfyUI workflow are conditioned on."""
    inputs = {
        name: node["inputs"]
        for name, node in nodes.items()
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict)
    }
    starts: list[Any] = []
    for key in CONDITIONING:
        starts = starts or [each[key] for each in inputs.values() if key in each]
    found = {text for start in starts for text in _followed(start, inputs)}
    if len(found) != 1:
        raise ValueError(f"has a workflow with {len(found)} prompts instead of one")
    return found.pop()


def _followed(link: Any, inputs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the texts that a link [node, output] leads to, through nodes that pass a conditioning on."""
    waiting, seen = [link], set[str]()
    while waiting:
        link = waiting.pop()
        name = str(link[0]) if isinstance(link, list) and link else ""
        if name in seen or name not in inputs:
            continue
        seen.add(name)
        node = inputs[name]
        for key in TEXT_INPUTS:
            if isinstance(node.get(key), str):
                yield node[key]
                break
        else:
            waiting += [node[key] for key in (*TEXT_INPUTS, *CONDITIONING) if key in node]
