"""What the Ray executor refuses, in one line each."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sdbench.cli import main
from sdbench.core.errors import InputError, SdbenchError
from sdbench.runs.store import open_store
from sdbench.sweep.executors import EXECUTORS, Workforce
from sdbench.sweep.executors.ray import _connect
from sdbench.sweep.worker import Job
from tests.sdbench import tiny_runs

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's own
JOB = Job("unused", {}, {}, "cpu", 1, 2, 0, 2)


class FakeRay:
    """Records which cluster is joined, and fails on request."""

    def __init__(self, failure: Exception | None) -> None:
        self.addresses: list[str] = []
        self._failure = failure

    def init(self, address: str, **options: Any) -> None:
        self.addresses.append(address)
        if self._failure is not None:
            raise self._failure


class TestOneLineErrors:
    def test_ray_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ray", None)
        with (
            pytest.raises(InputError, match=r"--executor ray needs Ray: pip install 'sdbench\[ray\]'"),
            EXECUTORS["ray"](JOB, Workforce("ray"), lambda text: None),
        ):
            pass

    def test_memory_is_not_shared(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        spec = tmp_path / "spec.yaml"
        spec.write_text(yaml.safe_dump(tiny_runs.content()), encoding="utf-8")
        place = f"memory://{tmp_path.name}"
        assert main(["run", str(spec), "--out", place, "--executor", "ray"]) == 2
        assert capsys.readouterr().err.endswith("processes: use --executor inline\n")
        store = open_store(place)
        assert store.names("") == store.folders("") == frozenset()

    @pytest.mark.parametrize("scheme", ["", "ray://"])
    def test_nobody_answers_at_the_address(self, scheme: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"{scheme}127.0.0.1:{server.getsockname()[1]}"
            joined = FakeRay(None)
            _connect(joined, address)
            assert joined.addresses == [address]
        closed = FakeRay(None)
        with pytest.raises(InputError, match=rf"^--address {address}: no Ray cluster answers \(.*refused"):
            _connect(closed, address)
        assert closed.addresses == []

    @pytest.mark.parametrize("address", ["127.0.0.1:99999", "a..b:6379", "auto"])
    def test_an_invalid_address(self, address: str) -> None:
        with pytest.raises(InputError, match=f"^--address {address}: no Ray cluster answers"):
            _connect(FakeRay(ConnectionError("none")), address)

    def test_a_local_cluster_that_cannot_be_started(self) -> None:
        with pytest.raises(
            SdbenchError, match=r"^ray: cannot be started on this machine \(no room\)$"
        ) as error:
            _connect(FakeRay(RuntimeError("no room")), None)
        assert error.value.exit_code == 1

    @pytest.mark.parametrize("option", ["--workers=2", "--address=auto"])
    def test_workers_of_the_inline_executor(
        self, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        spec = tmp_path / "spec.yaml"
        spec.write_text(yaml.safe_dump(tiny_runs.content()), encoding="utf-8")
        assert main(["run", str(spec), "--out", str(tmp_path / "run"), option]) == 2
        assert capsys.readouterr().err == "sdbench: --workers and --address need --executor ray\n"
        assert not (tmp_path / "run").exists()
