"""Prompt sets: what a spec's `prompts` entry stands for.

A prompt's id names it for good: the starting noise of its image depends on (seed, id) alone and its PNG
bears it as a name. So an id follows from where the prompt comes from, never from how many there are: a
longer set keeps the prompts and the noise of a shorter one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdbench import coco
from sdbench.digest import digest_bytes
from sdbench.errors import InputError
from sdbench.paths import existing_file
from sdbench.spec import CocoPrompts, FilePrompts, ListPrompts, ShapesPrompts

__all__ = ["Prompt", "load_prompts"]


@dataclass(frozen=True)
class Prompt:
    """One prompt; `id` is usable as a file name."""

    id: str
    text: str


def load_prompts(spec: ShapesPrompts | FilePrompts | CocoPrompts | ListPrompts) -> tuple[Prompt, ...]:
    """The prompts in order; InputError where there are none, or fewer than the spec asks for."""
    match spec:
        case ShapesPrompts():
            return _shapes(spec)
        case FilePrompts():
            return _file(spec)
        case CocoPrompts():
            return _coco(spec)
        case ListPrompts():
            return _numbered(spec.prompts, spec.count, "prompts")


def _shapes(spec: ShapesPrompts) -> tuple[Prompt, ...]:
    from reference_model import shapes

    captions = shapes.evaluation_prompts(spec.count, spec.seed)
    return tuple(Prompt(f"shapes-{spec.seed}-{i:06d}", text) for i, text in enumerate(captions))


def _file(spec: FilePrompts) -> tuple[Prompt, ...]:
    path = existing_file(spec.path, "prompts.path")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"prompts.path: {path} is not UTF-8 text") from None
    return _numbered([line.strip() for line in lines if line.strip()], spec.count, f"prompts.path: {path}")


def _numbered(texts: Sequence[str], count: int | None, where: str) -> tuple[Prompt, ...]:
    """Ids of place and content: an edited line gets another id, so its old image is not taken for it."""
    if not texts:
        raise InputError(f"{where}: holds no prompts")
    _enough(len(texts), count, where)
    ids = [f"{i:06d}-{digest_bytes(text.encode('utf-8'))[:8]}" for i, text in enumerate(texts)]
    return tuple(Prompt(id_, text) for id_, text in zip(ids, texts, strict=True))[:count]


def _coco(spec: CocoPrompts) -> tuple[Prompt, ...]:
    captions = coco.captions(spec.path, "prompts.path")
    where = f"prompts.path: {spec.path}"
    if not captions:
        raise InputError(f"{where}: holds no prompts")
    _enough(len(captions), spec.count, where)

    def rank(id_: int) -> str:
        # A hash of (seed, id) orders the captions: random, the same everywhere, and a prefix of itself.
        return digest_bytes(f"{spec.seed}:{id_}".encode())

    return tuple(Prompt(f"coco-{id_:07d}", captions[id_]) for id_ in sorted(captions, key=rank)[: spec.count])


def _enough(there: int, count: int | None, where: str) -> None:
    if count is not None and there < count:
        raise InputError(f"{where}: holds {there} prompts, and {count} are asked for")
