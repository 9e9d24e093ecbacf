"""The kinds of `Source`, a class each. They only read files and configurations; `load` imports the rest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdbench.core.digest import digest_value
from sdbench.core.errors import InputError
from sdbench.core.precision import FULL, Arithmetic
from sdbench.models.diffusers_layout import read_index
from sdbench.models.fetched import file_digests, read_origin
from sdbench.models.training_facts import training_facts

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from reference_model.checkpoints import Lora
    from reference_model.config import ModelConfig
    from sdbench.models import Model
    from sdbench.models.settings import Settings

__all__ = ["CallableSource", "PipelineSource", "ReferenceSource"]


@dataclass(frozen=True)
class ReferenceSource:
    """Weights for the reference model.

    Attributes:
        name: Its name in the spec.
        path: A file in the original layout, or a diffusers folder.
        config: A configuration file; None for a folder's own, and for a file Stable Diffusion v1's.
        use_ema: Whether to use averaged weights; None for what the configuration says.
        catalogued: Whether it was found by a name that sdbench knows, not by a path.
        lora: A LoRA file that is merged into the weights.
        lora_weight: What its change is multiplied with.
    """

    name: str
    path: Path
    config: Path | None = None
    use_ema: bool | None = None
    catalogued: bool = False
    lora: Path | None = None
    lora_weight: float = 1.0

    def files_digest(self) -> str:
        """Return the sha256 of the weights and the configuration together; the weights are not loaded."""
        digests = file_digests(self.path)
        weights = digests[self.path.name] if self.path.is_file() else digest_value(digests)
        parts: list[Any] = [weights, self.config_digest()]
        if self.lora is not None:
            parts += [file_digests(self.lora)[self.lora.name], self.lora_weight]
        return digest_value(parts if self.use_ema is None else [*parts, self.use_ema])

    def lora_to_merge(self) -> Lora | None:
        """Return the LoRA as the reference model takes it; None without one."""
        from reference_model.checkpoints import Lora

        return None if self.lora is None else Lora(self.lora, self.lora_weight)

    def identify(self) -> str:
        """Return the digest of the loaded weights, which is the same for every file layout."""
        return self.load("cpu").digest

    @cached_property
    def model_config(self) -> ModelConfig:
        """The configuration; InputError if it cannot be read."""
        from sdbench.models.reference import read_config

        return read_config(self)

    def config_digest(self) -> str:
        """Return the sha256 of the configuration, including the tokenizer's merges.

        The latent scale factor, the noise schedule and the number of heads are not in the weights.
        """
        return self.model_config.digest

    def check(self, settings: Settings) -> None:
        """Raise InputError for an unsuitable sampler, number of steps or image size."""
        from sdbench.models.reference import check_settings

        check_settings(self, settings)

    def load(self, device: str, arithmetic: Arithmetic = FULL, reuse: Model | None = None) -> Model:
        """Load the weights; InputError if their configuration changed since the run began."""
        from sdbench.models.reference import load_reference_model, read_config

        if read_config(self).digest != self.config_digest():
            raise InputError(f"checkpoint {self.name}: its configuration changed during the run")
        return load_reference_model(self, device, arithmetic, reuse)

    def guided_by(self) -> str:
        """Return the method: classifier-free guidance."""
        return "guidance_scale"

    def describe(self) -> dict[str, Any]:
        """Return the kind, path, settings, origin of the weights, and what is known about their training."""
        settings: dict[str, Any] = {"config": self.config and str(self.config), "use_ema": self.use_ema}
        if self.lora is not None:
            settings |= {"lora": str(self.lora), "lora_weight": self.lora_weight}
        given = {key: value for key, value in settings.items() if value is not None}
        facts = [str(stage) for stage in training_facts(self.name)] if self.catalogued else []
        training = {"training": facts} if facts else {}
        return {"kind": "reference model", "path": str(self.path), **given, **_origin(self.path), **training}


@dataclass(frozen=True)
class PipelineSource:
    """A diffusers folder that the diffusers library runs."""

    name: str
    path: Path

    def files_digest(self) -> str:
        """Return the sha256 of the names and contents of the files that the pipeline is loaded from."""
        return digest_value(file_digests(self.path))

    def identify(self) -> str:
        """Return the digest of the files: pipelines have no common layout in which to compare weights."""
        return self.files_digest()

    def config_digest(self) -> str:
        """Return the sha256 of the library's version, because the library's code computes the images."""
        from sdbench.models.pipelines import library_version

        return digest_value({"diffusers": library_version()})

    def check(self, settings: Settings) -> None:
        """Raise InputError for a scale, negative prompt or sampler that the pipeline cannot use."""
        from sdbench.models.pipeline_guidance import check_guidance
        from sdbench.models.pipeline_schedulers import build_scheduler

        check_guidance(self, settings)
        build_scheduler(self, settings.sampler, settings.eta)

    def load(self, device: str, arithmetic: Arithmetic = FULL, reuse: Model | None = None) -> Model:
        """Load the pipeline, from safetensors only and without running code from the folder."""
        from sdbench.models.pipelines import load_pipeline

        if reuse is not None:
            reuse.release()
        return load_pipeline(self, device, arithmetic)

    def describe(self) -> dict[str, Any]:
        """Return the kind, the pipeline's class, how it is guided, the path and the origin."""
        pipeline = read_index(self.path, self.name)["_class_name"]
        kind = {"kind": "diffusers pipeline", "pipeline": pipeline, "guided_by": self.guided_by()}
        return {**kind, "path": str(self.path), **_origin(self.path)}

    def guided_by(self) -> str:
        """Return the argument of the pipeline that takes the scale, and what it does."""
        from sdbench.models.pipeline_guidance import pipeline_guidance

        return pipeline_guidance(self).words


@dataclass(frozen=True)
class CallableSource:
    """A callable of an installed package: (prompts, seeds, settings) -> images."""

    name: str
    entry_point: EntryPoint

    def files_digest(self) -> str:
        """Return the same digest as `identify`."""
        return self.identify()

    def identify(self) -> str:
        """Return the sha256 of the distribution, its version, the source file and the declared identity."""
        return self.load("cpu").digest

    def config_digest(self) -> str:
        """Return the digest of an empty configuration: a callable has no other."""
        return digest_value({})

    def check(self, settings: Settings) -> None:
        """Raise InputError for a precision other than full. Only the callable knows what else it supports."""
        if settings.precision != FULL.precision:
            raise InputError(
                f"checkpoint {self.name}: a callable chooses its own precision, so {settings.precision!r} "
                "cannot be set; leave precision out"
            )

    def load(self, device: str, arithmetic: Arithmetic = FULL, reuse: Model | None = None) -> Model:
        """Import the callable; `arithmetic` has no effect on it."""
        from sdbench.models.callables import load_callable

        if reuse is not None:
            reuse.release()
        return load_callable(self, device)

    def guided_by(self) -> str:
        """Return "", because only the callable knows what it does with the scale."""
        return ""

    def describe(self) -> dict[str, Any]:
        """Return the kind, the object and the distribution that it comes from."""
        if self.entry_point.dist is None:
            raise InputError(f"checkpoint {self.name}: {self.entry_point.value} belongs to no distribution")
        distribution = f"{self.entry_point.dist.name} {self.entry_point.dist.version}"
        return {"kind": "callable", "object": self.entry_point.value, "distribution": distribution}


def _origin(path: Path) -> dict[str, str]:
    origin = read_origin(path)
    if origin is None:
        return {}
    return {"repository": origin.repository, "commit": origin.commit, "licence": origin.licence}
