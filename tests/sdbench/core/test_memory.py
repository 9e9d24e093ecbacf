"""Out of memory halves the batch, and the rows of the results show it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from sdbench.core.errors import SamplingError
from sdbench.core.memory import is_out_of_memory
from sdbench.sweep.batch_size import BatchSize
from tests.sdbench.tiny_runs import files

Run = Callable[[dict[str, Any], Path], Any]


class TestOutOfMemory:
    def test_the_batch_is_halved_and_the_rows_say_so(
        self, tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from sdbench.models.reference import ReferenceModel

        generate, sizes = ReferenceModel.generate, []

        def small(self: Any, prompts: Sequence[Any], cell: Any, on_step: Any) -> Any:
            sizes.append(len(prompts))
            if len(prompts) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return generate(self, prompts, cell, on_step)

        monkeypatch.setattr(ReferenceModel, "generate", small)
        run_tiny({**tiny, "batch_size": 4}, tmp_path / "run")
        assert sizes == [4, 2, *[1] * 12]  # the smaller size is kept
        results = pq.read_table(tmp_path / "run" / "results.parquet")
        assert set(results["batch_size"].to_pylist()) == {"1"}

        monkeypatch.setattr(ReferenceModel, "generate", generate)
        run_tiny({**tiny, "batch_size": 4}, tmp_path / "whole")
        gaps = []
        for path in (tmp_path / "whole" / "images").rglob("*.png"):
            twin = tmp_path / "run" / path.relative_to(tmp_path / "whole")
            gaps.append(np.abs(pixels(path) - pixels(twin)).max())
        assert len(gaps) == 12
        assert max(gaps) <= 1
        whole = pq.read_table(tmp_path / "whole" / "results.parquet")
        assert set(whole["batch_size"].to_pylist()) == {"4"}
        assert results["value"].to_pylist() == pytest.approx(whole["value"].to_pylist(), rel=1e-3)

    def test_a_unit_halved_on_the_way_says_both_sizes(
        self, tiny: dict[str, Any], tmp_path: Path, run_tiny: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from sdbench.models.reference import ReferenceModel

        generate, sizes = ReferenceModel.generate, []

        def full_at_times(self: Any, prompts: Sequence[Any], cell: Any, on_step: Any) -> Any:
            sizes.append(len(prompts))
            if len(sizes) == 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            return generate(self, prompts, cell, on_step)

        monkeypatch.setattr(ReferenceModel, "generate", full_at_times)
        run_tiny({**tiny, "batch_size": 2, "unit_size": 4, "guidance_scales": [2]}, tmp_path / "run")
        assert sizes[:4] == [2, 2, 1, 1]
        results = pq.read_table(tmp_path / "run" / "results.parquet")
        assert set(results["batch_size"].to_pylist()) == {"2 + 1"}

    def test_one_image_that_does_not_fit_ends_the_run(self) -> None:
        size = BatchSize(3)
        size.halve("full")
        assert (size.value, size.notes) == (1, ["out of memory: batches of 1 from here on"])
        with pytest.raises(SamplingError, match="out of memory for a single image: full"):
            size.halve("full")

    def test_graphs_of_the_larger_batch_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """They would keep their memory, and half a batch might not fit beside them."""
        forgotten: list[bool] = []
        monkeypatch.setitem(sys.modules, "torch._dynamo", sys.modules.get("torch._dynamo", object()))
        monkeypatch.setattr(torch.compiler, "reset", lambda: forgotten.append(True))
        BatchSize(2).halve("full")
        assert forgotten

    def test_what_says_that_memory_is_full(self) -> None:
        assert is_out_of_memory(torch.OutOfMemoryError("x"))
        assert is_out_of_memory(MemoryError())
        said = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        assert is_out_of_memory(RuntimeError(f"[enforce fail at alloc_cpu.cpp:117]\n{said}"))
        assert is_out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"))
        assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"))
        assert is_out_of_memory(RuntimeError("GET was unable to find an engine to execute this computation"))
        assert not is_out_of_memory(RuntimeError("shapes do not fit"))
        assert not is_out_of_memory(ValueError("out of memory"))

    def test_features_come_in_halves_too(
        self,
        tiny: dict[str, Any],
        tmp_path: Path,
        run_tiny: Run,
        pixels: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        run_tiny(tiny, tmp_path / "whole")
        images = type(pixels).images

        def small(self: Any, given: np.ndarray) -> np.ndarray:
            if len(given) > 1:
                raise torch.OutOfMemoryError("x")
            return images(self, given)

        monkeypatch.setattr(type(pixels), "images", small)
        # Reuse the reference features of the whole run, as if they had been made before.
        os.rename(tmp_path / "whole", tmp_path / "kept")
        (tmp_path / "run").mkdir()
        os.rename(tmp_path / "kept" / "reference", tmp_path / "run" / "reference")
        run_tiny(tiny, tmp_path / "run")
        assert files(tmp_path / "run" / "shards") == files(tmp_path / "kept" / "shards")

    def test_one_image_whose_features_do_not_fit_ends_the_run_in_one_line(
        self,
        tiny: dict[str, Any],
        tmp_path: Path,
        run_tiny: Run,
        monkeypatch: pytest.MonkeyPatch,
        pixels: Any,
    ) -> None:
        def full(self: Any, texts: Sequence[str]) -> np.ndarray:
            raise torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(type(pixels), "texts", full)
        with pytest.raises(
            SamplingError, match=r"^cell tiny_plms2_s2_\w+: out of memory: CUDA out of memory$"
        ):
            run_tiny(tiny, tmp_path / "run")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)
