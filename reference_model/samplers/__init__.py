"""Samplers: each walks a grid of timesteps and yields its state after every step.

A sampler is one function ``(denoise, x, grid, draw) -> Iterator[Step]`` and the grid that it is made for.
It knows nothing of prompts, guidance or progress. To add one, add a file and a line in ``SAMPLERS``.
"""

from __future__ import annotations

from reference_model.samplers._flow import SPACINGS, FlowGrid, dynamic_mu, flow_grid
from reference_model.samplers._grids import interpolated_grid, linspace_grid, rounded_grid
from reference_model.samplers._sampler import Sampler, Walk, call_times, nfe
from reference_model.samplers._step import Draw, Step
from reference_model.samplers.ddim import ddim
from reference_model.samplers.dpm_solver import dpm_solver
from reference_model.samplers.euler import euler
from reference_model.samplers.euler_ancestral import euler_ancestral
from reference_model.samplers.flow import flow_dpm_solver, flow_euler, flow_heun
from reference_model.samplers.heun import heun
from reference_model.samplers.plms import plms
from reference_model.samplers.unipc import unipc
from reference_model.schedule import Schedule

__all__ = [
    "FLOW_SAMPLERS",
    "SAMPLERS",
    "SPACINGS",
    "Draw",
    "FlowGrid",
    "Sampler",
    "Step",
    "Walk",
    "call_times",
    "ddim",
    "dpm_solver",
    "dynamic_mu",
    "euler",
    "euler_ancestral",
    "flow_dpm_solver",
    "flow_euler",
    "flow_grid",
    "flow_heun",
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

FLOW_SAMPLERS: dict[str, Sampler] = {
    "flow-euler": Sampler(flow_euler, flow_grid, order=1, flow=True),
    "flow-heun": Sampler(flow_heun, flow_grid, order=2, flow=True),
    "flow-dpm-solver++": Sampler(flow_dpm_solver, flow_grid, order=2, flow=True),
}
"""For models that predict the velocity of rectified flow; the reference model predicts noise."""
