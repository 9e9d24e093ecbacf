"""Byte-pair merges for a closed vocabulary (Sennrich, Haddow and Birch 2016, algorithm 1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from reference_model.tokenizer import END_OF_WORD, Merge, merge_pair

__all__ = ["learn_merges"]


def learn_merges(words: Iterable[str]) -> list[Merge]:
    """Merge the most frequent pair, first in the alphabet among equals, until every word is one token.

    ``words`` must be ASCII, for which symbols and characters are the same.
    """
    split = [[*word[:-1], word[-1] + END_OF_WORD] for word in sorted(set(words))]
    merges: list[Merge] = []
    while pairs := Counter(pair for symbols in split for pair in pairwise(symbols)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        split = [merge_pair(symbols, best) for symbols in split]
    return merges
