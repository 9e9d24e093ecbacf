"""Cases in which the original scripts fail or surprise, with one line each that says what happens instead."""

from __future__ import annotations

from collections.abc import Iterator

from reference_model.image_to_image import rounded_down, steps_to_run
from sdbench.core.errors import InputError
from sdbench.tools.compvis.settings import Img2ImgOptions, Txt2ImgOptions

__all__ = ["about_image", "about_prompts", "about_steps", "about_strength", "about_text", "fitting_size"]


def about_text(options: Txt2ImgOptions) -> Iterator[str]:
    """Report flags of txt2img that exclude each other or have no effect.

    Raises:
        InputError: The flags contradict each other and neither can win.
    """
    if options.sampler == "plms" and options.ddim_eta:
        raise InputError("--plms is deterministic: leave out --ddim_eta, or leave out --plms for DDIM")
    if options.dpm_solver and options.plms:
        yield "--dpm_solver and --plms: sampling with DPM-Solver"
    if options.dpm_solver and options.ddim_eta:
        yield "--ddim_eta has no effect on DPM-Solver"
    if options.laion400m and (options.ckpt or options.config or options.outdir):
        yield "--laion400m does not change a --ckpt, --config or --outdir that is given"


def about_image(options: Img2ImgOptions) -> Iterator[str]:
    """Report flags of img2img that have no effect.

    Raises:
        InputError: `--plms` is given.
    """
    if options.plms:
        raise InputError("img2img samples with DDIM: leave out --plms")
    if options.fixed_code:
        yield "--fixed_code has no effect: every batch gets new noise"


def about_prompts(options: Txt2ImgOptions | Img2ImgOptions, batches: list[list[str]]) -> Iterator[str]:
    """Report blank lines of `--from-file` and a last batch that is not full."""
    if options.from_file is None:
        return
    blank = sum(not prompt.strip() for batch in batches for prompt in batch)
    if blank:
        yield f"--from-file: {blank} blank {_plural(blank, 'line is', 'lines are')} drawn as the empty prompt"
    short = len(batches[-1])
    if short < options.n_samples:
        yield f"--from-file: the last batch has {short} {_plural(short, 'prompt', 'prompts')}"


def about_steps(asked: int, run: int) -> Iterator[str]:
    """Report a number of steps that does not divide the schedule."""
    if run != asked:
        yield f"--ddim_steps {asked} runs {run} steps: the stride through the schedule is rounded down"


def about_strength(options: Img2ImgOptions, points: int) -> Iterator[str]:
    """Report a strength that runs none or all of the steps, and steps that do not divide the schedule.

    Args:
        options: The strength is a fraction of the requested steps, even if the grid has more points.
        points: Number of points of the timestep grid.
    """
    asked, strength = options.ddim_steps, f"--strength {options.strength:g}"
    count = steps_to_run(options.strength, asked)
    if points != asked:
        yield (
            f"--ddim_steps {asked} makes {points} grid points, because the stride through the schedule is "
            f"rounded down; {strength} runs {count} of them"
        )
    if count == 0:
        yield f"{strength} runs no step: the result is the picture with a little noise"
    if count == points:
        yield f"{strength} runs all steps, from the last point of the grid"


def fitting_size(size: tuple[int, int], multiple: int, what: str) -> tuple[tuple[int, int], list[str]]:
    """Round both sides down to multiples that the model can make.

    Returns:
        The rounded size, and the lines that report a change.

    Raises:
        InputError: A side is smaller than `multiple`.
    """
    fitting = rounded_down(size, multiple)
    if 0 in fitting:
        raise InputError(f"{what}: sides must be at least {multiple} pixels, got {size[0]} x {size[1]}")
    lines = (
        []
        if fitting == size
        else [f"{what}: sides must be multiples of {multiple}: making {_times(fitting)}"]
    )
    return fitting, lines


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _plural(count: int, one: str, more: str) -> str:
    return one if count == 1 else more
