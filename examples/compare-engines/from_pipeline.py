"""Make images with a diffusers pipeline, a seed per prompt.

python from_pipeline.py MODEL prompts.txt after/ --dtype bfloat16
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from diffusers import DiffusionPipeline


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a folder or a name on the Hugging Face hub")
    parser.add_argument("prompts", type=Path, help="a file with a prompt per line")
    parser.add_argument("out", type=Path, help="the folder to fill")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="that of the first prompt; the next has the next")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    pipeline = DiffusionPipeline.from_pretrained(args.model, torch_dtype=getattr(torch, args.dtype))
    pipeline = pipeline.to(args.device)
    prompts = [line for line in args.prompts.read_text(encoding="utf-8").splitlines() if line.strip()]
    for number, prompt in enumerate(prompts):
        path = args.out / f"{number:05d}.png"
        if path.exists():
            continue
        # Drawn on the CPU, so that the noise is the same on every device.
        noise = torch.Generator("cpu").manual_seed(args.seed + number)
        image = pipeline(prompt, num_inference_steps=args.steps, generator=noise).images[0]
        image.save(path)
        print(path, flush=True)


if __name__ == "__main__":
    main()
