"""Cases: a sampler with one setting on one testbed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reference_model.samplers import FLOW_SAMPLERS, SAMPLERS, Sampler

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

    @property
    def on_flow(self) -> bool:
        """Whether the testbed's denoiser predicts the velocity of a rectified flow."""
        return self.testbed.startswith("flow-")

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Case:
        """Invert dataclasses.asdict; other keys raise TypeError."""
        return cls(**content)


QUICK_TESTBEDS = ("gaussian", "mixture", "flow-gaussian", "flow-mixture")


def cases_of(name: str, sampler: Sampler, testbeds: Iterable[str]) -> tuple[Case, ...]:
    """Return the cases of one sampler: 20 steps at guidance 3, and again with eta = 1 if it takes eta.

    A flow sampler has cases on the testbeds of flows only, any other on the others only. 20 steps are so few
    that the history of a multistep sampler and its first and last step matter.
    """
    etas = (0.0, 1.0) if sampler.takes_eta else (0.0,)
    cases = (Case(testbed, name, 20, 3.0, eta) for testbed in testbeds for eta in etas)
    return tuple(case for case in cases if case.on_flow == sampler.flow)


def _built_in(*testbeds: str) -> tuple[Case, ...]:
    samplers = SAMPLERS | FLOW_SAMPLERS
    return tuple(case for name in samplers for case in cases_of(name, samplers[name], testbeds))


QUICK_CASES = _built_in(*QUICK_TESTBEDS)
DEFAULT_CASES = (*QUICK_CASES, *_built_in("shapes"))
