"""A Hugging Face hub of a few small files on this machine, for the library's own client code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "c0ffee" + "0" * 34
ORIGINAL = "CompVis/stable-diffusion-v-1-1-original"
FOLDER = "CompVis/stable-diffusion-v1-1"
WEIGHTS = bytes(range(256)) * 4096

REPOSITORIES = {
    ORIGINAL: {"sd-v1-1.ckpt": WEIGHTS, "README.md": b"# a model"},
    FOLDER: {
        "model_index.json": b'{"_class_name": "StableDiffusionPipeline"}',
        "unet/config.json": b"{}",
        "unet/diffusion_pytorch_model.safetensors": b"weights of the unet",
        "unet/diffusion_pytorch_model.fp16.safetensors": b"half",
        "unet/diffusion_pytorch_model.bin": b"pickled",
        "vae/diffusion_pytorch_model.bin": b"pickled weights of the vae",
        "safety_checker/model.safetensors": b"unused",
        "sd-v1-1-pruned.safetensors": b"all in one",
        "README.md": b"# a model",
    },
}


class Hub:
    """Repositories as {id: {file: bytes}}. `lies` maps files to what is sent in their place.

    Each entry of `breaks` ends one download after so many bytes of the file.
    """

    def __init__(self, repositories: dict[str, dict[str, bytes]]) -> None:
        self.repositories = repositories
        self.lies: dict[str, bytes] = {}
        self.gated: set[str] = set()
        self.breaks: list[int] = []
        self.requests: list[tuple[str, str, str | None]] = []
        self.endpoint = ""

    def info(self, repository: str) -> bytes:
        siblings = [
            {
                "rfilename": name,
                "size": len(data),
                **({} if name.endswith(".json") else {"lfs": _lfs(data)}),
            }
            for name, data in self.repositories[repository].items()
        ]
        return json.dumps({"id": repository, "sha": COMMIT, "siblings": siblings}).encode()


def _lfs(data: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None: ...

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = self.path.split("?")[0].strip("/")
        self.hub.requests.append((self.command, path, self.headers.get("Range")))
        if path.startswith("api/models/"):
            repository = path.removeprefix("api/models/").split("/revision/")[0]
            if repository not in self.hub.repositories:
                return self.refuse(401, "RepoNotFound")
            return self.send(self.hub.info(repository), {"Content-Type": "application/json"}, body=body)
        repository, _, rest = path.partition("/resolve/")
        if repository in self.hub.gated:
            return self.refuse(403, "GatedRepo")
        file = rest.partition("/")[2]
        data = self.hub.repositories[repository][file]
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        self.send(self.hub.lies.get(file, data), headers, body=body)

    def send(self, data: bytes, headers: dict[str, str], *, body: bool) -> None:
        given = self.headers.get("Range")
        first = int(given.removeprefix("bytes=").split("-")[0]) if given else 0
        self.send_response(206 if given else 200)
        self.send_header("Content-Length", str(len(data) - first))
        if given:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        if self.hub.breaks and "resolve" in self.path:
            self.wfile.write(data[first : self.hub.breaks.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(data[first:])

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Answer at `hub.endpoint` while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
