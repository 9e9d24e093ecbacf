"""The project's whole test."""


def test_my_sampler(sampler_regression):
    sampler_regression("my_sampler:mine", baseline="sampler-baseline")
