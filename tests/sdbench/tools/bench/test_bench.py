"""The benchmarks give all tools the same workload, and report what they measured."""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from reference_model import LatentDiffusion, load_checkpoint, shapes
from reference_model.config_file import load_config
from sdbench.cli import main
from sdbench.runs.store import LocalStore
from sdbench.tools.bench import fidelity, frechet, load, runs, sampling, sweep
from sdbench.tools.bench.clock import Timing, interleaved
from sdbench.tools.bench.deadline import Deadline
from sdbench.tools.bench.floor import floor_seconds
from sdbench.tools.bench.machine import Bench
from sdbench.tools.bench.peer import build_pipeline
from sdbench.tools.bench.rows import Row, rows_of, table
from sdbench.tools.bench.sampling import SharedInputs, compile_pipeline, sampling_rows

BENCH = Bench("cpu", 64, 1, 2, 4, 1, "full", compiled=False, say=lambda text: None)


@pytest.fixture(scope="module")
def model() -> LatentDiffusion:
    return load_checkpoint(shapes.CHECKPOINTS["shapes-v1-4"], shapes.CONFIG)


def test_workloads_alternate_after_a_warm_up() -> None:
    done: list[str] = []
    works = {name: lambda name=name: done.append(name) for name in "ab"}
    timings = interleaved(works, 2, lambda text: None)
    assert done == ["a", "b", "a", "b", "a", "b"]
    assert {len(timing.seconds) for timing in timings.values()} == {2}


def test_our_rows_survive_a_failure_of_another_tool() -> None:
    def fail() -> None:
        raise RuntimeError("no graph\nfor this")

    said: list[str] = []
    timings = interleaved({"ours": lambda: 1, "theirs": fail}, 1, said.append, others=["theirs"])
    assert set(timings) == {"ours"}
    assert "theirs: left out: RuntimeError: no graph for this" in said
    with pytest.raises(RuntimeError):
        interleaved({"ours": fail}, 1, said.append, others=["theirs"])


def test_a_sweep_is_measured_from_prompts_to_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write = LocalStore.write

    def noting(self: LocalStore, key: str, data: bytes, *, durable: bool = True) -> None:
        written.append(key.partition("/")[0])
        write(self, key, data, durable=durable)

    monkeypatch.setattr(LocalStore, "write", noting)
    (row,) = sweep.measure(replace(BENCH, rounds=2))
    assert (written.count("images"), written.count("shards")) == (12, 3)  # two batches per unit
    assert row.seconds > 0
    shares = dict(part.split(" ") for part in row.note.split(", "))
    assert set(shares) == {"load", "generate", "write", "read", "extract", "audit"}
    assert 90 < sum(float(share.rstrip("%")) for share in shares.values()) <= 100.1


def test_a_slow_workload_runs_once_and_its_output_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    done: list[str] = []

    def work(name: str, seconds: float) -> str:
        nonlocal now
        done.append(name)
        now += seconds
        return f"{name} {len(done)}"

    works = {"slow": lambda: work("slow", 30.0), "fast": lambda: work("fast", 1.0)}
    timings = interleaved(works, 2, lambda text: None, slow=2.0)
    assert done == ["slow", "fast", "fast", "fast"]
    assert {name: timing.seconds for name, timing in timings.items()} == {"slow": (30.0,), "fast": (1.0, 1.0)}
    assert [timing.output for timing in timings.values()] == ["slow 1", "fast 2"]


def test_peak_memory_excludes_what_was_held_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for name in ("synchronize", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 700)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 1000)
    assert interleaved({"a": lambda: None}, 1, lambda text: None)["a"].peak_bytes == 300


def test_a_ratio_says_how_many_times_as_fast() -> None:
    timings = {"ours": Timing((1.0, 5.0, 2.0), None), "theirs": Timing((6.0, 6.0, 6.0), None)}
    ours, theirs = rows_of("sampling", "image", 4, timings, against="theirs")
    assert (ours.seconds, ours.ratio) == (0.5, 3.0)  # the median of three, four images each
    assert (theirs.seconds, theirs.ratio) == (1.5, 1.0)
    assert "3.00 x theirs" in table([ours, theirs])


def test_diffusers_makes_the_same_pictures_of_the_same_weights(model: LatentDiffusion) -> None:
    inputs = SharedInputs(model, BENCH, 2)
    ours, theirs = inputs.ours(model)(), inputs.theirs(build_pipeline(model, "full"))()
    assert np.ptp(ours.astype(int)) > 50
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_a_compiled_pipeline_is_compiled_as_our_networks_are(model: LatentDiffusion) -> None:
    for device, mode in (("cpu", "default"), ("cuda", "reduce-overhead")):
        pipeline = build_pipeline(model, "full")
        with pytest.MonkeyPatch.context() as patch:
            given: list[dict[str, object]] = []
            patch.setattr(torch, "compile", lambda f, given=given, **how: given.append(how) or f)
            compile_pipeline(pipeline, device)
        assert given == [{"dynamic": False, "mode": mode}] * 2


def test_ratios_of_sampling_are_to_the_best_of_diffusers() -> None:
    black = np.zeros((2, 4, 4, 3), np.uint8)
    seconds = {"sdbench a": 2.0, "diffusers a": 6.0, "sdbench b": 1.0, "diffusers b": 4.0}
    timings = {name: Timing((s,), None, black + name.startswith("s")) for name, s in seconds.items()}
    rows = sampling_rows("sampling", 2, timings, floor=0.25)
    assert {row.against for row in rows[:-1]} == {"diffusers b"}
    assert [row.ratio for row in rows] == [2.0, 4 / 6, 4.0, 1.0, None]
    assert rows[0].note == "pixels against diffusers a: 100.00% differ, by 1 levels at most"
    assert "50% of our best" in rows[-1].note


def test_without_diffusers_our_own_rows_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    said: list[str] = []
    ours, floor = sampling.single(replace(BENCH, say=said.append))
    assert (ours.name, ours.ratio, floor.name) == ("sdbench full, eager", None, "floor")
    assert any("diffusers is not installed" in line for line in said)


def test_what_needs_a_compiler_is_left_out_without_one() -> None:
    parts = [name for name in runs.PARTS if name.endswith("-compiled") or name == "norms"]
    measured = runs.run_parts(parts, BENCH, lambda part, measured: None, Deadline(None))
    assert set(measured.missing) == {"norms", "single-compiled", "fidelity-compiled"}
    assert all(why.startswith("left out: ") for why in measured.missing.values())
    assert not measured.failed


def test_the_floor_lies_below_the_whole_workload(model: LatentDiffusion) -> None:
    inputs = SharedInputs(model, BENCH, 2)
    shares = []
    for _ in range(3):  # a busy machine can delay a call that counts fifty times
        floor = floor_seconds(model, BENCH, inputs.x, inputs.context)
        shares.append(floor / interleaved({"ours": inputs.ours(model)}, 3, lambda text: None)["ours"].median)
        if 0.02 < shares[-1] < 1.5:
            return
    pytest.fail(f"the floor is {shares} of the whole workload")


def test_fidelity_tells_rounding_from_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both settings start from poor images: "slight" moves them a little, "ruined" turns them into noise."""
    random = np.random.default_rng(0)
    pictures = shapes.reference_set(32, 0)[0] * random.uniform(0.4, 1, (32, 1, 1, 1))
    latents = torch.from_numpy(random.standard_normal((32, 4, 8, 8)))
    amounts = {"full": 0, "slight": 1, "ruined": 255}

    def walk(testbed: object, bench: Bench, precision: str, *, compiled: bool) -> fidelity.Walk:
        amount = amounts[precision]
        moved = pictures + random.integers(0, 1 + amount, pictures.shape)
        return fidelity.Walk([latents * (1 + amount / 1000)] * 4, moved.clip(0, 255).astype(np.uint8))

    monkeypatch.setattr(fidelity, "PRECISIONS", tuple(amounts))
    monkeypatch.setattr(fidelity, "make_walk", walk)
    slight, ruined = fidelity.eager(BENCH)
    assert slight.errors == pytest.approx((0.001,) * 4)
    assert all(comparison.equivalent for comparison in slight.comparisons)
    assert not any(comparison.equivalent for comparison in ruined.comparisons)
    assert "not shown" in str(ruined)
    assert "harmless" in str(slight)
    lost = str(replace(slight, lost=3))
    assert lost.count("not harmless, 3 images lost") == lost.count("harmless") == len(slight.comparisons)


def test_the_algorithms_of_the_frechet_distance_agree() -> None:
    rows = frechet.measure(BENCH, dim=32)
    assert {float(row.note.split()[-1]) < 1e-6 for row in rows} == {True}


def test_loading_is_measured_on_a_file_of_its_own() -> None:
    rows = load.measure(BENCH, load_config(shapes.CONFIG))
    assert {row.name for row in rows} == {"sdbench, new model", "sdbench, in place", "safetensors"}
    assert all(row.seconds > 0 for row in rows)


def test_the_command_prints_tables_and_keeps_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Row("store", "sdbench", "image", 0.002, "pillow", 2.0)
    monkeypatch.setitem(runs.PARTS, "store", lambda bench: [row])
    assert main(["bench", "--what", "store", "--rounds", "1", "--out", str(tmp_path / "b.json")]) == 0
    assert "2.00 ms/image" in capsys.readouterr().out
    kept = json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))
    assert kept["results"]["store"][0]["ratio"] == 2.0
    assert "torch=" in kept["environment"]["versions"]


@pytest.mark.parametrize("flags", [["--what", "nonsense"], ["--steps", "0"], ["--minutes", "0"]])
def test_bad_input_is_one_line(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *flags]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_part_that_fails_leaves_a_line_and_the_others_still_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "b.json"
    row = Row("store", "sdbench", "image", 0.002)

    def fail(bench: Bench) -> list[Row]:
        raise OSError("no room\nleft")

    def lack(bench: Bench) -> list[Row]:
        import torch_fidelity.nothing  # noqa: F401

    monkeypatch.setitem(runs.PARTS, "features", fail)
    monkeypatch.setitem(runs.PARTS, "load", lack)
    monkeypatch.setitem(runs.PARTS, "store", lambda bench: [row])
    assert main(["bench", "--what", "features,store,load", "--out", str(out)]) == 1
    captured = capsys.readouterr()
    line = "failed: OSError: no room left"
    assert line in captured.out
    assert captured.out.index(line) < captured.out.index("2.00 ms/image")
    assert captured.err.endswith("sdbench: failed: features\n")
    kept = json.loads(out.read_text(encoding="utf-8"))
    lacking = "left out: torch_fidelity.nothing is not installed"
    assert kept["missing"] == {"features": line, "load": lacking}
    assert list(kept["results"]) == ["store"]


def test_an_interrupted_benchmark_keeps_the_parts_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(bench: Bench) -> list[Row]:
        raise KeyboardInterrupt

    monkeypatch.setitem(runs.PARTS, "store", lambda bench: [Row("store", "sdbench", "image", 0.002)])
    monkeypatch.setitem(runs.PARTS, "load", interrupt)
    assert main(["bench", "--what", "store,load", "--out", str(tmp_path / "b.json")]) == 130
    assert "2.00 ms/image" in capsys.readouterr().out
    assert list(json.loads((tmp_path / "b.json").read_text(encoding="utf-8"))["results"]) == ["store"]


def test_when_the_time_is_over_parts_are_stopped_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)

    def endless(bench: Bench) -> list[Row]:
        try:
            clock.now = 3.0  # the clock jumps, so that a busy machine cannot use the time up before this part
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            time.sleep(60)
        except Exception:  # as compilers do
            pytest.fail("a part must not mistake the time limit for an error of its own")
        return []

    monkeypatch.setitem(runs.PARTS, "store", lambda bench: [Row("store", "sdbench", "image", 0.002)])
    monkeypatch.setitem(runs.PARTS, "load", endless)
    monkeypatch.setattr("sdbench.tools.bench.deadline.time", clock)
    began, told = time.monotonic(), []
    measured = runs.run_parts(
        ["store", "load", "single"], BENCH, lambda part, measured: told.append(part), Deadline(0.05)
    )
    assert time.monotonic() - began < 30
    assert list(measured.results) == ["store"]
    assert measured.missing == {
        "load": "stopped: the limit of 0.05 minutes was reached",
        "single": "left out: the limit of 0.05 minutes was reached",
    }
    assert told == ["store", "load", "single"]
    assert not measured.failed
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
