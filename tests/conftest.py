"""Which tests run: `slow` ones if asked for (-m slow); `gpu` ones on a pretended GPU if there is none."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests marked `slow` unless the marker expression names them."""
    if "slow" in config.getoption("-m"):
        return
    skip = pytest.mark.skip(reason="slow: run it with -m slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _gpu(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give tests marked `gpu` a GPU: this machine's, else a pretended one."""
    if "gpu" not in request.keywords:
        yield
        return
    import torch  # only here: it takes seconds

    from tests.pretended_gpu import missing, pretended_gpu

    if torch.cuda.is_available():
        yield
        return
    why = missing()
    if why is not None:
        pytest.skip(f"no CUDA device, and {why}")
    with pretended_gpu():
        yield


@pytest.fixture
def small_files() -> Callable[[int], AbstractContextManager[None]]:
    """Within the block no file of this process grows beyond so many bytes, as on a disk without more room."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited
