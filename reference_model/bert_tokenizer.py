"""BERT's word pieces, with the conventions of the LAION-400M model (Devlin et al. 2019, section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer
from torch import Tensor

from reference_model.errors import CheckpointError
from reference_model.hub import cached_file, hub_file

__all__ = ["BertTokenizer"]

PUBLISHED = "google-bert/bert-base-uncased"
OLDER_NAME = "bert-base-uncased"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


class BertTokenizer:
    """Turn prompts into token ids: lower-cased, [CLS] first, truncated before [SEP], padded with [PAD].

    Args:
        vocabulary: a ``vocab.txt``, one token per line; None means that of bert-base-uncased, from the cache
            or the Hugging Face hub.
        context_length: tokens per prompt, special ones included.

    Raises:
        CheckpointError: the vocabulary cannot be read or is not BERT's.
    """

    def __init__(self, vocabulary: Path | None = None, context_length: int = 77) -> None:
        path = vocabulary or _published()
        try:
            tokens = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot read BERT's vocabulary {path}: {error}") from error
        missing = [token for token in SPECIAL if token not in tokens]
        if missing:
            raise CheckpointError(f"{path} is not a BERT vocabulary: it lacks {', '.join(missing)}")
        self.context_length = context_length
        self._pieces = BertWordPieceTokenizer({token: i for i, token in enumerate(tokens)}, lowercase=True)
        self._pieces.enable_truncation(context_length)
        self._pieces.enable_padding(length=context_length, pad_id=tokens.index("[PAD]"))

    def __len__(self) -> int:
        """Number of tokens in the vocabulary."""
        return self._pieces.get_vocab_size()

    def __call__(self, prompts: Iterable[str]) -> Tensor:
        """Prompts -> int64 [B, context_length]."""
        rows = [encoding.ids for encoding in self._pieces.encode_batch(list(prompts))]
        return torch.tensor(rows, dtype=torch.int64).reshape(-1, self.context_length)


def _published() -> Path:
    """The published vocabulary, from the cache (also under the repository's older name) or the hub."""
    return cached_file(OLDER_NAME, "vocab.txt") or hub_file(PUBLISHED, "vocab.txt")
