"""Models that were found, one class for each kind. They read files and settings; loading imports the rest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdbench.core.digest import digest_value
from sdbench.core.errors import InputError
from sdbench.core.precision import FULL, Arithmetic
from sdbench.models.diffusers_layout import read_index
from sdbench.models.fetched import file_digests, read_record
from sdbench.models.training_facts import training_facts

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from reference_model.config import ModelConfig
    from sdbench.models import Model
    from sdbench.models.settings import Settings

__all__ = ["CallableSource", "PipelineSource", "ReferenceSource"]


@dataclass(frozen=True)
class ReferenceSource:
    """Weights for the reference model: a file in the original layout or a diffusers folder.

    `config` None: what the folder says, and for a file the original Stable Diffusion v1 configuration.
    `use_ema` None: what the configuration says. `catalogued`: found under its published name, not by a path.
    """

    name: str
    path: Path
    config: Path | None = None
    use_ema: bool | None = None
    catalogued: bool = False

    def files_digest(self) -> str:
        """The sha256 of the weights and the configuration together: reading, not loading."""
        digests = file_digests(self.path)
        weights = digests[self.path.name] if self.path.is_file() else digest_value(digests)
        parts = [weights, self.config_digest()]
        return digest_value(parts if self.use_ema is None else [*parts, self.use_ema])

    def identify(self) -> str:
        """The digest of the weights as loaded, which the layout of the file does not change."""
        return self.load("cpu").digest

    @cached_property
    def model_config(self) -> ModelConfig:
        """What the configuration says; InputError where it cannot be read."""
        from sdbench.models.reference import read_config

        return read_config(self)

    def config_digest(self) -> str:
        """The sha256 of what the configuration says, the tokenizer's merges included.

        The latent scale factor, the noise schedule and the number of heads stand in the configuration alone.
        """
        return self.model_config.digest

    def check(self, settings: Settings) -> None:
        """Steps that the schedule does not offer, or sides that the downsampling does not divide."""
        from sdbench.models.reference import check_settings

        check_settings(self, settings)

    def load(self, device: str, arithmetic: Arithmetic = FULL, reuse: Model | None = None) -> Model:
        """The reference model with these weights; InputError where its configuration changed by now."""
        from sdbench.models.reference import load_reference_model, read_config

        if read_config(self).digest != self.config_digest():
            raise InputError(f"checkpoint {self.name}: its configuration changed while the run was going on")
        return load_reference_model(self, device, arithmetic, reuse)

    def describe(self) -> dict[str, Any]:
        """Kind, path, settings, where the weights were fetched from, and what is known of their training."""
        settings = {"config": self.config and str(self.config), "use_ema": self.use_ema}
        given = {key: value for key, value in settings.items() if value is not None}
        facts = [str(stage) for stage in training_facts(self.name)] if self.catalogued else []
        training = {"training": facts} if facts else {}
        return {"kind": "reference model", "path": str(self.path), **given, **_origin(self.path), **training}


@dataclass(frozen=True)
class PipelineSource:
    """A diffusers folder that is run by the diffusers library itself."""

    name: str
    path: Path

    def files_digest(self) -> str:
        """The sha256 over names and bytes of the files that the pipeline is loaded from."""
        return digest_value(file_digests(self.path))

    def identify(self) -> str:
        """The digest of the files: pipelines have no common form that weights could be compared in."""
        return self.files_digest()

    def config_digest(self) -> str:
        """The version of the library, whose code is the model."""
        from sdbench.models.pipelines import library_version

        return digest_value({"diffusers": library_version()})

    def check(self, settings: Settings) -> None:
        """A sampler that the library does not have, or that does not fit the pipeline."""
        from sdbench.models.schedulers import build_scheduler

        if settings.guidance_scale < 1:
            raise InputError(f"checkpoint {self.name}: diffusers does not guide at scales below 1")
        build_scheduler(self, settings.sampler, settings.eta)

    def load(self, device: str, arithmetic: Arithmetic = FULL, reuse: Model | None = None) -> Model:
        """The pipeline, from safetensors only and without code from the folder."""
        from sdbench.models.pipelines import load_pipeline

        if reuse is not None:
            reuse.release()
        return load_pipeline(self, device, arithmetic)

    def describe(self) -> dict[str, Any]:
        """Kind, class, path, and where it was fetched from."""
        pipeline = read_index(self.path, self.name)["_class_name"]
        kind = {"kind": "diffusers pipeline", "pipeline": pipeline, "path": str(self.path)}
        return {**kind, **_origin(self.path)}


@dataclass(frozen=True)
class CallableSource:
    """A callable of an installed package: (prompts, seeds, settings) -> images."""

    name: str
    entry_point: EntryPoint

    def files_digest(self) -> str:
        """As `identify`."""
        return self.identify()

    def identify(self) -> str:
        """The sha256 of distribution and version, the source file, and what the callable declares."""
        return self.load("cpu").digest

    def config_digest(self) -> str:
        """Nothing stands outside the callable."""
        return digest_value({})

    def check(self, settings: Settings) -> None:
        """Only the callable knows what it can make; but it cannot be told to compute otherwise."""
        if settings.precision != FULL.precision:
            raise InputError(
                f"checkpoint {self.name}: a callable cannot be asked for precision {settings.precision!r}, "
                "since it computes as it does; leave precision out"
            )

    def load(self, device: str, arithmetic: Arithmetic = FULL, reuse: Model | None = None) -> Model:
        """The callable, imported; how it computes is its own affair."""
        from sdbench.models.callables import load_callable

        if reuse is not None:
            reuse.release()
        return load_callable(self, device)

    def describe(self) -> dict[str, Any]:
        """Kind, and the distribution that it comes from."""
        if self.entry_point.dist is None:
            raise InputError(f"checkpoint {self.name}: {self.entry_point.value} belongs to no distribution")
        distribution = f"{self.entry_point.dist.name} {self.entry_point.dist.version}"
        return {"kind": "callable", "object": self.entry_point.value, "distribution": distribution}


def _origin(path: Path) -> dict[str, str]:
    record = read_record(path)
    if record is None:
        return {}
    return {"repository": record.repository, "commit": record.commit, "licence": record.licence}
