"""Make images with an HTTP server that answers like OpenAI's image endpoint; needs only Python.

python from_server.py http://localhost:8000/v1 prompts.txt after/ --size 512x512
"""

from __future__ import annotations

import argparse
import base64
import json
import urllib.request
from pathlib import Path


def image_of(server: str, body: dict[str, object], timeout: float) -> bytes:
    """Ask for one image and return the bytes of its file."""
    request = urllib.request.Request(
        f"{server.rstrip('/')}/images/generations",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return base64.b64decode(json.load(answer)["data"][0]["b64_json"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", help="such as http://localhost:8000/v1")
    parser.add_argument("prompts", type=Path, help="a file with a prompt per line")
    parser.add_argument("out", type=Path, help="the folder to fill")
    parser.add_argument("--model", default="")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--seed", type=int, default=0, help="that of the first prompt; the next has the next")
    parser.add_argument("--timeout", type=float, default=600)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    prompts = [line for line in args.prompts.read_text(encoding="utf-8").splitlines() if line.strip()]
    for number, prompt in enumerate(prompts):
        path = args.out / f"{number:05d}.png"
        if path.exists():
            continue
        body = {"prompt": prompt, "n": 1, "size": args.size, "response_format": "b64_json"}
        body |= {"seed": args.seed + number} | ({"model": args.model} if args.model else {})
        aside = path.with_suffix(".tmp")
        aside.write_bytes(image_of(args.server, body, args.timeout))
        aside.rename(path)
        print(path, flush=True)


if __name__ == "__main__":
    main()
