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


@dataclass(frozen=True)
class Network:
    """A network with published weights.

    Attributes:
        file: Name of the file in a folder of weights.
        repository: Its repository on the Hugging Face hub; None if ``published`` is a URL.
        published: The file in the repository, or its URL.
        licence: What its publisher says of the licence; "" if this must be read at the source.
        sha256: First digits of the file's sha256, if the publisher of a URL gives them.
        also: Networks whose files are needed beside this one.
        project: Page of the project that publishes a URL, if the URL itself does not begin with it.
    """

    file: str
    repository: str | None
    published: str
    licence: str = ""
    sha256: str = ""
    also: tuple[str, ...] = ()
    project: str = ""


def _clip(repository: str) -> Network:
    # Named after its repository, since all CLIPs have the same file name there. OpenAI's own .pt files are
    # programs, not tensors.
    return Network(f"{repository.split('/')[1]}.safetensors", repository, "open_clip_model.safetensors")


_INCEPTION = Network(INCEPTION_URL.rpartition("/")[2], None, INCEPTION_URL, sha256="6726825d")

_AESTHETIC = "sac+logos+ava1-l14-linearMSE.pth"
_AESTHETIC_URL = (
    "https://github.com/christophschuhmann/improved-aesthetic-predictor/raw/main/"
    "sac%2Blogos%2Bava1-l14-linearMSE.pth"
)
_HPS = "HPS_v2.1_compressed.pt"
_ALEXNET = "alexnet-owt-7be5be79.pth"

NETWORKS: dict[str, Network] = {
    "bert-base-uncased": Network(
        "bert-base-uncased-vocab.txt", "google-bert/bert-base-uncased", "vocab.txt", licence="Apache 2.0"
    ),
    "clip-vit-b-32": _clip("timm/vit_base_patch32_clip_224.openai"),
    "clip-vit-l-14": _clip("timm/vit_large_patch14_clip_224.openai"),
    "clip-vit-l-14-336": _clip("timm/vit_large_patch14_clip_336.openai"),
    "clip-vit-h-14": _clip("laion/CLIP-ViT-H-14-laion2B-s32B-b79K"),
    "dinov2-vit-l-14": Network("dinov2-large.safetensors", "facebook/dinov2-large", "model.safetensors"),
    "image-reward": Network(
        "ImageReward.pt",
        "zai-org/ImageReward",
        "ImageReward.pt",
        licence="Apache 2.0",
        also=("bert-base-uncased",),
    ),
    "inception-v3": _INCEPTION,
    "inception-v3-256": _INCEPTION,
    "inception-v3-clean": _INCEPTION,
    "pickscore": Network("PickScore_v1.safetensors", "yuvalkirstain/PickScore_v1", "model.safetensors"),
    "hps-v2.1": Network(_HPS, "xswu/HPSv2", _HPS, licence="Apache 2.0"),
    "laion-aesthetic-v2": Network(_AESTHETIC, None, _AESTHETIC_URL, also=("clip-vit-l-14",)),
    "lpips-alex": Network(
        _ALEXNET,
        None,
        f"https://download.pytorch.org/models/{_ALEXNET}",
        licence="BSD 3-Clause; weights may have terms of their own",
        sha256="7be5be79",
        project="https://github.com/pytorch/vision",
    ),
}
"""By extractor; LPIPS, which compares two images, is none, nor is the vocabulary of BERT. Three extractors
share one Inception network and resize in different ways."""
