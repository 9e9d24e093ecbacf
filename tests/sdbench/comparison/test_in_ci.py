"""The pytest fixture, and the example that asks a server, against a stub of one."""

from __future__ import annotations

import base64
import http.server
import io
import json
import runpy
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from sdbench.regression import pytest_plugin
from tests.sdbench.comparison.conftest import as_pixels, scene

EXAMPLE = Path(__file__).parents[3] / "examples" / "compare-engines"


class Config:
    """The part of pytest's configuration that the fixture reads."""

    def __init__(self, root, *, record=False):
        self.rootpath, self._record = root, record

    def getoption(self, name):
        assert name == "--record-images"
        return self._record


def fixture(root, **options):
    function = pytest_plugin.image_regression
    request = type("Request", (), {"config": Config(root, **options)})()
    return getattr(function, "__wrapped__", function)(request)


def test_the_fixture_records_and_fails(folder, tmp_path):
    folder("outputs")
    fixture(tmp_path, record=True)("outputs", baseline="baseline")
    (found,) = fixture(tmp_path)("outputs", baseline="baseline", report="report")
    assert found.verdict == "identical"
    assert (tmp_path / "report" / "index.html").exists()
    folder("darker", change=lambda image, number: image - 25)
    with pytest.raises(pytest.fail.Exception, match="beyond the margin: brightness"):
        fixture(tmp_path)("darker", baseline="baseline")
    with pytest.raises(pytest.fail.Exception, match="nowhere not found"):
        fixture(tmp_path)("outputs", baseline="nowhere")


class Server(http.server.BaseHTTPRequestHandler):
    """Answers with the scene of the seed."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/images/generations"
        sink = io.BytesIO()
        Image.fromarray(as_pixels(scene(body["seed"]))).save(sink, "PNG")
        answer = json.dumps({"data": [{"b64_json": base64.b64encode(sink.getvalue()).decode()}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


def test_a_server_is_asked_for_every_prompt(compare, tmp_path, monkeypatch):
    server = http.server.HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        for seed, name in ((0, "before"), (0, "after"), (1, "other")):
            arguments = [place, str(EXAMPLE / "prompts.txt"), str(tmp_path / name), f"--seed={seed}"]
            monkeypatch.setattr(sys, "argv", ["from_server.py", *arguments])
            runpy.run_path(str(EXAMPLE / "from_server.py"), run_name="__main__")
    finally:
        server.shutdown()
        server.server_close()
    assert compare(tmp_path / "before", tmp_path / "after")[0] == 0
    code, said = compare(tmp_path / "before", tmp_path / "other")
    assert (code, "flagged: 00000 (B: the same pixels as" in said or "shows the image of 00001" in said) == (
        1,
        True,
    )


WRITES = (
    "import sys; from PIL import Image; Image.new('RGB', (8, 8), int(sys.argv[2])).save(sys.argv[1]); "
    "assert '$HOME {' + 'seed}' in sys.argv[3]"
)


def test_any_command_makes_the_images(tmp_path, monkeypatch):
    """Prompts reach the command as they are; existing images are kept; a command without a file is named."""
    prompts, out = tmp_path / "prompts.txt", tmp_path / "out"
    prompts.write_text("a $HOME {seed} 'circle\n\na square of $HOME {seed}\n")

    def make(*command: str) -> None:
        monkeypatch.setattr(sys, "argv", ["from_command.py", str(prompts), str(out), "--", *command])
        runpy.run_path(str(EXAMPLE / "from_command.py"), run_name="__main__")

    with pytest.raises(SystemExit, match=r"wrote no .*unfinished-00000\.png: write \{file\} where"):
        make(sys.executable, "-c", "")
    make(sys.executable, "-c", WRITES, "{file}", "{seed}", "{prompt}")
    assert sorted(path.name for path in out.iterdir()) == ["00000.png", "00001.png"]
    assert Image.open(out / "00001.png").getpixel((0, 0)) == (1, 0, 0)
    make("no-such-command")
