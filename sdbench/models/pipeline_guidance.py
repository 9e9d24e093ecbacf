"""What the guidance scale of a spec is to a diffusers pipeline, told from its class and configuration.

Most pipelines take `guidance_scale` and evaluate the denoiser twice. A guidance-distilled network has the
scale as an input. Others guide by `true_cfg_scale`, and only if they get a negative prompt; `guidance_scale`
is then ignored. A step-distilled pipeline takes a scale and does nothing with it.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdbench.core.errors import InputError, one_line
from sdbench.core.json import load_json
from sdbench.models.diffusers_layout import read_index
from sdbench.spec.guidance import PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdbench.data.prompts import Prompt
    from sdbench.models.settings import Settings
    from sdbench.models.sources import PipelineSource

__all__ = ["DENOISERS", "PipelineGuidance", "check_guidance", "pipeline_guidance"]

DENOISERS = ("unet", "transformer", "transformer_2")
"""Names under which pipelines keep their denoisers."""


@dataclass(frozen=True)
class PipelineGuidance:
    """How a pipeline is guided.

    Attributes:
        argument: The argument that takes the scale; None if the pipeline guides by none.
        words: The argument and what it does, for people.
        takes_negative: Whether a negative prompt has an effect.
        needs_negative: Whether the scale has an effect only together with a negative prompt.
        doubles: Whether a scale above 1 doubles the evaluations; an input of the network does not.
    """

    argument: str | None
    words: str
    takes_negative: bool = False
    needs_negative: bool = False
    doubles: bool = True

    def arguments(self, prompts: Sequence[Prompt], settings: Settings) -> dict[str, Any]:
        """Return what the pipeline is called with. An empty negative prompt is passed only if it must be."""
        given: dict[str, Any] = {self.argument: settings.guidance_scale} if self.argument else {}
        if self.needs_negative or settings.has_negatives(prompts):
            given["negative_prompt"] = settings.negatives(prompts)
        return given


def pipeline_guidance(source: PipelineSource) -> PipelineGuidance:
    """Return how the pipeline in a folder is guided; InputError if class or configuration are unreadable."""
    index = read_index(source.path, source.name)
    arguments = _arguments(source, index["_class_name"])
    if _takes_scale_as_input(source, index):
        distilled = "distilled_guidance_scale"
        argument = distilled if distilled in arguments else "guidance_scale"
        return PipelineGuidance(argument, f"{argument}, an input of the network", doubles=False)
    negative = "negative_prompt" in arguments
    if "true_cfg_scale" in arguments and negative:
        words = "true_cfg_scale with a negative prompt, empty unless the spec gives one"
        return PipelineGuidance("true_cfg_scale", words, takes_negative=True, needs_negative=True)
    guides = negative or "negative_prompt_embeds" in arguments
    if "guidance_scale" in arguments and guides and not index.get("is_distilled"):
        return PipelineGuidance("guidance_scale", "guidance_scale", takes_negative=negative)
    return PipelineGuidance(None, "none: the pipeline ignores the scale", doubles=False)


def check_guidance(source: PipelineSource, settings: Settings) -> None:
    """Raise InputError for a scale or a negative prompt that would have no effect on the images."""
    scale = settings.guidance_scale
    if settings.guidance != PLAIN:
        raise InputError(
            f"checkpoint {source.name}: a pipeline guides in its own way; guidance {settings.guidance!r} is "
            "for weights that the reference model runs (path: instead of diffusers:)"
        )
    if scale < 1:
        raise InputError(f"checkpoint {source.name}: diffusers does not support guidance scales below 1")
    found = pipeline_guidance(source)
    pipeline = read_index(source.path, source.name)["_class_name"]
    if found.argument is None and scale != 1:
        raise InputError(
            f"checkpoint {source.name}: its {pipeline} ignores the guidance scale, so {scale:g} would give "
            "the same images as every other scale; use guidance_scales: [1]"
        )
    if settings.negative_prompt and not found.takes_negative:
        raise InputError(
            f"checkpoint {source.name}: its {pipeline} ignores negative prompts (guided by {found.words}); "
            "leave negative_prompt out"
        )


def _arguments(source: PipelineSource, class_name: str) -> Sequence[str]:
    import diffusers

    kind = getattr(diffusers, class_name, None)
    if kind is None:
        raise InputError(
            f"checkpoint {source.name}: diffusers {diffusers.__version__} has no pipeline {class_name!r}"
        )
    return list(inspect.signature(kind.__call__).parameters)


def _takes_scale_as_input(source: PipelineSource, index: dict[str, Any]) -> bool:
    """Return whether a denoiser's configuration says that it embeds the guidance scale."""
    for name in DENOISERS:
        if index.get(name) in (None, [None, None]):
            continue
        path = source.path / name / "config.json"
        try:
            config = load_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(f"checkpoint {source.name}: {path} cannot be read: {one_line(error)}") from None
        if config.get("guidance_embeds") or config.get("time_cond_proj_dim") is not None:
            return True
    return False
