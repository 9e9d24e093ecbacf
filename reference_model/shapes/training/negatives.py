"""Captions that are wrong in one respect: the hard negatives that CLIP's training tells from the right ones.

Without them a contrastive loss leaves relations and the order of words unlearned, since the other captions of
a batch differ in easier things (Yuksekgonul et al. 2023, "When and why vision-language models behave like
bags-of-words").
"""

from __future__ import annotations

import numpy as np

from reference_model.shapes.captions import WORDS, with_articles

__all__ = ["made_wrong"]

SWAPPED = 0.5  # the share of swaps where two words can be swapped
RELATIONS_WRONG = 0.4  # beyond the chance that every kind of word has; few captions hold a relation

_KINDS = [tuple(said.replace(" ", "-") for said in kind) for kind in WORDS.values()]
_RELATION = list(WORDS).index("relation")


def made_wrong(caption: str, chances: np.random.Generator) -> str:
    """Return the caption with one word exchanged for another of its kind, or with two of a kind swapped.

    In half of the captions with a relation, the relation is wrong; else every kind of word that the caption
    holds (shape, colour, size, texture, style, relation) is as likely. The articles follow their words, so
    that grammar gives nothing away.
    """
    words = caption.replace(" of ", "-of ").split()
    places = [[place for place, word in enumerate(words) if word in kind] for kind in _KINDS]
    held = [kind for kind, found in enumerate(places) if found]
    kind = held[chances.integers(len(held))]
    if places[_RELATION] and chances.random() < RELATIONS_WRONG:
        kind = _RELATION
    first, *others = chances.permutation(places[kind])
    different = [place for place in others if words[place] != words[first]]
    if different and chances.random() < SWAPPED:
        words[first], words[different[0]] = words[different[0]], words[first]
    else:
        free = [word for word in _KINDS[kind] if word != words[first]]
        words[first] = free[chances.integers(len(free))]
    return with_articles(words).replace("-of ", " of ")
