"""CLIP's byte-pair tokenizer, with the conventions of Stable Diffusion v1.

It repairs text with ftfy, collapses white space, lower-cases, splits into words and encodes them by byte-pair
merges (Radford et al. 2021, section 2.4). Prompts are truncated before the end token and padded with it.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import ftfy
import regex
import torch
from torch import Tensor

from reference_model.errors import CheckpointError

__all__ = ["END_OF_WORD", "Merge", "Tokenizer", "clip_merges", "merge_pair", "read_merges"]

START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"
WORDS = regex.compile(
    r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+""",
    regex.IGNORECASE,
)
CLIP_MERGE_COUNT = 49152 - 256 - 2  # vocabulary: 256 bytes, 256 bytes ending a word, merges, 2 specials

Merge = tuple[str, str]


def byte_symbols() -> dict[int, str]:
    """One printable character per byte, in GPT-2's order (Radford et al. 2019).

    Printable Latin-1 bytes come first and map to themselves; the others map to code points from 256 on.
    """
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    rest = [byte for byte in range(256) if byte not in set(printable)]
    symbols = {byte: chr(byte) for byte in printable}
    return symbols | {byte: chr(256 + i) for i, byte in enumerate(rest)}


def read_merges(path: Path) -> list[Merge]:
    """Read a Hugging Face ``merges.txt``: one merge per line; skips lines that start with #version."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_pair(line) for line in lines if line and not line.startswith("#version")]


@lru_cache(maxsize=1)
def clip_merges() -> list[Merge]:
    """CLIP's own 48,894 merges, from the data file in the open_clip package."""
    spec = find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise CheckpointError("CLIP's vocabulary is missing: install it with 'pip install open-clip-torch'")
    path = Path(spec.origin).parent / "bpe_simple_vocab_16e6.txt.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")
    return [_pair(line) for line in lines[1 : CLIP_MERGE_COUNT + 1]]


def _pair(line: str) -> Merge:
    first, second = line.split()
    return first, second


class Tokenizer:
    """Turn prompts into token ids.

    Ids are assigned in this order: bytes, bytes that end a word, merges, start, end.
    """

    def __init__(self, merges: Sequence[Merge], context_length: int = 77) -> None:
        self.context_length = context_length
        self._bytes = byte_symbols()
        singles = list(self._bytes.values())
        vocabulary = [
            *singles,
            *(s + END_OF_WORD for s in singles),
            *("".join(m) for m in merges),
            START,
            END,
        ]
        self._ids = {token: i for i, token in enumerate(vocabulary)}
        self._ranks = {merge: rank for rank, merge in enumerate(merges)}
        self.start, self.end = self._ids[START], self._ids[END]
        self._word = lru_cache(maxsize=65536)(self._encode_word)

    def __len__(self) -> int:
        """Number of tokens in the vocabulary."""
        return self.end + 1

    def __call__(self, prompts: Iterable[str]) -> Tensor:
        """Prompts -> int64 [B, context_length]: start, tokens truncated to fit, end, padding with end."""
        rows = []
        for prompt in prompts:
            ids = [self.start, *self.encode(prompt)[: self.context_length - 2]]
            rows.append(ids + [self.end] * (self.context_length - len(ids)))
        return torch.tensor(rows, dtype=torch.int64).reshape(-1, self.context_length)

    def encode(self, prompt: str) -> list[int]:
        """All token ids of one prompt, without start, end, truncation or padding."""
        text = " ".join(ftfy.fix_text(prompt).split()).lower()
        return [i for word in WORDS.findall(text) for i in self._word(word)]

    def _encode_word(self, word: str) -> list[int]:
        if word in (START, END):
            return [self._ids[word]]
        symbols = [self._bytes[byte] for byte in word.encode("utf-8")]
        symbols[-1] += END_OF_WORD
        while len(symbols) > 1:
            best = min(pairwise(symbols), key=lambda m: self._ranks.get(m, len(self._ranks)))
            if best not in self._ranks:
                break
            symbols = merge_pair(symbols, best)
        return [self._ids[symbol] for symbol in symbols]


def merge_pair(symbols: list[str], pair: Merge) -> list[str]:
    """Join every occurrence of the pair, from left to right."""
    out: list[str] = []
    i = 0
    while i < len(symbols):
        if tuple(symbols[i : i + 2]) == pair:
            out.append("".join(pair))
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return out
