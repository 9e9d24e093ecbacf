"""Make images with any command that writes a file for a prompt; needs only Python.

python from_command.py prompts.txt after/ -- sd -m model.gguf -p {prompt} --seed {seed} -o {file}
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prompts", type=Path, help="a file with a prompt per line")
    parser.add_argument("out", type=Path, help="the folder to fill")
    parser.add_argument("--seed", type=int, default=0, help="that of the first prompt; the next has the next")
    parser.add_argument(
        "command", nargs="+", help="after --, with {prompt}, {seed} and {file} in its arguments"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    prompts = [line for line in args.prompts.read_text(encoding="utf-8").splitlines() if line.strip()]
    for number, prompt in enumerate(prompts):
        path = args.out / f"{number:05d}.png"
        if path.exists():
            continue
        aside = path.with_name(f"unfinished-{path.name}")
        values = {"{prompt}": prompt, "{seed}": str(args.seed + number), "{file}": str(aside)}
        # No shell reads the prompt, so quotes and $ in it are text.
        command = [filled(word, values) for word in args.command]
        subprocess.run(command, check=True)
        if not aside.exists():
            sys.exit(
                f"{command[0]} wrote no {aside}: write {{file}} where the command takes the image's path"
            )
        aside.rename(path)
        print(path, flush=True)


def filled(word: str, values: dict[str, str]) -> str:
    """Return an argument with its values; braces within a prompt stay."""
    for name, value in values.items():
        if name in word:
            before, _, after = word.partition(name)
            return filled(before, values) + value + filled(after, values)
    return word


if __name__ == "__main__":
    main()
