"""Untrusted files: no code in them runs, and every fault is reported in one line."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reference_model import CheckpointError
from reference_model.checkpoints._files import open_weights
from reference_model.checkpoints._unpickle import LIMIT, Call, Global, read_pickle

from .conftest import GOLDENS, read_tensors, refused

WEIGHTS = {
    "a.weight": torch.arange(6.0).reshape(2, 3),
    "b": torch.tensor([1, 2]),
    "half": torch.ones(3).half(),
}


def outcome(path: Path) -> str:
    """The error line of reading the file, or "" if it is read. Any other exception is a failure."""
    try:
        read_tensors(path)
    except CheckpointError as error:
        return str(error)
    return ""


class Shell:
    """Pickled as a call of os.system, which leaves a file behind."""

    def __init__(self, fired: Path) -> None:
        self.fired = fired

    def __reduce__(self):
        return os.system, (f"touch {self.fired}",)


class Built(dict):
    """Pickled as an object whose state is another bomb."""

    def __init__(self, fired: Path) -> None:
        super().__init__()
        self.state = Shell(fired)

    def __reduce__(self):
        return Built, (None,), self.state, iter([self.state]), iter([("k", self.state)])


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "place",
    [
        lambda bomb, weights: {"state_dict": weights, "payload": bomb},
        lambda bomb, weights: {"callbacks": {"a": [{"b": (bomb,)}]}, "state_dict": weights},
        lambda bomb, weights: {"state_dict": {**weights, "bomb": bomb}},
        lambda bomb, weights: {**weights, "bomb": bomb},
    ],
    ids=["beside", "callbacks", "within", "bare"],
)
@pytest.mark.parametrize("kind", [Shell, Built])
def test_bombs_beside_weights_stay_inert(tmp_path, zipped, place, kind):
    fired = tmp_path / "fired"
    torch.save(place(kind(fired), WEIGHTS), tmp_path / "m.ckpt", _use_new_zipfile_serialization=zipped)
    tensors = read_tensors(tmp_path / "m.ckpt")
    assert tensors.keys() == WEIGHTS.keys()
    assert all(torch.equal(tensors[name], value) for name, value in WEIGHTS.items())
    assert not fired.exists()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "content", [lambda b: b, lambda b: {"state_dict": b}, lambda b: {"x": [b, {"y": b}]}]
)
def test_bombs_without_weights_are_refused_unexploded(tmp_path, protocol, content):
    fired = tmp_path / "fired"
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(content(Shell(fired)), protocol))
    refused(tmp_path / "plain.ckpt")
    torch.save(content(Shell(fired)), tmp_path / "zip.ckpt", pickle_protocol=max(protocol, 2))
    assert "holds no tensors" in refused(tmp_path / "zip.ckpt")
    assert not fired.exists()
    os.system(f"touch {fired}")  # the bomb is a real one
    assert fired.exists()


def test_bombs_in_every_pickle_of_the_old_format(tmp_path):
    """Magic number, version, system and the list of storages are separate pickles."""
    fired = tmp_path / "fired"
    good = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {"x": 1}, []]
    for i in range(len(good)):
        parts = [*good[:i], Shell(fired), *good[i + 1 :]]
        (tmp_path / "m.ckpt").write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
        refused(tmp_path / "m.ckpt")
    assert not fired.exists()


def test_a_call_is_a_record():
    content = read_pickle(io.BytesIO(pickle.dumps({"x": Shell(Path("f"))})))
    assert isinstance(content["x"], Call)
    assert isinstance(content["x"].target, Global)
    assert content["x"].target.name == "system"
    assert content["x"].args == ("touch f",)


def test_callbacks_of_lightning_need_no_lightning():
    tensors = read_tensors(GOLDENS / "tiny" / "lightning-callbacks.ckpt")
    assert {name: tuple(value.shape) for name, value in tensors.items()} == {
        "betas": (1000,),
        "model.diffusion_model.time_embed.0.weight": (8, 4),
        "model.diffusion_model.time_embed.0.bias": (8,),
    }
    assert tensors["betas"][0].item() == pytest.approx(0.00085)


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_are_those_that_torch_reads(tmp_path, zipped):
    base = torch.arange(24.0).reshape(4, 6)
    saved = {
        "whole": base,
        "columns": base[:, 2:4],
        "transposed": base.t(),
        "shared": base[1],
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        **{str(t): torch.ones(3, dtype=t) for t in (torch.bfloat16, torch.float16, torch.bool, torch.int64)},
    }
    torch.save(saved, tmp_path / "m.ckpt", _use_new_zipfile_serialization=zipped)
    tensors = read_tensors(tmp_path / "m.ckpt")
    assert tensors.keys() == saved.keys()
    for name, value in saved.items():
        assert tensors[name].dtype == value.dtype
        assert torch.equal(tensors[name], value), name


@pytest.mark.parametrize("protocol", range(2, 6))
def test_every_protocol_that_torch_can_write_is_read(tmp_path, protocol):
    torch.save({"state_dict": WEIGHTS}, tmp_path / "m.ckpt", pickle_protocol=protocol)
    tensors = read_tensors(tmp_path / "m.ckpt")
    assert all(torch.equal(tensors[name], value) for name, value in WEIGHTS.items())


def test_extension_codes_reach_no_code_even_when_this_process_knows_them(tmp_path):
    fired = tmp_path / "fired"
    copyreg.add_extension("posix", "system", 1)
    try:
        pickled = pickle.dumps(Shell(fired), 2)
        assert b"\x82\x01" in pickled
        assert pickle.loads(b"\x80\x02\x82\x01.") is os.system  # now cached as well
        (tmp_path / "plain.ckpt").write_bytes(pickled)
        refused(tmp_path / "plain.ckpt")
        refused(zip_with(tmp_path / "m.ckpt", pickled))
    finally:
        copyreg.remove_extension("posix", "system", 1)
    assert not fired.exists()


def zip_with(path: Path, pickled: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("m/data.pkl", pickled)
        archive.writestr("m/data/0", b"\0" * 16)
    return path


def nested(depth: int) -> bytes:
    """Nested tuples as a dictionary's key: hashing it would overflow the C stack."""
    return b"\x80\x02}(" + b")" + b"\x85" * depth + b"K\x01u."


def doubled(times: int) -> bytes:
    """A pair of the same pair, and so on down: printing or copying it would take 2 ** ``times`` steps."""
    return b"\x80\x02]" + b"2\x86" * times + b"\x93."


@pytest.mark.parametrize(
    "pickled",
    [
        nested(300_000),
        doubled(200),
        b"\x80\x02r\xff\xff\xff\x7f.",  # a memo of two billion entries
        b"\x80\x04\x8d" + (2**62).to_bytes(8, "little") + b"x.",  # a text longer than any memory
        b"\x80\x04X\x00\x00\x10\x00" + b"m" * 2**20 + b"\x94" + b"h\x00h\x00\x93" * 100_000 + b".",
        b"\x80\x02" + b"(" * 300_000 + b".",
        b"\x80\x02" + b"0" * 10 + b".",
        b"\x80\x02\x82\x01.",  # a code of the extension registry
        b"." * 10,
    ],
    ids=["nested", "doubled", "memo", "text", "names", "marks", "underflow", "extension", "stop"],
)
def test_pickle_bombs_end_in_one_line(tmp_path, pickled):
    refused(zip_with(tmp_path / "m.ckpt", pickled))
    (tmp_path / "plain.ckpt").write_bytes(pickled)
    refused(tmp_path / "plain.ckpt")


def test_zip_bombs_are_not_unpacked(tmp_path):
    assert "compressed" in refused(zip_with(tmp_path / "a.ckpt", b"0" * 10_000_000, zipfile.ZIP_DEFLATED))
    assert "too many" in refused(zip_with(tmp_path / "b.ckpt", b"\x80\x02" + b"N" * LIMIT))


@pytest.mark.parametrize(
    ("size", "stride", "start", "storage"),
    [
        ((1000,), (1,), 0, "0"),
        ((2,), (1,), 3, "0"),
        ((2, 2), (1,), 0, "0"),
        ((-1,), (1,), 0, "0"),
        ((1,), (1,), 0, "9"),
    ],
)
def test_tensors_outside_of_their_storage(tmp_path, size, stride, start, storage):
    outside = object()

    class Rebuilt:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (outside, start, size, stride, False, {})

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj):
            return ("storage", torch.FloatStorage, storage, "cpu", 4) if obj is outside else None

    file = io.BytesIO()
    Pickler(file, 2).dump({"x": Rebuilt()})
    assert "damaged" in refused(zip_with(tmp_path / "m.ckpt", file.getvalue()))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """One small file of each format."""
    folder = tmp_path_factory.mktemp("small")
    torch.save({"state_dict": WEIGHTS, "epoch": 1}, folder / "zip.ckpt")
    torch.save({"state_dict": WEIGHTS}, folder / "old.ckpt", _use_new_zipfile_serialization=False)
    save_file(WEIGHTS, folder / "m.safetensors")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["zip.ckpt", "old.ckpt", "m.safetensors"])
def test_truncated_anywhere(small, tmp_path, name):
    whole = small[name]
    for length in {*range(0, len(whole), 7), *range(len(whole) - 40, len(whole))}:
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=name) as caught:
            open_weights(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["zip.ckpt", "old.ckpt", "m.safetensors"])
def test_flipped_bytes_give_tensors_or_one_line(small, tmp_path, name):
    whole = small[name]
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(3):
            at, value = (int(torch.randint(n, (), generator=generator)) for n in (len(content), 256))
            content[at] = value
        (tmp_path / name).write_bytes(content)
        assert "\n" not in outcome(tmp_path / name)
