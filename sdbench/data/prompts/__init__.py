"""Prompt sets: the prompts of a spec's `prompts` entry.

A prompt's id is permanent: the starting noise of its image depends only on (seed, id), and its PNG is named
after it. An id therefore never depends on the number of prompts: a longer set keeps the prompts and the noise
of a shorter one. Ids of ordered prompts consist of position and content, regardless of the kind of file, so
the same list as text, CSV or Parquet makes the same images. COCO captions have the annotation's id instead of
a position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sdbench.core.digest import digest_bytes
from sdbench.core.errors import InputError
from sdbench.data.prompts import draws, files, huggingface
from sdbench.data.rows import usable
from sdbench.spec import (
    CocoPrompts,
    CsvPrompts,
    DrawBenchPrompts,
    FilePrompts,
    HuggingFacePrompts,
    JsonlPrompts,
    ListPrompts,
    ParquetPrompts,
    PartiPrompts,
    PromptsSpec,
    ShapesPrompts,
    TabularPrompts,
)

__all__ = [
    "Prompt",
    "load_columns",
    "load_prompts",
    "prompt_by_prompt",
    "repeated",
    "with_negatives",
]


@dataclass(frozen=True)
class Prompt:
    """A prompt; `id` is a valid file name, `negative` its own negative prompt, None if it has none.

    If an image is not the first one of its prompt, `of` is the id of the first.
    """

    id: str
    text: str
    negative: str | None = None
    of: str = ""


def repeated(prompts: Sequence[Prompt], images: int) -> tuple[Prompt, ...]:
    """Return a prompt for each image if every prompt gets `images` of them.

    All first images come first, so they stay where they are in a run that gets more images of each prompt.
    """
    further = (
        replace(prompt, id=f"{prompt.id}-image{number}", of=prompt.id)
        for number in range(2, images + 1)
        for prompt in prompts
    )
    return (*prompts, *further)


def prompt_by_prompt(prompts: Sequence[Prompt]) -> list[int]:
    """Return the places of the prompts in the order in which the images of one prompt are neighbours."""
    first: dict[str, int] = {}
    for place, prompt in enumerate(prompts):
        first.setdefault(prompt.of or prompt.id, place)
    return sorted(range(len(prompts)), key=lambda place: first[prompts[place].of or prompts[place].id])


def load_prompts(spec: PromptsSpec) -> tuple[Prompt, ...]:
    """Load the prompts in order.

    Raises:
        InputError: There are no prompts or fewer than the spec asks for, or a file, line or row is invalid.
    """
    match spec:
        case ShapesPrompts():
            return _shapes(spec)
        case CocoPrompts():
            return _coco(spec)
        case ListPrompts():
            texts = [
                usable(f"prompts, entry {number}", "the text", text)
                for number, text in enumerate(spec.prompts, start=1)
            ]
            return _numbered(texts, spec.count, "prompts")
        case HuggingFacePrompts():
            return _numbered(_column(spec, spec.column), spec.count, f"prompts.dataset: {spec.dataset}")
        case FilePrompts():
            texts = files.from_lines(spec.path)
        case PartiPrompts():
            texts = _column(spec, "Prompt")
        case DrawBenchPrompts():
            texts = _column(spec, "Prompts")
        case JsonlPrompts():
            texts = _column(spec, spec.key)
        case CsvPrompts() | ParquetPrompts():
            texts = _column(spec, spec.column)
    return _numbered(texts, spec.count, f"prompts.path: {spec.path}")


def with_negatives(
    prompts: Sequence[Prompt], negatives: Sequence[str], *, all_of_them: bool
) -> tuple[Prompt, ...]:
    """Return the prompts, each with its own negative prompt.

    Args:
        prompts: The prompts.
        negatives: A text for each prompt, in their order; "" for none.
        all_of_them: Whether the source has no more prompts than these, so that the numbers must agree.

    Raises:
        InputError: There are fewer negative prompts than prompts, or more; or one is not a usable text.
    """
    if len(negatives) < len(prompts) or (all_of_them and len(negatives) > len(prompts)):
        raise InputError(
            f"negative_prompt: {len(negatives)} texts for {len(prompts)} prompts; give one for each"
        )
    texts = [
        usable(f"negative_prompt, entry {number}", "the text", text) if text.strip() else ""
        for number, text in enumerate(negatives[: len(prompts)], start=1)
    ]
    return tuple(replace(prompt, negative=text) for prompt, text in zip(prompts, texts, strict=True))


def load_columns(spec: PromptsSpec, names: Sequence[str]) -> dict[str, list[str]]:
    """Return columns of the prompt file, each with a value for every prompt, in order.

    Raises:
        InputError: The prompts come without columns, the file lacks one, or a row has no text in it.
    """
    if not names:
        return {}
    if not isinstance(spec, TabularPrompts):
        raise InputError(f"by: {names[0]}: prompts of the source {spec.source} have no columns")
    return {name: _column(spec, name)[: spec.count] for name in names}


def _column(spec: TabularPrompts, name: str) -> list[str]:
    match spec:
        case HuggingFacePrompts():
            return huggingface.texts(spec, name)
        case JsonlPrompts():
            return files.from_json_lines(spec.path, name)
        case ParquetPrompts():
            return files.from_parquet(spec.path, name)
        case PartiPrompts():
            return files.from_columns(spec.path, name, tabs=True)
        case DrawBenchPrompts():
            return files.from_columns(spec.path, name, tabs=False)
        case CsvPrompts():
            return files.from_columns(spec.path, name, tabs=spec.path.lower().endswith(".tsv"))


def _shapes(spec: ShapesPrompts) -> tuple[Prompt, ...]:
    from reference_model import shapes

    captions = shapes.evaluation_prompts(spec.count, spec.seed)
    return tuple(Prompt(f"shapes-{spec.seed}-{i:06d}", text) for i, text in enumerate(captions))


def _coco(spec: CocoPrompts) -> tuple[Prompt, ...]:
    captions = draws.shuffled_captions(spec)
    _enough(len(captions), spec.count, f"prompts.path: {spec.path}")
    chosen = captions[: spec.count]
    return tuple(
        Prompt(f"coco-{caption.id:07d}-{_of_content(caption.text)}", caption.text) for caption in chosen
    )


def _numbered(texts: Sequence[str], count: int | None, where: str) -> tuple[Prompt, ...]:
    _enough(len(texts), count, where)
    ids = [f"{i:06d}-{_of_content(text)}" for i, text in enumerate(texts)]
    return tuple(Prompt(id_, text) for id_, text in zip(ids, texts, strict=True))[:count]


def _of_content(text: str) -> str:
    """Return the end of an id: an edited text gets another id, so its old image is not reused."""
    return digest_bytes(text.encode("utf-8"))[:8]


def _enough(there: int, count: int | None, where: str) -> None:
    if not there:
        raise InputError(f"{where}: contains no prompts")
    if count is not None and there < count:
        raise InputError(f"{where}: contains {there} prompts, but {count} are requested")
