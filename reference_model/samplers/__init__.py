"""Samplers: each walks a grid of timesteps and yields its state after every step.

A sampler is one function ``(denoise, x, grid, draw) -> Iterator[Step]`` and the grid that it is made for.
It knows nothing of prompts, guidance or progress. To add one, add a file and a line in ``SAMPLERS``.
"""

from __future__ import annotations

from reference_model.samplers._grids import interpolated_grid, linspace_grid, rounded_grid
from reference_model.samplers._sampler import Sampler, Walk, nfe
from reference_model.samplers._step import Draw, Step
from reference_model.samplers.ddim import ddim
from reference_model.samplers.dpm_solver import dpm_solver
from reference_model.samplers.euler import euler
from reference_model.samplers.euler_ancestral import euler_ancestral
from reference_model.samplers.heun import heun
from reference_model.samplers.plms import plms
from reference_model.samplers.unipc import unipc
from reference_model.schedule import Schedule

__all__ = [
    "SAMPLERS",
    "Draw",
    "Sampler",
    "Step",
    "Walk",
    "ddim",
    "dpm_solver",
    "euler",
    "euler_ancestral",
    "heun",
    "nfe",
    "plms",
    "unipc",
]

SAMPLERS: dict[str, Sampler] = {
    "ddim": Sampler(ddim, Schedule.grid, takes_eta=True, order=1),
    "plms": Sampler(plms, Schedule.grid, order=2),
    "dpm-solver": Sampler(dpm_solver, interpolated_grid, order=2),
    "dpm-solver++": Sampler(dpm_solver, rounded_grid, order=2),
    "euler": Sampler(euler, linspace_grid, order=1),
    "euler-ancestral": Sampler(euler_ancestral, linspace_grid),
    "heun": Sampler(heun, linspace_grid, order=2),
    "unipc": Sampler(unipc, rounded_grid, order=3),  # the corrector adds one to the predictor's order
}
