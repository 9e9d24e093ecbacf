"""A sampler of a project outside sdbench: DDIM without fresh noise, in nine lines."""

from reference_model.samplers import Step


def mine(denoise, x, grid, draw):
    """Walk the DDIM grid."""
    for index in reversed(range(len(grid.timesteps))):
        eps = denoise(x, grid.timesteps[index].expand(len(x)))
        alpha, alpha_prev = grid.alphas[index], grid.alphas_prev[index]
        x0 = (x - (1 - alpha).sqrt() * eps) / alpha.sqrt()
        x = alpha_prev.sqrt() * x0 + (1 - alpha_prev).sqrt() * eps
        yield Step(x, x0, eps)
