"""The published networks behind the metrics: where their weights are, and the files that they are kept in.

Importing this needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["INCEPTION_URL", "NETWORKS", "Network"]

INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
"""The name ends in the first digits of the file's sha256."""


@dataclass(frozen=True)
class Network:
    """A network with published weights.

    Attributes:
        file: Name of the file in a folder of weights.
        repository: Its repository on the Hugging Face hub; None if ``published`` is a URL.
        published: The file in the repository, or its URL.
    """

    file: str
    repository: str | None
    published: str


def _clip(repository: str) -> Network:
    # Named after its repository, since all CLIPs have the same file name there. OpenAI's own .pt files are
    # programs, not tensors.
    return Network(f"{repository.split('/')[1]}.safetensors", repository, "open_clip_model.safetensors")


_INCEPTION = Network(INCEPTION_URL.rpartition("/")[2], None, INCEPTION_URL)

NETWORKS: dict[str, Network] = {
    "clip-vit-b-32": _clip("timm/vit_base_patch32_clip_224.openai"),
    "clip-vit-l-14": _clip("timm/vit_large_patch14_clip_224.openai"),
    "clip-vit-l-14-336": _clip("timm/vit_large_patch14_clip_336.openai"),
    "clip-vit-h-14": _clip("laion/CLIP-ViT-H-14-laion2B-s32B-b79K"),
    "dinov2-vit-l-14": Network("dinov2-large.safetensors", "facebook/dinov2-large", "model.safetensors"),
    "inception-v3": _INCEPTION,
    "inception-v3-256": _INCEPTION,
    "inception-v3-clean": _INCEPTION,
}
"""By extractor. Three extractors share one Inception network and resize in different ways."""
