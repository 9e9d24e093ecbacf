"""The bytes of the results table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from sdbench.runs.store import LocalStore
from sdbench.runs.tables import ResultRow, write_results

ROW = ResultRow(
    cell="shapes-v1-1_plms50_s1.5_0123456789ab",
    curve="shapes-v1-1",
    checkpoint="shapes-v1-1",
    sampler="plms",
    steps=50,
    eta=0.0,
    guidance_scale=1.5,
    protocol="fd-shapes-clip",
    label="Fréchet distance (shapes-CLIP features)",
    better="lower",
    value=1 / 3,
    standard_error=None,
    note="none, here",
    n=64,
    flagged=0,
    nfe=102,
    image_size="64x64",
    seed=42,
    precision="full",
    batch_size="64",
    device="cpu (x86_64)",
    weights_digest="w",
    spec_digest="s",
    versions="torch=1",
    prompts_digest="p",
    reference_digest="",
    guided_by="",
    negative_prompt="",
    metric_source="",
    guidance="cfg",
)


def test_csv(tmp_path: Path) -> None:
    write_results(
        LocalStore(tmp_path), [ROW, replace(ROW, guidance_scale=2.0, value=1e-7, standard_error=0.25)]
    )
    lines = (tmp_path / "results.csv").read_bytes().decode("utf-8").split("\n")
    assert lines[0] == (
        "cell,curve,checkpoint,sampler,steps,eta,guidance_scale,protocol,label,better,value,standard_error,note,n,"
        "flagged,nfe,image_size,seed,precision,batch_size,device,weights_digest,spec_digest,versions,prompts_digest,reference_digest,guided_by,negative_prompt,"
        "metric_source,guidance"
    )
    assert lines[1] == (
        "shapes-v1-1_plms50_s1.5_0123456789ab,shapes-v1-1,"
        "shapes-v1-1,plms,50,0,1.5,fd-shapes-clip,Fréchet distance (shapes-CLIP features),lower,0.333333333,,"
        '"none, here",64,0,102,64x64,42,full,64,cpu (x86_64),w,s,torch=1,p,,,,,cfg'
    )
    assert ",2,fd-shapes-clip," in lines[2]
    assert ",lower,1e-07,0.25," in lines[2]
    assert lines[3:] == [""]


def test_parquet_keeps_types_and_gaps(tmp_path: Path) -> None:
    write_results(LocalStore(tmp_path), [ROW])
    (row,) = pq.read_table(tmp_path / "results.parquet").to_pylist()
    assert row["value"] == 1 / 3
    assert row["standard_error"] is None
    assert row["n"] == 64
    assert list(row) == list(ROW.__dataclass_fields__)


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_results(LocalStore(tmp_path / name), [ROW, ROW])
    for file in ("results.csv", "results.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
