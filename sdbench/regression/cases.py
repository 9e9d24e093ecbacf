"""Cases: a sampler with one setting on one testbed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reference_model.samplers import SAMPLERS

__all__ = ["DEFAULT_CASES", "QUICK_CASES", "QUICK_TESTBEDS", "Case", "cases_of"]


@dataclass(frozen=True)
class Case:
    """One trajectory to check; ``testbed`` is a key of ``TESTBEDS``, eta the share of fresh noise in 0..1."""

    testbed: str
    sampler: str
    steps: int
    guidance_scale: float
    eta: float = 0.0

    @property
    def name(self) -> str:
        """A unique name such as "mixture/ddim-20-g3-eta1"."""
        eta = f"-eta{self.eta:g}" if self.eta else ""
        return f"{self.testbed}/{self.sampler}-{self.steps}-g{self.guidance_scale:g}{eta}"

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Case:
        """Invert dataclasses.asdict; other keys raise TypeError."""
        return cls(**content)


def cases_of(sampler: str, testbeds: Iterable[str], *, takes_eta: bool) -> tuple[Case, ...]:
    """Return the cases of one sampler: 20 steps at guidance 3, and again with eta = 1 if it takes eta.

    20 steps are so few that the history of a multistep sampler and its first and last step matter.
    """
    etas = (0.0, 1.0) if takes_eta else (0.0,)
    return tuple(Case(testbed, sampler, 20, 3.0, eta) for testbed in testbeds for eta in etas)


def _built_in(*testbeds: str) -> tuple[Case, ...]:
    return tuple(
        case
        for name, sampler in SAMPLERS.items()
        for case in cases_of(name, testbeds, takes_eta=sampler.takes_eta)
    )


QUICK_TESTBEDS = ("gaussian", "mixture")
QUICK_CASES = _built_in(*QUICK_TESTBEDS)
DEFAULT_CASES = (*QUICK_CASES, *_built_in("shapes"))
